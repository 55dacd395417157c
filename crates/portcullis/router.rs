//! The gate as routes of an axum application.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use http::Request;
use tower_layer::Layer as _;
use tower_service::Service;

use crate::{Gate, PortcullisLayer};

impl<A> PortcullisLayer<A> {
    /// A router whose routes are all answered by the gate around `service`: the resource's path and
    /// its metadata paths. Merge it into your application's router.
    ///
    /// The routes see the full path, unlike `nest_service`, which strips the prefix: so the gate can
    /// tell `/mcp` from `/mcp/` and serves its own metadata. Layers that you add to the
    /// merged router run outside the gate.
    pub fn router<S, State>(&self, service: S) -> Router<State>
    where
        State: Clone + Send + Sync + 'static,
        Gate<S, A>: Service<Request<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        <Gate<S, A> as Service<Request<Body>>>::Response: IntoResponse,
        <Gate<S, A> as Service<Request<Body>>>::Future: Send + 'static,
    {
        let gate = self.layer(service);
        let path = match self.metadata().path() {
            "" => "/",
            path => path,
        };
        let router = Router::new().route_service(path, gate.clone());
        self.metadata()
            .well_known_paths()
            .fold(router, |router, path| router.route_service(path, gate.clone()))
    }
}
