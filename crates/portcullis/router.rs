//! The gate as routes of an axum application.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use http::Request;
use portcullis_mcp::Inspect;
use portcullis_rbac::Rbac;
use tower_layer::Layer;
use tower_service::Service;

use crate::known::Known;
use crate::{Gate, PortcullisLayer};

impl<A, C> PortcullisLayer<A, C> {
    /// A router whose routes are all answered by the gate around `service`: the resource's path and
    /// its metadata paths. Merge it into your application's router.
    ///
    /// The routes see the full path, unlike `nest_service`, which strips the prefix: so the gate can
    /// tell `/mcp` from `/mcp/` and serves its own metadata. Layers that you add to the
    /// merged router run outside the gate.
    pub fn router<S, State>(&self, service: S) -> Router<State>
    where
        C: Layer<Known<Inspect<Rbac<S, A>>>>,
        State: Clone + Send + Sync + 'static,
        Gate<S, A, C>: Service<Request<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        <Gate<S, A, C> as Service<Request<Body>>>::Response: IntoResponse,
        <Gate<S, A, C> as Service<Request<Body>>>::Future: Send + 'static,
    {
        let gate = self.layer(service);
        let path = match self.metadata().path() {
            "" => "/",
            path => path,
        };
        let router = Router::new().route_service(path, gate.clone());
        self.document_paths().fold(router, |router, path| router.route_service(path, gate.clone()))
    }
}
