//! The hash chain: each line names the line before it, and signed checkpoints vouch for all of it
//!

use std::io;
use std::time::{Duration, Instant};

use portcullis_core::Clock;
use portcullis_crypto::sha256;

use crate::chain::record::{Checkpoint, Occasion, Start};
use crate::encode::encode;
use crate::id::{EventId, Ids};
use crate::record::Record;

pub(crate) mod hex;
pub(crate) mod key;
pub(crate) mod record;
pub(crate) mod settings;
pub(crate) mod sink;
pub(crate) mod trailer;

use settings::Chaining;
use trailer::{Link, append, sign};

/// How long to wait after a signer failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// How far a chain has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// The number of the next record.
    seq: u64,
    /// The digest of the last line.
    prev: [u8; 32],
    /// Records since the last checkpoint.
    unsigned: u64,
    /// When the last checkpoint was made.
    signed_at: Instant,
    /// Whether the last record says that the writer ended in order.
    ended: bool,
}

/// The last whole line that an earlier writer left.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Left {
    pub(crate) chain: String,
    pub(crate) seq: u64,
    pub(crate) hash: [u8; 32],
    /// It says that its writer ended in order.
    pub(crate) clean: bool,
}

/// One chain of records: what one writer wrote between its start and its end.
pub(crate) struct Chain {
    settings: Chaining,
    clock: Clock,
    ids: Ids,
    id: EventId,
    head: Head,
    /// Which file of the chain is written.
    part: u64,
    /// The key that the last checkpoint named.
    key: Option<String>,
    failed_at: Option<Instant>,
    /// Checkpoints that are written and not yet told, once they are flushed.
    told: Vec<String>,
    line: Vec<u8>,
}

impl Chain {
    pub(crate) fn new(settings: Chaining, clock: Clock) -> Result<Self, crate::ConfigError> {
        let ids = Ids::new()?;
        let now = clock.unix();
        let id = ids.at(now);
        let signed_at = clock.instant();
        Ok(Self {
            settings,
            ids,
            id,
            head: Head { seq: 0, prev: [0; 32], unsigned: 0, signed_at, ended: false },
            clock,
            part: 1,
            key: None,
            failed_at: None,
            told: Vec::new(),
            line: Vec::new(),
        })
    }

    /// Starts anew, after what is `left`; `torn` bytes between it and this line are no record. Appends the line that
    /// says so. The first checkpoint is to follow.
    pub(crate) fn start(
        &mut self,
        left: Option<&Left>,
        torn: u64,
        out: &mut Vec<u8>,
    ) -> io::Result<Record> {
        let at = self.clock.unix();
        self.id = self.ids.at(at);
        let prev = left.map_or([0; 32], |left| left.hash);
        let signed_at = self.clock.instant();
        self.head = Head { seq: 0, prev, unsigned: 0, signed_at, ended: false };
        self.told.clear();
        self.part = 1;
        let key = self.settings.signer.as_ref().map(|signer| signer.key_id());
        let start = Start {
            at,
            event_id: self.id,
            continues: left.cloned(),
            torn,
            part: None,
            checkpoint_records: key.as_ref().map(|_| self.settings.records),
            checkpoint_seconds: key.as_ref().map(|_| self.settings.every.as_secs()),
            key,
        };
        let record = Record::Chain(start);
        self.put(&record, out)?;
        Ok(record)
    }

    /// Appends `line` to `out`, chained.
    pub(crate) fn link(&mut self, line: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let from = out.len();
        let link = Link { chain: self.id, seq: self.head.seq, prev: self.head.prev };
        append(line, &link, out)?;
        self.advance(out, from);
        Ok(())
    }

    /// Why a checkpoint is due, if one is.
    pub(crate) fn due(&self) -> Option<Occasion> {
        if self.settings.signer.is_none() || self.head.unsigned == 0 {
            return None;
        }
        if self.head.unsigned >= self.settings.records {
            return Some(Occasion::Records);
        }
        let waited = self.clock.instant().saturating_duration_since(self.head.signed_at);
        (waited >= self.settings.every).then_some(Occasion::Time)
    }

