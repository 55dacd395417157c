use portcullis_core::{Actor, AnonymousReason, Arguments, Caller, Principal, Version};
use serde_json::{Map, Value};

use super::*;
use crate::Policy;

const POLICY: &str = r#"
groups: { staff: id-1 }
agents:
  bot: { actors: [agent-7] }
roles:
  clerk: { groups: [staff], scopes: ["pay:any"], claims: { /org/unit: emea } }
  boss: { subjects: [eve] }
rules:
  - id: pay
    allow: { tools: ["pay_*", pay] }
    roles: [clerk]
    requires_scopes: [pay]
    arguments: { amount: { max: 100 }, note: { prefix: x } }
  - id: pay-more
    allow: { tools: [pay_invoice] }
    roles: [boss]
  - id: no-bots
    deny: { tools: ["*_invoice"] }
    everyone: true
    through: [bot]
  - id: other
    allow: { tools: [other] }
    everyone: true
"#;

fn clerk() -> portcullis_core::PrincipalBuilder {
    let mut claims = Map::new();
    claims.insert("org".into(), serde_json::json!({ "unit": ["apac", "emea"] }));
    Principal::builder("https://id.example", "alice").group("id-1").claims(claims)
}

fn explain(caller: Principal, json: &str) -> Explanation {
    let policy = Policy::from_yaml(POLICY).unwrap();
    let caller = Caller::Verified(caller.into());
    let arguments = Arguments::new(json.to_owned().into());
    let query = Query::new(&caller, Version::V2026_07_28, Method::ToolsCall);
    policy.explain(&query.on(TargetKind::Tool, "pay_invoice").with_arguments(&arguments))
}

#[test]
fn every_rule_about_the_target_has_its_say() {
    let told = explain(clerk().build(), r#"{"amount":7,"note":1}"#);
    assert!(matches!(told.decision, Decision::Deny { .. }), "{told:?}");
    assert_eq!(told.roles.len(), 1);
    assert_eq!(told.roles[0].role, "clerk");
    assert_eq!(told.roles[0].because, ["group staff", "claim /org/unit \"emea\""]);
    let ids: Vec<_> = told.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["pay", "pay-more", "no-bots"], "and not the rule about something else");
    let [pay, more, bots] = told.rules.as_slice() else { panic!("{told:?}") };
    assert_eq!(pay.patterns, ["pay_*"]);
    assert_eq!(pay.place, Some((9, 9)));
    assert_eq!(pay.by_role.as_deref(), Some("clerk"));
    assert_eq!(pay.missing_scopes, ["pay"]);
    assert_eq!(pay.outcome, RuleOutcome::Silent);
    let conditions: Vec<_> =
        pay.conditions.iter().map(|part| (part.condition.as_str(), part.holds)).collect();
    assert_eq!(
        conditions,
        [("argument amount is at most 100", Some(true)), ("argument note starts with \"x\"", None)]
    );
    assert_eq!((&more.by_role, more.outcome), (&None, RuleOutcome::Silent));
    assert_eq!(bots.by_role.as_deref(), Some("everyone"));
    assert_eq!(bots.conditions[0].holds, Some(false));
}

