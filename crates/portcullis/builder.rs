//! The builder: required choices are type states, order is not yours to get wrong.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use portcullis_core::{Clock, Method, ScopeHierarchy, Version};
use portcullis_forwarded::ForwardedBuilder;
use portcullis_jwt::{Dpop, Issuer, JwtLayer, VerifierBuilder};
use portcullis_mcp::{Hook, InspectLayer, Limits, RateLimits, SessionKeys};
use portcullis_prm::ResourceMetadataBuilder;
use portcullis_rbac::{Authorizer, Policy};

pub(crate) mod audit;
mod build;
mod options;
mod tokens;

use audit::Audit;

/// The gate: see the [crate docs](crate).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Portcullis;

impl Portcullis {
    /// Starts a gate. Three choices are required, in any order: [`resource`](Builder::resource),
    /// [`issuer`](Builder::issuer) and [`policy`](Builder::policy).
    pub fn builder() -> Builder<Missing, Missing, Missing> {
        Builder {
            resource: Missing(()),
            issuers: Missing(()),
            authorizer: Missing(()),
            options: Options::default(),
        }
    }
}

/// A required choice that has not been made.
#[derive(Clone, Copy, Debug)]
pub struct Missing(pub(crate) ());

/// A required choice that has been made.
pub struct Chosen<T>(pub(crate) T);

impl<T> fmt::Debug for Chosen<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chosen")
    }
}

/// Collects the parts of a gate and nests them in the one safe order.
///
/// `R`, `I` and `P` say whether the resource, the issuers and the policy have been chosen:
/// [`build`](Builder::build) exists only when all three have.
#[must_use = "nothing is guarded until the built layer is applied"]
pub struct Builder<R, I, P> {
    resource: R,
    issuers: I,
    authorizer: P,
    options: Options,
}

type Customize = Box<dyn FnOnce(ResourceMetadataBuilder) -> ResourceMetadataBuilder + Send>;
type Tokens = Box<dyn FnOnce(JwtLayer) -> JwtLayer + Send>;
type Inspection = Box<dyn FnOnce(InspectLayer) -> InspectLayer + Send>;
type Source = Arc<dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync>;
type Verification = Box<dyn FnOnce(VerifierBuilder) -> VerifierBuilder + Send>;

#[derive(Default)]
struct Options {
    scopes: Vec<String>,
    metadata: Option<Customize>,
    hosts: Vec<String>,
    origins: Vec<String>,
    source: Option<Source>,
    nested: bool,
    /// Identity headers are for the sign-in layer to read and remove.
    forwarded: bool,
    dpop: Option<Dpop>,
    /// The methods that need no token.
    optional_for: Vec<Method>,
    require_base_scopes: Option<ScopeHierarchy>,
    tokens: Option<Tokens>,
    /// The issuer whose metadata is repeated at the resource's origin.
    #[cfg(feature = "jwks-client")]
    mirror: Option<String>,
    verification: Option<Verification>,
    versions: Option<Vec<Version>>,
    limits: Option<Limits>,
    inspection: Option<Inspection>,
    hooks: Vec<Hook>,
    rate_limits: Option<RateLimits>,
    session_keys: Option<SessionKeys>,
    server: Option<String>,
    upstream: Option<String>,
    clock: Option<Clock>,
    #[cfg(feature = "roster")]
    roster: Option<portcullis_roster::Roster>,
    audit: Audit,
}

impl<R, I, P> fmt::Debug for Builder<R, I, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

impl<I, P> Builder<Missing, I, P> {
    /// The canonical URI of the MCP endpoint: exactly what users type into their clients, and the
    /// audience of their tokens. `https`, except on loopback hosts.
    pub fn resource(self, uri: impl Into<String>) -> Builder<Chosen<String>, I, P> {
        let Self { resource: _, issuers, authorizer, options } = self;
        Builder { resource: Chosen(uri.into()), issuers, authorizer, options }
    }
}

impl<R, P> Builder<R, Missing, P> {
    /// Who may vouch for callers. Call it again for further issuers.
    pub fn issuer(self, issuer: Issuer) -> Builder<R, Chosen<Vec<Issuer>>, P> {
        let Self { resource, issuers: _, authorizer, options } = self;
        Builder { resource, issuers: Chosen(vec![issuer]), authorizer, options }
    }
}

impl<R, P> Builder<R, Missing, P> {
    /// Takes callers from a sidecar that has signed them in, in place of tokens: `sidecar` says
    /// which family of headers, and from which peer they are believed.
    ///
    /// Name the authorization server through [`metadata`](Builder::metadata): the document must
    /// have one (RFC 9728 §2).
    pub fn forwarded<V, F>(self, sidecar: F) -> Builder<R, Chosen<Sidecar<F>>, P>
    where
        F: FnOnce(ForwardedBuilder) -> ForwardedBuilder<V>,
    {
        let Self { resource, issuers: _, authorizer, options } = self;
        Builder { resource, issuers: Chosen(Sidecar(sidecar)), authorizer, options }
    }
}

/// Who is calling, when a sidecar says so; made by [`Builder::forwarded`].
pub struct Sidecar<F>(F);

impl<F> fmt::Debug for Sidecar<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sidecar")
    }
}

impl<R, I> Builder<R, I, Missing> {
    /// Permits what `authorizer` grants and denies everything else: a [`Policy`], or an
    /// [`Authorizer`] of your own.
    pub fn policy<A: Authorizer>(self, authorizer: A) -> Builder<R, I, Chosen<A>> {
        let Self { resource, issuers, authorizer: _, options } = self;
        Builder { resource, issuers, authorizer: Chosen(authorizer), options }
    }

    /// Lets every verified caller use every tool, prompt and resource.
    pub fn danger_permit_all(self) -> Builder<R, I, Chosen<Policy>> {
        self.policy(Policy::danger_permit_all())
    }
}
