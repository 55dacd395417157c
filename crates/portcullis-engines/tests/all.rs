//! Several authorizers, all of which must allow.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use portcullis_core::{AnonymousReason, Caller, Method, Principal, TargetKind, Text, Version};
use portcullis_engines::AllMustAllow;
use portcullis_rbac::{Answer, Authorizer, Decision, DenialStyle, Policy, Query, Rule, Together};
use proptest::prelude::*;

/// Says one thing, at once or after some polls, and counts how often it was asked.
#[derive(Clone, Debug)]
struct Says {
    decision: Decision,
    polls: Option<usize>,
    asked: Arc<AtomicUsize>,
    polled: Arc<AtomicUsize>,
}

struct Wait(Says);

impl Future for Wait {
    type Output = Decision;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Decision> {
        self.0.polled.fetch_add(1, Ordering::Relaxed);
        match &mut self.0.polls {
            None | Some(0) => Poll::Ready(self.0.decision.clone()),
            Some(left) => {
                *left -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl Authorizer for Says {
    type Later = Wait;

    fn authorize(&self, _: &Query<'_>) -> Answer<Wait> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match self.polls {
            None => Answer::Now(self.decision.clone()),
            Some(_) => Answer::Later(Wait(self.clone())),
        }
    }

    fn version(&self) -> Text {
        Text::from_static("v")
    }
}

fn says(decision: Decision, polls: Option<usize>) -> Says {
    Says { decision, polls, asked: Arc::default(), polled: Arc::default() }
}

fn now(decision: Decision) -> Says {
    says(decision, None)
}

fn later(decision: Decision) -> Says {
    says(decision, Some(1))
}

fn caller() -> Caller {
    let principal = Principal::builder("https://id.example", "alice");
    Caller::Verified(principal.scope("held").scope("openid").build().into())
}

fn query(caller: &Caller) -> Query<'_> {
    Query::new(caller, Version::V2026_07_28, Method::ToolsCall).on(TargetKind::Tool, "x")
}

async fn ask(authorizer: &impl Authorizer, caller: &Caller) -> Decision {
    match authorizer.authorize(&query(caller)) {
        Answer::Now(decision) => decision,
        Answer::Later(later) => later.await,
    }
}

fn scopes(rule: &str, scopes: &[&str]) -> Decision {
    Decision::needs_scopes(rule, scopes.iter().map(|scope| (*scope).to_owned()).collect())
}

/// either may decide about calls as tasks, and both must allow them.
#[tokio::test]
async fn calls_as_tasks() {
    let no_tasks = || {
        Policy::builder()
            .add_rule(Rule::allow("call").tools(["x"]).everyone())
            .add_rule(Rule::deny("not").methods(["tasks/create"]).everyone())
            .build()
            .unwrap()
    };
    let all = Policy::danger_permit_all;
    let caller = caller();
    let check = |both: &AllMustAllow<Policy, Policy>, decides: bool| {
        assert_eq!(both.decides_tasks(), decides);
        for (query, allowed) in [(query(&caller), true), (query(&caller).as_task(), !decides)] {
            let Answer::Now(decision) = both.authorize(&query) else { panic!("later") };
            assert_eq!(matches!(decision, Decision::Allow { .. }), allowed, "{decision:?}");
        }
    };
    check(&AllMustAllow::new(all(), all()), false);
    check(&AllMustAllow::new(no_tasks(), all()), true);
    check(&AllMustAllow::new(all(), no_tasks()), true);
}

#[tokio::test]
async fn what_two_say_together() {
    let yes = || Decision::allow("yes");
    let no = || Decision::deny("no").shown_as(DenialStyle::Explain);
    let rows = [
        ("both", yes(), Decision::allow("also"), Decision::allow("yes&also")),
        ("the first denies", no(), yes(), no()),
        ("the second denies", yes(), no(), no()),
        ("an error denies", yes(), Decision::unavailable(), Decision::unavailable()),
        ("an error first", Decision::unavailable(), yes(), Decision::unavailable()),
        ("a denial beats scopes", scopes("a", &["a"]), no(), no()),
        (
            "nothing beats scopes",
            Decision::default_deny(),
            scopes("b", &["b"]),
            Decision::default_deny(),
        ),
        (
            "scopes add up",
            scopes("a", &["a", "c"]),
            scopes("b", &["b", "c"]),
            scopes("a&b", &["a", "c", "b"]),
        ),
        (
            "what is held stays, openid is not named",
            scopes("a", &["a"]),
            yes(),
            scopes("a", &["a", "held"]),
        ),
        ("the other way round", yes(), scopes("b", &["held", "b"]), scopes("b", &["held", "b"])),
    ];
    for (name, first, second, expected) in rows {
        for (late, a, b) in [
            ("both now", now(first.clone()), now(second.clone())),
            ("the first later", later(first.clone()), now(second.clone())),
            ("the second later", now(first.clone()), later(second.clone())),
            ("both later", later(first.clone()), later(second.clone())),
        ] {
            let all = AllMustAllow::new(a, b);
            assert_eq!(ask(&all, &caller()).await, expected, "{name}, {late}");
            let listed = all.authorize_list(&[query(&caller()).in_a_list()]).await;
            assert_eq!(listed, std::slice::from_ref(&expected), "{name}, {late}, in a list");
        }
    }
}

#[tokio::test]
async fn what_is_denied_already_is_not_asked_about() {
    let no = Decision::deny("no");
    let yes = Decision::allow("yes");
    let second = later(yes.clone());
    ask(&AllMustAllow::new(now(no.clone()), second.clone()), &caller()).await;
    assert_eq!(second.asked.load(Ordering::Relaxed), 0, "denied before");
    let first = later(yes.clone());
    ask(&AllMustAllow::new(first.clone(), now(no.clone())), &caller()).await;
    assert_eq!(first.polled.load(Ordering::Relaxed), 0, "denied after, at once");
    let slow = says(yes, Some(9));
    ask(&AllMustAllow::new(slow.clone(), later(no)), &caller()).await;
    assert_eq!(slow.polled.load(Ordering::Relaxed), 2, "denied meanwhile");
}

#[tokio::test]
async fn a_policy_takes_part() {
    let policy = || Policy::danger_permit_all();
    let all = AllMustAllow::new(policy(), policy()).and(later(Decision::deny("point")));
    assert_eq!(ask(&all, &caller()).await, Decision::deny("point"));
    assert!(all.version().as_str().ends_with("&v"));
    let all = AllMustAllow::new(policy(), policy()).and(policy());
    assert!(matches!(ask(&all, &caller()).await, Decision::Allow { .. }));
}

#[tokio::test]
async fn nobody_has_scopes_without_a_token() {
    let caller = Caller::Anonymous(AnonymousReason::NoCredentials);
    let all = AllMustAllow::new(now(Decision::allow("yes")), now(scopes("a", &["a"])));
    assert_eq!(ask(&all, &caller).await, scopes("a", &["a"]));
}

/// Answers fewer than it was asked.
struct Short;

impl Authorizer for Short {
    type Later = Wait;

    fn authorize(&self, _: &Query<'_>) -> Answer<Wait> {
        Answer::Later(Wait(later(Decision::allow("short"))))
    }

    fn authorize_list(&self, _: &[Query<'_>]) -> Together {
        Box::pin(async { vec![Decision::allow("short")] })
    }

    fn version(&self) -> Text {
        Text::from_static("short")
    }
}

/// Looks at hints.
struct Hinted;

impl Authorizer for Hinted {
    type Later = Wait;

    fn authorize(&self, _: &Query<'_>) -> Answer<Wait> {
        Answer::Now(Decision::allow("hinted"))
    }

    fn version(&self) -> Text {
        Text::from_static("hinted")
    }

    fn wants_hints(&self) -> bool {
        true
    }

    fn offers(&self, _: &Query<'_>, kind: TargetKind) -> bool {
        kind == TargetKind::Tool
    }
}

#[test]
fn hints_are_wanted_if_one_wants_them() {
    let yes = || now(Decision::allow("yes"));
    assert!(!AllMustAllow::new(yes(), yes()).wants_hints());
    assert!(AllMustAllow::new(Hinted, yes()).wants_hints());
    assert!(AllMustAllow::new(yes(), Hinted).wants_hints());
}

#[test]
fn only_what_both_offer_is_offered() {
    let yes = || now(Decision::allow("yes"));
    let caller = caller();
    let query = query(&caller);
    assert!(AllMustAllow::new(yes(), yes()).offers(&query, TargetKind::Prompt));
    assert!(AllMustAllow::new(Hinted, yes()).offers(&query, TargetKind::Tool));
    assert!(!AllMustAllow::new(Hinted, yes()).offers(&query, TargetKind::Prompt));
    assert!(!AllMustAllow::new(yes(), Hinted).offers(&query, TargetKind::Prompt));
}

#[tokio::test]
async fn missing_answers_stay_missing() {
    let all = AllMustAllow::new(now(Decision::allow("yes")), Short);
    let caller = caller();
    let listed = all.authorize_list(&[query(&caller).in_a_list(); 3]).await;
    assert_eq!(listed, [Decision::allow("yes&short")]);
}

fn any_decision() -> impl Strategy<Value = Decision> {
    prop_oneof![
        Just(Decision::allow("yes")),
        Just(Decision::deny("no")),
        Just(Decision::default_deny()),
        Just(Decision::unavailable()),
        Just(scopes("scopes", &["a"])),
        Just(Decision::default_deny().shown_as(DenialStyle::ToolResult)),
    ]
}

fn any_authorizer() -> impl Strategy<Value = Says> {
    (any_decision(), proptest::option::of(0_usize..4))
        .prop_map(|(decision, polls)| says(decision, polls))
}

proptest! {
    /// Three allow exactly if each does, whoever is late and however they are nested; and none that
    /// denies is turned into a request for scopes.
    #[test]
    fn all_allow_if_each_does(a in any_authorizer(), b in any_authorizer(), c in any_authorizer()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let parts = [a.decision.clone(), b.decision.clone(), c.decision.clone()];
        let allowed = parts.iter().all(|d| matches!(d, Decision::Allow { .. }));
        let denied = parts.iter().any(|d| matches!(d, Decision::Deny { .. }));
        let left = AllMustAllow::new(a.clone(), b.clone()).and(c.clone());
        let right = AllMustAllow::new(a, AllMustAllow::new(b, c));
        let caller = caller();
        let listed = runtime.block_on(left.authorize_list(&[query(&caller).in_a_list()]));
        let said = [
            runtime.block_on(ask(&left, &caller)),
            runtime.block_on(ask(&right, &caller)),
            listed[0].clone(),
        ];
        for decision in said {
            prop_assert_eq!(matches!(decision, Decision::Allow { .. }), allowed);
            prop_assert_eq!(matches!(decision, Decision::Deny { .. }), denied);
        }
    }
}