#[test]
fn what_decides_is_told() {
    let good = r#"{"amount":7,"note":"x"}"#;
    let rows = [
        ("scopes are missing", clerk().build(), "pay", RuleOutcome::NeedsScopes),
        ("allowed", clerk().scope("pay").build(), "pay", RuleOutcome::Allows),
        (
            "through the bot",
            clerk().scope("pay").actors(vec![Actor::new(None, "agent-7")]).build(),
            "no-bots",
            RuleOutcome::Denies,
        ),
        (
            "the boss",
            Principal::builder("https://id.example", "eve").build(),
            "pay-more",
            RuleOutcome::Allows,
        ),
        (
            "perhaps in the group",
            Principal::builder("https://id.example", "al").groups_unknown().build(),
            "pay",
            RuleOutcome::Silent,
        ),
    ];
    for (name, caller, rule, outcome) in rows {
        let told = explain(caller, good);
        let report = told.rules.iter().find(|report| report.id == rule).unwrap();
        assert_eq!(report.outcome, outcome, "{name}");
        let agrees = match (&told.decision, outcome) {
            (Decision::Allow { rule: by }, RuleOutcome::Allows) => by.as_str() == rule,
            (Decision::NeedsScopes { rule: by, .. }, RuleOutcome::NeedsScopes) => {
                by.as_str() == rule
            }
            (Decision::Deny { rule: Some(by), .. }, RuleOutcome::Denies) => by.as_str() == rule,
            (Decision::Deny { rule: None, .. }, RuleOutcome::Silent) => true,
            _ => false,
        };
        assert!(agrees, "{name}: {:?}", told.decision);
    }
}

#[test]
fn odd_targets_say_why() {
    let policy = Policy::from_yaml(
        "rules:\n  - id: a\n    allow: { tools: ['*'], resources: ['note:///**'] }\n    everyone: true\n",
    )
    .unwrap();
    let caller = Caller::Anonymous(AnonymousReason::NoCredentials);
    let query = Query::new(&caller, Version::V2026_07_28, Method::ResourcesRead);
    let ask = |kind, target| policy.explain(&query.on(kind, target));
    assert!(ask(TargetKind::Tool, "a\u{200b}").odd.is_some());
    assert!(ask(TargetKind::Resource, "note:///../x").odd.is_some());
    assert!(ask(TargetKind::Resource, "note:///a#b").odd.is_some());
    let plain = ask(TargetKind::Resource, "NOTE:///%61");
    assert_eq!((plain.odd, plain.rules.len()), (None, 1), "meant in normal form");
    let all = Policy::danger_permit_all().explain(&query.on(TargetKind::Tool, "x"));
    assert!(all.rules.is_empty());
    assert_eq!(Value::from(all.policy_version.as_str()), "permit-all");
}

/// Each source that gives a role is told, and no other.
#[test]
fn what_gives_a_role() {
    let policy = Policy::from_yaml(
        "
roles:
  any: { groups: [g], scopes: [s], roles: [r], clients: [c], subjects: [alice], claims: { unit: [1, 2] } }
  here: { from: { issuers: ['https://id.example'], tenants: [t] } }
  room: { from: { tenants: [t] } }
  there: { subjects: [alice], from: { issuers: ['https://other.example'] } }
  tenant: { groups: [g], from: { tenants: [t] } }
  public: { anonymous: true }
rules:
  - { id: a, allow: { tools: [x] }, roles: [any, here, room, there, tenant, public] }
",
    )
    .unwrap();
    let held = |caller: Caller| {
        let query = Query::new(&caller, Version::V2026_07_28, Method::ToolsCall);
        let told = policy.explain(&query.on(TargetKind::Tool, "x"));
        let roles = told.roles.into_iter().map(|held| (held.role, held.because.join(", ")));
        roles.collect::<Vec<_>>()
    };
    let role = |name: &str, because: &str| (name.to_owned(), because.to_owned());
    let somebody = || Principal::builder("https://id.example", "bob");
    let of = |unit: i64| Map::from_iter([("unit".to_owned(), Value::from(unit))]);
    let verified =
        |caller: portcullis_core::PrincipalBuilder| Caller::Verified(caller.build().into());
    let alice = Principal::builder("https://id.example", "alice").group("g").scope("s").role("r");
    let rows = [
        ("nothing", verified(somebody()), vec![]),
        ("a scope", verified(somebody().scope("s")), vec![role("any", "scope s")]),
        ("a role claim", verified(somebody().role("r")), vec![role("any", "role claim r")]),
        ("a client", verified(somebody().client_id("c")), vec![role("any", "client c")]),
        ("a claim", verified(somebody().claims(of(2))), vec![role("any", "claim unit 2")]),
        ("another claim", verified(somebody().claims(of(3))), vec![]),
        (
            "from there",
            verified(somebody().tenant("t")),
            vec![role("here", "from there"), role("room", "from there")],
        ),
        (
            "everything",
            verified(alice.client_id("c").claims(of(1)).tenant("t")),
            vec![
                role(
                    "any",
                    "group g, scope s, role claim r, client c, subject alice, claim unit 1",
                ),
                role("here", "from there"),
                role("room", "from there"),
                role("tenant", "group g"),
            ],
        ),
        (
            "nobody",
            Caller::Anonymous(AnonymousReason::NoCredentials),
            vec![role("public", "who has not signed in")],
        ),
    ];
    for (name, caller, expected) in rows {
        assert_eq!(held(caller), expected, "{name}");
    }
}

