//! From which event of which stream a client may resume.
//!
//! Some servers look the id of an event up for whoever names it, in any session. So the id that a client sees proves
//! in which session the event was sent, and to whom: nobody resumes somebody else's stream.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::questions::Questions;

/// The longest id of a server that fits into one of ours.
const MAX_ID: usize = 512;

impl Questions<'_> {
    /// The id under which the client sees the server's event `id`. `None` for one that could not come back in a
    /// header.
    pub(crate) fn event_name(&self, id: &str) -> Option<String> {
        if id.len() > MAX_ID || http::HeaderValue::from_str(id).is_err() {
            return None;
        }
        let Self { config, caller, session } = *self;
        let mark = config.sessions.mark_event(session, id, caller, &config.resource);
        Some(format!("{}.{}", URL_SAFE_NO_PAD.encode(mark), URL_SAFE_NO_PAD.encode(id)))
    }

    /// The server's id of the event that the client calls `name`; `None` when it was not sent to this client in
    /// this session.
    pub(crate) fn event_id(&self, name: &str) -> Option<String> {
        let (mark, id) = name.split_once('.')?;
        let mark = URL_SAFE_NO_PAD.decode(mark).ok()?;
        let id = String::from_utf8(URL_SAFE_NO_PAD.decode(id).ok()?).ok()?;
        let Self { config, caller, session } = *self;
        let is_own =
            config.sessions.has_marked_event(&mark, session, &id, caller, &config.resource);
        is_own.then_some(id)
    }
}
