use super::*;
use crate::DenialStyle;

fn reader() -> PolicyBuilder {
    Policy::builder().add_role(Role::new("reader").group("staff"))
}

fn rule() -> Rule {
    Rule::allow("r").tools(["t"]).everyone()
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let only = |rule: Rule| reader().add_rule(rule);
    let with = |role: Role| Policy::builder().add_role(role).add_rule(rule());
    let uri = |uri: &str| only(Rule::allow("r").resources([uri]).everyone());
    let rows = [
        (Policy::builder(), "the policy has no rules: it would allow nothing"),
        (only(rule()).name(""), "the policy's name is empty"),
        (only(Rule::allow("")), "a rule's id is empty"),
        (
            only(Rule::allow("a\nb")),
            "a rule's id is longer than 128 bytes or has control characters",
        ),
        (
            only(Rule::allow("protocol").tools(["t"]).everyone()),
            "the rule id protocol is taken by the gate itself",
        ),
        (
            only(Rule::allow("default-deny").tools(["t"]).everyone()),
            "the rule id default-deny is taken by the gate itself",
        ),
        (only(rule()).add_rule(rule()), "two rules have the id r"),
        (only(Rule::allow("r").everyone()), "rule r names no tools, prompts, resources or methods"),
        (
            only(Rule::allow("r").tools(["t"])),
            "rule r applies to nobody: give it roles or everyone",
        ),
        (
            only(rule().networks(Vec::<String>::new())),
            "rule r: its networks name nothing: leave them out if there is to be no limit",
        ),
        (
            only(rule().servers(Vec::<String>::new()).requires_scopes(["a"])),
            "rule r: its servers name nothing: leave them out if there is to be no limit",
        ),
        (
            only(rule().methods(Vec::<String>::new()).networks(["10.0.0.0/8"])),
            "rule r: its methods name nothing: leave them out if there is to be no limit",
        ),
        (
            only(Rule::allow("r").tools(["t"]).roles(["writer"])),
            "rule r names the unknown role writer",
        ),
        (
            only(Rule::deny("r").tools(["t"]).everyone().requires_scopes(["a"])),
            "rule r denies, so it cannot require scopes",
        ),
        (
            only(rule().requires_scopes(["a b"])),
            "rule r: \"a b\" is not a scope (RFC 6749 section 3.3)",
        ),
        (
            only(rule().requires_scopes(["openid"])),
            "rule r: the scope openid is not this resource's to ask for",
        ),
        (only(rule().requires_scopes(["files:*"])), "rule r: the scope \"files:*\" is a wildcard"),
        (
            only(rule().prompts(["p"]).denial(DenialStyle::ToolResult)),
            "rule r is not about tools alone, so it cannot deny by a tool result",
        ),
        (with(Role::new("")), "a role's name is empty"),
        (
            with(Role::new("x")),
            "nobody can have the role x: give it groups, scopes, roles, clients, subjects, claims, from or anonymous",
        ),
        (with(Role::new("x").group("")), "the role x has an empty string among its claims"),
        (
            with(Role::new("x").group("g")).add_role(Role::new("x").group("h")),
            "the role x is defined twice",
        ),
        (only(rule()).scope_implies("a", ["b c"]), "\"b c\" in the scope hierarchy is not a scope"),
        (only(rule().tools([""])), "rule r: an empty name matches nothing"),
        (
            only(rule().tools(["a**"])),
            "rule r: write one `*` in \"a**\": in a name it stands for any text",
        ),
        (
            only(rule().prompts(["a\u{200b}*"])),
            "rule r: the pattern \"a\\u{200b}*\" has a backslash or an invisible character, which patterns never match",
        ),
        (uri(""), "rule r: an empty URI matches nothing"),
        (
            uri("file:///a/../b"),
            "rule r: the URI \"file:///a/../b\" is never allowed: no dot segments, backslashes, encoded separators or control characters",
        ),
        (uri("**"), "rule r: the pattern \"**\" must start with a scheme, such as \"note:///**\""),
        (
            uri("*:///x"),
            "rule r: the pattern \"*:///x\" must start with a scheme, such as \"note:///**\"",
        ),
        (
            uri("note:///a**"),
            "rule r: `**` in \"note:///a**\" must stand between slashes or at the end after one",
        ),
        (
            uri("note:///***"),
            "rule r: `**` in \"note:///***\" must stand between slashes or at the end after one",
        ),
        (
            uri("note:///{id}/*"),
            "rule r: \"note:///{id}/*\" has both braces and `*`: name the template exactly",
        ),
        (
            uri("NOTE:///*"),
            "rule r: the pattern \"NOTE:///*\" is not in normal form: write scheme and host in lower case, no default port, and percent-encode only what needs it, in upper case (RFC 3986 section 6.2)",
        ),
        (
            uri("note:///../*"),
            "rule r: the pattern \"note:///../*\" can match no URI: no dot segments, encoded separators, fragments, user names, empty segments or characters outside RFC 3986",
        ),
        (
            uri("https://*@a.example/*"),
            "rule r: the pattern \"https://*@a.example/*\" can match no URI: no dot segments, encoded separators, fragments, user names, empty segments or characters outside RFC 3986",
        ),
    ];
    for (builder, expected) in rows {
        assert_eq!(builder.build().unwrap_err().to_string(), expected);
    }
}

#[test]
fn what_can_be_meant_is_taken() {
    let rules = [
        Rule::allow("a").tools(["*", "a*b*c", "x[1]", "{y}", "q?"]).everyone(),
        Rule::allow("b")
            .resources(["note:///**", "note:///**/x", "file:///a/*/b", "urn:isbn:*"])
            .everyone(),
        Rule::allow("c")
            .resources(["https://*.example.com/**", "https://a.example:8443/x?y=*"])
            .everyone(),
        Rule::deny("d").resources(["**"]).everyone(),
        Rule::allow("e").resources(["note:///{id}", "note:///{list*}", "weird"]).everyone(),
    ];
    for rule in rules {
        let id = rule.id.text.clone();
        if let Err(error) = Policy::builder().add_rule(rule).build() {
            assert_eq!(id, "e", "{error}");
            assert!(error.to_string().contains("both braces and `*`"), "{error}");
        }
    }
}

#[test]
fn the_version_is_the_content() {
    let version = |builder: PolicyBuilder| builder.build().unwrap().version.to_string();
    let base = || reader().add_rule(rule().roles(["reader"]));
    assert_eq!(version(base()), "921268da9a3a655e", "stable over builds and machines");
    assert_eq!(version(base().name("notes")), "notes@921268da9a3a655e");
    let others = [
        base().add_role(Role::new("x").group("g")),
        base().add_rule(Rule::allow("s").tools(["t"]).everyone()),
        base().scope_implies("a", ["b"]),
        reader().add_rule(rule()),
        reader().add_rule(rule().roles(["reader"]).denial(DenialStyle::Hide)),
        reader().add_rule(Rule::allow("r").prompts(["t"]).everyone().roles(["reader"])),
        reader().add_rule(rule().roles(["reader"]).requires_scopes(["s"])),
        reader().add_rule(rule().roles(["reader"]).networks(["192.0.2.0/24"])),
        reader().add_rule(rule().roles(["reader"]).networks(["192.0.2.0/25"])),
        Policy::builder()
            .add_role(Role::new("reader").scope("staff"))
            .add_rule(rule().roles(["reader"])),
    ];
    let mut seen = HashSet::from([version(base())]);
    for other in others {
        assert!(seen.insert(version(other)), "another policy has another version");
    }
}
