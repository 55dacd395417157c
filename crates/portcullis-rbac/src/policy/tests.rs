use portcullis_core::{AnonymousReason, Principal, PrincipalBuilder, ScopeHierarchy, Version};
use proptest::prelude::*;

use super::*;
use crate::{DenialStyle, PolicyBuilder, Role, Rule, RuleOutcome, RuleReport};

#[cfg(feature = "yaml")]
mod tasks;

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

/// R-200, R-204, R-207.
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

/// R-206.
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

/// R-206, X-95: what a rule denies is denied in every spelling that some server takes for it, and other
/// things are not.
#[test]
fn what_is_denied_is_denied_however_it_is_spelled() {
    const ALL: [&str; 5] = ["note:///**", "file://**", "file:/**", "file:///**", "https://**"];
    // What is denied; spellings of it; what is none.
    let rows: [(&str, &[&str], &[&str]); 13] = [
        (
            "note:///plan",
            &[
                "note:///pl%61n",
                "note:///plan;v=1",
                "note:///plan%3Fx",
                "note:///plan%23x",
                "note:///plan/;x/",
            ],
            &["note:///plan%20", "note:///Plan", "note:///plan/x"],
        ),
        ("note:///a+b", &["note:///a%2Bb", "note:///a%2bb?x"], &["note:///a%20b", "note:///a-b"]),
        ("note:///a%2Bb", &["note:///a+b", "note:///a+b/", "note:///a%2bb"], &["note:///ab"]),
        ("note:///\u{e9} x", &["note:///%C3%A9%20x", "note:///%c3%a9%20x?y"], &["note:///e%20x"]),
        ("note:///a;b", &["note:///a%3Bb", "note:///a;b?x"], &["note:///a", "note:///a;c"]),
        (
            "note:///a?b=c d",
            &["note:///a?b=c%20d", "note:///a%3Fb=c%20d"],
            &["note:///a", "note:///a?b=c"],
        ),
        ("note:///a@b/**", &["note:///a%40b/c", "note:///a%40b;x/c/d"], &["note:///a%40c/c"]),
        ("note:///a%40b/*", &["note:///a@b/c", "note:///a%40b/c?x"], &["note:///a@b/c/d"]),
        ("note:///a%2Ab*", &["note:///a*bc", "note:///a%2ab"], &["note:///axbc"]),
        (
            "file:///etc/**",
            &["file://localhost/etc/passwd", "file://host/etc/a", "file:/etc/a", "file:/%65tc/a"],
            &["file://localhost/etc2/a", "file:///srv/etc/a"],
        ),
        ("file://localhost/etc/*", &["file:///etc/a", "file://LOCALHOST/etc/a"], &["file:///x/a"]),
        (
            "https://a.example/x",
            &["https://a.example./x", "https://a.example.:443/x"],
            &["https://b.a.example/x"],
        ),
        ("https://a.example./x", &["https://a.example/x"], &["https://a.example/y"]),
    ];
    for (denied, spellings, others) in rows {
        let policy = Policy::builder()
            .add_rule(Rule::allow("all").resources(ALL).everyone())
            .add_rule(Rule::deny("not").resources([denied]).everyone())
            .build()
            .unwrap();
        let caller = verified(alice());
        for uri in spellings {
            for kind in [TargetKind::Resource, TargetKind::ResourceTemplate] {
                let answer = ask(&policy, &caller, kind, uri);
                assert_eq!(answer, "deny not policy_denied", "{denied}: {uri} as {kind:?}");
                let query =
                    Query::new(&caller, Version::V2025_11_25, Method::ResourcesRead).on(kind, uri);
                let rules = policy.explain(&query).rules;
                let denies = |rule: &&RuleReport| rule.outcome == RuleOutcome::Denies;
                let patterns = rules.iter().find(denies).map(|rule| rule.patterns.clone());
                assert_eq!(patterns, Some(vec![denied.to_owned()]), "{denied}: {uri}, explained");
            }
        }
        for uri in others {
            let answer = ask(&policy, &caller, TargetKind::Resource, uri);
            assert_eq!(answer, "allow all", "{denied}: {uri}");
        }
    }
}

/// R-207: the right to a template is none to what it may expand to, and a URI with braces is no template.
#[test]
fn what_a_template_allows() {
    let policy = Policy::builder()
        .add_role(Role::new("guest").group("guests"))
        .add_rule(Rule::allow("one").resources(["note:///{id}", "docs://a/**"]).everyone())
        .add_rule(Rule::deny("two").resources(["docs://a/{name}"]).roles(["guest"]))
        .build()
        .unwrap();
    let caller = verified(alice());
    let rows = [
        (TargetKind::ResourceTemplate, "note:///{id}", true),
        (TargetKind::Resource, "note:///7", false),
        (TargetKind::ResourceTemplate, "docs://a/{id}", true),
        (TargetKind::Resource, "docs://a/7", true),
        (TargetKind::Resource, "docs://a/{id}", false),
        (TargetKind::Resource, "docs://a/{name}", false),
        (TargetKind::Resource, "note:///{id}", false),
    ];
    for (kind, uri, allowed) in rows {
        let answer = ask(&policy, &caller, kind, uri);
        assert_eq!(answer.starts_with("allow"), allowed, "{kind:?} {uri}");
    }
}

