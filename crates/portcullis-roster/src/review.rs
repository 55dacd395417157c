//! The access review: who uses the servers and has left.

mod csv;

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use serde_json::Value;

use crate::roster::everyone;
use crate::{ConfigError, Person, RosterStore};

/// Everyone whom an identity provider knows, as it exported them.
///
/// ```
/// use portcullis_roster::UserList;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let export = "id,displayName\n1001,Alice\n1002,\"Builder, Bob\"\n";
/// let list = UserList::from_csv(export, "id")?.issuer("https://id.example.com");
/// assert_eq!(list.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct UserList {
    keys: HashSet<String>,
    issuer: Option<String>,
    by_email: bool,
    clients_too: bool,
}

impl UserList {
    /// The column `column` of a CSV export with a header line (RFC 4180): the subjects that tokens name. Rows
    /// where it is empty are left out.
    ///
    /// # Errors
    /// It is not CSV, there is no such column or there are two, or nobody is listed: a review against an empty
    /// list would say that everyone has left.
    pub fn from_csv(text: &str, column: &str) -> Result<Self, ConfigError> {
        let mut rows = csv::rows(text.strip_prefix('\u{feff}').unwrap_or(text))?.into_iter();
        let header = rows.next().unwrap_or_default();
        let mut places = header.iter().enumerate().filter(|(_, name)| name.trim() == column);
        let (Some((place, _)), None) = (places.next(), places.next()) else {
            return Err(ConfigError::new(format!(
                "the list has not exactly one column {column:?}"
            )));
        };
        let mut keys = Vec::new();
        for row in rows {
            match row.get(place) {
                Some(key) => keys.push(key.clone()),
                None if row.iter().all(String::is_empty) => {}
                None => return Err(ConfigError::new("a row of the list is too short")),
            }
        }
        Self::of(keys)
    }

    /// The lines of a JSON export: each the text of a subject, or an object whose member `member` is one.
    ///
    /// # Errors
    /// A line is neither, or nobody is listed.
    pub fn from_json_lines(text: &str, member: &str) -> Result<Self, ConfigError> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let key = match serde_json::from_str(line) {
                Ok(Value::String(key)) => Some(key),
                Ok(Value::Object(mut object)) => match object.remove(member) {
                    Some(Value::String(key)) => Some(key),
                    _ => None,
                },
                _ => None,
            };
            keys.push(key.ok_or_else(|| {
                let line = index + 1;
                ConfigError::new(format!("line {line} of the list has no text {member:?}"))
            })?);
        }
        Self::of(keys)
    }

    fn of(keys: Vec<String>) -> Result<Self, ConfigError> {
        let keys: HashSet<String> = keys
            .into_iter()
            .map(|key| key.trim().to_owned())
            .filter(|key| !key.is_empty())
            .collect();
        if keys.is_empty() {
            return Err(ConfigError::new("the list names nobody"));
        }
        Ok(Self { keys, issuer: None, by_email: false, clients_too: false })
    }

    /// Reviews only people of this identity provider. Without it everyone is compared with the list.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Compares e-mail addresses, in any letter case, in place of subjects: for exports that do not have them. The
    /// roster must [keep addresses](crate::RosterBuilder::email_claim); people without one count as not
    /// listed.
    pub fn by_email(mut self) -> Self {
        self.keys = self.keys.iter().map(|key| key.to_lowercase()).collect();
        self.by_email = true;
        self
    }

    /// Also reviews clients on their own behalf, which are left out by default: exports list people.
    pub fn clients_too(mut self) -> Self {
        self.clients_too = true;
        self
    }

    /// How many are on it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Never: a list that names nobody is an error.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether `person` should be on it, and is not.
    #[must_use]
    pub fn misses(&self, person: &Person) -> bool {
        if person.client_only && !self.clients_too {
            return false;
        }
        if self.issuer.as_ref().is_some_and(|issuer| issuer != person.id.issuer()) {
            return false;
        }
        if self.by_email {
            let email = person.email.as_ref().map(|email| email.trim().to_lowercase());
            return email.is_none_or(|email| !self.keys.contains(&email));
        }
        !self.keys.contains(person.id.subject())
    }
}

