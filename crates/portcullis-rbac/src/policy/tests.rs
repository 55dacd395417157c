use portcullis_core::{AnonymousReason, Principal, PrincipalBuilder, ScopeHierarchy, Version};
use proptest::prelude::*;

use super::*;
use crate::{DenialStyle, PolicyBuilder, Role, Rule};

const V: Version = Version::V2026_07_28;

fn verified(principal: PrincipalBuilder) -> Caller {
    Caller::Verified(principal.build().into())
}

fn alice() -> PrincipalBuilder {
    Principal::builder("https://id.example", "alice")
}

fn anonymous() -> Caller {
    Caller::Anonymous(AnonymousReason::NoCredentials)
}

fn policy() -> Policy {
    Policy::builder()
        .add_role(Role::new("reader").group("staff"))
        .add_role(Role::new("admin").group("it-admins").scope("mcp:admin"))
        .add_role(Role::new("robot").client("ci").claimed("Robot"))
        .add_role(Role::new("public").anonymous())
        .add_rule(
            Rule::allow("read-notes")
                .tools(["list_notes", "get_*"])
                .prompts(["summarize"])
                .resources(["note:///**"])
                .roles(["reader", "admin"]),
        )
        .add_rule(
            Rule::allow("write-notes")
                .tools(["create_note", "*_note_draft"])
                .roles(["reader"])
                .requires_scopes(["notes:write", "notes:read"]),
        )
        .add_rule(
            Rule::allow("administer")
                .tools(["purge_*", "reset"])
                .prompts(["*"])
                .roles(["admin"])
                .denial(DenialStyle::Explain),
        )
        .add_rule(Rule::allow("robots").tools(["deploy"]).roles(["robot"]))
        .add_rule(Rule::allow("open").tools(["search"]).roles(["public"]).everyone())
        .add_rule(Rule::deny("never-purge").tools(["purge_*"]).everyone())
        .add_rule(
            Rule::deny("no-secrets")
                .resources(["note:///secret", "note:///vault/**"])
                .roles(["reader"]),
        )
        .add_rule(Rule::deny("no-robots").prompts(["summarize"]).roles(["robot"]))
        .build()
        .unwrap()
}

/// A decision in one word, and the rule.
fn word(decision: &Decision) -> String {
    match decision {
        Decision::Allow { rule } => format!("allow {rule}"),
        Decision::Deny { rule, reason, style, .. } => {
            let rule = rule.as_ref().map_or("-", Text::as_str);
            let style = match style {
                DenialStyle::Hide => "",
                DenialStyle::Explain => " explained",
                DenialStyle::ToolResult => " as a result",
            };
            format!("deny {rule} {reason}{style}")
        }
        Decision::NeedsScopes { rule, scopes } => format!("scopes {rule} {}", scopes.join(" ")),
    }
}

fn ask(policy: &Policy, caller: &Caller, kind: TargetKind, name: &str) -> String {
    word(&policy.decide(&Query::new(caller, V, Method::ToolsCall).on(kind, name)))
}

