//! Calls as tasks: a right of its own, where rules say so (R-216).

use portcullis_core::Arguments;

use super::*;
use crate::RuleOutcome;

fn asked<'a>(caller: &'a Caller, tool: &'a str) -> Query<'a> {
    Query::new(caller, Version::V2025_11_25, Method::ToolsCall).on(TargetKind::Tool, tool)
}

/// The decision about the call, and about the same as a task.
fn both(policy: &Policy, caller: &Caller, tool: &str) -> (String, String) {
    let call = asked(caller, tool);
    (word(&policy.decide(&call)), word(&policy.decide(&call.as_task())))
}

const ROLES: &str = "
roles:
  staff: { groups: [staff] }
  batch: { groups: [batch] }
rules:
  - { id: call, allow: { tools: ['get_*', report, \"odd\\u200bname\"] }, roles: [staff, batch] }
";

#[test]
fn without_a_rule_about_them_calls_run_as_tasks() {
    let policy = yaml(ROLES);
    assert!(!policy.decides_tasks());
    let staff = verified(alice().group("staff"));
    assert_eq!(both(&policy, &staff, "report"), ("allow call".into(), "allow call".into()));
    let call_alone = yaml(
        "rules: [{ id: call, allow: { tools: [report], methods: [tools/call] }, everyone: true }]",
    );
    let expected = ("allow call".into(), "allow call".into());
    assert_eq!(
        both(&call_alone, &staff, "report"),
        expected,
        "a rule about calls says nothing of tasks"
    );
}

#[test]
fn a_rule_that_grants_them_is_needed() {
    let policy = yaml(&format!(
        "{ROLES}  - {{ id: long, allow: {{ tools: [report, 'get_b*'], methods: [tasks/create] }}, roles: [batch], denial: explain }}
  - {{ id: alone, allow: {{ tools: [uncalled], methods: [tasks/create] }}, roles: [batch] }}
  - {{ id: either, allow: {{ tools: [both], methods: [tools/call, tasks/create] }}, roles: [staff] }}
"
    ));
    assert!(policy.decides_tasks());
    let staff = verified(alice().group("staff"));
    let batch = verified(alice().group("batch"));
    let unknown = verified(alice().group("staff").groups_unknown());
    let allowed = ("allow call", "allow call");
    let rows = [
        ("a right of one's own", &batch, "report", allowed),
        ("by pattern", &batch, "get_bills", allowed),
        ("another's right", &staff, "report", ("allow call", "deny - default_deny explained")),
        ("another tool", &batch, "get_a", ("allow call", "deny - default_deny")),
        ("a rule about both", &staff, "both", ("allow either", "allow either")),
        (
            "a right to begin what may not be called",
            &batch,
            "uncalled",
            ("deny - default_deny", "deny - default_deny"),
        ),
        ("nobody's", &batch, "none", ("deny - default_deny", "deny - default_deny")),
        (
            "unknown groups",
            &unknown,
            "report",
            ("deny - groups_unknown explained", "deny - groups_unknown explained"),
        ),
        ("a deceptive name", &batch, "odd\u{200b}name", ("allow call", "deny - default_deny")),
    ];
    for (name, caller, tool, (call, task)) in rows {
        assert_eq!(both(&policy, caller, tool), (call.into(), task.into()), "{name}");
    }
    let none = Query::new(&staff, Version::V2025_11_25, Method::CompletionComplete);
    let none = none.on(TargetKind::Tool, "both");
    assert_eq!(word(&policy.decide(&none.as_task())), "deny - default_deny");
    let prompt = asked(&staff, "report").on(TargetKind::Prompt, "report").as_task();
    assert_eq!(word(&policy.decide(&prompt)), "deny - default_deny");
}

#[test]
fn a_rule_that_denies_them_leaves_the_call() {
    let deny = |target: &str| {
        yaml(&format!(
            "{ROLES}  - {{ id: no-tasks, deny: {{ {target} methods: [tasks/create] }}, roles: [staff] }}\n"
        ))
    };
    let staff = verified(alice().group("staff"));
    let batch = verified(alice().group("batch"));
    let unknown = verified(alice().group("batch").groups_unknown());
    for (target, tool, denied) in [
        ("tools: [report],", "report", true),
        ("tools: ['*'],", "report", true),
        ("tools: ['get_*'],", "report", false),
        ("", "report", true),
        ("", "odd\u{200b}name", true),
        ("tools: ['*'],", "odd\u{200b}name", true),
        ("prompts: ['*'],", "report", false),
    ] {
        let policy = deny(target);
        let task = if denied { "deny no-tasks policy_denied" } else { "allow call" };
        assert_eq!(
            both(&policy, &staff, tool),
            ("allow call".into(), task.into()),
            "{target} {tool}"
        );
        let expected = ("allow call".into(), "allow call".into());
        assert_eq!(both(&policy, &batch, tool), expected, "{target} {tool}: others");
    }
    let everyone = yaml(
        "
roles: { staff: { groups: [staff] } }
rules:
  - { id: call, allow: { tools: [report] }, everyone: true }
  - { id: no-tasks, deny: { methods: [tasks/create] }, roles: [staff] }
",
    );
    let expected = ("allow call".into(), "deny - groups_unknown".into());
    assert_eq!(both(&everyone, &unknown, "report"), expected, "the group may be there");
}

#[test]
fn one_challenge_names_the_scopes_of_both() {
    let policy = yaml(
        "rules:
  - { id: call, allow: { tools: [report] }, everyone: true, requires_scopes: [report] }
  - { id: long, allow: { tools: [report], methods: [tasks/create] }, everyone: true, requires_scopes: [tasks] }
",
    );
    let all = |rule: &str, first, second| format!("scopes {rule} {first} {second}");
    let rows = [
        ("neither", "", "scopes call report".to_owned(), all("call", "report", "tasks")),
        ("that of the call", "report", "allow call".into(), all("long", "tasks", "report")),
        ("that of the task", "tasks", "scopes call report".into(), all("call", "report", "tasks")),
    ];
    for (name, scope, call, task) in rows {
        let caller = verified(if scope.is_empty() { alice() } else { alice().scope(scope) });
        assert_eq!(both(&policy, &caller, "report"), (call, task), "{name}");
    }
    let caller = verified(alice().scope("report").scope("tasks"));
    assert_eq!(both(&policy, &caller, "report"), ("allow call".into(), "allow call".into()));
}

#[test]
fn conditions_hold_for_tasks_as_for_calls() {
    let policy = yaml(
        "rules:
  - { id: call, allow: { tools: [report] }, everyone: true }
  - { id: long, allow: { tools: [report], methods: [tasks/create] }, everyone: true, arguments: { days: { max: 30 } } }
",
    );
    let caller = verified(alice());
    for (json, allowed) in [(r#"{"days":30}"#, true), (r#"{"days":31}"#, false), ("{}", false)] {
        let arguments = Arguments::new(json.into());
        let query = asked(&caller, "report").with_arguments(&arguments);
        assert_eq!(word(&policy.decide(&query)), "allow call", "{json}");
        let task = policy.decide(&query.as_task());
        assert_eq!(matches!(task, Decision::Allow { .. }), allowed, "{json}");
    }
}

/// The officer's view of it.
#[test]
fn it_can_be_asked_why() {
    let old = yaml(ROLES);
    let new = yaml(&format!(
        "{ROLES}  - {{ id: long, allow: {{ tools: [report], methods: [tasks/create] }}, roles: [batch] }}
  - {{ id: not-now, deny: {{ tools: [report], methods: [tasks/create] }}, roles: [staff] }}
"
    ));
    let changes = old.changes_to(&new);
    let expected = [
        "calls run as tasks only where a rule allows tasks/create",
        "tasks/create is allowed to batch, on report",
    ];
    assert_eq!(changes.defined, expected);
    assert!(changes.access.iter().any(|change| {
        change.after.as_ref().is_some_and(|after| {
            after.grants.iter().any(|grant| grant.rule == "call")
                && after.except.iter().any(|except| except.conditions == ["method tasks/create"])
        })
    }));
    assert!(new.warnings().is_empty(), "{:?}", new.warnings());
    let batch = verified(alice().group("batch"));
    let said = |query: &Query<'_>| {
        let explanation = new.explain(query);
        let rules = explanation.rules.iter().map(|rule| (rule.id.clone(), rule.outcome));
        (word(&explanation.decision), rules.collect::<Vec<_>>())
    };
    use RuleOutcome::{Allows, Silent};
    let rule = |id: &str, outcome| (id.to_owned(), outcome);
    let query = asked(&batch, "report");
    assert_eq!(
        said(&query),
        (
            "allow call".into(),
            vec![rule("call", Allows), rule("long", Silent), rule("not-now", Silent)]
        )
    );
    assert_eq!(
        said(&query.as_task()),
        ("allow call".into(), vec![rule("long", Allows), rule("not-now", Silent)])
    );
    let error =
        Policy::from_yaml("rules: [{ id: a, allow: { methods: [tasks/create] }, everyone: true }]");
    assert!(error.unwrap_err().to_string().contains("must say on what"));
    let useless = yaml(
        "rules: [{ id: a, allow: { tools: [x], methods: [resources/read, tasks/create] }, everyone: true }]",
    );
    assert!(useless.warnings().is_empty(), "{:?}", useless.warnings());
}
