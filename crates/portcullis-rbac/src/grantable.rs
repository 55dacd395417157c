//! Scopes that an authorization server cannot grant.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use portcullis_core::{Reason, TargetKind, Text};

use crate::{Answer, Authorizer, Decision, DenialStyle, Query, Standing, Together};

type Scopes = HashMap<String, HashSet<String>>;

/// An authorizer that asks callers only for scopes which their authorization server can grant
/// (R-168): where another one is missing, the answer is the denial of its policy, hidden, and not a
/// challenge that leads nowhere. Lists leave out what is denied so.
///
/// Issuers that are not named can grant everything. A scope counts by its own name here, not by what
/// a broader one stands for.
///
/// ```
/// use portcullis_rbac::{Grantable, Policy};
///
/// let policy = Policy::danger_permit_all();
/// let authorizer = Grantable::new(policy).issuer("https://id.example.com", ["notes:read"]);
/// ```
#[must_use = "an authorizer decides nothing until a layer is given it"]
pub struct Grantable<A> {
    inner: A,
    scopes: Arc<Scopes>,
}

impl<A: Authorizer> Grantable<A> {
    /// Leaves all decisions to `authorizer`, except what is asked for.
    pub fn new(authorizer: A) -> Self {
        Self { inner: authorizer, scopes: Arc::default() }
    }

    /// Says that `issuer` can grant these scopes and no others. Call it again to add to them.
    pub fn issuer<S: Into<String>>(
        mut self,
        issuer: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        let all = Arc::make_mut(&mut self.scopes);
        all.entry(issuer.into()).or_default().extend(scopes.into_iter().map(Into::into));
        self
    }
}

impl<A: Authorizer> Authorizer for Grantable<A> {
    type Later = Later<A::Later>;

    fn authorize(&self, query: &Query<'_>) -> Answer<Self::Later> {
        let held = |scope: &String| query.caller().principal().is_some_and(|p| p.has_scope(scope));
        let issuer = query.caller().principal().map(|principal| principal.issuer());
        let grantable = issuer.and_then(|issuer| self.scopes.get(issuer));
        match self.inner.authorize(query) {
            Answer::Now(decision) => Answer::Now(limited(decision, grantable, held)),
            Answer::Later(later) => {
                let principal = query.caller().principal();
                let held = principal.map(|p| p.scopes().to_vec()).unwrap_or_default();
                Answer::Later(Later { later, grantable: grantable.cloned(), held })
            }
        }
    }

    fn authorize_list(&self, queries: &[Query<'_>]) -> Together {
        // A list is of one caller, but nothing here rests on that.
        let of_each: Vec<_> = queries
            .iter()
            .map(|query| {
                let principal = query.caller().principal();
                let grantable = principal.and_then(|p| self.scopes.get(p.issuer()));
                let held = principal.map(|p| p.scopes().to_vec()).unwrap_or_default();
                (grantable.cloned(), held)
            })
            .collect();
        let decisions = self.inner.authorize_list(queries);
        Box::pin(async move {
            let decisions = decisions.await.into_iter().zip(of_each);
            decisions
                .map(|(decision, (grantable, held))| {
                    limited(decision, grantable.as_ref(), |scope| held.contains(scope))
                })
                .collect()
        })
    }

    fn version(&self) -> Text {
        self.inner.version()
    }

    fn wants_hints(&self) -> bool {
        self.inner.wants_hints()
    }

    fn offers(&self, query: &Query<'_>, kind: TargetKind) -> bool {
        self.inner.offers(query, kind)
    }

    fn decides_tasks(&self) -> bool {
        self.inner.decides_tasks()
    }

    fn standing(&self) -> Standing {
        self.inner.standing()
    }
}

fn limited(
    decision: Decision,
    grantable: Option<&HashSet<String>>,
    held: impl Fn(&String) -> bool,
) -> Decision {
    match (decision, grantable) {
        (Decision::NeedsScopes { rule, scopes }, Some(grantable))
            if !scopes.iter().all(|scope| held(scope) || grantable.contains(scope)) =>
        {
            Decision::Deny {
                rule: Some(rule),
                reason: Reason::PolicyDenied,
                style: DenialStyle::Hide,
                explanation: None,
            }
        }
        (decision, _) => decision,
    }
}

impl<A> fmt::Debug for Grantable<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grantable").field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

pin_project! {
    /// The answer of [`Grantable`] when its authorizer answers later.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Later<F> {
        #[pin]
        later: F,
        grantable: Option<HashSet<String>>,
        held: Vec<String>,
    }
}