#[test]
fn verdicts() {
    use TargetKind::{Prompt, Resource, ResourceTemplate, Task, Tool};
    let nobody = || verified(alice());
    let reader = || verified(alice().group("staff"));
    let writer = || verified(alice().group("staff").scope("notes:write").scope("notes:read"));
    let admin = || verified(alice().group("it-admins"));
    let by_scope = || verified(alice().scope("mcp:admin"));
    let robot = || verified(alice().client_id("ci"));
    let both = || verified(alice().group("staff").role("Robot"));
    let unknown = || verified(alice().group("staff").groups_unknown());
    let rows = [
        ("exact tool", reader(), Tool, "list_notes", "allow read-notes"),
        ("prefix", reader(), Tool, "get_note", "allow read-notes"),
        ("prefix alone", reader(), Tool, "get_", "allow read-notes"),
        ("other role of the rule", admin(), Tool, "get_note", "allow read-notes"),
        ("role by scope", by_scope(), Tool, "get_note", "allow read-notes"),
        ("role by client", robot(), Tool, "deploy", "allow robots"),
        ("role by claim", both(), Tool, "deploy", "allow robots"),
        ("no role", nobody(), Tool, "list_notes", "deny - default_deny"),
        ("tool nobody names", reader(), Tool, "drop_tables", "deny - default_deny"),
        ("case matters", reader(), Tool, "List_notes", "deny - default_deny"),
        ("case matters in patterns", reader(), Tool, "GET_note", "deny - default_deny"),
        ("no trimming", reader(), Tool, "list_notes ", "deny - default_deny"),
        ("a pattern is anchored", reader(), Tool, "forget_me", "deny - default_deny"),
        ("an exact name is no prefix", reader(), Tool, "list_notes2", "deny - default_deny"),
        ("zero-width letter", reader(), Tool, "get_\u{200b}note", "deny - default_deny"),
        ("line break", reader(), Tool, "get_a\nb", "deny - default_deny"),
        ("empty name", reader(), Tool, "", "deny - default_deny"),
        (
            "scopes missing",
            reader(),
            Tool,
            "create_note",
            "scopes write-notes notes:write notes:read",
        ),
        (
            "star in front",
            reader(),
            Tool,
            "my_note_draft",
            "scopes write-notes notes:write notes:read",
        ),
        ("scopes there", writer(), Tool, "create_note", "allow write-notes"),
        ("role missing, not only scopes", admin(), Tool, "create_note", "deny - default_deny"),
        (
            "all scopes, no role",
            verified(alice().scope("notes:write").scope("notes:read")),
            Tool,
            "create_note",
            "deny - default_deny",
        ),
        ("deny beats allow", admin(), Tool, "purge_all", "deny never-purge policy_denied"),
        ("deny without allow", nobody(), Tool, "purge_all", "deny never-purge policy_denied"),
        (
            "deny of everyone is of the anonymous too",
            anonymous(),
            Tool,
            "purge_all",
            "deny never-purge policy_denied",
        ),
        (
            "explained by the rule that allows others",
            reader(),
            Tool,
            "reset",
            "deny - default_deny explained",
        ),
        ("never explained to the anonymous", anonymous(), Tool, "reset", "deny - default_deny"),
        ("everyone", nobody(), Tool, "search", "allow open"),
        ("anonymous role", anonymous(), Tool, "search", "allow open"),
        ("anonymous otherwise", anonymous(), Tool, "list_notes", "deny - default_deny"),
        ("prompt", reader(), Prompt, "summarize", "allow read-notes"),
        (
            "a tool's name is no prompt",
            reader(),
            Prompt,
            "list_notes",
            "deny - default_deny explained",
        ),
        ("deny of one role", both(), Prompt, "summarize", "deny no-robots policy_denied"),
        ("resource", reader(), Resource, "note:///a/b.txt", "allow read-notes"),
        ("resource of another scheme", reader(), Resource, "file:///a", "deny - default_deny"),
        ("template", reader(), ResourceTemplate, "note:///{id}", "allow read-notes"),
        (
            "template of another scheme",
            reader(),
            ResourceTemplate,
            "file:///{id}",
            "deny - default_deny",
        ),
        ("braces in a URI", reader(), Resource, "note:///{id}", "deny - default_deny"),
        ("task", admin(), Task, "786512e2", "deny - default_deny"),
        ("groups unknown", unknown(), Tool, "list_notes", "deny - groups_unknown"),
        ("groups unknown, scope rule", unknown(), Tool, "create_note", "deny - groups_unknown"),
        ("groups unknown, not needed", unknown(), Tool, "search", "allow open"),
        ("groups unknown, no rule", unknown(), Tool, "drop_tables", "deny - default_deny"),
        (
            "groups unknown might deny",
            verified(alice().scope("mcp:admin").groups_unknown()),
            Resource,
            "note:///secret",
            "deny - groups_unknown",
        ),
        ("the same with groups", by_scope(), Resource, "note:///secret", "allow read-notes"),
    ];
    let policy = policy();
    for (name, caller, kind, target, expected) in rows {
        assert_eq!(ask(&policy, &caller, kind, target), expected, "{name}");
    }
}

