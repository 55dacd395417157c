//! Says in words what a policy says.

use portcullis_core::{Method, ToolHints};

use crate::condition::{Part, TASKS_CREATE};
use crate::rule::{Effect, Through, Word};
use crate::{Argument, PolicyBuilder, Role, Rule};

/// What one part of a rule's conditions asks.
pub(crate) fn part(rule: &Rule, part: Part) -> String {
    match part {
        Part::Method => format!("method {}", list(&rule.methods)),
        Part::Server => format!("server {}", list(&rule.servers)),
        Part::Annotations => format!("annotations {}", hints(rule.annotations)),
        Part::Through => match &rule.through {
            None => String::new(),
            Some(Through::Direct) => "no agent in between".into(),
            Some(Through::Agent) => "through an agent".into(),
            Some(Through::Named(agents)) => format!("through {}", list(agents)),
        },
        Part::Network => format!("from {}", list(&rule.networks)),
        Part::Time => time(rule),
        Part::Argument(number) => rule
            .arguments
            .get(number)
            .map(|(name, asked)| format!("argument {} {}", name.text, argument(asked)))
            .unwrap_or_default(),
    }
}

fn list(words: &[Word]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" or ")
}

fn hints(hints: ToolHints) -> String {
    let pairs = [
        ("readOnlyHint", hints.read_only),
        ("destructiveHint", hints.destructive),
        ("idempotentHint", hints.idempotent),
        ("openWorldHint", hints.open_world),
    ];
    let said = pairs.into_iter().filter_map(|(name, hint)| Some(format!("{name} {}", hint?)));
    said.collect::<Vec<_>>().join(", ")
}

fn time(rule: &Rule) -> String {
    let mut parts: Vec<String> = Vec::new();
    let windows: Vec<String> = rule
        .windows
        .iter()
        .map(|(window, _)| {
            let mut words = Vec::new();
            words.extend((!window.days.is_empty()).then(|| window.days.join(" ")));
            words.extend(window.hours.clone());
            words.push(window.time_zone.clone());
            words.join(" ")
        })
        .collect();
    if !windows.is_empty() {
        parts.push(format!("during {}", windows.join(" or ")));
    }
    parts.extend(rule.from.as_ref().map(|word| format!("from {}", word.text)));
    parts.extend(rule.until.as_ref().map(|word| format!("until {}", word.text)));
    parts.join(", ")
}

fn argument(asked: &Argument) -> String {
    let Argument { present, equals, one_of, min, max, prefix, suffix, .. } = asked;
    let Argument { under, matches, min_length, max_length, each, .. } = asked;
    let mut parts: Vec<String> = Vec::new();
    parts.extend(present.map(|there| if there { "is there" } else { "is not there" }.to_owned()));
    parts.extend(equals.as_ref().map(|value| format!("is {value}")));
    parts.extend(one_of.as_ref().map(|values| {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        format!("is one of {}", values.join(", "))
    }));
    parts.extend(min.as_ref().map(|number| format!("is at least {number}")));
    parts.extend(max.as_ref().map(|number| format!("is at most {number}")));
    parts.extend(prefix.as_ref().map(|text| format!("starts with {text:?}")));
    parts.extend(suffix.as_ref().map(|text| format!("ends with {text:?}")));
    parts.extend(under.as_ref().map(|path| format!("is a path under {path:?}")));
    parts.extend(matches.as_ref().map(|pattern| format!("matches {pattern:?}")));
    parts.extend(min_length.map(|least| format!("has a length of at least {least}")));
    parts.extend(max_length.map(|most| format!("has a length of at most {most}")));
    parts.extend(each.as_ref().map(|item| format!("has items of which each {}", argument(item))));
    parts.join(" and ")
}