impl<F: Future<Output = Decision>> Future for Later<F> {
    type Output = Decision;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Decision> {
        let this = self.project();
        let decision = ready!(this.later.poll(cx));
        let held = |scope: &String| this.held.contains(scope);
        Poll::Ready(limited(decision, this.grantable.as_ref(), held))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use portcullis_core::{Caller, Method, Principal, TargetKind, Version};

    use super::*;

    /// Needs both scopes, and says so later.
    struct Slow;

    impl Authorizer for Slow {
        type Later = Ready<Decision>;

        fn authorize(&self, query: &Query<'_>) -> Answer<Ready<Decision>> {
            Answer::Later(ready(match query.target() {
                Some((_, "open")) => Decision::allow("open"),
                _ => Decision::needs_scopes("both", vec!["a".into(), "b".into()]),
            }))
        }

        fn version(&self) -> Text {
            Text::from_static("1")
        }
    }

    #[tokio::test]
    async fn an_answer_that_comes_later() {
        const ISSUER: &str = "https://id.example";
        let denied = Decision::deny("both");
        let asked = Decision::needs_scopes("both", vec!["a".into(), "b".into()]);
        let rows: [(&str, &[&str], &str, &str, &Decision); 6] = [
            ("one cannot be granted", &["a"], ISSUER, "", &denied),
            ("it is held", &["a"], ISSUER, "b", &asked),
            ("both can be granted", &["a", "b"], ISSUER, "", &asked),
            ("nothing can be granted", &[], ISSUER, "", &denied),
            ("another issuer", &["a"], "https://b.example", "", &asked),
            ("the issuer in another spelling", &["a"], "https://id.example/", "", &asked),
        ];
        for (name, scopes, issuer, held, expected) in rows {
            let authorizer = Grantable::new(Slow).issuer(ISSUER, scopes.iter().copied());
            let principal = Principal::builder(issuer, "alice").scope(held).build();
            let caller = Caller::Verified(principal.into());
            for (tool, expected) in [("x", expected), ("open", &Decision::allow("open"))] {
                let query = Query::new(&caller, Version::V2026_07_28, Method::ToolsCall);
                let query = query.on(TargetKind::Tool, tool);
                let Answer::Later(later) = authorizer.authorize(&query) else { panic!("{name}") };
                assert_eq!(later.await, *expected, "{name}: {tool}");
                let listed = authorizer.authorize_list(&[query.in_a_list()]).await;
                assert_eq!(listed, std::slice::from_ref(expected), "{name}: {tool}, listed");
            }
        }
        assert_eq!(Grantable::new(Slow).version().as_str(), "1");
        let rule = |id: &str| crate::Rule::allow(id).tools(["a"]).everyone();
        let begin = rule("begin").methods(["tasks/create"]);
        let policy =
            crate::Policy::builder().add_rule(rule("call")).add_rule(begin).build().unwrap();
        let policy = Grantable::new(policy);
        assert!(policy.decides_tasks() && !Grantable::new(Slow).decides_tasks());
        assert_eq!(policy.standing().tools, ["a"], "of the authorizer inside");
        let nothing = Grantable::new(crate::Policy::deny_all());
        let caller = Caller::Verified(Principal::builder(ISSUER, "alice").build().into());
        let query = Query::new(&caller, Version::V2026_07_28, Method::ToolsCall);
        assert!(!nothing.offers(&query, TargetKind::Tool));
    }
}
