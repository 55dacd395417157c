//! Configuration time.

use std::fmt;
use std::sync::Arc;

use portcullis_core::{Challenge, Clock, Text};
use tower_layer::Layer;

use crate::gate::Gate;
use crate::{Authorizer, Rbac};

/// Refuses MCP messages that an [`Authorizer`] does not allow; see the [crate docs](crate).
#[must_use = "nothing is guarded until the layer is applied"]
pub struct RbacLayer<A> {
    gate: Arc<Gate<A>>,
}

impl<A: Authorizer> RbacLayer<A> {
    /// Asks `authorizer`, usually a [`Policy`](crate::Policy). `challenge` tells callers how to get
    /// a token with more scopes: the one of the resource's metadata.
    pub fn new(authorizer: A, challenge: Challenge) -> Self {
        Self { gate: Arc::new(Gate::new(authorizer, challenge)) }
    }

    /// Who decides, shared with all services of this layer.
    #[must_use]
    pub fn authorizer(&self) -> &Arc<A> {
        self.gate.authorizer()
    }

    /// Names the server behind the gate, for policies that are about several, or that trust the
    /// annotations of some.
    pub fn server(self, name: impl Into<Text>) -> Self {
        Self { gate: Arc::new(self.gate.of_server(name.into())) }
    }

    /// Asks about the time of `clock`, whatever clock the authorizer has: for tests.
    pub fn clock(self, clock: Clock) -> Self {
        Self { gate: Arc::new(self.gate.by_clock(clock)) }
    }
}

impl<S, A> Layer<S> for RbacLayer<A> {
    type Service = Rbac<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        Rbac::new(inner, Arc::clone(&self.gate))
    }
}

// By hand: an authorizer need not be `Clone` or `Debug`.
impl<A> Clone for RbacLayer<A> {
    fn clone(&self) -> Self {
        Self { gate: Arc::clone(&self.gate) }
    }
}

impl<A> fmt::Debug for RbacLayer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RbacLayer").finish_non_exhaustive()
    }
}