/// What gives a role, a line each.
pub(crate) fn sources(role: &Role) -> Vec<String> {
    let mut lines = Vec::new();
    let mut add = |what: &str, values: &[String]| {
        lines.extend(values.iter().map(|value| format!("{what} {value}")));
    };
    add("group", &role.groups);
    add("scope", &role.scopes);
    add("role claim", &role.roles);
    add("client", &role.clients);
    add("subject", &role.subjects);
    add("only from issuer", &role.issuers);
    add("only from tenant", &role.tenants);
    for (claim, values) in &role.claims {
        lines.extend(values.iter().map(|value| format!("claim {claim} {value}")));
    }
    if role.anonymous {
        lines.push("who has not signed in".into());
    }
    lines
}

/// A rule that changes what is allowed without being seen at any target: about the log level, which has none,
/// or about calls as tasks.
fn untold(rule: &Rule) -> Option<String> {
    let names = |right: &str| rule.methods.iter().any(|word| word.text == right);
    let allows = rule.effect == Effect::Allow;
    let right = match names(Method::LoggingSetLevel.as_str()) {
        true => Method::LoggingSetLevel.as_str(),
        false if allows && names(TASKS_CREATE) => TASKS_CREATE,
        false => return None,
    };
    let everyone = rule.everyone.then_some("everyone").into_iter();
    let to = everyone.chain(rule.roles.iter().map(|role| role.text.as_str()));
    let to = to.collect::<Vec<_>>().join(", ");
    let mut parts =
        vec![format!("{right} is {} to {to}", if allows { "allowed" } else { "denied" })];
    let mut add = |start: &str, text: String| {
        if !text.is_empty() {
            parts.push(format!("{start}{text}"));
        }
    };
    add("on ", list(&rule.tools));
    add("server ", list(&rule.servers));
    add("annotations ", hints(rule.annotations));
    add("", part(rule, Part::Through));
    add("from ", list(&rule.networks));
    add("", time(rule));
    for number in 0..rule.arguments.len() {
        add("", part(rule, Part::Argument(number)));
    }
    add("scope ", list(&rule.requires_scopes));
    Some(parts.join(", "))
}

/// Everything but the rules, and of these what no target tells: a line each.
pub(crate) fn definitions(policy: &PolicyBuilder) -> Vec<String> {
    let mut lines = Vec::new();
    for role in &policy.roles {
        lines.extend(
            sources(role).into_iter().map(|source| format!("role {}: {source}", role.name)),
        );
    }
    for (name, ids) in &policy.groups {
        lines.extend(ids.iter().map(|id| format!("group {}: {id}", name.text)));
    }
    for agent in &policy.agents {
        let mut add = |what: &str, value: &String| {
            lines.push(format!("agent {}: {what} {value}", agent.name));
        };
        agent.clients.iter().for_each(|client| add("client", client));
        agent.actors.iter().for_each(|actor| add("actor", actor));
        agent.issuer.iter().for_each(|issuer| add("only from issuer", issuer));
    }
    for server in &policy.servers {
        lines.extend(
            server.trusted.then(|| format!("server {}: annotations are trusted", server.name)),
        );
        lines.extend(server.hints.iter().map(|(tool, stated)| {
            format!("server {}: {tool} has {}", server.name, hints(*stated))
        }));
    }
    for (scope, others) in &policy.implied {
        lines.extend(
            others.iter().map(|other| format!("scope {} implies {}", scope.text, other.text)),
        );
    }
    let grants_tasks = |rule: &Rule| {
        rule.effect == Effect::Allow && rule.methods.iter().any(|word| word.text == TASKS_CREATE)
    };
    if policy.rules.iter().any(grants_tasks) {
        lines.push(format!("calls run as tasks only where a rule allows {TASKS_CREATE}"));
    }
    lines.extend(policy.rules.iter().filter_map(untold));
    if let Some(scopes) = &policy.grantable {
        lines.push("only some scopes can be had".into());
        lines.extend(scopes.iter().map(|scope| format!("scope {} can be had", scope.text)));
    }
    lines
}
