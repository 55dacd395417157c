//! What happens to the policy, as audit events.

use portcullis_audit::{AuditLog, Event, EventKind};
use portcullis_rbac::{Authorizer as _, PolicyEvent};

/// Puts each change of the policy file, and each failure to load it, on record: give it to
/// [`PolicyFile::on_event`](portcullis_rbac::PolicyFile::on_event).
///
/// ```no_run
/// use portcullis::audit::FileSink;
/// use portcullis::rbac::PolicyFile;
/// use portcullis::{AuditLayer, policy_events};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let audit = AuditLayer::builder().sink(FileSink::builder("audit.jsonl").open()?).build()?;
/// let policy = PolicyFile::new("policy.yaml").on_event(policy_events(audit.log())).load()?;
/// // Both go to the gate's builder: `audit_layer(audit)` and the policy.
/// # Ok(())
/// # }
/// ```
pub fn policy_events(log: AuditLog) -> impl Fn(&PolicyEvent<'_>) + Send + Sync + 'static {
    move |event| {
        let event = match event {
            PolicyEvent::Changed { from, to, .. } => Event::new(EventKind::PolicyChanged)
                .from(from.version().as_str())
                .to(to.version().as_str()),
            PolicyEvent::Failed { error, in_force } => Event::new(EventKind::PolicyFailed)
                .from(in_force.version().as_str())
                .detail(error.to_string()),
            _ => return,
        };
        log.record(event);
    }
}
