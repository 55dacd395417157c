//! What the issuer knows while it runs.

use std::time::Duration;

use portcullis_core::Clock;
use serde_json::json;

use super::person::Person;
use super::shelf::Shelf;
use crate::Mint;

/// How long access tokens live, in seconds.
pub(crate) const TOKEN_LIFETIME: u64 = 600;
const CODE_LIFETIME: Duration = Duration::from_secs(60);
const REFRESH_LIFETIME: Duration = Duration::from_secs(24 * 3_600);
const CLIENT_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3_600);

pub(crate) struct State {
    pub(crate) issuer: String,
    pub(crate) mint: Mint,
    pub(crate) clock: Clock,
    pub(crate) people: Vec<Person>,
    pub(crate) clients: Shelf<Client>,
    pub(crate) codes: Shelf<Code>,
    pub(crate) refresh: Shelf<Refresh>,
}

/// A registered client.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) redirect_uris: Vec<String>,
}

/// Who may do what where, by which client.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) person: String,
    pub(crate) client_id: String,
    pub(crate) resource: String,
    pub(crate) scopes: Vec<String>,
}

/// An authorization code and what it is bound to.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) grant: Grant,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
}

/// A line of refresh tokens, of which only the latest is good.
#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    pub(crate) grant: Grant,
    pub(crate) latest: String,
}

impl State {
    pub(crate) fn new(issuer: String, clock: Clock, people: Vec<Person>) -> Self {
        Self {
            mint: Mint::es256(&issuer),
            issuer,
            clock,
            people,
            clients: Shelf::new(CLIENT_LIFETIME),
            codes: Shelf::new(CODE_LIFETIME),
            refresh: Shelf::new(REFRESH_LIFETIME),
        }
    }

    pub(crate) fn person(&self, name: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.name == name)
    }

    /// All scopes that somebody may have, in the order given.
    pub(crate) fn scopes(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for scope in self.people.iter().flat_map(|person| &person.scopes) {
            if !all.contains(&scope.as_str()) {
                all.push(scope);
            }
        }
        all
    }

    /// An access token (RFC 9068) for the grant.
    pub(crate) fn access_token(&self, grant: &Grant, scopes: &[String]) -> String {
        let groups = self.person(&grant.person).map(|person| person.groups.clone());
        let token = self
            .mint
            .token()
            .at(self.clock.unix().as_secs())
            .expires_in(TOKEN_LIFETIME)
            .subject(&grant.person)
            .audience(&grant.resource)
            .client(&grant.client_id)
            .claim("groups", json!(groups.unwrap_or_default()));
        // `scope` is one name or more (RFC 6749 §3.3).
        if scopes.is_empty() { token.sign() } else { token.scope(&scopes.join(" ")).sign() }
    }
}
