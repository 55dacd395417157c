//! Which records somebody wants to see.

use clap::Args;

use super::read::{Person, Record};
use crate::time;

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which records")]
pub(crate) struct Filter {
    /// From this time on: RFC 3339, a date, or how long ago (90m, 24h, 7d)
    #[arg(long, value_name = "TIME", value_parser = time::parse_past)]
    pub(crate) from: Option<i64>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = time::parse_past)]
    pub(crate) until: Option<i64>,
    /// Of these people or clients, by `sub` or client id; * stands for any text
    #[arg(long, value_name = "NAME")]
    pub(crate) person: Vec<String>,
    /// About these tools, prompts or resources; * stands for any text
    #[arg(long, value_name = "NAME")]
    pub(crate) tool: Vec<String>,
    /// At these servers, by name, or by resource where a server has no name; * stands for any text
    #[arg(long, value_name = "NAME")]
    pub(crate) server: Vec<String>,
    /// Of these methods
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Vec<String>,
    /// So decided: allow, deny, challenge, error, undecided
    #[arg(long, value_name = "DECISION", value_delimiter = ',')]
    pub(crate) decision: Vec<String>,
    /// Whatever was refused: deny, challenge and error
    #[arg(long)]
    pub(crate) denied: bool,
    /// Refused for these reasons
    #[arg(long, value_name = "REASON", value_delimiter = ',')]
    pub(crate) reason: Vec<String>,
    /// Decided by these rules; * stands for any text
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Vec<String>,
}

impl Filter {
    /// Whether a record of this time is wanted.
    pub(crate) fn in_time(&self, at: i64) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    /// Whether the decision, or other event, in `record` is wanted, as to all but its time.
    pub(crate) fn wants(&self, record: &Record) -> bool {
        let one_of = |wanted: &[String], value: Option<&String>| {
            wanted.is_empty()
                || value.is_some_and(|value| wanted.iter().any(|wanted| matches(wanted, value)))
        };
        let person = record.principal.as_ref();
        let named = |person: &Person| {
            [&person.sub, &person.client_id]
                .into_iter()
                .flatten()
                .any(|name| self.person.iter().any(|wanted| matches(wanted, name)))
        };
        let decision = record.decision.as_deref().unwrap_or_default();
        (self.person.is_empty() || person.is_some_and(named))
            && one_of(&self.tool, record.target.as_ref())
            && one_of(&self.server, record.server())
            && one_of(&self.method, record.method.as_ref())
            && one_of(&self.decision, record.decision.as_ref())
            && one_of(&self.reason, record.reason.as_ref())
            && one_of(&self.rule, record.rule_id.as_ref())
            && (!self.denied || matches!(decision, "deny" | "challenge" | "error"))
    }

    /// Whether everything of the time is wanted.
    pub(crate) fn is_open(&self) -> bool {
        let Self {
            from: _,
            until: _,
            person,
            tool,
            server,
            method,
            decision,
            denied,
            reason,
            rule,
        } = self;
        let lists = [person, tool, server, method, decision, reason, rule];
        !denied && lists.into_iter().all(Vec::is_empty)
    }
}

/// Whether `pattern`, in which `*` stands for any text, means `text`.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let rows = [
            ("a", "a", true),
            ("a", "ab", false),
            ("", "", true),
            ("*", "", true),
            ("get_*", "get_x", true),
            ("get_*", "xget_x", false),
            ("*_x", "get_x", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
        ];
        for (pattern, text, expected) in rows {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn each_wish_counts() {
        let record = Record {
            principal: Some(Person {
                sub: Some("alice".into()),
                client_id: Some("ide".into()),
                ..Person::default()
            }),
            target: Some("get_note".into()),
            server: Some("notes".into()),
            resource: Some("https://mcp.example.com/notes".into()),
            method: Some("tools/call".into()),
            decision: Some("deny".into()),
            reason: Some("policy_denied".into()),
            rule_id: Some("no-notes".into()),
            ..Record::default()
        };
        let one = |text: &str| vec![text.to_owned()];
        let rows = [
            ("nothing", Filter::default(), true),
            ("a person", Filter { person: one("alice"), ..Filter::default() }, true),
            ("a client", Filter { person: one("ide"), ..Filter::default() }, true),
            ("another", Filter { person: one("bob"), ..Filter::default() }, false),
            ("a tool", Filter { tool: one("get_*"), ..Filter::default() }, true),
            ("another tool", Filter { tool: one("set_*"), ..Filter::default() }, false),
            ("a server", Filter { server: one("notes"), ..Filter::default() }, true),
            ("another server", Filter { server: one("wiki"), ..Filter::default() }, false),
            ("a name's resource", Filter { server: one("https://*"), ..Filter::default() }, false),
            ("a method", Filter { method: one("prompts/get"), ..Filter::default() }, false),
            ("a decision", Filter { decision: one("allow"), ..Filter::default() }, false),
            ("refused", Filter { denied: true, ..Filter::default() }, true),
            ("a reason", Filter { reason: one("default_deny"), ..Filter::default() }, false),
            ("a rule", Filter { rule: one("no-*"), ..Filter::default() }, true),
        ];
        for (name, filter, expected) in rows {
            assert_eq!(filter.wants(&record), expected, "{name}");
        }
        let nameless = Record { server: None, ..record };
        let filter = Filter { server: one("https://*/notes"), ..Filter::default() };
        assert!(filter.wants(&nameless), "known by its resource");
        assert!(!filter.is_open());
        let time = Filter { from: Some(10), until: Some(20), ..Filter::default() };
        assert_eq!([9, 10, 19, 20].map(|at| time.in_time(at)), [false, true, true, false]);
    }
}