#[test]
fn uri_tricks() {
    let rows = [
        ("dot segments", "note:///a/../b"),
        ("out of the tree", "note:///../etc/passwd"),
        ("encoded dots", "note:///%2e%2e/b"),
        ("doubly encoded dots", "note:///%252e%252e/b"),
        ("encoded slash", "note:///a%2fb"),
        ("backslash", "note:///a\\b"),
        ("host where none belongs", "note://host/x"),
        ("scheme in capitals", "NOTE:///a"),
        ("user information", "note://u@/a"),
        ("fragment", "note:///a#b"),
        ("not ASCII", "note:///\u{fc}"),
        ("empty segment", "note:///a//b"),
        ("denied", "note:///secret"),
        ("denied, encoded", "note:///%73ecret"),
        ("denied, with a query", "note:///secret?x=1"),
        ("denied, with a slash", "note:///secret/"),
        ("denied, with a fragment", "note:///secret#x"),
        ("denied tree", "note:///vault/a/b"),
        ("denied tree, encoded", "note:///v%61ult/a"),
        ("denied tree, its root", "note:///vault/"),
    ];
    let (policy, reader) = (policy(), verified(alice().group("staff")));
    for (name, uri) in rows {
        let answer = ask(&policy, &reader, TargetKind::Resource, uri);
        assert!(answer.starts_with("deny"), "{name}: {answer}");
        let template = ask(&policy, &reader, TargetKind::ResourceTemplate, uri);
        assert!(template.starts_with("deny"), "{name}, as a template: {template}");
    }
    for uri in ["note:///a", "note:///a?b=c", "note:///a%20b", "note:///", "note:///secrets"] {
        let answer = ask(&policy, &reader, TargetKind::Resource, uri);
        assert_eq!(answer, "allow read-notes", "{uri}");
    }
}

#[test]
fn what_a_rule_spells_out_it_means() {
    let policy = Policy::builder()
        .add_rule(
            Rule::allow("literal")
                .tools(["delete\u{200b}user"])
                .resources([
                    "note:///a#b",
                    "note:///\u{fc}",
                    "HTTPS://Example.com/x",
                    "note:///{id}",
                ])
                .everyone(),
        )
        .build()
        .unwrap();
    let caller = verified(alice());
    let uris = |uri| ask(&policy, &caller, TargetKind::Resource, uri);
    assert_eq!(ask(&policy, &caller, TargetKind::Tool, "delete\u{200b}user"), "allow literal");
    for uri in ["note:///a#b", "note:///\u{fc}", "HTTPS://Example.com/x", "https://example.com/x"] {
        assert_eq!(uris(uri), "allow literal", "{uri}");
    }
    let template = ask(&policy, &caller, TargetKind::ResourceTemplate, "note:///{id}");
    assert_eq!(template, "allow literal");
    for uri in ["note:///a", "note:///b", "https://Example.com/x", "note:///id"] {
        assert_eq!(uris(uri), "deny - default_deny", "{uri}");
    }
}

/// The reference of a completion may be a template or a URI, whichever kind inspection calls it
///
#[test]
fn completion_needs_the_right_to_what_it_completes() {
    let (policy, reader) = (policy(), verified(alice().group("staff")));
    let ask = |uri| {
        let query = Query::new(&reader, V, Method::CompletionComplete);
        word(&policy.decide(&query.on(TargetKind::Resource, uri)))
    };
    assert_eq!(ask("note:///{id}"), "allow read-notes");
    assert_eq!(ask("note:///vault/{id}"), "deny no-secrets policy_denied");
    assert_eq!(ask("file:///{path}"), "deny - default_deny");
    assert_eq!(ask("note:///secret"), "deny no-secrets policy_denied");
}

