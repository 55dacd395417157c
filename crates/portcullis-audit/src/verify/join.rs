//! How the pieces of chains fit together.

use std::collections::BTreeMap;

use crate::verify::segment::Segment;
use crate::verify::{Verifier, shown};
use crate::{ChainEnd, ChainReport, Finding, FindingKind};

/// A chain put together from its pieces.
struct Joined {
    report: ChainReport,
    last_hash: [u8; 32],
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
            let chain = self.chain(&segments);
            starts.extend(segments.into_iter().next());
            joined.insert(id, chain);
        }
        for start in &starts {
            self.link(start, &mut joined);
        }
        self.anchors(&joined);
        // The ids of chains begin with their time.
        self.report.chains = joined.into_values().map(|joined| joined.report).collect();
    }

    /// Puts one chain together.
    fn chain(&mut self, segments: &[Segment]) -> Joined {
        let mut report = ChainReport::default();
        let mut last: Option<&Segment> = None;
        let mut limit = None;
        for segment in segments {
            let about = |kind| (segment.first_line, segment.first_seq, kind);
            let finding = match last {
                None if segment.first_seq > 0 && segment.begins_file => {
                    Some(about(FindingKind::BeginsLate))
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
            }
            if last.is_none_or(|last| last.last_seq < segment.last_seq) {
                last = Some(segment);
            }
        }
        let Some(last) = last else {
            return Joined { report, last_hash: [0; 32] };
        };
        report.last_seq = last.last_seq;
        report.to = last.to.map(shown);
        report.end = if last.clean { ChainEnd::Clean } else { ChainEnd::Open };
        report.unsigned = match report.signed_seq {
            Some(signed) => last.last_seq.saturating_sub(signed),
            None => report.records,
        };
        if self.report.signatures_checked {
            // A start alone may be all that a writer could write before it was killed.
            let only_start = report.records == 1 && report.first_seq == 0;
            if report.signed_seq.is_none() && !only_start {
                self.report_at(last, last.last_line, last.last_seq, FindingKind::Unsigned);
            } else if limit.is_some_and(|limit| report.unsigned > limit) {
                self.report_at(last, last.last_line, last.last_seq, FindingKind::Overdue);
            }
        }
        Joined { report, last_hash: last.last_hash }
    }

    /// Looks whether the chain that `start` continues ends where it says.
    fn link(&mut self, start: &Segment, joined: &mut BTreeMap<String, Joined>) {
        let Some(before) = &start.continues else {
            if start.starts && start.first_prev != [0; 32] {
                self.report_at(start, start.first_line, 0, FindingKind::BrokenLink);
            }
            return;
        };
        let Some(chain) = joined.get_mut(&before.chain) else {
            self.report_at(start, start.first_line, 0, FindingKind::BeginsLate);
            return;
        };
        let fits = chain.report.last_seq == before.seq
            && chain.last_hash == start.first_prev
            && (chain.report.end == ChainEnd::Clean) == before.clean;
        if !fits {
            self.report_at(start, start.first_line, 0, FindingKind::BrokenLink);
        } else if chain.report.end == ChainEnd::Open {
            chain.report.end = ChainEnd::Continued;
        }
    }

    fn anchors(&mut self, joined: &BTreeMap<String, Joined>) {
        for anchor in std::mem::take(&mut self.anchors) {
            if anchor.seen {
                continue;
            }
            let last = joined.get(&anchor.chain).map(|chain| chain.report.last_seq);
            let count = last.map_or(0, |last| anchor.seq.saturating_sub(last));
            self.found(Finding {
                source: String::new(),
                line: 0,
                chain: Some(anchor.chain),
                seq: Some(anchor.seq),
                kind: FindingKind::AnchorMissing { count },
            });
        }
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
            FindingKind::BeginsLate | FindingKind::Overdue => self.noted(finding),
            _ => self.found(finding),
        }
    }
}
