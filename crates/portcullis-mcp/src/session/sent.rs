//! Names of what the service sends in a session. They prove to whom it was sent, and in which session.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::Caller;
use portcullis_crypto::same;

use super::{BINDING, Key, SessionKeys, digest};

/// What the service sends under an id of its own, for the client to name it again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sent {
    /// A request, which the client answers.
    Question,
    /// An event, behind which the client resumes the stream.
    Event,
}

/// Where it was sent, and to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipient<'a> {
    pub(crate) session: &'a str,
    pub(crate) caller: &'a Caller,
    pub(crate) resource: &'a str,
}

impl SessionKeys {
    /// The name that this client sees of what the server sent as `id`.
    pub(crate) fn name(&self, sent: Sent, id: &str, to: Recipient<'_>) -> String {
        let mark = self.current.mark(sent, id, to);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(mark), URL_SAFE_NO_PAD.encode(id))
    }

    /// The server's id of what the client calls `name`; `None` when no such thing was sent to this client in this
    /// session.
    pub(crate) fn named(&self, sent: Sent, name: &str, to: Recipient<'_>) -> Option<String> {
        let (mark, id) = name.split_once('.')?;
        let mark = URL_SAFE_NO_PAD.decode(mark).ok()?;
        let id = String::from_utf8(URL_SAFE_NO_PAD.decode(id).ok()?).ok()?;
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        keys.any(|key| same(&mark, &key.mark(sent, &id, to))).then_some(id)
    }
}

impl Key {
    /// What says that the server has sent it there. No two kinds have the same number of fields.
    fn mark(&self, sent: Sent, id: &str, to: Recipient<'_>) -> [u8; BINDING] {
        let Recipient { session, caller, resource } = to;
        match sent {
            Sent::Question => digest(&self.mark, caller, resource, &[session, id]),
            Sent::Event => digest(&self.mark, caller, resource, &[session, "event", id]),
        }
    }
}
