//! Requests of a legacy server, and who may answer them.
//!
//! The id that a client sees of such a request proves which session it was asked in, and whose that
//! is. So no table of questions is needed, and every replica can check an answer.

use portcullis_core::Caller;

use crate::config::InspectConfig;
use crate::json::{JsonLimits, Scanner};
use crate::session::{Recipient, Sent};
use crate::splice::Splice;
use crate::violation::{BAD_RPC, Violation};

/// The longest id of a server that fits into one of ours.
const MAX_ID: usize = 128;

/// The questions of one session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Questions<'q> {
    pub(crate) config: &'q InspectConfig,
    pub(crate) caller: &'q Caller,
    /// The session's id at the service behind.
    pub(crate) session: &'q str,
}

impl Questions<'_> {
    /// The id, as JSON, under which the client sees the server's request `id`.
    pub(crate) fn name(&self, id: &str) -> Option<String> {
        if id.len() > MAX_ID {
            return None;
        }
        let name = self.config.sessions.name(Sent::Question, id, self.recipient());
        Some(format!("\"{name}\""))
    }

    /// The id, as JSON, of the request that the client answers under `name`; `None` when this
    /// client was not asked that in this session.
    pub(crate) fn id(&self, name: &str) -> Option<String> {
        let limits = JsonLimits { depth: 0, values: 1 };
        let name = Scanner::new(name.as_bytes(), limits).and_then(|mut name| name.string()).ok()?;
        self.config.sessions.named(Sent::Question, &name.decoded(), self.recipient())
    }

    /// To whom, and where, the service says something here.
    pub(crate) fn recipient(&self) -> Recipient<'_> {
        let Self { config, caller, session } = *self;
        Recipient { session, caller, resource: &config.resource }
    }

    /// `message` with what is at `path` in it, an id of the server's, as the client sees it.
    /// `None` when nothing is there.
    pub(crate) fn rename(
        &self,
        message: &[u8],
        path: &[&str],
        limits: JsonLimits,
    ) -> Result<Option<Vec<u8>>, Violation> {
        let mut splice = Splice::new(message, 0);
        let mut scanner = Scanner::new(message, limits)?;
        self.walk(&mut scanner, path, &mut splice)?;
        Ok(splice.finish(message.len()))
    }

    fn walk(
        &self,
        scanner: &mut Scanner<'_>,
        path: &[&str],
        splice: &mut Splice<'_>,
    ) -> Result<(), Violation> {
        let [first, rest @ ..] = path else {
            let range = scanner.skip()?;
            let name = self.name(scanner.slice(range.clone())).ok_or(BAD_RPC)?;
            splice.replace(range, &name);
            return Ok(());
        };
        scanner.object(|scanner, name| {
            if name.eq(first) {
                return self.walk(scanner, rest, splice);
            }
            scanner.pass().map_err(Violation::from)
        })
    }
}
