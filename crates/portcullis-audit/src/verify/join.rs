//! How the pieces of chains fit together.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::verify::segment::Segment;
use crate::verify::{LATE, Verifier, shown};
use crate::{ChainEnd, ChainReport, Finding, FindingKind};

/// A chain put together from its pieces.
struct Joined {
    report: ChainReport,
    last_hash: [u8; 32],
    /// Its last record says that its writer ended in order.
    ended: bool,
    /// The chain that it continues is here, and ends where it says.
    fits: bool,
}

impl Verifier {
    pub(super) fn join(&mut self) {
        let mut chains: BTreeMap<String, Vec<Segment>> = BTreeMap::new();
        for segment in std::mem::take(&mut self.segments) {
            chains.entry(segment.chain.clone()).or_default().push(segment);
        }
        let mut joined: BTreeMap<String, Joined> = BTreeMap::new();
        let mut starts = Vec::new();
        for (id, mut segments) in chains {
            segments.sort_by_key(|segment| (segment.first_seq, segment.last_seq));
            let chain = self.chain(&segments, joined.is_empty());
            starts.extend(segments.into_iter().next());
            joined.insert(id, chain);
        }
        for start in &starts {
            self.link(start, &mut joined);
        }
        self.torn(&starts, &joined);
        self.anchors(&joined);
        // The ids of chains begin with their time.
        self.report.chains = joined.into_values().map(|joined| joined.report).collect();
    }

    /// Puts one chain together. `oldest`: no older one is here.
    fn chain(&mut self, segments: &[Segment], oldest: bool) -> Joined {
        let mut report = ChainReport::default();
        let mut last: Option<&Segment> = None;
        let (mut limit, mut seconds, mut signed_at) = (None, None, None);
        for segment in segments {
            let about = |kind| (segment.first_line, segment.first_seq, kind);
            let finding = match last {
                None if segment.first_seq > 0 && segment.begins_file => {
                    Some(about(self.begins_late(oldest)))
                }
                None if segment.first_seq > 0 => {
                    Some(about(FindingKind::Missing { count: segment.first_seq }))
                }
                None if !segment.starts => Some(about(FindingKind::NoStart)),
                None => None,
                Some(last) if segment.first_seq <= last.last_seq => {
                    Some(about(FindingKind::Reordered))
                }
                Some(last) => {
                    let missing = segment.first_seq - last.last_seq - 1;
                    if missing > 0 {
                        Some(about(FindingKind::Missing { count: missing }))
                    } else if segment.first_prev != last.last_hash {
                        let (line, seq) = (last.last_line, last.last_seq);
                        self.report_at(last, line, seq, FindingKind::Changed);
                        None
                    } else {
                        None
                    }
                }
            };
            if let Some((line, seq, kind)) = finding {
                self.report_at(segment, line, seq, kind);
            }
            if report.records == 0 {
                report.id.clone_from(&segment.chain);
                report.first_seq = segment.first_seq;
                report.continues = segment.continues.as_ref().map(|before| before.chain.clone());
                report.from = segment.from.map(shown);
                limit = segment.checkpoint_records;
                seconds = segment.checkpoint_seconds;
            }
            report.records += segment.records;
            for key in &segment.keys {
                if !report.keys.contains(key) {
                    report.keys.push(key.clone());
                }
            }
            if let Some((seq, at)) = segment.signed {
                report.signed_seq = Some(seq);
                report.signed_to = at.map(shown);
                signed_at = at;
            }
            if last.is_none_or(|last| last.last_seq < segment.last_seq) {
                last = Some(segment);
            }
        }
        let Some(last) = last else {
            return Joined { report, last_hash: [0; 32], ended: false, fits: false };
        };
        report.last_seq = last.last_seq;
        report.to = last.to.map(shown);
        report.end = if last.clean { ChainEnd::Clean } else { ChainEnd::Open };
        report.unsigned = match report.signed_seq {
            Some(signed) => last.last_seq.saturating_sub(signed),
            None => report.records,
        };
        if self.report.signatures_checked {
            // A start alone may be all that a writer could write before it was killed. It holds no
            // record of anything.
            let only_start = report.records == 1 && last.starts;
            if report.signed_seq.is_none() {
                let kind = if only_start { FindingKind::OnlyStart } else { FindingKind::Unsigned };
                self.report_at(last, last.last_line, last.last_seq, kind);
            } else if report.unsigned > 0
                && (limit.is_some_and(|limit| report.unsigned > limit)
                    || is_late(signed_at, last.to, seconds))
            {
                self.report_at(last, last.last_line, last.last_seq, FindingKind::Overdue);
            }
        }
        Joined { report, last_hash: last.last_hash, ended: last.shutdown, fits: false }
    }

