//! Records as `tracing` events.

use std::io;

use crate::{Record, Sink};

/// Emits each record as one `tracing` event: level `INFO`, target `portcullis::audit`.
///
/// The fields are words of a fixed vocabulary (`record`, `event_id`, `decision`, `reason`, `method`,
/// `http_status`, `result_type`, `duration_ms`, `lost`, `event`) and `json`, the whole record. Text that a
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
            _ => None,
        };
        let event = record.as_event().map(|event| event.kind().as_str());
        let reason = match record {
            Record::Decision(decision) => decision.reason(),
            Record::Outcome(outcome) => outcome.reason(),
            _ => None,
        };
        let status = match record {
            Record::Decision(decision) => decision.http_status(),
            Record::Outcome(outcome) => outcome.http_status(),
            _ => None,
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
            event,
            json,
        );
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use portcullis_core::Clock;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::id::Ids;
    use crate::record::Suppressed;

    #[derive(Clone, Default)]
    struct Shown(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shown {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Shown {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_record_is_one_event_with_its_fields_and_its_json() {
        let shown = Shown::default();
        let subscriber =
            tracing_subscriber::fmt().with_writer(shown.clone()).with_ansi(false).finish();
        let event_id = Ids::new().unwrap().next(&Clock::manual(0).0);
        let record = Record::Suppressed(Suppressed { at: Duration::ZERO, event_id, count: 7 });
        tracing::subscriber::with_default(subscriber, || {
            TracingSink::new().write(&record, b"{\"count\":7}\n").unwrap();
        });
        let shown = String::from_utf8(shown.0.lock().unwrap().clone()).unwrap();
        assert_eq!(shown.lines().count(), 1, "{shown}");
        for part in [
            " INFO portcullis::audit: record=\"suppressed\"",
            &format!("event_id={event_id}"),
            " lost=7 json=\"{\\\"count\\\":7}\"",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert!(!shown.contains("duration_ms"), "what does not apply is left out: {shown}");
    }
}
