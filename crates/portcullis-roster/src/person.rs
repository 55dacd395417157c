//! Who is on the roster.

use std::time::Duration;

use portcullis_core::Principal;

/// How many names a list of a person's holds, and how long a name is, in bytes.
const LIST_MAX: usize = 128;
const TEXT_MAX: usize = 512;

/// Whom an entry is about: the subject that an issuer vouches for. Never an e-mail address or a display
/// name: those change hands.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PersonId {
    issuer: String,
    subject: String,
}

impl PersonId {
    /// The person whom `issuer` calls `subject`.
    pub fn new(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), subject: subject.into() }
    }

    /// The identity provider (`iss`).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The person's name there (`sub`).
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// Someone who has used a server, or has used it again: what a store keeps, and what it is told.
///
/// Times are since the Unix epoch, and stores keep them to the millisecond.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Person {
    /// Who it is.
    pub id: PersonId,
    /// The display name, if the roster was told to keep one.
    pub name: Option<String>,
    /// The e-mail address, if the roster was told to keep one.
    pub email: Option<String>,
    /// Whether this is a client on its own behalf, with no person behind it.
    pub client_only: bool,
    /// When the first request came.
    pub first_seen: Duration,
    /// When the last request came.
    pub last_seen: Duration,
    /// How many requests there were.
    pub requests: u64,
    /// The groups that the last token named; empty where it did not list all of them.
    pub groups: Vec<String>,
    /// The roles that the last token named.
    pub roles: Vec<String>,
    /// The OAuth clients that were used, in order; the first 128.
    pub clients: Vec<String>,
    /// The servers that were used, in order; the first 128.
    pub servers: Vec<String>,
}

impl Person {
    /// Someone who was seen once, at `at`.
    #[must_use]
    pub fn seen(id: PersonId, at: Duration) -> Self {
        Self {
            id,
            name: None,
            email: None,
            client_only: false,
            first_seen: whole_millis(at),
            last_seen: whole_millis(at),
            requests: 1,
            groups: Vec::new(),
            roles: Vec::new(),
            clients: Vec::new(),
            servers: Vec::new(),
        }
    }

    /// Adds what was seen later, or earlier, of the same person. What a token says is kept from the last one;
    /// clients and servers are collected. Every store does this.
    pub fn merge(&mut self, seen: &Self) {
        self.first_seen = self.first_seen.min(seen.first_seen);
        self.requests = self.requests.saturating_add(seen.requests);
        if seen.last_seen >= self.last_seen {
            self.last_seen = seen.last_seen;
            self.name.clone_from(&seen.name);
            self.email.clone_from(&seen.email);
            self.client_only = seen.client_only;
            self.groups.clone_from(&seen.groups);
            self.roles.clone_from(&seen.roles);
        }
        collect(&mut self.clients, &seen.clients);
        collect(&mut self.servers, &seen.servers);
    }
}

/// Who may not come in.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Block {
    /// Who it is.
    pub id: PersonId,
    /// Since when, as time since the Unix epoch.
    pub since: Duration,
    /// Who said so.
    pub by: Option<String>,
    /// Why, for people.
    pub note: Option<String>,
}

impl Block {
    /// A block of `id` from `since` on.
    #[must_use]
    pub fn new(id: PersonId, since: Duration) -> Self {
        Self { id, since: whole_millis(since), by: None, note: None }
    }

    /// Says who ordered it.
    #[must_use]
    pub fn by(mut self, who: impl Into<String>) -> Self {
        self.by = Some(clip(&who.into()));
        self
    }

    /// Says why.
    #[must_use]
    pub fn note(mut self, why: impl Into<String>) -> Self {
        self.note = Some(clip(&why.into()));
        self
    }
}

/// Which claims of a token a roster keeps besides the identity, groups and roles.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) no_groups: bool,
}

impl Kept {
    /// Fills in what the token of `principal` says.
    pub(crate) fn describe(&self, person: &mut Person, principal: &Principal) {
        let claim = |name: &Option<String>| {
            let value = principal.claims().get(name.as_deref()?)?.as_str()?;
            Some(clip(value))
        };
        person.name = claim(&self.name);
        person.email = claim(&self.email);
        person.client_only = principal.is_client();
        if self.no_groups {
            return;
        }
        if !principal.groups_unknown() {
            person.groups = list(principal.groups());
        }
        person.roles = list(principal.roles());
    }
}

fn list(names: &[String]) -> Vec<String> {
    names.iter().take(LIST_MAX).map(|name| clip(name)).collect()
}

/// Adds what is not there yet, and keeps the order of the alphabet: replicas come to the same list.
fn collect(names: &mut Vec<String>, more: &[String]) {
    for name in more {
        if let Err(place) = names.binary_search(name)
            && names.len() < LIST_MAX
        {
            names.insert(place, name.clone());
        }
    }
}

/// The longest prefix of `text` that is kept, without NUL, which databases do not store.
pub(crate) fn clip(text: &str) -> String {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().replace('\0', "\u{fffd}")
}

/// `time` as databases keep it.
fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice(at: u64) -> Person {
        Person::seen(PersonId::new("i", "alice"), Duration::from_secs(at))
    }

    #[test]
    fn what_was_seen_last_counts() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let mut person = alice(10);
        person.groups = words(&["old"]);
        person.clients = words(&["b"]);
        let mut later = alice(20);
        later.groups = words(&["new"]);
        later.name = Some("Alice".into());
        later.clients = words(&["a", "b"]);
        person.merge(&later);
        let mut earlier = alice(5);
        earlier.servers = words(&["s"]);
        person.merge(&earlier);
        assert_eq!((person.first_seen.as_secs(), person.last_seen.as_secs()), (5, 20));
        assert_eq!((person.requests, person.name.as_deref()), (3, Some("Alice")));
        assert_eq!((person.groups, person.clients), (words(&["new"]), words(&["a", "b"])));
        assert_eq!(person.servers, words(&["s"]));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        assert_eq!(clip(&"é".repeat(1000)).len(), TEXT_MAX);
        assert_eq!(clip("a\0b"), "a\u{fffd}b");
        let mut person = alice(1);
        for number in 0..200 {
            let mut seen = alice(2);
            seen.clients = vec![format!("client-{number}")];
            person.merge(&seen);
        }
        assert_eq!(person.clients.len(), LIST_MAX);
    }

    #[test]
    fn claims_are_kept_only_when_named() {
        let claims = serde_json::json!({ "name": "Alice", "email": "alice@example.com", "n": 1 });
        let claims = claims.as_object().unwrap().clone();
        let principal = Principal::builder("i", "alice").claims(claims).group("g").build();
        let mut person = alice(1);
        Kept::default().describe(&mut person, &principal);
        assert_eq!((&person.name, &person.email), (&None, &None));
        assert_eq!(person.groups, ["g"]);
        let kept = Kept { name: Some("name".into()), email: Some("n".into()), no_groups: true };
        let mut person = alice(1);
        kept.describe(&mut person, &principal);
        assert_eq!((person.name.as_deref(), &person.email), (Some("Alice"), &None));
        assert!(person.groups.is_empty());
    }
}