/// A rule that denies somebody what no pattern means gives nobody else the right to it.
#[test]
fn what_is_spelled_out_to_be_denied_is_not_allowed_to_others() {
    let long = "x".repeat(1025);
    let policy = Policy::builder()
        .add_role(Role::new("guest").group("guests"))
        .add_rule(Rule::allow("all").tools(["*"]).resources(["note:///**"]).everyone())
        .add_rule(
            Rule::deny("not")
                .tools(["drop\u{200b}table", &long])
                .resources(["note:///a#b", "note:///a//b"])
                .roles(["guest"]),
        )
        .build()
        .unwrap();
    let rows = [
        (TargetKind::Tool, "drop\u{200b}table"),
        (TargetKind::Tool, &long),
        (TargetKind::Resource, "note:///a#b"),
        (TargetKind::Resource, "note:///a//b"),
    ];
    let (guest, other) = (verified(alice().group("guests")), verified(alice()));
    for (kind, name) in rows {
        assert_eq!(ask(&policy, &guest, kind, name), "deny not policy_denied", "{name}");
        assert_eq!(ask(&policy, &other, kind, name), "deny - default_deny", "{name}");
        let query = Query::new(&other, Version::V2025_11_25, Method::ResourcesRead).on(kind, name);
        let rules = policy.explain(&query).rules;
        assert!(rules.iter().all(|rule| !rule.allows), "{name}: {rules:?}");
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
/// (X-96).
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
            let signed_in =
                protocol || matches!(method, Method::LoggingSetLevel | Method::TasksList);
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
        (&["one"], "scopes sent two one"),
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
    // The first role of one is the second of the other.
    let of = |roles: [&str; 2]| {
        let builder = roles
            .into_iter()
            .fold(Policy::builder(), |builder, role| builder.add_role(Role::new(role).group(role)));
        builder.add_rule(Rule::allow("a").tools(["drop"]).roles(["admins"])).build().unwrap()
    };
    let (one, other) = (of(["staff", "admins"]), of(["admins", "staff"]));
    for policy in [&one, &other, &one] {
        assert_eq!(ask(policy, &caller, TargetKind::Tool, "drop"), "deny - default_deny");
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

#[cfg(feature = "yaml")]
fn yaml(text: &str) -> Policy {
    Policy::from_yaml(text).unwrap_or_else(|error| panic!("{error}"))
}

/// Methods narrow a rule, and completing or subscribing needs the right to use as well (R-208,
/// R-209).
#[test]
#[cfg(feature = "yaml")]
fn methods_narrow_a_rule() {
    let policy = yaml(
        "
roles: { public: { anonymous: true } }
rules:
  - { id: read, allow: { resources: ['note:///**'], methods: [resources/read] }, everyone: true }
  - { id: follow, allow: { resources: ['note:///feed', 'log:///x'], methods: [resources/subscribe] }, everyone: true }
  - { id: ask, allow: { prompts: [p] }, everyone: true }
  - { id: get, allow: { prompts: [q], methods: [prompts/get] }, everyone: true }
  - { id: complete, allow: { prompts: [r], methods: [completion/complete] }, everyone: true }
  - { id: no-completion, deny: { methods: [completion/complete] }, roles: [public] }
  - { id: no-secret, deny: { resources: ['note:///secret'], methods: [resources/read] }, everyone: true }
  - { id: all-secret, allow: { resources: ['note:///secret'] }, everyone: true }
",
    );
    let caller = verified(alice());
    let ask = |method: Method, kind, name| {
        word(&policy.decide(&Query::new(&caller, V, method).on(kind, name)))
    };
    use Method::{CompletionComplete, PromptsGet, ResourcesRead, ResourcesSubscribe};
    use Method::{ResourcesUnsubscribe, SubscriptionsListen};
    use TargetKind::{Prompt, Resource};
    let rows = [
        (ResourcesRead, Resource, "note:///feed", "allow read"),
        (ResourcesSubscribe, Resource, "note:///feed", "allow follow"),
        (ResourcesUnsubscribe, Resource, "note:///feed", "allow follow"),
        (ResourcesSubscribe, Resource, "note:///other", "deny - default_deny"),
        (SubscriptionsListen, Resource, "note:///feed", "deny - default_deny"),
        (ResourcesSubscribe, Resource, "log:///x", "deny - default_deny"),
        (ResourcesRead, Resource, "note:///secret", "deny no-secret policy_denied"),
        (ResourcesSubscribe, Resource, "note:///secret", "deny no-secret policy_denied"),
        (CompletionComplete, Resource, "note:///feed", "allow read"),
        (PromptsGet, Prompt, "p", "allow ask"),
        (CompletionComplete, Prompt, "p", "allow ask"),
        (CompletionComplete, Prompt, "q", "allow get"),
        (PromptsGet, Prompt, "r", "deny - default_deny"),
        (CompletionComplete, Prompt, "r", "deny - default_deny"),
    ];
    for (method, kind, name, expected) in rows {
        assert_eq!(ask(method, kind, name), expected, "{method} {name}");
    }
}

/// To follow a resource takes the right to read it as well: one challenge names the scopes of both, and none
/// where only one of them can be had.
#[test]
#[cfg(feature = "yaml")]
fn scopes_of_both_rights() {
    let policy = yaml(
        "
rules:
  - { id: read, allow: { resources: ['note:///**'], methods: [resources/read] }, everyone: true, requires_scopes: [read] }
  - { id: follow, allow: { resources: ['note:///feed'], methods: [resources/subscribe] }, everyone: true, requires_scopes: [follow] }
",
    );
    let rows: [(&[&str], &str, &str); 6] = [
        (&[], "note:///feed", "scopes read read follow"),
        (&["read"], "note:///feed", "scopes follow follow read"),
        (&["follow"], "note:///feed", "scopes read read follow"),
        (&["read", "follow"], "note:///feed", "allow follow"),
        (&[], "note:///other", "deny - default_deny"),
        (&["read"], "note:///other", "deny - default_deny"),
    ];
    for (scopes, uri, expected) in rows {
        let caller = verified(alice().scopes(scopes.iter().map(|s| (*s).to_owned()).collect()));
        let query =
            Query::new(&caller, V, Method::ResourcesSubscribe).on(TargetKind::Resource, uri);
        assert_eq!(word(&policy.decide(&query)), expected, "{scopes:?} {uri}");
    }
}

#[test]
#[cfg(feature = "yaml")]
fn a_deny_of_a_method_denies_it_everywhere() {
    let policy = yaml(
        "
rules:
  - { id: all, allow: { tools: ['*'], prompts: ['*'], resources: ['note:///**', 'a b'] }, everyone: true }
  - { id: no, deny: { methods: [completion/complete, resources/subscribe] }, everyone: true }
",
    );
    let caller = verified(alice());
    for (method, kind, name, allowed) in [
        (Method::CompletionComplete, TargetKind::Prompt, "p", false),
        (Method::CompletionComplete, TargetKind::Resource, "note:///x", false),
        (Method::ResourcesSubscribe, TargetKind::Resource, "note:///x", false),
        (Method::ResourcesSubscribe, TargetKind::Resource, "a b", false),
        (Method::ResourcesRead, TargetKind::Resource, "note:///x", true),
        (Method::ResourcesRead, TargetKind::Resource, "a b", true),
        (Method::PromptsGet, TargetKind::Prompt, "p", true),
        (Method::ToolsCall, TargetKind::Tool, "t", true),
    ] {
        let decision = policy.decide(&Query::new(&caller, V, method).on(kind, name));
        assert_eq!(matches!(decision, Decision::Allow { .. }), allowed, "{method} {name}");
    }
}

#[test]
#[cfg(feature = "yaml")]
fn who_may_set_the_log_level() {
    let ask = |rules: &str, caller: &Caller| {
        let roles = "roles: { admin: { groups: [it] }, public: { anonymous: true } }";
        let other = "  - { id: other, allow: { tools: [x] }, roles: [admin, public] }";
        let policy = yaml(&format!("{roles}\nrules:\n{other}\n{rules}"));
        word(&policy.decide(&Query::new(caller, Version::V2025_11_25, Method::LoggingSetLevel)))
    };
    let (nobody, admin) = (verified(alice()), verified(alice().group("it")));
    assert_eq!(ask("", &nobody), "allow protocol");
    assert_eq!(ask("", &anonymous()), "deny - default_deny");
    let deny = "  - { id: no, deny: { methods: [logging/setLevel] }, roles: [admin] }";
    assert_eq!(ask(deny, &nobody), "allow protocol");
    assert_eq!(ask(deny, &admin), "deny no policy_denied");
    let allow = "  - { id: yes, allow: { methods: [logging/setLevel] }, roles: [admin] }";
    assert_eq!(ask(allow, &admin), "allow yes");
    assert_eq!(ask(allow, &nobody), "deny - default_deny");
}

/// Where roles come from.
#[test]
#[cfg(feature = "yaml")]
fn roles_come_from_many_places() {
    let policy = yaml(
        r#"
groups: { staff: [id-1, id-2] }
roles:
  a: { groups: [staff] }
  b: { claims: { department: [sales, 7], "https://x.example/vip": true } }
  c: { subjects: [alice], from: { issuers: ["https://id.example"] } }
  d: { from: { issuers: ["https://id.example", "https://other.example"], tenants: [t1] } }
  e: { claims: { /org/units/0: emea } }
rules:
  - { id: a, allow: { tools: [a] }, roles: [a] }
  - { id: b, allow: { tools: [b] }, roles: [b] }
  - { id: c, allow: { tools: [c] }, roles: [c] }
  - { id: d, allow: { tools: [d] }, roles: [d] }
  - { id: e, allow: { tools: [e] }, roles: [e] }
"#,
    );
    let with = |claims: serde_json::Value| {
        let serde_json::Value::Object(claims) = claims else { panic!() };
        Principal::builder("https://third.example", "bob").claims(claims)
    };
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let rows = [
        ("a group's name is not its id", alice().group("staff"), "c"),
        ("a group's id", alice().group("id-2"), "ac"),
        ("a claim", with(json(r#"{"department":"sales"}"#)), "b"),
        ("a claim in a list", with(json(r#"{"department":["x","sales"]}"#)), "b"),
        ("a number", with(json(r#"{"department":7.0}"#)), "b"),
        ("no number", with(json(r#"{"department":"7"}"#)), ""),
        ("a name with slashes", with(json(r#"{"https://x.example/vip":true}"#)), "b"),
        ("not so", with(json(r#"{"https://x.example/vip":false}"#)), ""),
        ("inside an object", with(json(r#"{"department":{"sales":true}}"#)), ""),
        ("a path", with(json(r#"{"org":{"units":["emea","apac"]}}"#)), "e"),
        ("another place", with(json(r#"{"org":{"units":["apac","emea"]}}"#)), ""),
        ("a subject of another issuer", Principal::builder("https://other.example", "alice"), ""),
        ("a tenant", Principal::builder("https://other.example", "x").tenant("t1"), "d"),
        (
            "a tenant of another issuer",
            Principal::builder("https://evil.example", "x").tenant("t1"),
            "",
        ),
        ("another tenant", Principal::builder("https://other.example", "x").tenant("t2"), ""),
    ];
    for (name, principal, expected) in rows {
        let caller = verified(principal);
        let allowed: String = ["a", "b", "c", "d", "e"]
            .into_iter()
            .filter(|tool| ask(&policy, &caller, TargetKind::Tool, tool).starts_with("allow"))
            .collect();
        assert_eq!(allowed, expected, "{name}");
    }
}

/// RFC 8693 section 4.1: only the current actor counts.
#[test]
#[cfg(feature = "yaml")]
fn calls_through_agents() {
    use portcullis_core::Actor;
    let policy = yaml(
        r#"
agents:
  bot: { clients: [bot-client], actors: [agent-7] }
  far: { issuer: "https://agents.example", actors: [agent-7], clients: [far-client] }
rules:
  - { id: direct, allow: { tools: [direct] }, everyone: true, through: direct }
  - { id: agent, allow: { tools: [agent] }, everyone: true, through: agent }
  - { id: bot, allow: { tools: [bot] }, everyone: true, through: bot }
  - { id: far, allow: { tools: [far] }, everyone: true, through: [far] }
  - { id: any, allow: { tools: [any] }, everyone: true }
"#,
    );
    let actor =
        |issuer: Option<&str>, subject: &str| Actor::new(issuer.map(str::to_owned), subject);
    let own = || actor(None, "agent-7");
    let rows = [
        ("nobody in between", alice(), "direct any"),
        ("another client", alice().client_id("ide"), "direct any"),
        ("the bot's client", alice().client_id("bot-client"), "agent bot any"),
        ("the far one's client, of another issuer", alice().client_id("far-client"), "direct any"),
        ("the bot as actor", alice().actors(vec![own()]), "agent bot any"),
        ("an unknown actor", alice().actors(vec![actor(None, "x")]), "agent any"),
        ("the bot behind another", alice().actors(vec![actor(None, "x"), own()]), "agent any"),
        (
            "the bot of another issuer",
            alice().actors(vec![actor(Some("https://evil.example"), "agent-7")]),
            "agent any",
        ),
        (
            "the far one",
            alice().actors(vec![actor(Some("https://agents.example"), "agent-7")]),
            "agent far any",
        ),
    ];
    for (name, principal, expected) in rows {
        let caller = verified(principal);
        let allowed: Vec<&str> = ["direct", "agent", "bot", "far", "any"]
            .into_iter()
            .filter(|tool| ask(&policy, &caller, TargetKind::Tool, tool).starts_with("allow"))
            .collect();
        assert_eq!(allowed.join(" "), expected, "{name}");
    }
}

/// A rule about one of several servers says nothing of the others.
#[test]
fn rules_are_about_their_servers() {
    let policy = Policy::builder()
        .add_server(crate::Server::new("a"))
        .add_server(crate::Server::new("b"))
        .add_rule(Rule::allow("one").tools(["x"]).servers(["a"]).everyone())
        .add_rule(Rule::allow("all").tools(["y"]).everyone())
        .add_rule(Rule::deny("not").tools(["y"]).servers(["b"]).everyone())
        .build()
        .unwrap();
    let caller = verified(alice());
    // Which server, whether `x` and `y` may be called there.
    let rows = [
        (Some("a"), true, true),
        (Some("b"), false, false),
        (Some("c"), false, true),
        (None, false, false),
    ];
    for (server, x, y) in rows {
        for (tool, expected) in [("x", x), ("y", y)] {
            let mut query = Query::new(&caller, V, Method::ToolsCall).on(TargetKind::Tool, tool);
            if let Some(server) = server {
                query = query.of_server(server);
            }
            let allowed = matches!(policy.decide(&query), Decision::Allow { .. });
            assert_eq!(allowed, expected, "{tool} of {server:?}");
        }
    }
}

/// Who lacks a scope that nobody can get is denied (R-168).
#[test]
#[cfg(feature = "yaml")]
fn scopes_that_cannot_be_had_are_not_asked_for() {
    let policy = yaml(
        "
grantable_scopes: [a]
rules:
  - { id: both, allow: { tools: [x] }, everyone: true, requires_scopes: [a, b] }
",
    );
    let ask = |scopes: &[&str]| {
        let caller = verified(alice().scopes(scopes.iter().map(|s| (*s).to_owned()).collect()));
        self::ask(&policy, &caller, TargetKind::Tool, "x")
    };
    assert_eq!(ask(&[]), "deny - default_deny");
    assert_eq!(ask(&["a"]), "deny - default_deny");
    assert_eq!(ask(&["b"]), "scopes both a b");
    assert_eq!(ask(&["a", "b"]), "allow both");
}

#[test]
#[cfg(feature = "yaml")]
fn annotations_give_nothing_unless_trusted() {
    use portcullis_core::ToolHints;
    let policy = |servers: &str| {
        yaml(&format!(
            "
servers: {{ {servers} }}
rules:
  - {{ id: read, allow: {{ tools: ['*'], annotations: {{ readOnlyHint: true }} }}, everyone: true }}
  - {{ id: any, allow: {{ tools: [drop, look] }}, everyone: true }}
  - {{ id: no, deny: {{ tools: [drop], annotations: {{ destructiveHint: true }} }}, everyone: true }}
"
        ))
    };
    let caller = verified(alice());
    let ask = |policy: &Policy, server: Option<&str>, tool, read_only: Option<Option<bool>>| {
        let mut query = Query::new(&caller, V, Method::ToolsCall).on(TargetKind::Tool, tool);
        if let Some(server) = server {
            query = query.of_server(server);
        }
        if let Some(read_only) = read_only {
            let mut hints = ToolHints::default();
            hints.read_only = read_only;
            query = query.with_hints(hints);
        }
        word(&policy.decide(&query))
    };
    let (yes, no, silent, unseen) = (Some(Some(true)), Some(Some(false)), Some(None), None);
    let trusting = policy("main: { trust_annotations: true }");
    let stating = policy("main: { annotations: { get: { readOnlyHint: true } } }");
    let wary = policy("main: {}");
    let main = Some("main");
    let rows = [
        ("trusted", &trusting, main, "get", yes, "allow read"),
        ("trusted, not so", &trusting, main, "get", no, "deny - default_deny"),
        (
            "trusted, says nothing: MCP says no",
            &trusting,
            main,
            "get",
            silent,
            "deny - default_deny",
        ),
        ("trusted, never listed", &trusting, main, "get", unseen, "deny - default_deny"),
        ("another server", &trusting, Some("other"), "get", yes, "deny - default_deny"),
        ("a server without a name", &trusting, None, "get", yes, "deny - default_deny"),
        ("not trusted", &wary, main, "get", yes, "deny - default_deny"),
        ("stated", &stating, main, "get", no, "allow read"),
        ("stated of another tool", &stating, main, "set", yes, "deny - default_deny"),
        ("harmless", &trusting, main, "drop", yes, "allow any"),
        ("destructive by default", &trusting, main, "drop", silent, "deny no policy_denied"),
        ("a harmless word that is not trusted", &wary, main, "drop", yes, "deny no policy_denied"),
        ("never listed", &trusting, main, "drop", unseen, "deny no policy_denied"),
        ("no rule about it", &wary, main, "look", unseen, "allow any"),
    ];
    for (name, policy, server, tool, hints, expected) in rows {
        assert_eq!(ask(policy, server, tool, hints), expected, "{name}");
    }
    assert!(wary.warnings().iter().any(|w| w.to_string().contains("never allows")), "{wary:?}");
    assert!(trusting.warnings().is_empty(), "{:?}", trusting.warnings());
}

#[cfg(feature = "yaml")]
const CONTRADICTED: &str =
    "line 4, column 11: rule r never allows: rule d denies it whenever its conditions hold";

#[cfg(feature = "yaml")]
const VOID: &str = "line 4, column 11: rule r limits nothing: rule s allows the same people all of it without such limits";

#[test]
#[cfg(feature = "yaml")]
fn what_is_probably_not_meant() {
    let warnings = |rules: &str| -> Vec<String> {
        let roles = "roles: { a: { groups: [x] }, b: { groups: [y] }, all: { anonymous: true } }";
        let used = "  - { id: used, allow: { tools: [u] }, roles: [a, b, all] }";
        let policy = yaml(&format!("{roles}\nrules:\n{used}\n{rules}"));
        policy.warnings().iter().map(ToString::to_string).collect()
    };
    let shadowed = "line 4, column 11: rule r never allows: rule d denies all of it";
    let rows: &[(&str, &str, &[&str])] = &[
        ("nothing", "", &[]),
        (
            "the same",
            "  - { id: r, allow: { tools: [x] }, roles: [a] }\n  - { id: d, deny: { tools: [x] }, roles: [a] }",
            &[shadowed],
        ),
        (
            "wider, for everyone",
            "  - { id: r, allow: { tools: ['x_*', x] }, roles: [a] }\n  - { id: d, deny: { tools: ['x*'] }, everyone: true }",
            &[shadowed],
        ),
        (
            "not for everyone",
            "  - { id: r, allow: { tools: [x] }, roles: [a, b] }\n  - { id: d, deny: { tools: [x] }, roles: [a] }",
            &[],
        ),
        (
            "not all of it",
            "  - { id: r, allow: { tools: ['x*'] }, roles: [a] }\n  - { id: d, deny: { tools: ['x_*'] }, roles: [a] }",
            &[],
        ),
        (
            "not always",
            "  - { id: r, allow: { tools: [x] }, roles: [a] }\n  - { id: d, deny: { tools: [x] }, roles: [a], through: agent }",
            &[],
        ),
        (
            "trees",
            "  - { id: r, allow: { resources: ['n:///a/**'] }, roles: [a] }\n  - { id: d, deny: { resources: ['n:///**'] }, roles: [a] }",
            &[shadowed],
        ),
        (
            "one level is not a tree",
            "  - { id: r, allow: { resources: ['n:///**'] }, roles: [a] }\n  - { id: d, deny: { resources: ['n:///*'] }, roles: [a] }",
            &[],
        ),
        (
            "over",
            "  - { id: r, allow: { tools: [x] }, roles: [a], valid: { until: 2020-01-01T00:00:00Z } }",
            &["line 4, column 11: rule r is over: its valid time has ended"],
        ),
        (
            "a network in another",
            "  - { id: r, allow: { tools: [x] }, roles: [a], networks: [10.1.0.0/16, 192.0.2.1, 10.0.0.0/8] }",
            &[
                "line 4, column 11: rule r names the network 10.1.0.0/16 for nothing: 10.0.0.0/8 holds all of it",
            ],
        ),
        (
            "a network twice",
            "  - { id: r, deny: { tools: [x] }, roles: [a], networks: [192.0.2.1/32, 192.0.2.1] }\n  - { id: s, allow: { tools: [y] }, roles: [a] }",
            &[
                "line 4, column 11: rule r names the network 192.0.2.1 for nothing: 192.0.2.1/32 holds all of it",
            ],
        ),
        (
            "networks apart, and a denial from one",
            "  - { id: r, allow: { tools: [x] }, roles: [a], networks: [10.0.0.0/8, 11.0.0.0/8] }\n  - { id: d, deny: { tools: [x] }, roles: [a], networks: [10.1.0.0/16] }",
            &[],
        ),
        (
            "a role for nothing",
            "  - { id: r, allow: { tools: [x] }, everyone: true }\nagents: { bot: { clients: [c] } }",
            &["line 5, column 16: the agent bot is used by no rule"],
        ),
        (
            "an agent that makes calls indirect",
            "  - { id: r, allow: { tools: [x] }, everyone: true, through: direct }\nagents: { bot: { clients: [c] } }",
            &[],
        ),
        (
            "the same, under the same condition",
            "  - { id: r, allow: { tools: ['x*', y] }, roles: [a], arguments: { n: { max: 5 } } }\n  - { id: d, deny: { tools: ['x*', y] }, everyone: true, arguments: { n: { max: 5 } } }",
            &[CONTRADICTED],
        ),
        (
            "a condition among others",
            "  - { id: r, allow: { tools: [x] }, roles: [a], through: direct, arguments: { n: { max: 5 } } }\n  - { id: d, deny: { tools: [x] }, roles: [a, b], through: direct }",
            &[CONTRADICTED],
        ),
        (
            "another condition",
            "  - { id: r, allow: { tools: [x] }, roles: [a], arguments: { n: { max: 5 } } }\n  - { id: d, deny: { tools: [x] }, roles: [a], arguments: { n: { max: 4 } } }",
            &[],
        ),
        (
            "a condition, on one of two",
            "  - { id: r, allow: { tools: [x, y] }, roles: [a], through: direct }\n  - { id: d, deny: { tools: [x] }, roles: [a], through: direct }\n  - { id: e, deny: { tools: [y] }, roles: [a], through: agent }",
            &[],
        ),
        (
            "a condition, to others",
            "  - { id: r, allow: { tools: [x] }, roles: [a], through: direct }\n  - { id: d, deny: { tools: [x] }, roles: [b], through: direct }",
            &[],
        ),
        (
            "methods of other targets",
            "  - { id: r, allow: { tools: [x], methods: [prompts/get] }, roles: [a] }",
            &["line 4, column 11: rule r names targets that none of its methods use"],
        ),
        (
            "two that deny all of it together, tool by tool",
            "  - { id: r, allow: { tools: [x, y] }, roles: [a] }\n  - { id: d, deny: { tools: [x] }, roles: [a] }\n  - { id: e, deny: { tools: ['y*'] }, everyone: true }",
            &["line 4, column 11: rule r never allows: rules d, e together deny all of it"],
        ),
        (
            "and role by role",
            "  - { id: r, allow: { tools: ['x*'] }, roles: [a, b] }\n  - { id: d, deny: { tools: ['*'] }, roles: [a] }\n  - { id: e, deny: { tools: ['x*'] }, roles: [b] }",
            &["line 4, column 11: rule r never allows: rules d, e together deny all of it"],
        ),
        (
            "a limit that another rule does not set",
            "  - { id: r, allow: { tools: [pay] }, roles: [a], arguments: { n: { max: 5 } } }\n  - { id: s, allow: { tools: ['*'] }, roles: [a, b] }",
            &[VOID],
        ),
        (
            "the other way about, to everyone, and by scopes",
            "  - { id: r, allow: { tools: ['p*'] }, roles: [a], requires_scopes: [p] }\n  - { id: s, allow: { tools: ['p*'] }, everyone: true }",
            &[VOID],
        ),
        (
            "to everyone by two rules",
            "  - { id: r, allow: { tools: [x, y] }, roles: [a], through: direct }\n  - { id: s, allow: { tools: [x] }, everyone: true }\n  - { id: t, allow: { tools: [y] }, roles: [a] }",
            &[
                "line 4, column 11: rule r limits nothing: rules s, t together allow the same people all of it without such limits",
            ],
        ),
        (
            "one limit of two",
            "  - { id: r, allow: { tools: [x] }, roles: [a], through: direct, requires_scopes: [p] }\n  - { id: s, allow: { tools: ['x*'] }, roles: [a], through: direct }",
            &[VOID],
        ),
        (
            "scopes of which one rule asks for fewer",
            "  - { id: r, allow: { tools: [x] }, roles: [a], requires_scopes: [p, q] }\n  - { id: s, allow: { tools: [x] }, roles: [a], requires_scopes: [q] }",
            &[VOID],
        ),
        (
            "limits of two kinds",
            "  - { id: r, allow: { tools: [x] }, roles: [a], arguments: { n: { max: 5 } } }\n  - { id: s, allow: { tools: [x] }, roles: [a], requires_scopes: [q] }",
            &[],
        ),
        (
            "the same limits",
            "  - { id: r, allow: { tools: [x] }, roles: [a], arguments: { n: { max: 5 } } }\n  - { id: s, allow: { tools: [x] }, roles: [a], arguments: { n: { max: 5 } } }",
            &[],
        ),
        (
            "a limit for some of them",
            "  - { id: r, allow: { tools: [x] }, roles: [a, b], through: direct }\n  - { id: s, allow: { tools: [x] }, roles: [a] }",
            &[],
        ),
        (
            "on some of it",
            "  - { id: r, allow: { tools: [x, y] }, roles: [a], through: direct }\n  - { id: s, allow: { tools: [x] }, roles: [a] }",
            &[],
        ),
        (
            "for those who have not signed in",
            "  - { id: r, allow: { tools: [x] }, roles: [all], arguments: { n: { max: 5 } } }\n  - { id: s, allow: { tools: [x] }, everyone: true }",
            &[],
        ),
        (
            "the only ones to call it as a task",
            "  - { id: r, allow: { tools: [x], methods: [tools/call, tasks/create] }, roles: [a] }\n  - { id: s, allow: { tools: [x] }, roles: [a] }",
            &[],
        ),
        (
            "patterns of another kind",
            "  - { id: r, deny: { tools: ['get_?', 'a.*', ' x'], prompts: ['(a|b)'] }, roles: [a] }",
            &[
                "line 4, column 30: rule r: ? in the name \"get_?\" is only itself: * alone stands for other text",
                "line 4, column 46: rule r: the name \" x\" has spaces around it",
                "line 4, column 63: rule r: ( in the name \"(a|b)\" is only itself: * alone stands for other text",
            ],
        ),
        (
            "no URI",
            "  - { id: r, deny: { resources: [notes, '**', 'n:///{id}'] }, roles: [a] }",
            &["line 4, column 34: rule r: \"notes\" is no URI: it has no scheme"],
        ),
        (
            "no pointer",
            "  - { id: r, allow: { tools: [x] }, roles: [a], arguments: { to/iban: { prefix: DE }, /to/bic: { prefix: DE } } }",
            &[
                "line 4, column 71: rule r: \"to/iban\" is the name of one argument: to point into one, write \"/to/iban\"",
            ],
        ),
    ];
    for (name, rules, expected) in rows {
        assert_eq!(warnings(rules), *expected, "{name}");
    }
    let groups = "{ staff: [1a, 1b], other: [1b], third: 1c }";
    let policy = yaml(&format!(
        "groups: {groups}\nroles: {{ r: {{ groups: [staff, other, third] }} }}\nrules:\n  \
         - {{ id: r, allow: {{ tools: [x] }}, roles: [r] }}"
    ));
    let warnings: Vec<String> = policy.warnings().iter().map(ToString::to_string).collect();
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(warning.ends_with("have the same id 1b"), "{warning}");
}

/// A rule's word goes along with what is not hidden, and to signed-in callers alone.
#[test]
#[cfg(feature = "yaml")]
fn explanations() {
    let policy = yaml(
        "
rules:
  - id: small
    allow: { tools: [pay] }
    everyone: true
    arguments: { amount: { max: 100 } }
    denial: tool_result
    explanation: Only up to 100.
",
    );
    let explanation = |caller: &Caller| {
        let query = Query::new(caller, V, Method::ToolsCall).on(TargetKind::Tool, "pay");
        match policy.decide(&query) {
            Decision::Deny { style, explanation, .. } => {
                (style, explanation.map(|t| t.to_string()))
            }
            other => panic!("{other:?}"),
        }
    };
    let told = (DenialStyle::ToolResult, Some("Only up to 100.".to_owned()));
    assert_eq!(explanation(&verified(alice())), told);
    assert_eq!(explanation(&anonymous()), (DenialStyle::Hide, None));
}

/// A group that nobody knows might be the denied one, also where everyone is allowed (R-132).
#[test]
fn unknown_groups_stop_even_what_everyone_may() {
    let policy = Policy::builder()
        .add_role(Role::new("guest").group("guests"))
        .add_rule(Rule::allow("open").tools(["search"]).everyone())
        .add_rule(Rule::deny("no-guests").tools(["search"]).roles(["guest"]))
        .build()
        .unwrap();
    let ask = |caller| ask(&policy, &caller, TargetKind::Tool, "search");
    assert_eq!(ask(verified(alice())), "allow open");
    assert_eq!(ask(verified(alice().group("guests"))), "deny no-guests policy_denied");
    assert_eq!(ask(verified(alice().groups_unknown())), "deny - groups_unknown");
}

#[test]
fn a_policy_spells_out_its_tools() {
    let names = ["create_note", "deploy", "list_notes", "reset", "search"];
    assert_eq!(policy().standing().tools, names);
    assert!(Policy::danger_permit_all().standing().tools.is_empty());
    let other = Policy::builder().add_rule(Rule::allow("a").tools(["a", "deploy"]).everyone());
    let both = policy().standing().and(other.build().unwrap().standing());
    assert_eq!(both.tools, ["a", "create_note", "deploy", "list_notes", "reset", "search"]);
}

/// Callers choose how long a name is, and to look for texts in it takes time.
#[test]
fn endless_names_are_nobodys() {
    let long = "a".repeat(1025);
    let policy = yaml(&format!(
        "roles: {{r: {{groups: [staff]}}}}\nrules:\n- {{id: all, roles: [r], allow: {{tools: ['*', '*aa*b*', '{long}']}}}}\n"
    ));
    let alice = verified(alice().groups(vec!["staff".to_owned()]));
    let ask = |name: &str| ask(&policy, &alice, TargetKind::Tool, name);
    assert_eq!(ask(&"b".repeat(1024)), "allow all");
    assert_eq!(ask(&long), "allow all", "spelt out");
    assert_eq!(ask(&"b".repeat(1025)), "deny - default_deny");
    // Would take minutes if every place in it were tried.
    assert_eq!(ask(&"a".repeat(4 << 20)), "deny - default_deny");
}