#[test]
fn methods_without_a_target() {
    let policies = [("rules", policy()), ("deny all", Policy::deny_all())];
    for (name, policy) in policies {
        for method in Method::ALL.iter().copied() {
            let ask = |caller: &Caller| word(&policy.decide(&Query::new(caller, V, method)));
            let protocol = method.is_notification()
                || method.as_str().ends_with("/list") && method != Method::TasksList
                || matches!(
                    method,
                    Method::Initialize
                        | Method::Ping
                        | Method::ServerDiscover
                        | Method::SubscriptionsListen
                );
            let expected =
                |allowed: bool| if allowed { "allow protocol" } else { "deny - default_deny" };
            assert_eq!(ask(&anonymous()), expected(protocol), "{name}: {method}");
            let signed_in = protocol || method == Method::LoggingSetLevel;
            assert_eq!(ask(&verified(alice())), expected(signed_in), "{name}: {method}");
        }
    }
}

#[test]
fn whole_policies() {
    let (all, none) = (Policy::danger_permit_all(), Policy::deny_all());
    for kind in [TargetKind::Tool, TargetKind::Prompt, TargetKind::Resource] {
        assert_eq!(ask(&all, &verified(alice()), kind, "note:///x"), "allow permit-all");
        assert_eq!(ask(&all, &anonymous(), kind, "note:///x"), "deny - default_deny");
        assert_eq!(ask(&none, &verified(alice()), kind, "note:///x"), "deny - default_deny");
    }
}

#[test]
fn scopes_may_imply_others() {
    let rest = |builder: PolicyBuilder| {
        let read = Rule::allow("read").tools(["read"]).everyone().requires_scopes(["files:read"]);
        builder
            .add_role(Role::new("writer").scope("files:write"))
            .add_rule(read)
            .add_rule(Rule::allow("write").tools(["write"]).roles(["writer"]))
            .build()
            .unwrap()
    };
    let own = Policy::builder()
        .scope_implies("files:*", ["files:write"])
        .scope_implies("files:write", ["files:read"]);
    let shared = ScopeHierarchy::new()
        .implies("files:*", ["files:write"])
        .and_then(|scopes| scopes.implies("files:write", ["files:read"]))
        .unwrap();
    let policies = [rest(own), rest(Policy::builder().scope_hierarchy(&shared))];
    let rows = [
        ("files:read", "allow read", "deny - default_deny"),
        ("files:write", "allow read", "allow write"),
        ("files:*", "allow read", "allow write"),
        ("files", "scopes read files:read", "deny - default_deny"),
        ("files:reads", "scopes read files:read", "deny - default_deny"),
    ];
    for (scope, read, write) in rows {
        let caller = verified(alice().scope(scope));
        for policy in &policies {
            assert_eq!(ask(policy, &caller, TargetKind::Tool, "read"), read, "{scope}");
            assert_eq!(ask(policy, &caller, TargetKind::Tool, "write"), write, "{scope}");
        }
    }
}

/// Both forms of a URI must be allowed, and a caller is told the scopes of both.
#[test]
fn scopes_of_both_forms() {
    let rule = |id: &str, uri: &str, scope: &str| {
        Rule::allow(id).resources([uri]).everyone().requires_scopes([scope])
    };
    let policy = Policy::builder()
        .add_rule(rule("normal", "note:///a", "one"))
        .add_rule(rule("sent", "note:///%61", "two"))
        .build()
        .unwrap();
    let rows: [(&[&str], &str); 4] = [
        (&[], "scopes sent two one"),
        (&["one"], "scopes sent two"),
        (&["two"], "allow sent"),
        (&["one", "two"], "allow sent"),
    ];
    for (scopes, expected) in rows {
        let caller = verified(alice().scopes(scopes.iter().map(|s| (*s).to_owned()).collect()));
        let answer = ask(&policy, &caller, TargetKind::Resource, "note:///%61");
        assert_eq!(answer, expected, "{scopes:?}");
    }
}

