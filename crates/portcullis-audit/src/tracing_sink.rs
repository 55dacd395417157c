//! Records as `tracing` events.

use std::io;

use crate::{Record, Sink};

/// Emits each record as one `tracing` event: level `INFO`, target `portcullis::audit`.
///
/// The fields are words of a fixed vocabulary (`record`, `event_id`, `decision`, `reason`, `method`,
/// `http_status`, `result_type`, `duration_ms`, `lost`) and `json`, the whole record. Text that a
/// client chose is in `json` only, where it is escaped.
///
/// Events have no parent span: they come from the writer's thread. A subscriber cannot report
/// failure, so a decision counts as on record once the event was emitted. Events that a filter
/// discards are lost without notice.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TracingSink;

impl TracingSink {
    /// Emits to the subscriber that is the global default.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Sink for TracingSink {
    fn write(&mut self, record: &Record, line: &[u8]) -> io::Result<()> {
        let json = std::str::from_utf8(line).unwrap_or_default().trim_end();
        let decision = record.as_decision();
        let outcome = record.as_outcome();
        let lost = match record {
            Record::Gap(gap) => Some(gap.dropped()),
            Record::Suppressed(suppressed) => Some(suppressed.count()),
            Record::Decision(_) | Record::Outcome(_) => None,
        };
        let reason = match record {
            Record::Decision(decision) => decision.reason(),
            Record::Outcome(outcome) => outcome.reason(),
            Record::Gap(_) | Record::Suppressed(_) => None,
        };
        let status = match record {
            Record::Decision(decision) => decision.http_status(),
            Record::Outcome(outcome) => outcome.http_status(),
            Record::Gap(_) | Record::Suppressed(_) => None,
        };
        let millis = outcome.map(|outcome| outcome.duration().as_millis());
        tracing::info!(
            target: "portcullis::audit",
            parent: None,
            record = record.kind(),
            event_id = %record.event_id(),
            decision = decision.map(|decision| decision.verdict().as_str()),
            reason = reason.map(|reason| reason.as_str()),
            method = decision.and_then(|decision| decision.method()).map(|method| method.as_str()),
            http_status = status.map(|status| status.as_u16()),
            result_type = outcome.map(|outcome| outcome.result_type().as_str()),
            duration_ms = millis.and_then(|millis| u64::try_from(millis).ok()),
            lost,
            json,
        );
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
