//! The layer, and the handle to what is queued.

use std::sync::Arc;

use tower_layer::Layer;

use crate::error::ConfigError;
use crate::hub::Hub;
use crate::site::Site;
use crate::{Audit, AuditLayerBuilder, AuditLog, SinkStatus};

/// Records every decision and every outcome; see the [crate docs](crate).
///
/// Clones share the sinks. When the last clone, the last service made from it and the last request
/// are gone, what is queued is written and the writers end; the drop waits for that, up to
/// [`shutdown_timeout`](AuditLayerBuilder::shutdown_timeout).
#[derive(Clone, Debug)]
#[must_use = "nothing is recorded until the layer is applied"]
pub struct AuditLayer {
    hub: Option<Arc<Hub>>,
    /// In site of the hub's own.
    site: Option<Arc<Site>>,
}

impl AuditLayer {
    /// Starts the settings of a layer.
    pub fn builder() -> AuditLayerBuilder {
        AuditLayerBuilder::new()
    }

    /// A layer that records nothing: no one will know who did what.
    pub const fn danger_off() -> Self {
        Self { hub: None, site: None }
    }

    pub(crate) fn with(hub: Hub) -> Self {
        Self { hub: Some(Arc::new(hub)), site: None }
    }

    /// The same trail for another protected resource: its records name `resource`, and go through the same
    /// queues into the same sinks, one chain for all. For several gates of one process.
    ///
    /// # Errors
    /// When `resource` is longer than 1024 bytes.
    pub fn for_resource(&self, resource: &str) -> Result<Self, ConfigError> {
        self.elsewhere(|site| site.set_resource(resource))
    }

    /// The same trail for this server: its records name it (`server`). Use the name by which policy knows
    /// the server, and the roster, as the `portcullis` crate does for you. What the layer says of the
    /// resource stays.
    ///
    /// # Errors
    /// When `server` is longer than 1024 bytes.
    pub fn for_server(&self, server: &str) -> Result<Self, ConfigError> {
        self.elsewhere(|site| site.set_server(server))
    }

    /// The same trail for a gate before this upstream: its decisions name it (`upstream`), see
    /// [`upstream`](AuditLayerBuilder::upstream).
    ///
    /// # Errors
    /// When the name is longer than 1024 bytes, or looks like a secret.
    pub fn for_upstream(&self, upstream: &str) -> Result<Self, ConfigError> {
        self.elsewhere(|site| site.set_upstream(upstream))
    }

    fn elsewhere(
        &self,
        change: impl FnOnce(&mut Site) -> Result<(), ConfigError>,
    ) -> Result<Self, ConfigError> {
        let site = self.site.as_ref().or(self.hub.as_ref().map(|hub| &hub.site));
        let mut site = site.map(|site| Site::clone(site)).unwrap_or_default();
        change(&mut site)?;
        Ok(Self { hub: self.hub.clone(), site: Some(site.shared()) })
    }

    /// Waits until every record queued before this call was written. `false`: a sink failed
    /// meanwhile, or has ended.
    ///
    /// The future needs no runtime, and the flush happens even if it is dropped.
    pub fn flush(&self) -> impl Future<Output = bool> + Send + use<> {
        let receipts = self.hub.as_ref().map(|hub| hub.flush()).unwrap_or_default();
        async move {
            let mut written = true;
            for receipt in receipts {
                written &= receipt.await;
            }
            written
        }
    }

    /// A handle that puts events on record: a policy that changed, an issuer that was added.
    #[must_use]
    pub fn log(&self) -> AuditLog {
        AuditLog::new(self.hub.as_ref(), self.site.clone())
    }

    /// How it stands with each sink, in the order in which they were added.
    #[must_use]
    pub fn status(&self) -> Vec<SinkStatus> {
        self.hub.as_ref().map(|hub| hub.status()).unwrap_or_default()
    }

    /// How many records were lost since the start, over all sinks: no room in the queue, or the sink
    /// failed. Anything but zero deserves an alarm.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.hub.as_ref().map_or(0, |hub| hub.lost())
    }
}

impl<S> Layer<S> for AuditLayer {
    type Service = Audit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Audit::new(inner, self.hub.clone(), self.site.clone())
    }
}
