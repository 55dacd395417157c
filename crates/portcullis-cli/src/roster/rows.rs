//! People as reports show them.

use std::cmp::Reverse;
use std::time::Duration;

use portcullis_roster::{Block, Person, PersonId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::audit::{Cell, Table};
use crate::time;

/// Somebody on the roster, or blocked, or both.
#[derive(JsonSchema, Serialize)]
pub(crate) struct PersonOnRoster {
    /// Who vouches for them (`iss`).
    pub(crate) issuer: String,
    /// Their name there (`sub`).
    subject: String,
    /// The display name, where the roster keeps one.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The e-mail address, where the roster keeps one.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// Whether it is a client on its own behalf, with no person behind it.
    client_only: bool,
    /// How many requests there were.
    requests: u64,
    /// When the first came (RFC 3339); null for those who never came in.
    first_seen: Option<String>,
    /// When the last came.
    last_seen: Option<String>,
    /// The groups that the last token named.
    groups: Vec<String>,
    /// The roles that the last token named.
    roles: Vec<String>,
    /// The OAuth clients that were used.
    clients: Vec<String>,
    /// The servers that were used.
    servers: Vec<String>,
    /// The block, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<BlockOnRoster>,
    /// For order, and for tables.
    #[serde(skip)]
    seen: Option<(i64, i64)>,
}

/// Why somebody may not come in.
#[derive(JsonSchema, Serialize)]
struct BlockOnRoster {
    /// Since when (RFC 3339).
    since: String,
    /// Who said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn shown(millis: i64) -> String {
    time::format(millis, "%Y-%m-%dT%H:%M:%SZ")
}

impl PersonOnRoster {
    pub(crate) fn seen(person: Person, block: Option<&Block>) -> Self {
        let (first, last) = (millis(person.first_seen), millis(person.last_seen));
        Self {
            name: person.name,
            email: person.email,
            client_only: person.client_only,
            requests: person.requests,
            first_seen: Some(shown(first)),
            last_seen: Some(shown(last)),
            groups: person.groups,
            roles: person.roles,
            clients: person.clients,
            servers: person.servers,
            seen: Some((first, last)),
            ..Self::of(&person.id, block)
        }
    }

    /// Somebody who has never been here.
    pub(crate) fn of(id: &PersonId, block: Option<&Block>) -> Self {
        Self {
            issuer: id.issuer().to_owned(),
            subject: id.subject().to_owned(),
            name: None,
            email: None,
            client_only: false,
            requests: 0,
            first_seen: None,
            last_seen: None,
            groups: Vec::new(),
            roles: Vec::new(),
            clients: Vec::new(),
            servers: Vec::new(),
            blocked: block.map(|block| BlockOnRoster {
                since: shown(millis(block.since)),
                by: block.by.clone(),
                note: block.note.clone(),
            }),
            seen: None,
        }
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// Whether they came at this time, in milliseconds since the Unix epoch, or later.
    pub(crate) fn came_since(&self, time: i64) -> bool {
        self.seen.is_some_and(|(_, last)| last >= time)
    }

    fn blocked_words(&self) -> String {
        let Some(block) = &self.blocked else { return String::new() };
        let by = block.by.as_deref().map(|by| format!("by {by}"));
        let words: Vec<String> = by.into_iter().chain(block.note.clone()).collect();
        if words.is_empty() { "yes".to_owned() } else { words.join(": ") }
    }
}

/// The last to come first, those who never came at the end.
pub(crate) fn sort(people: &mut [PersonOnRoster]) {
    people.sort_by_key(|person| Reverse(person.seen.map(|(_, last)| last)));
}

/// A table; with `all` columns for spreadsheets, otherwise with those that fit a page.
pub(crate) fn table(people: &[PersonOnRoster], all: bool) -> Table {
    let text = |text: &str| Cell::Text(text.to_owned());
    let time = |time: Option<i64>| time.map_or_else(|| text(""), Cell::Time);
    let list = |list: &[String]| Cell::Text(list.join(", "));
    let mut rows = Vec::with_capacity(people.len());
    for person in people {
        let (first, last) = person.seen.unzip();
        rows.push(if all {
            vec![
                text(&person.subject),
                text(&person.issuer),
                text(person.name.as_deref().unwrap_or_default()),
                text(person.email.as_deref().unwrap_or_default()),
                text(if person.client_only { "client" } else { "person" }),
                Cell::Number(person.requests),
                list(&person.servers),
                list(&person.clients),
                list(&person.groups),
                list(&person.roles),
                time(first),
                time(last),
                Cell::Text(person.blocked_words()),
            ]
        } else {
            let name = person.name.as_ref().or(person.email.as_ref());
            let who = match name {
                Some(name) => format!("{name} ({})", person.subject),
                None => person.subject.clone(),
            };
            vec![
                Cell::Text(who),
                text(&person.issuer),
                Cell::Number(person.requests),
                list(&person.servers),
                time(last),
                Cell::Text(person.blocked_words()),
            ]
        });
    }
    let head = if all {
        vec![
            "subject",
            "issuer",
            "name",
            "email",
            "kind",
            "requests",
            "servers",
            "clients",
            "groups",
            "roles",
            "first use",
            "last use",
            "blocked",
        ]
    } else {
        vec!["person", "issuer", "requests", "servers", "last use", "blocked"]
    };
    Table { title: "", head, rows }
}