    /// Appends a checkpoint. `None`: the signer failed, which is reported, and is asked again later;
    /// or there is none. What it would vouch for is written all the same.
    pub(crate) fn checkpoint(
        &mut self,
        occasion: Occasion,
        out: &mut Vec<u8>,
    ) -> io::Result<Option<Record>> {
        let (at, now) = (self.clock.unix(), self.clock.instant());
        let unsigned = self.settings.signer.is_none();
        if unsigned && occasion != Occasion::Shutdown {
            return Ok(None);
        }
        let late =
            self.failed_at.is_some_and(|failed| now.saturating_duration_since(failed) < PATIENCE);
        if late && occasion != Occasion::Shutdown {
            return Ok(None);
        }
        let key = self.settings.signer.as_ref().map(|signer| signer.key_id());
        let checkpoint = Checkpoint {
            at,
            event_id: self.ids.at(at),
            occasion,
            previous_key: self.key.clone().filter(|known| key.as_ref() != Some(known)),
            key: key.clone(),
        };
        let (before, from) = (self.head, out.len());
        let record = Record::Checkpoint(checkpoint);
        self.put(&record, out)?;
        if let Some(signer) = &mut self.settings.signer {
            if let Err(cause) = sign(out, from, &mut **signer) {
                tracing::error!(
                    target: "portcullis", error = ?cause.kind(),
                    "an audit checkpoint cannot be signed"
                );
                out.truncate(from);
                self.head = before;
                self.failed_at = Some(now);
                return Ok(None);
            }
            self.head = before;
            self.advance(out, from);
            self.failed_at = None;
            self.key = key;
            if self.settings.anchor.is_some() {
                let line = out.get(from..).unwrap_or_default();
                self.told.push(String::from_utf8_lossy(line).trim_end().to_owned());
            }
        }
        self.head.unsigned = 0;
        self.head.signed_at = now;
        self.head.ended = occasion == Occasion::Shutdown;
        Ok(Some(record))
    }

    /// Whether the last record says that the writer ended in order.
    pub(crate) fn has_ended(&self) -> bool {
        self.head.ended
    }

    /// Tells the anchor of checkpoints that are flushed by now.
    pub(crate) fn tell(&mut self) {
        if let Some(anchor) = &mut self.settings.anchor {
            for line in self.told.drain(..) {
                anchor(&line);
            }
        }
    }

    fn put(&mut self, record: &Record, out: &mut Vec<u8>) -> io::Result<()> {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        let link = Link { chain: self.id, seq: self.head.seq, prev: self.head.prev };
        let from = out.len();
        let put = encode(record, &mut line).and_then(|()| append(&line, &link, out));
        self.line = line;
        put?;
        self.advance(out, from);
        Ok(())
    }

    fn advance(&mut self, out: &[u8], from: usize) {
        let line = out.get(from..).unwrap_or_default();
        self.head.prev = sha256(line.strip_suffix(b"\n").unwrap_or(line));
        self.head.seq = self.head.seq.saturating_add(1);
        self.head.unsigned = self.head.unsigned.saturating_add(1);
        self.head.ended = false;
    }
}

/// What only files need: they know what was written.
#[cfg(feature = "file")]
impl Chain {
    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// Forgets what came after `head`: it was not written.
    pub(crate) fn back_to(&mut self, head: Head) {
        self.head = head;
        self.told.clear();
    }

    /// Goes on in another file: appends the line that says so.
    pub(crate) fn resume(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let at = self.clock.unix();
        self.part = self.part.saturating_add(1);
        let key = self.settings.signer.as_ref().map(|signer| signer.key_id());
        let start = Start {
            at,
            event_id: self.ids.at(at),
            continues: None,
            torn: 0,
            part: Some(self.part),
            checkpoint_records: key.as_ref().map(|_| self.settings.records),
            checkpoint_seconds: key.as_ref().map(|_| self.settings.every.as_secs()),
            key,
        };
        self.put(&Record::Chain(start), out)
    }
}
