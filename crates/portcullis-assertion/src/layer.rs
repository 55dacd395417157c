//! Configuration time.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tower_layer::Layer;

use crate::attach::Attacher;
use crate::{Assertion, AssertionLayerBuilder};

/// Adds a signed assertion of who is calling; see the [crate docs](crate).
#[derive(Clone)]
#[must_use = "nothing is asserted until the layer is applied"]
pub struct AssertionLayer {
    pub(crate) attacher: Arc<Attacher>,
    pub(crate) jwks: Bytes,
}

impl AssertionLayer {
    /// Starts a layer that asserts as `issuer`, the gate's name, to `audience`, the one service
    /// behind it. Use URIs, and another audience for every service, so that none can pass what it
    /// was told on to the next.
    pub fn builder(
        issuer: impl Into<String>,
        audience: impl Into<String>,
    ) -> AssertionLayerBuilder {
        AssertionLayerBuilder::new(issuer.into(), audience.into())
    }

    /// The JWK set (RFC 7517 §5) that verifies the assertions, as JSON: serve it as
    /// `application/jwk-set+json`.
    #[must_use]
    pub fn jwks(&self) -> Bytes {
        self.jwks.clone()
    }

    /// The name of the header, in lower case.
    #[must_use]
    pub fn header(&self) -> &str {
        self.attacher.name.as_str()
    }
}

impl<S> Layer<S> for AssertionLayer {
    type Service = Assertion<S>;

    fn layer(&self, inner: S) -> Assertion<S> {
        Assertion::new(inner, Arc::clone(&self.attacher))
    }
}

impl fmt::Debug for AssertionLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionLayer")
            .field("issuer", &self.attacher.terms.issuer)
            .field("audience", &self.attacher.terms.audience)
            .field("key", &self.attacher.key)
            .finish_non_exhaustive()
    }
}
