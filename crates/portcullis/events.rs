//! What happens to policies, tools, keys and issuers, as audit events.

#[cfg(feature = "jwks-client")]
use std::collections::BTreeMap;
#[cfg(feature = "jwks-client")]
use std::time::Duration;

use portcullis_audit::{AuditLog, Event, EventKind};
#[cfg(feature = "jwks-client")]
use portcullis_jwt::{KeyStatus, Verifier};
use portcullis_mcp::PinEvent;
#[cfg(feature = "reload")]
use portcullis_rbac::{Authorizer as _, PolicyEvent};

/// Puts each change of the policy file, with its digest and who gains and loses what, and each failure to load
/// it, on record: give it to
/// [`PolicyFile::on_event`](portcullis_rbac::PolicyFile::on_event).
///
/// ```no_run
/// use portcullis::audit::JsonLines;
/// use portcullis::rbac::PolicyFile;
/// use portcullis::{AuditLayer, policy_events};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let audit = AuditLayer::builder().sink(JsonLines::new(std::io::stderr())).build()?;
/// let policy = PolicyFile::new("policy.yaml").on_event(policy_events(audit.log())).load()?;
/// // Both go to the gate's builder: `audit_layer(audit)` and the policy.
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "reload")]
pub fn policy_events(log: AuditLog) -> impl Fn(&PolicyEvent<'_>) + Send + Sync + 'static {
    move |event| {
        let event = match event {
            PolicyEvent::Changed { from, to, changes } => Event::new(EventKind::PolicyChanged)
                .from(from.version().as_str())
                .to(to.version().as_str())
                .detail(format!("digest {}: {changes}", to.digest())),
            PolicyEvent::Failed { error, in_force } => Event::new(EventKind::PolicyFailed)
                .from(in_force.version().as_str())
                .detail(error.to_string()),
            _ => return,
        };
        log.record(event);
    }
}

/// Puts on record when a tool is listed with a definition that nobody approved: give it to
/// [`ToolPins::on_event`](portcullis_mcp::ToolPins::on_event).
///
/// ```
/// use portcullis::audit::MemorySink;
/// use portcullis::mcp::ToolPins;
/// use portcullis::{AuditLayer, pin_events};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let text = r#"{"tools": {}}"#;
/// let audit = AuditLayer::builder().sink(MemorySink::new()).build()?;
/// let pins = ToolPins::from_json(text)?.on_event(pin_events(audit.log()));
/// // To the gate's builder: `audit_layer(audit)` and `inspection(|layer| layer.tool_pins(pins))`.
/// # Ok(())
/// # }
/// ```
pub fn pin_events(log: AuditLog) -> impl Fn(&PinEvent<'_>) + Send + Sync + 'static {
    move |event| {
        let mut record = Event::new(EventKind::ToolChanged).about(event.tool()).to(event.seen());
        if let Some(pinned) = event.pinned() {
            record = record.from(pinned);
        }
        log.record(record);
    }
}

/// Puts on record when an issuer's keys become others, and when issuers are added and removed: spawn
/// it. It looks once in `every`, and ends when auditing does. What is there when it starts is no
/// event.
#[cfg(feature = "jwks-client")]
pub async fn key_events(verifier: Verifier, log: AuditLog, every: Duration) {
    let mut known = Known::of(&verifier.key_status());
    while !log.is_closed() {
        tokio::time::sleep(every).await;
        let now = Known::of(&verifier.key_status());
        for event in known.until(&now) {
            log.record(event);
        }
        known = now;
    }
}

/// Issuers, and how often their keys became others.
#[cfg(feature = "jwks-client")]
struct Known(BTreeMap<String, u64>);

#[cfg(feature = "jwks-client")]
impl Known {
    fn of(status: &[KeyStatus]) -> Self {
        Self(status.iter().map(|status| (status.issuer.clone(), status.changes)).collect())
    }

    /// What happened from this to `now`.
    fn until(&self, now: &Self) -> Vec<Event> {
        let event = |kind, issuer: &String| Event::new(kind).about(issuer.as_str());
        let removed = self.0.keys().filter(|issuer| !now.0.contains_key(*issuer));
        let removed = removed.map(|issuer| event(EventKind::IssuerRemoved, issuer));
        let other = now.0.iter().filter_map(|(issuer, &changes)| match self.0.get(issuer) {
            None => Some(event(EventKind::IssuerAdded, issuer)),
            // The first keys of an issuer take nobody's place.
            Some(&before) if before > 0 && changes > before => {
                Some(event(EventKind::KeysChanged, issuer).count(changes - before))
            }
            // An issuer that was removed and added again between two looks starts to count anew.
            Some(&before) if changes < before => Some(event(EventKind::IssuerAdded, issuer)),
            Some(_) => None,
        });
        removed.chain(other).collect()
    }
}

#[cfg(all(test, feature = "jwks-client"))]
mod tests {
    use super::*;

    #[test]
    fn what_changed_between_two_looks() {
        let known = |issuers: &[(&str, u64)]| {
            Known(issuers.iter().map(|&(name, changes)| (name.to_owned(), changes)).collect())
        };
        let before = known(&[("a", 1), ("b", 0), ("c", 3), ("d", 1), ("e", 5)]);
        let now = known(&[("a", 1), ("b", 1), ("c", 5), ("e", 1), ("f", 0)]);
        let kinds: Vec<_> = before.until(&now).iter().map(Event::kind).collect();
        let expected = [
            EventKind::IssuerRemoved,
            EventKind::KeysChanged,
            EventKind::IssuerAdded,
            EventKind::IssuerAdded,
        ];
        assert_eq!(kinds, expected);
        assert!(now.until(&now).is_empty());
    }
}

#[cfg(all(test, feature = "reload", feature = "yaml"))]
mod policy_tests {
    use portcullis_audit::{AuditLayer, MemorySink};
    use portcullis_rbac::PolicyFile;

    use super::*;

    #[tokio::test]
    async fn changes_of_the_policy_file_are_on_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.yaml");
        let write = |tool: &str| {
            let rule = format!("rules: [{{id: r, allow: {{tools: [{tool}]}}, everyone: true}}]\n");
            std::fs::write(&path, rule).unwrap();
        };
        let sink = MemorySink::new();
        let audit = AuditLayer::builder().sink(sink.clone()).build().unwrap();
        write("a");
        let policy = PolicyFile::new(&path).on_event(policy_events(audit.log())).load().unwrap();
        write("b");
        std::fs::copy(&path, folder.path().join("b.yaml")).unwrap();
        assert!(policy.reload().unwrap());
        std::fs::write(&path, "rules: [").unwrap();
        policy.reload().unwrap_err();
        assert!(audit.flush().await);
        let kinds: Vec<_> = sink.records().iter().map(|it| it.as_event().unwrap().kind()).collect();
        assert_eq!(kinds, [EventKind::PolicyChanged, EventKind::PolicyFailed]);
        let line: serde_json::Value = serde_json::from_str(&sink.lines()[0]).unwrap();
        assert_ne!(line["from"], line["to"]);
        assert_eq!(line["to"], policy.status().version.as_str());
        let digest = portcullis_rbac::Policy::from_yaml_file(folder.path().join("b.yaml"));
        let digest = digest.unwrap().digest().to_owned();
        let said = "everyone loses tool a (rule r); everyone gains tool b (rule r)";
        assert_eq!(line["detail"], format!("digest {digest}: {said}"));
    }
}
