//! Agents that act for people, as configured.

use crate::error::Place;

/// An agent: a program that acts for people, known by its OAuth client or as the actor in their
/// tokens (`act`, RFC 8693 §4.1).
///
/// A call comes *through* the agent when its token was issued to one of the agent's clients, or
/// names it as the current actor. Earlier actors of a chain are not looked at, as RFC 8693 §4.1
/// demands.
#[derive(Clone, Debug)]
#[must_use = "an agent does nothing until it is added to a policy"]
pub struct Agent {
    pub(crate) name: String,
    pub(crate) issuer: Option<String>,
    pub(crate) clients: Vec<String>,
    pub(crate) actors: Vec<String>,
    pub(crate) place: Option<Place>,
}

impl Agent {
    /// An agent that nobody knows yet by anything.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            issuer: None,
            clients: Vec::new(),
            actors: Vec::new(),
            place: None,
        }
    }

    /// Only this issuer may vouch for the agent. Without it, whoever issued the person's token.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// It is this OAuth client.
    pub fn client(mut self, client_id: impl Into<String>) -> Self {
        self.clients.push(client_id.into());
        self
    }

    /// It is this `sub` of the current actor.
    pub fn actor(mut self, subject: impl Into<String>) -> Self {
        self.actors.push(subject.into());
        self
    }
}
