//! What the service behind the gate must not do.

use portcullis_core::{Denial, Reason, Text, Version};

use crate::json::JsonError;

/// The service behind the gate broke the protocol; its answer is withheld.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Violation {
    reason: Reason,
    /// The client capabilities, as JSON, that the answer needs and the client did not declare.
    requires: Option<&'static str>,
}

/// JSON, but not the JSON-RPC that belongs here.
pub(crate) const BAD_RPC: Violation = Violation::new(Reason::BadRpc);

impl Violation {
    pub(crate) const fn new(reason: Reason) -> Self {
        Self { reason, requires: None }
    }

    /// An answer that asks the client for what it cannot give.
    pub(crate) const fn requires(capabilities: &'static str) -> Self {
        Self { reason: Reason::UpstreamError, requires: Some(capabilities) }
    }

    /// Why, for the record.
    pub(crate) fn reason(self) -> Reason {
        self.reason
    }

    /// Whether the answer asks for something, and the client cannot give it or the deployment does not allow it: then
    /// there is nothing wrong with what else the service says.
    pub(crate) fn is_about_asking(self) -> bool {
        self.requires.is_some() || self.reason == Reason::PolicyDenied
    }

    /// What the client is told, in answer to the request `id`.
    pub(crate) fn denial(self, version: Version, id: Option<&Text>) -> Denial {
        match self.requires {
            Some(capabilities) => Denial::missing_capability(version, id, capabilities),
            None => Denial::upstream(id),
        }
    }
}

impl From<JsonError> for Violation {
    fn from(error: JsonError) -> Self {
        Self::new(match error {
            JsonError::Duplicate => Reason::DupKey,
            JsonError::Syntax | JsonError::Reserved | JsonError::Limit => Reason::BadJson,
        })
    }
}
