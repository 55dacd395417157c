//! What inspection says of a request.

use std::time::Duration;

use bytes::Bytes;
use portcullis_core::{Denial, McpMessage, NoMessage, Version};

use crate::capability::Declared;
use crate::lists::Lists;
use crate::session::Session;
use crate::task::Task;

/// A request that may go on.
#[derive(Debug)]
pub(crate) struct Inspected {
    pub(crate) message: McpMessage,
    /// The effective version.
    pub(crate) version: Version,
    pub(crate) disposition: Disposition,
    pub(crate) session: SessionUse,
    /// The bytes to forward: those received, unless something in them had to go.
    pub(crate) body: Bytes,
    /// The answers to elements of a batch that were refused here, to be merged into the answer
    /// before those of [`Permit::refused`](portcullis_core::Permit::refused).
    pub(crate) refused: Vec<Denial>,
    /// The task that it is about.
    pub(crate) task: Option<Box<Task>>,
    /// The tasks of which it wants news.
    pub(crate) watched: Option<Box<[Task]>>,
    /// Whether [`rewrite_head`](super::rewrite_head) would change nothing, and nothing in the head is about the transfer.
    pub(crate) head_fits: bool,
    /// The event, as the service calls it, behind which its stream goes on.
    pub(crate) resumes: Option<Box<str>>,
}

/// Whether a request goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Disposition {
    /// Forward it.
    Forward,
    /// Nothing is left to forward: notifications that are dropped, refused elements of a
    /// batch. Answer 202, or with the refusals.
    Accept202,
    /// It needs credentials, and has none.
    SignIn,
}

/// What a request does to a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SessionUse {
    /// Nothing: it has none.
    None,
    /// It happens in one.
    Open {
        /// The id that the service behind assigned.
        upstream_id: String,
        /// The lists of which the service said that it tells when they change.
        lists: Lists,
        /// What the client said that it can give.
        declared: Declared,
        /// When it began.
        issued: Duration,
    },
    /// It is `initialize`: the answer may assign one.
    Begins,
    /// It ends one.
    Ends {
        /// The id that the service behind assigned.
        upstream_id: String,
    },
}

impl Inspected {
    /// `built`, or nothing to forward.
    pub(super) fn new(
        version: Version,
        session: SessionUse,
        body: Bytes,
        built: Option<McpMessage>,
    ) -> Self {
        let disposition = match built {
            Some(_) => Disposition::Forward,
            None => Disposition::Accept202,
        };
        Self {
            message: built.unwrap_or(McpMessage::NoMessage(NoMessage::Dropped(version))),
            version,
            disposition,
            session,
            body,
            refused: Vec::new(),
            task: None,
            watched: None,
            head_fits: false,
            resumes: None,
        }
    }
}

impl SessionUse {
    /// A request in `session`, or in none.
    pub(crate) fn of(session: Option<Session>) -> Self {
        session.map_or(Self::None, |session| Self::Open {
            upstream_id: session.upstream_id,
            lists: session.lists,
            declared: session.declared,
            issued: session.issued,
        })
    }
}
