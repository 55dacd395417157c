//! What came of one message.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use portcullis_core::{CredentialSource, Reason};

use super::ResultType;
use crate::EventId;
use crate::site::Site;

/// What came of one message.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub(crate) at: Duration,
    pub(crate) event_id: EventId,
    pub(crate) site: Arc<Site>,
    pub(crate) duration: Duration,
    pub(crate) http_status: Option<StatusCode>,
    pub(crate) result_type: ResultType,
    pub(crate) error_code: Option<i64>,
    pub(crate) reason: Option<Reason>,
    pub(crate) hook: Option<String>,
    pub(crate) upstream_status: Option<StatusCode>,
    pub(crate) cred_source: Option<CredentialSource>,
    pub(crate) bytes_in: Option<u64>,
    pub(crate) bytes_out: u64,
    pub(crate) filtered_count: u64,
    pub(crate) filtered: Vec<String>,
    /// What the server says of itself.
    pub(crate) server_info: Option<Box<ServerInfo>>,
    /// What was left out of those looked like.
    pub(crate) redacted: Vec<&'static str>,
    pub(crate) truncated: bool,
}

impl Outcome {
    /// When the answer had ended, as time since the Unix epoch.
    #[must_use]
    pub fn at(&self) -> Duration {
        self.at
    }

    /// The id of the decision.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        self.event_id
    }

    /// The server, by the name that policy and the roster know.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.site.server.as_deref()
    }

    /// From the request's arrival to the end of the answer.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// The status of the answer; `None` when there was no answer.
    #[must_use]
    pub fn http_status(&self) -> Option<StatusCode> {
        self.http_status
    }

    /// What came of it.
    #[must_use]
    pub fn result_type(&self) -> ResultType {
        self.result_type
    }

    /// The JSON-RPC error code of the answer, if it was an error.
    #[must_use]
    pub fn error_code(&self) -> Option<i64> {
        self.error_code
    }

    /// Why the answer is not what the decision promised: what the service behind the gate did wrong,
    /// or why nothing could run after all.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// The hook that withheld the answer.
    #[must_use]
    pub fn hook(&self) -> Option<&str> {
        self.hook.as_deref()
    }

    /// The status with which the service behind the gate answered, where it was no success.
    #[must_use]
    pub fn upstream_status(&self) -> Option<StatusCode> {
        self.upstream_status
    }

    /// Where the credential came from with which the service behind the gate was called; `None` when it
    /// got none.
    #[must_use]
    pub fn credential_source(&self) -> Option<CredentialSource> {
        self.cred_source
    }

    /// How many bytes of the answer's body were handed on.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out
    }

    /// How many items were left out of a list.
    #[must_use]
    pub fn filtered_count(&self) -> u64 {
        self.filtered_count
    }
}

/// What a server says of itself in an answer. Anyone can say anything.
#[derive(Clone, Debug)]
pub(crate) struct ServerInfo {
    pub(crate) name: Option<String>,
    pub(crate) version: Option<String>,
}
