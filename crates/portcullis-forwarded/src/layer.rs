//! Configuration time.

use std::fmt;
use std::sync::Arc;

use portcullis_core::Challenge;
use tower_layer::Layer;

use crate::admit::Config;
use crate::{Forwarded, ForwardedBuilder, Unsigned};

/// Takes callers' identities from a trusted sidecar; see the [crate docs](crate).
#[must_use = "nobody is identified until the layer is applied"]
pub struct ForwardedLayer<V = Unsigned> {
    config: Arc<Config<V>>,
}

impl ForwardedLayer {
    /// Starts a layer that answers callers without an identity with `challenge`.
    pub fn builder(challenge: Challenge) -> ForwardedBuilder {
        ForwardedBuilder::new(challenge)
    }
}

impl<V> ForwardedLayer<V> {
    pub(crate) fn new(config: Config<V>) -> Self {
        Self { config: Arc::new(config) }
    }
}

impl<S, V> Layer<S> for ForwardedLayer<V> {
    type Service = Forwarded<S, V>;

    fn layer(&self, inner: S) -> Forwarded<S, V> {
        Forwarded::new(inner, Arc::clone(&self.config))
    }
}

// By hand: a verifier need not be `Clone` or `Debug`.
impl<V> Clone for ForwardedLayer<V> {
    fn clone(&self) -> Self {
        Self { config: Arc::clone(&self.config) }
    }
}

impl<V> fmt::Debug for ForwardedLayer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardedLayer").field("config", &self.config).finish()
    }
}
