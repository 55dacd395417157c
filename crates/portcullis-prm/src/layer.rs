//! Configuration time.

use std::sync::Arc;

use tower_layer::Layer;

use crate::answer::Served;
use crate::mirror::{self, Mirror};
use crate::{ConfigError, Prm, PrmService, ResourceMetadata, ServerMetadata};

/// Serves metadata documents and hands on every other request; see the [crate docs](crate).
#[derive(Clone, Debug)]
#[must_use = "nothing is served until the layer is applied"]
pub struct PrmLayer {
    served: Arc<Served>,
}

impl PrmLayer {
    /// A layer that serves this document, at its well-known path and, if the document says so, at
    /// the root.
    pub fn new(metadata: ResourceMetadata) -> Self {
        Self { served: Arc::new(Served { resources: vec![metadata], mirror: None }) }
    }

    /// Adds the document of one more resource on the same host. Then nothing is served at the root,
    /// except the document of a resource that is itself at the root.
    ///
    /// # Errors
    /// When another document has the same path: a request could not tell them apart, because its
    /// `Host` is not looked at.
    pub fn add_resource(self, metadata: ResourceMetadata) -> Result<Self, ConfigError> {
        let path = metadata.well_known_path();
        if self.served.resources.iter().any(|other| other.well_known_path() == path) {
            let problem = format!("two resources have the metadata path {path:?}");
            return Err(ConfigError::new("resource", problem));
        }
        let mut served = Arc::unwrap_or_clone(self.served);
        served.resources.push(metadata);
        Ok(Self { served: Arc::new(served) })
    }

    /// Repeats the metadata of the authorization server at
    /// `/.well-known/oauth-authorization-server`, for clients of revision 2025-03-26: these know no
    /// other place to look. Nothing is served there by default.
    ///
    /// `source` is asked at each request and must answer at once, from memory. The document is not
    /// changed: its `issuer` stays the server's own, and its endpoints lead there. Newer clients
    /// follow the resource's own document and need none of this.
    pub fn mirror_server_metadata(
        self,
        source: impl Fn() -> ServerMetadata + Send + Sync + 'static,
    ) -> Self {
        let mut served = Arc::unwrap_or_clone(self.served);
        served.mirror = Some(Mirror::new(source));
        Self { served: Arc::new(served) }
    }

    /// All paths where something is served, for a router.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let several = self.served.resources.len() > 1;
        let resources = self.served.resources.iter().flat_map(move |metadata| {
            metadata.well_known_paths().take(if several { 1 } else { 2 })
        });
        resources.chain(self.served.mirror.as_ref().map(|_| mirror::PATH))
    }

    /// The same documents as a service of its own, for a router.
    pub fn into_service(self) -> PrmService {
        PrmService::new(self.served)
    }
}

impl<S> Layer<S> for PrmLayer {
    type Service = Prm<S>;

    fn layer(&self, inner: S) -> Prm<S> {
        Prm::new(inner, Arc::clone(&self.served))
    }
}