    /// Looks whether the chain that `start` continues ends where it says.
    fn link(&mut self, start: &Segment, joined: &mut BTreeMap<String, Joined>) {
        let Some(before) = &start.continues else {
            if start.starts && start.first_prev != [0; 32] {
                self.report_at(start, start.first_line, 0, FindingKind::BrokenLink);
            }
            return;
        };
        let oldest = joined.first_key_value().is_none_or(|(first, _)| *first >= start.chain);
        let Some(chain) = joined.get_mut(&before.chain) else {
            self.report_at(start, start.first_line, 0, self.begins_late(oldest));
            return;
        };
        let fits = chain.report.last_seq == before.seq
            && chain.last_hash == start.first_prev
            && chain.ended == before.clean;
        if !fits {
            self.report_at(start, start.first_line, 0, FindingKind::BrokenLink);
            return;
        }
        if chain.report.end == ChainEnd::Open && !chain.ended {
            chain.report.end = ChainEnd::Continued;
        }
        if let Some(chain) = joined.get_mut(&start.chain) {
            chain.fits = true;
        }
    }

    /// Looks whether the starts that account for unfinished lines may be believed.
    fn torn(&mut self, starts: &[Segment], joined: &BTreeMap<String, Joined>) {
        let mut vouched = HashSet::new();
        if self.report.signatures_checked {
            // What is signed vouches for all before it, by `prev`: also for the start of a writer that
            // was killed before it could sign.
            for start in starts {
                let mut chain =
                    joined.get(&start.chain).filter(|it| it.report.signed_seq.is_some());
                while let Some(it) = chain.filter(|it| vouched.insert(&*it.report.id)) {
                    let before = it.report.continues.as_ref().filter(|_| it.fits);
                    chain = before.and_then(|before| joined.get(before));
                }
            }
        }
        for start in starts {
            let Some(torn) = start.torn else { continue };
            if !self.report.signatures_checked || vouched.contains(&*start.chain) {
                self.report.torn += torn.count;
            } else {
                self.found(Finding {
                    source: self.name(start.source),
                    line: torn.line,
                    chain: None,
                    seq: None,
                    kind: FindingKind::Unchained,
                });
                self.report.found = self.report.found.saturating_add(torn.count.saturating_sub(1));
            }
        }
    }

    fn anchors(&mut self, joined: &BTreeMap<String, Joined>) {
        let mut missing: Vec<(String, u64)> = std::mem::take(&mut self.anchors)
            .into_iter()
            .flat_map(|(chain, anchors)| {
                let unseen = anchors.into_iter().flat_map(|(seq, anchors)| {
                    anchors.into_iter().filter(|anchor| !anchor.seen).map(move |_| seq)
                });
                unseen.map(|seq| (chain.clone(), seq)).collect::<Vec<_>>()
            })
            .collect();
        missing.sort_unstable();
        for (chain, seq) in missing {
            let last = joined.get(&chain).map(|chain| chain.report.last_seq);
            let count = last.map_or(0, |last| seq.saturating_sub(last));
            self.found(Finding {
                source: String::new(),
                line: 0,
                chain: Some(chain),
                seq: Some(seq),
                kind: FindingKind::AnchorMissing { count },
            });
        }
    }

    /// What it is that a chain has no beginning here. Old files are deleted some day, those between
    /// others are not.
    fn begins_late(&self, oldest: bool) -> FindingKind {
        // The ids of chains begin with their time.
        if oldest || self.from_middle { FindingKind::BeginsLate } else { FindingKind::FilesMissing }
    }

    fn report_at(&mut self, segment: &Segment, line: u64, seq: u64, kind: FindingKind) {
        let finding = Finding {
            source: self.name(segment.source),
            line,
            chain: Some(segment.chain.clone()),
            seq: Some(seq),
            kind,
        };
        match kind {
            FindingKind::BeginsLate | FindingKind::OnlyStart | FindingKind::Overdue => {
                self.noted(finding);
            }
            _ => self.found(finding),
        }
    }
}

/// Whether the time between the last good signature and the last record is longer than agreed.
fn is_late(signed: Option<Duration>, last: Option<Duration>, seconds: Option<u64>) -> bool {
    let waited = last.zip(signed).map(|(last, signed)| last.saturating_sub(signed));
    waited
        .zip(seconds)
        .is_some_and(|(waited, seconds)| waited > Duration::from_secs(seconds).saturating_add(LATE))
}
