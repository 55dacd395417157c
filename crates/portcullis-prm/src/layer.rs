//! Configuration time.

use std::sync::Arc;

use tower_layer::Layer;

use crate::{ConfigError, Prm, PrmService, ResourceMetadata};

/// Serves metadata documents and hands on every other request; see the [crate docs](crate).
#[derive(Clone, Debug)]
#[must_use = "nothing is served until the layer is applied"]
pub struct PrmLayer {
    resources: Arc<[ResourceMetadata]>,
}

impl PrmLayer {
    /// A layer that serves this document, at its well-known path and, if the document says so, at
    /// the root.
    pub fn new(metadata: ResourceMetadata) -> Self {
        Self { resources: Arc::new([metadata]) }
    }

    /// Adds the document of one more resource on the same host. Then nothing is served at the root,
    /// except the document of a resource that is itself at the root.
    ///
    /// # Errors
    /// When another document has the same path: a request could not tell them apart, because its
    /// `Host` is not looked at.
    pub fn add_resource(self, metadata: ResourceMetadata) -> Result<Self, ConfigError> {
        let path = metadata.well_known_path();
        if self.resources.iter().any(|other| other.well_known_path() == path) {
            let problem = format!("two resources have the metadata path {path:?}");
            return Err(ConfigError::new("resource", problem));
        }
        let resources = self.resources.iter().cloned().chain([metadata]).collect();
        Ok(Self { resources })
    }

    /// The same documents as a service of its own, for a router.
    pub fn into_service(self) -> PrmService {
        PrmService::new(self.resources)
    }
}

impl<S> Layer<S> for PrmLayer {
    type Service = Prm<S>;

    fn layer(&self, inner: S) -> Prm<S> {
        Prm::new(inner, Arc::clone(&self.resources))
    }
}
