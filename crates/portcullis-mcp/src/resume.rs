//! From which event of which stream a client may resume.
//!
//! Some servers look the id of an event up for whoever names it, in any session. So the id that a client sees proves
//! in which session the event was sent, and to whom: nobody resumes somebody else's stream.

use crate::questions::Questions;
use crate::session::Sent;

/// The longest id of a server that fits into one of ours.
const MAX_ID: usize = 512;

impl Questions<'_> {
    /// The id under which the client sees the server's event `id`. `None` for one that could not come back in a
    /// header.
    pub(crate) fn event_name(&self, id: &str) -> Option<String> {
        if id.len() > MAX_ID || http::HeaderValue::from_str(id).is_err() {
            return None;
        }
        Some(self.config.sessions.name(Sent::Event, id, self.recipient()))
    }

    /// The server's id of the event that the client calls `name`; `None` when it was not sent to this client in
    /// this session.
    pub(crate) fn event_id(&self, name: &str) -> Option<String> {
        self.config.sessions.named(Sent::Event, name, self.recipient())
    }
}