/// Rules that decide are among those that are told, in whatever form they mean the target.
#[test]
fn which_rules_are_told() {
    let policy = Policy::from_yaml(
        "
rules:
  - { id: tools, allow: { tools: [\"a\\u200b\", x] }, everyone: true }
  - { id: prompts, allow: { prompts: [\"b\\u200b\"] }, everyone: true }
  - { id: notes, allow: { resources: ['note:///**', 'note:///{id}', 'a b'] }, everyone: true }
  - { id: one, deny: { resources: ['note:///one'] }, everyone: true }
  - { id: level, allow: { methods: [logging/setLevel] }, everyone: true }
  - { id: none, deny: { methods: [completion/complete] }, everyone: true }
",
    )
    .unwrap();
    let caller = Caller::Anonymous(AnonymousReason::NoCredentials);
    let told = |method, kind, target: &str| {
        let query = Query::new(&caller, Version::V2025_11_25, method).on(kind, target);
        let told = policy.explain(&query);
        let ids = told.rules.iter().map(|rule| rule.id.clone()).collect::<Vec<_>>();
        (ids.join(" "), told.odd.is_some())
    };
    use Method::{CompletionComplete, PromptsGet, ResourcesRead, ToolsCall};
    use TargetKind::{Prompt, Resource, ResourceTemplate, Tool};
    let rows = [
        (ToolsCall, Tool, "x", ("tools none", false)),
        (ToolsCall, Tool, "a\u{200b}", ("tools none", false)),
        (ToolsCall, Tool, "b\u{200b}", ("", true)),
        (PromptsGet, Prompt, "b\u{200b}", ("prompts none", false)),
        (PromptsGet, Prompt, "a\u{200b}", ("", true)),
        (ResourcesRead, Resource, "note:///one?x=1", ("notes one none", false)),
        (ResourcesRead, Resource, "note:///two", ("notes none", false)),
        (ResourcesRead, Resource, "a b", ("notes none", false)),
        (ResourcesRead, Resource, "a c", ("", true)),
        (ResourcesRead, Resource, "note:///../x", ("", true)),
        (ResourcesRead, Resource, "note:///{x}", ("", true)),
        (ResourcesRead, ResourceTemplate, "note:///{id}", ("notes none", false)),
        (CompletionComplete, Resource, "note:///{id}", ("notes none", false)),
    ];
    for (method, kind, target, (ids, odd)) in rows {
        assert_eq!(told(method, kind, target), (ids.to_owned(), odd), "{method} {target:?}");
    }
    let query = Query::new(&caller, Version::V2025_11_25, Method::LoggingSetLevel);
    let level = policy.explain(&query);
    let allows: Vec<_> = level.rules.iter().map(|rule| (rule.id.as_str(), rule.allows)).collect();
    assert_eq!(allows, [("level", true)]);
    let query = Query::new(&caller, Version::V2025_11_25, ToolsCall).on(Tool, "x");
    let x = policy.explain(&query);
    let allows: Vec<_> = x.rules.iter().map(|rule| (rule.id.as_str(), rule.allows)).collect();
    assert_eq!(allows, [("tools", true), ("none", false)]);
}
