//! Configuration time.

use portcullis_core::Challenge;
use tower_layer::Layer;

use crate::{Jwt, Verifier};

/// Lets in only requests with a valid bearer token; see the [crate docs](crate).
#[derive(Clone, Debug)]
#[must_use = "nothing is guarded until the layer is applied"]
pub struct JwtLayer {
    verifier: Verifier,
    challenge: Challenge,
    anonymous: bool,
}

impl JwtLayer {
    /// Requires a token that `verifier` accepts, and answers others with `challenge`.
    pub fn new(verifier: Verifier, challenge: Challenge) -> Self {
        Self { verifier, challenge, anonymous: false }
    }

    /// Lets requests without any `Authorization` in, as
    /// [`Caller::Anonymous`](portcullis_core::Caller::Anonymous). A bad token is refused
    /// all the same.
    pub fn danger_permit_anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }
}

impl<S> Layer<S> for JwtLayer {
    type Service = Jwt<S>;

    fn layer(&self, inner: S) -> Jwt<S> {
        Jwt::new(inner, self.verifier.clone(), self.challenge.clone(), self.anonymous)
    }
}
