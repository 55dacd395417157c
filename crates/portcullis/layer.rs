//! The composed layer and the service it makes.

use std::fmt;
use std::task::{Context, Poll};

use http::Request;
use portcullis_audit::{Audit, AuditLayer};
use portcullis_jwt::{JwtLayer, Verifier};
use portcullis_mcp::{Edge, EdgeLayer, Inspect, InspectLayer};
use portcullis_prm::{Prm, PrmLayer, ResourceMetadata};
use portcullis_rbac::{Rbac, RbacLayer};
use tower_layer::Layer;
use tower_service::Service;

use crate::known::{Known, KnownLayer};

/// All layers of the gate as one; made by [`Portcullis::builder`](crate::Portcullis::builder).
///
/// Outside in: audit, metadata, edge, token, roster, message, policy. Metadata stands outside the edge
/// because it is public and must ignore `Host` and `Origin`; everything else is behind both.
/// `A` decides what callers may do, `C` says who they are.
#[must_use = "nothing is guarded until the layer is applied"]
pub struct PortcullisLayer<A, C = JwtLayer> {
    pub(crate) audit: AuditLayer,
    pub(crate) prm: PrmLayer,
    pub(crate) edge: EdgeLayer,
    pub(crate) sign_in: C,
    pub(crate) known: KnownLayer,
    pub(crate) inspect: InspectLayer,
    pub(crate) rbac: RbacLayer<A>,
    pub(crate) metadata: ResourceMetadata,
}

impl<A, C> PortcullisLayer<A, C> {
    /// The metadata document that clients are led to.
    #[must_use]
    pub fn metadata(&self) -> &ResourceMetadata {
        &self.metadata
    }

    /// The paths at which the gate serves documents: its metadata, and the mirror if there is one.
    pub fn document_paths(&self) -> impl Iterator<Item = &str> {
        self.prm.paths()
    }

    /// The audit layer, for example to flush it before the process ends.
    pub fn audit(&self) -> &AuditLayer {
        &self.audit
    }
}

impl<A> PortcullisLayer<A, JwtLayer> {
    /// The verifier of tokens, running: adds and removes issuers and revokes tokens, for this layer
    /// and for all services that it has made, from the next request on.
    ///
    /// The [`metadata`](Self::metadata) goes on to name the issuers that the gate was built with.
    pub fn verifier(&self) -> &Verifier {
        self.sign_in.verifier()
    }
}

// By hand: deriving would ask that the authorizer be `Clone`, and it is shared.
impl<A, C: Clone> Clone for PortcullisLayer<A, C> {
    fn clone(&self) -> Self {
        Self {
            audit: self.audit.clone(),
            prm: self.prm.clone(),
            edge: self.edge.clone(),
            sign_in: self.sign_in.clone(),
            known: self.known.clone(),
            inspect: self.inspect.clone(),
            rbac: self.rbac.clone(),
            metadata: self.metadata.clone(),
        }
    }
}

impl<A, C> fmt::Debug for PortcullisLayer<A, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortcullisLayer")
            .field("resource", &self.metadata.resource())
            .finish_non_exhaustive()
    }
}

/// The nested services of a gate around `S`, outermost first.
pub type Stack<S, A, C = JwtLayer> = Audit<Prm<Edge<SignIn<S, A, C>>>>;

/// The service that `C` makes around inspection and policy.
type SignIn<S, A, C> = <C as Layer<Known<Inspect<Rbac<S, A>>>>>::Service;

impl<S, A, C> Layer<S> for PortcullisLayer<A, C>
where
    C: Layer<Known<Inspect<Rbac<S, A>>>>,
{
    type Service = Gate<S, A, C>;

    fn layer(&self, inner: S) -> Gate<S, A, C> {
        let inner = self.known.layer(self.inspect.layer(self.rbac.layer(inner)));
        let inner = self.edge.layer(self.sign_in.layer(inner));
        Gate { stack: self.audit.layer(self.prm.layer(inner)) }
    }
}

/// A guarded service; made by [`PortcullisLayer`].
///
/// Answers every request itself unless a verified caller sends a well-formed message that policy
/// permits. `Error` is the inner service's own: a refusal is a response.
pub struct Gate<S, A, C = JwtLayer>
where
    C: Layer<Known<Inspect<Rbac<S, A>>>>,
{
    stack: Stack<S, A, C>,
}

impl<S, A, C> Clone for Gate<S, A, C>
where
    C: Layer<Known<Inspect<Rbac<S, A>>>>,
    SignIn<S, A, C>: Clone,
{
    fn clone(&self) -> Self {
        Self { stack: self.stack.clone() }
    }
}

impl<S, A, C> fmt::Debug for Gate<S, A, C>
where
    C: Layer<Known<Inspect<Rbac<S, A>>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl<S, A, C, B> Service<Request<B>> for Gate<S, A, C>
where
    C: Layer<Known<Inspect<Rbac<S, A>>>>,
    Stack<S, A, C>: Service<Request<B>>,
{
    type Response = <Stack<S, A, C> as Service<Request<B>>>::Response;
    type Error = <Stack<S, A, C> as Service<Request<B>>>::Error;
    type Future = <Stack<S, A, C> as Service<Request<B>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.stack.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.stack.call(request)
    }
}
