//! The digest of a policy.

use portcullis_core::ToolHints;
use portcullis_crypto::sha256;
use serde_json::{Value, json};

use crate::rule::{Effect, Through, Word};
use crate::{Argument, DenialStyle, PolicyBuilder, Role, Rule};

/// The SHA-256 digest, in hexadecimal, of everything that can change a decision or a record.
///
/// Arrays only: the order of an object's members depends on a feature of serde_json. What has no
/// order of its own, because it is kept by name, is sorted.
pub(crate) fn digest(policy: &PolicyBuilder) -> String {
    let by_name = |mut values: Vec<Value>| {
        values.sort_by_cached_key(|value| value.get(0).map(Value::to_string));
        values
    };
    let servers = policy.servers.iter().map(|server| {
        let tools = server.hints.iter().map(|(tool, hints)| json!([tool, self::hints(*hints)]));
        json!([server.name, server.trusted, tools.collect::<Vec<_>>()])
    });
    let groups = policy.groups.iter().map(|(name, ids)| json!([name.text, ids]));
    let agents = policy.agents.iter().map(|a| json!([a.name, a.issuer, a.clients, a.actors]));
    let implied = policy.implied.iter().map(|(scope, others)| json!([scope.text, texts(others)]));
    let content = json!([
        "portcullis policy 2",
        by_name(servers.collect()),
        by_name(groups.collect()),
        by_name(agents.collect()),
        by_name(implied.collect()),
        policy.grantable.as_deref().map(texts),
        by_name(policy.roles.iter().map(role).collect()),
        policy.rules.iter().map(rule).collect::<Vec<_>>(),
    ]);
    sha256(content.to_string().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(words: &[Word]) -> Vec<&str> {
    words.iter().map(|word| word.text.as_str()).collect()
}

fn role(role: &Role) -> Value {
    let Role { name, groups, scopes, roles, clients, subjects, claims, .. } = role;
    let Role { issuers, tenants, anonymous, .. } = role;
    json!([name, groups, scopes, roles, clients, subjects, claims, issuers, tenants, anonymous])
}

/// A rule, and nothing of it left out but what it is for.
pub(crate) fn rule(rule: &Rule) -> Value {
    let through = rule.through.as_ref().map(|through| match through {
        Through::Direct => json!("direct"),
        Through::Agent => json!("agent"),
        Through::Named(agents) => json!(texts(agents)),
    });
    let denial = rule.denial.map(|style| match style {
        DenialStyle::Hide => "hide",
        DenialStyle::Explain => "explain",
        DenialStyle::ToolResult => "tool_result",
    });
    let arguments = rule.arguments.iter().map(|(name, asked)| json!([name.text, argument(asked)]));
    let windows = rule.windows.iter().map(|(w, _)| json!([w.time_zone, w.days, w.hours]));
    let text = |word: &Option<Word>| word.as_ref().map(|word| word.text.clone());
    let mut content = json!([
        rule.id.text,
        rule.effect == Effect::Allow,
        texts(&rule.tools),
        texts(&rule.prompts),
        texts(&rule.resources),
        texts(&rule.methods),
        texts(&rule.servers),
        hints(rule.annotations),
        texts(&rule.roles),
        rule.everyone,
        through,
        texts(&rule.requires_scopes),
        arguments.collect::<Vec<_>>(),
        windows.collect::<Vec<_>>(),
        text(&rule.from),
        text(&rule.until),
        denial,
        text(&rule.explanation),
    ]);
    // Only where there are any: a policy of before keeps its digest.
    if let Some(members) = content.as_array_mut().filter(|_| !rule.networks.is_empty()) {
        members.push(json!(texts(&rule.networks)));
    }
    content
}

fn hints(hints: ToolHints) -> Value {
    json!([hints.read_only, hints.destructive, hints.idempotent, hints.open_world])
}

fn argument(asked: &Argument) -> Value {
    let Argument { present, equals, one_of, min, max, prefix, suffix, .. } = asked;
    let Argument { under, matches, min_length, max_length, each, .. } = asked;
    // `null` is a value that can be asked for.
    let equals: Vec<_> = equals.iter().collect();
    let each = each.as_ref().map(|item| argument(item));
    json!([
        present, equals, one_of, min, max, prefix, suffix, under, matches, min_length, max_length,
        each
    ])
}
