//! A piece of a chain: what one source holds of it, without a hole that was not reported.

use std::time::Duration;

use crate::chain::trailer::Trailer;
use crate::verify::BACK;
use crate::verify::line::{Continues, Facts};

/// Lines right before a start that are no JSON, as many bytes as it says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TornLines {
    /// The first of them.
    pub(crate) line: u64,
    pub(crate) count: u64,
}

#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) source: usize,
    pub(crate) chain: String,
    pub(crate) first_line: u64,
    pub(crate) first_seq: u64,
    pub(crate) first_prev: [u8; 32],
    pub(crate) last_line: u64,
    pub(crate) last_seq: u64,
    pub(crate) last_hash: [u8; 32],
    pub(crate) records: u64,
    pub(crate) from: Option<Duration>,
    pub(crate) to: Option<Duration>,
    /// It begins with the chain's start.
    pub(crate) starts: bool,
    /// It begins with a record that says that a file begins.
    pub(crate) begins_file: bool,
    pub(crate) continues: Option<Continues>,
    /// What its first record says of the settings.
    pub(crate) checkpoint_records: Option<u64>,
    pub(crate) checkpoint_seconds: Option<u64>,
    pub(crate) torn: Option<TornLines>,
    /// The last record says that it is a shutdown.
    pub(crate) shutdown: bool,
    /// It does, and may be believed.
    pub(crate) clean: bool,
    pub(crate) signed: Option<(u64, Option<Duration>)>,
    pub(crate) keys: Vec<String>,
}

impl Segment {
    pub(crate) fn begin(
        source: usize,
        line: u64,
        trailer: &Trailer<'_>,
        hash: [u8; 32],
        at: Option<Duration>,
    ) -> Self {
        Self {
            source,
            chain: trailer.chain.to_owned(),
            first_line: line,
            first_seq: trailer.seq,
            first_prev: trailer.prev,
            last_line: line,
            last_seq: trailer.seq,
            last_hash: hash,
            records: 1,
            from: at,
            to: at,
            starts: false,
            begins_file: false,
            continues: None,
            checkpoint_records: None,
            checkpoint_seconds: None,
            torn: None,
            shutdown: false,
            clean: false,
            signed: None,
            keys: Vec::new(),
        }
    }

    /// The first record says how the chain begins.
    pub(crate) fn start(&mut self, facts: &Facts<'_>) {
        self.starts = true;
        self.continues = facts.continues().cloned();
    }

    /// Goes on with a line. Whether the clock went back.
    pub(crate) fn step(
        &mut self,
        line: u64,
        trailer: &Trailer<'_>,
        hash: [u8; 32],
        at: Option<Duration>,
    ) -> bool {
        let back = at.zip(self.to).is_some_and(|(now, before)| now + BACK < before);
        self.last_line = line;
        self.last_seq = trailer.seq;
        self.last_hash = hash;
        self.records += 1;
        self.shutdown = false;
        self.clean = false;
        self.from = self.from.or(at);
        self.to = at.or(self.to);
        back
    }

    /// A good signature vouches for everything up to `seq`.
    pub(crate) fn sign(&mut self, seq: u64, at: Option<Duration>, key: &str) {
        self.signed = Some((seq, at));
        if !self.keys.iter().any(|known| known == key) {
            self.keys.push(key.to_owned());
        }
    }
}
