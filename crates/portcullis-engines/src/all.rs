//! Several authorizers, all of which must allow.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use portcullis_core::{Caller, Challenge, TargetKind, Text};
use portcullis_rbac::{Answer, Authorizer, Decision, Query, Standing, Together};

/// Two authorizers (or more: [`and`](Self::and)), all of which must allow.
///
/// * A denial of one is the denial, whatever the others say. An error is a denial.
/// * Scopes that several ask for are asked for together. What the others allow may rest on scopes
///   that the token has, so those are named as well: a client that gets exactly what it is told
///   then has enough.
/// * If all allow, the record names the rules of all, joined by `&`; so it does with the versions.
/// * Lists show what all of them show.
///
/// Those before are asked first, and what one denies at once the others are not asked about. So
/// policies in memory come first: a decision point then hears only of what they allow. Those that
/// take their time are asked at the same time, and the first denial ends it. How a denial looks is
/// up to the one that denies.
///
/// ```
/// use portcullis_engines::AllMustAllow;
/// use portcullis_rbac::{Authorizer, Policy};
///
/// let both = AllMustAllow::new(Policy::danger_permit_all(), Policy::danger_permit_all());
/// let three = both.and(Policy::danger_permit_all());
/// assert_eq!(three.version().as_str().matches('&').count(), 2);
/// ```
#[derive(Clone, Debug)]
#[must_use = "an authorizer decides nothing until a layer is given it"]
pub struct AllMustAllow<A, B> {
    first: A,
    second: B,
}

impl<A: Authorizer, B: Authorizer> AllMustAllow<A, B> {
    /// Allows what both allow.
    pub fn new(first: A, second: B) -> Self {
        Self { first, second }
    }

    /// Allows what `another` allows as well.
    pub fn and<C: Authorizer>(self, another: C) -> AllMustAllow<Self, C> {
        AllMustAllow::new(self, another)
    }
}

impl<A: Authorizer, B: Authorizer> Authorizer for AllMustAllow<A, B> {
    type Later = AllLater<A::Later, B::Later>;

    fn authorize(&self, query: &Query<'_>) -> Answer<Self::Later> {
        let first = match self.first.authorize(query) {
            Answer::Now(decision) if denies(&decision) => return Answer::Now(decision),
            answer => answer,
        };
        match (first, self.second.authorize(query)) {
            (_, Answer::Now(decision)) if denies(&decision) => Answer::Now(decision),
            (Answer::Now(first), Answer::Now(second)) => {
                Answer::Now(joined(first, second, query.caller()))
            }
            (first, second) => Answer::Later(AllLater {
                first: Half::from(first),
                second: Half::from(second),
                caller: query.caller().clone(),
            }),
        }
    }