/// Everyone in `store` who was seen since `since`, as time since the Unix epoch, and is not on `list`: they use
/// the servers, and their identity provider no longer knows them.
///
/// # Errors
/// The store cannot be read.
pub fn stale(
    store: &mut dyn RosterStore,
    list: &UserList,
    since: Duration,
) -> io::Result<Vec<Person>> {
    let mut stale = Vec::new();
    everyone(store, |person| {
        if person.last_seen >= since && list.misses(&person) {
            stale.push(person);
        }
    })?;
    Ok(stale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryStore, PersonId};

    fn seen(issuer: &str, subject: &str, at: u64) -> Person {
        Person::seen(PersonId::new(issuer, subject), Duration::from_secs(at))
    }

    #[test]
    fn who_was_seen_and_is_not_listed_is_stale() {
        let mut store = MemoryStore::new();
        let mut robot = seen("i", "robot", 100);
        robot.client_only = true;
        let mut eve = seen("i", "eve", 100);
        eve.email = Some("EVE@example.com".into());
        let people =
            [seen("i", "alice", 100), seen("i", "bob", 100), seen("i", "old", 10), robot, eve];
        store.record(&people).unwrap();
        store.record(&[seen("j", "bob", 100)]).unwrap();
        let mut names = |list: UserList| {
            let stale = stale(&mut store, &list, Duration::from_secs(50)).unwrap();
            let name = |p: &Person| format!("{}/{}", p.id.issuer(), p.id.subject());
            stale.iter().map(name).collect::<Vec<_>>().join(" ")
        };
        let list = || UserList::from_csv("id\nalice\n Eve \neve\n", "id").unwrap();
        assert_eq!(names(list()), "i/bob j/bob");
        assert_eq!(names(list().issuer("i")), "i/bob");
        assert_eq!(names(list().issuer("i").clients_too()), "i/bob i/robot");
        let addresses = UserList::from_json_lines("{\"mail\":\"eve@Example.com\"}", "mail");
        assert_eq!(names(addresses.unwrap().by_email().issuer("i")), "i/alice i/bob");
    }

    #[test]
    fn more_than_a_page_is_reviewed() {
        let mut store = MemoryStore::new();
        let people: Vec<_> = (0..2500).map(|n| seen("i", &format!("p{n:05}"), 1)).collect();
        store.record(&people).unwrap();
        let list = UserList::from_json_lines("\"p00000\"\n\"p02499\"\n", "id").unwrap();
        assert_eq!(stale(&mut store, &list, Duration::ZERO).unwrap().len(), 2498);
    }

    #[test]
    fn lists_that_say_nothing_are_errors() {
        let csv = [
            ("", "id"),
            ("id\n", "id"),
            ("id\n\n  \n", "id"),
            ("name\nalice\n", "id"),
            ("id,id\na,b\n", "id"),
            ("name,id\nalice\n", "id"),
            ("id\n\"alice\n", "id"),
        ];
        for (text, column) in csv {
            assert!(UserList::from_csv(text, column).is_err(), "{text:?}");
        }
        assert_eq!(UserList::from_csv("\u{feff}id,n\r\n1,\r\n2,\r\n", "id").unwrap().len(), 2);
        for text in ["", "\n", "{}", "{\"id\":1}", "nonsense", "[\"a\"]", "\"\""] {
            assert!(UserList::from_json_lines(text, "id").is_err(), "{text:?}");
        }
        let error = UserList::from_json_lines("\"a\"\n\n7", "id").unwrap_err();
        assert_eq!(error.to_string(), "line 3 of the list has no text \"id\"");
    }
}
