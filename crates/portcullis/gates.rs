//! Several gates behind one listener.

use std::convert::Infallible;
use std::fmt;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use http::Request;
use portcullis_mcp::Inspect;
use portcullis_prm::ResourceMetadata;
use portcullis_rbac::Rbac;
use tower_layer::Layer;
use tower_service::Service;

use crate::known::Known;
use crate::{BuildError, Gate, PortcullisLayer};

/// Several MCP servers of one origin, each behind its own gate: its own issuers, audience, policy and
/// metadata.
///
/// The path of a request alone decides which gate answers it. `Host` and the like decide nothing
/// (R-157); each gate still refuses those that are not its own.
///
/// ```
/// # use portcullis::{Gates, Issuer, JwkSet, Policy, Portcullis};
/// # use portcullis_test::{FakeMcp, Mint};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let issuer = |name: &str| {
/// #     let keys = JwkSet::from_json(Mint::es256(name).jwks()).unwrap();
/// #     Issuer::new(name).keys(keys)
/// # };
/// # let (notes_service, payroll_service) = (FakeMcp::new(), FakeMcp::new());
/// let notes = Portcullis::builder()
///     .resource("https://mcp.example.com/notes")
///     .issuer(issuer("https://id.example.com"))
///     .policy(Policy::danger_permit_all())
///     .build()?;
/// let payroll = Portcullis::builder()
///     .resource("https://mcp.example.com/payroll")
///     .issuer(issuer("https://hr.example.com"))
///     .policy(Policy::danger_permit_all())
///     .build()?;
/// let router: axum::Router =
///     Gates::new().add(&notes, notes_service).add(&payroll, payroll_service).router()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is served until `router`"]
pub struct Gates<State = ()> {
    gates: Vec<Routed<State>>,
}

struct Routed<State> {
    metadata: ResourceMetadata,
    /// The paths of documents besides the gate's own.
    paths: Vec<String>,
    router: Router<State>,
}

impl<State: Clone + Send + Sync + 'static> Gates<State> {
    /// No gates yet.
    pub fn new() -> Self {
        Self { gates: Vec::new() }
    }

    /// Adds `service` behind `gate`.
    pub fn add<A, C, S>(mut self, gate: &PortcullisLayer<A, C>, service: S) -> Self
    where
        C: Layer<Known<Inspect<Rbac<S, A>>>>,
        Gate<S, A, C>: Service<Request<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        <Gate<S, A, C> as Service<Request<Body>>>::Response: IntoResponse,
        <Gate<S, A, C> as Service<Request<Body>>>::Future: Send + 'static,
    {
        self.gates.push(Routed {
            metadata: gate.metadata().clone(),
            paths: gate.document_paths().map(str::to_owned).collect(),
            router: gate.router(service),
        });
        self
    }

    /// One router with the paths of all gates and of their documents; everything else is left to
    /// your application.
    ///
    /// # Errors
    /// When two gates answer for the same path, which includes the root copy of metadata: with
    /// several resources there is none (R-151). When their resources are not of one origin.
    pub fn router(self) -> Result<Router<State>, BuildError> {
        let fault = |problem: String| Err(BuildError::new("resources", problem));
        let several = self.gates.len() > 1;
        let mut router = Router::new();
        let mut taken = Vec::<String>::new();
        let mut common: Option<String> = None;
        for Routed { metadata, paths, router: routes } in self.gates {
            let (resource, origin) = (metadata.resource(), origin(&metadata));
            if common.get_or_insert_with(|| origin.to_owned()) != origin {
                return fault(format!("{resource} is of another origin than those before it"));
            }
            if several && metadata.well_known_paths().nth(1).is_some() {
                return fault(format!(
                    "{resource} has a root copy of its metadata, one of several"
                ));
            }
            for path in paths.into_iter().chain([metadata.path().to_owned()]) {
                if taken.contains(&path) {
                    return fault(format!("{resource}: another gate answers for {path:?}"));
                }
                taken.push(path);
            }
            router = router.merge(routes);
        }
        Ok(router)
    }
}

fn origin(metadata: &ResourceMetadata) -> &str {
    metadata.resource().strip_suffix(metadata.path()).unwrap_or_default()
}

impl<State: Clone + Send + Sync + 'static> Default for Gates<State> {
    fn default() -> Self {
        Self::new()
    }
}

impl<State> fmt::Debug for Gates<State> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resources = self.gates.iter().map(|gate| gate.metadata.resource());
        f.debug_list().entries(resources).finish()
    }
}