    fn authorize_list(&self, queries: &[Query<'_>]) -> Together {
        let callers: Vec<Caller> = queries.iter().map(|query| query.caller().clone()).collect();
        let mut first = Part::Open(self.first.authorize_list(queries));
        let mut second = Part::Open(self.second.authorize_list(queries));
        Box::pin(async move {
            poll_fn(|cx| {
                let (first, second) = (first.poll(cx), second.poll(cx));
                if first && second { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            let pairs = first.decisions().into_iter().zip(second.decisions());
            let pairs = pairs.zip(callers);
            pairs.map(|((first, second), caller)| joined(first, second, &caller)).collect()
        })
    }

    fn version(&self) -> Text {
        Text::from(format!("{}&{}", self.first.version(), self.second.version()))
    }

    fn wants_hints(&self) -> bool {
        self.first.wants_hints() || self.second.wants_hints()
    }

    fn offers(&self, query: &Query<'_>, kind: TargetKind) -> bool {
        self.first.offers(query, kind) && self.second.offers(query, kind)
    }

    fn decides_tasks(&self) -> bool {
        self.first.decides_tasks() || self.second.decides_tasks()
    }

    fn standing(&self) -> Standing {
        self.first.standing().and(self.second.standing())
    }
}

/// What is not known to be a yes is a no.
fn denies(decision: &Decision) -> bool {
    !matches!(decision, Decision::Allow { .. } | Decision::NeedsScopes { .. })
}

fn joined(first: Decision, second: Decision, caller: &Caller) -> Decision {
    use Decision::{Allow, NeedsScopes};
    match (first, second) {
        (Allow { rule: first }, Allow { rule: second }) => {
            Decision::allow(format!("{first}&{second}"))
        }
        (NeedsScopes { rule: first, scopes }, NeedsScopes { rule: second, scopes: more }) => {
            Decision::needs_scopes(format!("{first}&{second}"), with(scopes, more))
        }
        (NeedsScopes { rule, scopes }, Allow { .. })
        | (Allow { .. }, NeedsScopes { rule, scopes }) => {
            let held = caller.principal().map(|principal| principal.scopes()).unwrap_or_default();
            // A challenge may not name all that a token may hold (`openid`).
            let held = held.iter().filter(|scope| Challenge::check_scope(scope).is_ok());
            Decision::needs_scopes(rule, with(scopes, held.cloned().collect()))
        }
        (Allow { .. } | NeedsScopes { .. }, denial) | (denial, _) => denial,
    }
}

fn with(mut scopes: Vec<String>, more: Vec<String>) -> Vec<String> {
    for scope in more {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    scopes
}

pin_project! {
    /// The answer of [`AllMustAllow`] when one of its authorizers answers later.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct AllLater<A, B> {
        #[pin]
        first: Half<A>,
        #[pin]
        second: Half<B>,
        caller: Caller,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = HalfProj]
    enum Half<F> {
        Open { #[pin] later: F },
        Known { decision: Option<Decision> },
    }
}

impl<F> From<Answer<F>> for Half<F> {
    fn from(answer: Answer<F>) -> Self {
        match answer {
            Answer::Now(decision) => Self::Known { decision: Some(decision) },
            Answer::Later(later) => Self::Open { later },
        }
    }
}

impl<F: Future<Output = Decision>> Half<F> {
    /// The decision as soon as it is a denial; otherwise whether it is known.
    fn heard(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Result<bool, Decision> {
        let HalfProj::Open { later } = self.as_mut().project() else { return Ok(true) };
        match later.poll(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(decision) if denies(&decision) => Err(decision),
            Poll::Ready(decision) => {
                self.set(Self::Known { decision: Some(decision) });
                Ok(true)
            }
        }
    }

    fn decision(self: Pin<&mut Self>) -> Decision {
        match self.project() {
            HalfProj::Known { decision } => decision.take(),
            HalfProj::Open { .. } => None,
        }
        .unwrap_or_else(Decision::unavailable)
    }
}

impl<A, B> Future for AllLater<A, B>
where
    A: Future<Output = Decision>,
    B: Future<Output = Decision>,
{
    type Output = Decision;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Decision> {
        let mut this = self.project();
        let first = match this.first.as_mut().heard(cx) {
            Ok(known) => known,
            Err(denial) => return Poll::Ready(denial),
        };
        let second = match this.second.as_mut().heard(cx) {
            Ok(known) => known,
            Err(denial) => return Poll::Ready(denial),
        };
        if !(first && second) {
            return Poll::Pending;
        }
        Poll::Ready(joined(this.first.decision(), this.second.decision(), this.caller))
    }
}

/// One of two lists of decisions.
enum Part {
    Open(Together),
    Known(Vec<Decision>),
}

impl Part {
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if let Self::Open(together) = self {
            match together.as_mut().poll(cx) {
                Poll::Ready(decisions) => *self = Self::Known(decisions),
                Poll::Pending => return false,
            }
        }
        true
    }

    fn decisions(self) -> Vec<Decision> {
        match self {
            Self::Known(decisions) => decisions,
            Self::Open(_) => Vec::new(),
        }
    }
}
