//! A way to put events on record from anywhere.

use std::sync::{Arc, Weak};

use crate::hub::Hub;
use crate::site::Site;
use crate::{Event, SinkStatus};

/// Puts [`Event`]s on record; made by [`AuditLayer::log`](crate::AuditLayer::log).
///
/// Cheap to clone. It does not keep the sinks open: when the layer, its services and its requests
/// are gone, so are they.
#[derive(Clone, Debug, Default)]
pub struct AuditLog {
    hub: Weak<Hub>,
    /// In site of the hub's own.
    site: Option<Arc<Site>>,
}

impl AuditLog {
    pub(crate) fn new(hub: Option<&Arc<Hub>>, site: Option<Arc<Site>>) -> Self {
        Self { hub: hub.map(Arc::downgrade).unwrap_or_default(), site }
    }

    /// Whether auditing is off or has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.hub.strong_count() == 0
    }

    /// Queues the event for every sink, without waiting. `false`: auditing is off or has ended.
    pub fn record(&self, mut event: Event) -> bool {
        let Some(hub) = self.hub.upgrade() else { return false };
        event.site.clone_from(&self.site);
        hub.event(event);
        true
    }

    /// How it stands with each sink, in the order in which they were added: none where auditing is
    /// off or has ended.
    #[must_use]
    pub fn status(&self) -> Vec<SinkStatus> {
        self.hub.upgrade().map(|hub| hub.status()).unwrap_or_default()
    }
}
