//! One line of a chain, against those before it.

use portcullis_crypto::sha256;

use super::line::Facts;
use super::segment::{Segment, TornLines};
use super::{FINDINGS, Reading, SEGMENTS, Verifier};
use crate::chain::trailer::Trailer;
use crate::{Finding, FindingKind};

impl Verifier {
    pub(super) fn chained(
        &mut self,
        reading: &mut Reading,
        line: &[u8],
        trailer: &Trailer<'_>,
        facts: &Facts<'_>,
    ) {
        self.report.records += 1;
        self.report.dropped = self.report.dropped.saturating_add(facts.dropped());
        let starts = trailer.seq == 0 && facts.is_start();
        let hash = sha256(line);
        self.anchor(trailer, &hash);
        let known = reading.open.get(trailer.chain).copied();
        let new = known.is_none() && self.segments.len() < SEGMENTS;
        let mut torn = None;
        if starts && new && reading.loose_count > 0 && facts.torn() == reading.loose_bytes {
            let line = reading.loose.first().copied().unwrap_or_default();
            torn = Some(TornLines { line, count: reading.loose_count });
            reading.forget_loose();
        }
        self.settle(reading);
        let at = facts.at();
        let Some(segment) = known.and_then(|index| self.segments.get_mut(index)) else {
            if !new {
                self.find(reading, Some(trailer), FindingKind::TooMany);
                return;
            }
            let mut segment = Segment::begin(reading.source, reading.line, trailer, hash, at);
            if starts {
                segment.start(facts);
            }
            segment.torn = torn;
            segment.begins_file = facts.is_start();
            segment.checkpoint_records = facts.checkpoint_records();
            segment.checkpoint_seconds = facts.checkpoint_seconds();
            reading.open.insert(trailer.chain.to_owned(), self.segments.len());
            self.segments.push(segment);
            self.checkpoint(reading, trailer, facts);
            return;
        };
        let (last_seq, last_line, last_hash) =
            (segment.last_seq, segment.last_line, segment.last_hash);
        let expected = last_seq.saturating_add(1);
        if trailer.seq <= last_seq {
            self.find(reading, Some(trailer), FindingKind::Reordered);
            return;
        }
        let back = segment.step(reading.line, trailer, hash, at);
        if trailer.seq > expected {
            let count = trailer.seq - expected;
            self.find(reading, Some(trailer), FindingKind::Missing { count });
        } else if trailer.prev != last_hash {
            let finding = Finding {
                source: self.name(reading.source),
                line: last_line,
                chain: Some(trailer.chain.to_owned()),
                seq: Some(last_seq),
                kind: FindingKind::Changed,
            };
            self.found(finding);
        }
        if back {
            self.note(reading, Some(trailer), FindingKind::ClockBack);
        }
        self.checkpoint(reading, trailer, facts);
    }

    /// Looks at the signature, if the line is a checkpoint.
    fn checkpoint(&mut self, reading: &Reading, trailer: &Trailer<'_>, facts: &Facts<'_>) {
        if !facts.is_checkpoint() {
            // Nothing else is signed: this was a checkpoint.
            if trailer.signature.is_some() {
                self.find(reading, Some(trailer), FindingKind::BadSignature);
            }
            return;
        }
        let index = reading.open.get(trailer.chain).copied().unwrap_or(usize::MAX);
        if let Some(segment) = self.segments.get_mut(index) {
            segment.shutdown = facts.is_shutdown();
            // Where keys are trusted, anybody else can write these words.
            segment.clean = segment.shutdown && !self.report.signatures_checked;
        }
        let Some(signature) = trailer.signature else {
            if facts.key().is_some() || self.report.signatures_checked {
                self.find(reading, Some(trailer), FindingKind::BadSignature);
            }
            return;
        };
        let id = facts.key().unwrap_or_default();
        let Some(key) = self.key(id) else {
            if !self.report.unknown_keys.iter().any(|known| known == id)
                && self.report.unknown_keys.len() < FINDINGS
            {
                self.report.unknown_keys.push(id.to_owned());
            }
            if self.report.signatures_checked {
                self.find(reading, Some(trailer), FindingKind::UnknownKey);
            }
            return;
        };
        if key.verify(&trailer.message(), &signature) {
            if let Some(segment) = self.segments.get_mut(index) {
                segment.sign(trailer.seq, facts.at(), id);
                segment.clean = segment.shutdown;
            }
        } else {
            self.find(reading, Some(trailer), FindingKind::BadSignature);
        }
    }

    fn anchor(&mut self, trailer: &Trailer<'_>, hash: &[u8; 32]) {
        let chain = self.anchors.get_mut(trailer.chain);
        for anchor in chain.and_then(|it| it.get_mut(&trailer.seq)).into_iter().flatten() {
            anchor.seen |= anchor.hash == *hash;
        }
    }
}