/// Two policies may look at one principal; neither sees what the other made of it.
#[test]
fn policies_do_not_share_what_they_learned() {
    let caller = verified(alice().group("staff"));
    let (first, second) = (policy(), Policy::deny_all());
    for _ in 0..2 {
        assert_eq!(ask(&first, &caller, TargetKind::Tool, "list_notes"), "allow read-notes");
        assert_eq!(ask(&second, &caller, TargetKind::Tool, "list_notes"), "deny - default_deny");
        assert_eq!(ask(&policy(), &caller, TargetKind::Tool, "list_notes"), "allow read-notes");
    }
}

/// More than 64 roles, so that sets have several words.
#[test]
fn many_roles() {
    let mut builder = Policy::builder();
    for n in 0..150 {
        builder = builder.add_role(Role::new(format!("r{n}")).group(format!("g{n}"))).add_rule(
            Rule::allow(format!("a{n}"))
                .tools([format!("t{n}"), "all".into()])
                .roles([format!("r{n}")]),
        );
    }
    let policy = builder.build().unwrap();
    for n in [0, 61, 62, 63, 126, 149] {
        let caller = verified(alice().group(format!("g{n}")));
        let tool = |name: &str| ask(&policy, &caller, TargetKind::Tool, name);
        assert_eq!(tool(&format!("t{n}")), format!("allow a{n}"));
        assert_eq!(tool("all"), format!("allow a{n}"));
        assert_eq!(tool(&format!("t{}", n ^ 1)), "deny - default_deny");
    }
}

/// What the tables say, worked out rule by rule.
fn by_hand(rules: &[(bool, Vec<String>, Vec<usize>)], held: &[usize], name: &str) -> &'static str {
    let matches = |pattern: &String| match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => {
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
        }
    };
    let applies = |allow: bool| {
        rules.iter().any(|(effect, patterns, roles)| {
            *effect == allow
                && patterns.iter().any(matches)
                && roles.iter().any(|role| held.contains(role))
        })
    };
    if !applies(false) && applies(true) { "allow" } else { "deny" }
}

proptest! {
    /// The compiled form decides as the rules read.
    #[test]
    fn tables_agree_with_the_rules(
        rules in prop::collection::vec(
            (any::<bool>(), prop::collection::vec("[ab]{0,2}\\*?[ab]{1,2}|[ab]{1,2}\\*", 1..4), prop::collection::vec(0_usize..4, 1..3)),
            1..8,
        ),
        held in prop::collection::vec(0_usize..4, 0..3),
        names in prop::collection::vec("[ab]{1,4}", 1..8),
    ) {
        let mut builder = Policy::builder();
        for role in 0..4 {
            builder = builder.add_role(Role::new(format!("r{role}")).group(format!("g{role}")));
        }
        for (number, (allow, patterns, roles)) in rules.iter().enumerate() {
            let id = number.to_string();
            let rule = if *allow { Rule::allow(id) } else { Rule::deny(id) };
            let roles = roles.iter().map(|role| format!("r{role}"));
            builder = builder.add_rule(rule.tools(patterns.clone()).roles(roles));
        }
        let policy = builder.build().unwrap();
        let groups = held.iter().map(|role| format!("g{role}")).collect();
        let caller = verified(alice().groups(groups));
        for name in &names {
            let answer = ask(&policy, &caller, TargetKind::Tool, name);
            prop_assert_eq!(answer.split(' ').next(), Some(by_hand(&rules, &held, name)), "{}", name);
        }
    }

    /// Nothing that is not text makes it through, and nothing panics.
    #[test]
    fn any_name_is_decided(name in "\\PC*|[\\x00-\\x1f\u{200b}a]*") {
        let (policy, caller) = (policy(), verified(alice().group("staff")));
        for kind in [TargetKind::Tool, TargetKind::Prompt, TargetKind::Resource, TargetKind::ResourceTemplate] {
            let answer = ask(&policy, &caller, kind, &name);
            if name.chars().any(|c| c.is_control() || c == '\u{200b}') {
                prop_assert!(answer.starts_with("deny"), "{:?}: {}", name, answer);
            }
        }
    }
}
