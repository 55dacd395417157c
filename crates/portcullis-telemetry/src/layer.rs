//! The layer.

use std::fmt;
use std::sync::Arc;

use portcullis_core::Clock;
use tower_layer::Layer;

use crate::route::Route;
use crate::{Join, Watch};

/// Watches the requests to one gate; made by [`Telemetry::layer`](crate::Telemetry::layer).
///
/// Goes outside everything, the audit layer too. It changes nothing: neither a request nor an answer,
/// and it refuses nobody.
#[derive(Clone, Debug)]
#[must_use = "nothing is watched until the layer is applied"]
pub struct WatchLayer {
    route: Arc<Route>,
    look: Arc<Look>,
}

/// How requests are looked at.
#[derive(Clone)]
pub(crate) struct Look {
    pub(crate) clock: Clock,
    pub(crate) join: Option<Arc<dyn Join>>,
    pub(crate) resource_uris: bool,
}

impl WatchLayer {
    pub(crate) fn new(route: Arc<Route>, clock: Clock) -> Self {
        Self { route, look: Arc::new(Look { clock, join: None, resource_uris: false }) }
    }

    /// Joins spans to the trace that clients name. By default they only say the client's ids.
    pub fn join(self, join: impl Join) -> Self {
        self.with(|look| look.join = Some(Arc::new(join)))
    }

    /// Says on spans which resources were read, without userinfo, query and fragment of their URIs.
    /// Off by default: paths may be about people.
    pub fn resource_uris(self) -> Self {
        self.with(|look| look.resource_uris = true)
    }

    fn with(mut self, change: impl FnOnce(&mut Look)) -> Self {
        change(Arc::make_mut(&mut self.look));
        self
    }
}

impl<S> Layer<S> for WatchLayer {
    type Service = Watch<S>;

    fn layer(&self, inner: S) -> Watch<S> {
        Watch::new(inner, Arc::clone(&self.route), Arc::clone(&self.look))
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Look")
            .field("joins", &self.join.is_some())
            .field("resource_uris", &self.resource_uris)
            .finish_non_exhaustive()
    }
}
