//! The builder: required choices are type states, order is not yours to get wrong.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use portcullis_audit::{AuditLayer, AuditLayerBuilder, Sink, TracingSink};
use portcullis_core::{Challenge, Clock, Era, Method, ScopeHierarchy, Version};
use portcullis_forwarded::{ForwardedBuilder, ForwardedLayer};
use portcullis_jwt::{Dpop, Issuer, JwtLayer, Verifier, VerifierBuilder};
use portcullis_mcp::{EdgeLayer, Hook, InspectLayer, Limits, RateLimits, SessionKeys};
use portcullis_prm::{PrmLayer, ResourceMetadata, ResourceMetadataBuilder};
use portcullis_rbac::{Authorizer, Policy, RbacLayer};

use crate::known::KnownLayer;
#[cfg(feature = "jwks-client")]
use crate::mirror::mirrored;
use crate::{BuildError, PortcullisLayer};

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

#[derive(Default)]
#[expect(clippy::large_enum_variant, reason = "there is one, while a gate is built")]
pub(crate) enum Audit {
    /// Nothing was said: records go to `tracing`.
    #[default]
    Tracing,
    Sinks(AuditLayerBuilder),
    Layer(AuditLayer),
    /// A layer and sinks beside it, which it could not be given any more.
    Both,
    Off,
}

impl<R, I, P> fmt::Debug for Builder<R, I, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

impl<I, P> Builder<Missing, I, P> {
    /// The canonical URI of the MCP endpoint: exactly what users type into their clients, and the
    /// audience of their tokens (R-152). `https`, except on loopback hosts.
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

impl<R, P> Builder<R, Chosen<Vec<Issuer>>, P> {
    /// One more issuer that may vouch for callers.
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuers.0.push(issuer);
        self
    }

    /// Accepts tokens that are bound to a key, with a proof for each request (DPoP, RFC 9449). The
    /// metadata and all challenges then say so (R-169).
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.options.dpop = Some(dpop);
        self
    }

    /// Lets requests without a token in for these MCP methods, as
    /// [`Caller::Anonymous`](crate::Caller::Anonymous); see
    /// [`JwtLayer::danger_optional_for`]. Policy still decides: name a role that is
    /// [`anonymous`](portcullis_rbac::Role::anonymous).
    pub fn danger_optional_for(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.options.optional_for.extend(methods);
        self
    }

    /// Repeats the metadata of `issuer` at `/.well-known/oauth-authorization-server` of the resource's
    /// origin, where clients of revision 2025-03-26 look for an authorization server; these know no
    /// other place (R-172). Nothing is served there by default, and nothing ever at `/authorize`,
    /// `/token` and `/register`.
    ///
    /// The document is the issuer's own, byte for byte, as its discovery last fetched it: its
    /// `issuer` is not this server, and its endpoints lead to the issuer. Until it has been fetched,
    /// clients are told to come back (503); once the issuer is removed, it is gone (404).
    #[cfg(feature = "jwks-client")]
    pub fn mirror_issuer_metadata(mut self, issuer: impl Into<String>) -> Self {
        self.options.mirror = Some(issuer.into());
        self
    }

    /// Lets in only tokens that have every base [`scope`](Builder::scope), or scopes that stand for
    /// them; see [`JwtLayer::require_base_scopes`].
    pub fn require_base_scopes(mut self, hierarchy: ScopeHierarchy) -> Self {
        self.options.require_base_scopes = Some(hierarchy);
        self
    }

    /// Adjusts how tokens are verified: a list of revoked tokens
    /// ([`revocations`](VerifierBuilder::revocations)), how many verified ones are remembered
    /// ([`token_cache`](VerifierBuilder::token_cache)).
    pub fn verification(
        mut self,
        customize: impl FnOnce(VerifierBuilder) -> VerifierBuilder + Send + 'static,
    ) -> Self {
        self.options.verification = Some(Box::new(customize));
        self
    }

    /// Adjusts the layer that verifies tokens: client certificates (RFC 8705), step-up
    /// authentication (RFC 9470), API keys. For DPoP, prefer [`dpop`](Self::dpop).
    pub fn tokens(mut self, customize: impl FnOnce(JwtLayer) -> JwtLayer + Send + 'static) -> Self {
        self.options.tokens = Some(Box::new(customize));
        self
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

/// Choices with a default.
impl<R, I, P> Builder<R, I, P> {
    /// Adds a base scope: what a client without a token is told to ask for, and what the metadata
    /// lists. None by default.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.options.scopes.push(scope.into());
        self
    }

    /// Adjusts the metadata document (RFC 9728): names, documentation, policy links.
    pub fn metadata(
        mut self,
        customize: impl FnOnce(ResourceMetadataBuilder) -> ResourceMetadataBuilder + Send + 'static,
    ) -> Self {
        self.options.metadata = Some(Box::new(customize));
        self
    }

    /// Adds a `Host` that requests may name, besides the resource's own (R-006).
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.options.hosts.push(host.into());
        self
    }

    /// Adds an `Origin` whose browser pages may call (R-005). None by default.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.options.origins.push(origin.into());
        self
    }

    /// Says where requests come from, for policies that name networks (R-201) and for audit records
    /// (`source_ip`); by default nobody knows. A layer given to [`audit_layer`](Self::audit_layer) is left as
    /// it is.
    ///
    /// Read it from the connection; with axum, `into_make_service_with_connect_info` leaves it in the
    /// extensions. Headers of callers are still there: read one only if a proxy of yours sets it on every
    /// request, and then only what that proxy itself wrote, the last address of a list.
    pub fn source_address<F>(mut self, source: F) -> Self
    where
        F: Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static,
    {
        self.options.source = Some(Arc::new(source));
        self
    }

    /// Says that a router strips the resource's path before the gate sees it. The gate then cannot
    /// serve its metadata: prefer `PortcullisLayer::router`, or route the full path.
    pub fn nested(mut self) -> Self {
        self.options.nested = true;
        self
    }

    /// The protocol revisions to accept; all that are known by default.
    pub fn versions(mut self, versions: impl IntoIterator<Item = Version>) -> Self {
        self.options.versions = Some(versions.into_iter().collect());
        self
    }

    /// Limits on size, time and nesting, and on what one caller may have open.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = Some(limits);
        self
    }

    /// How often each caller may call, and call which tool (R-236). As often as they like by
    /// default; how much they may have open at once is among the [`limits`](Self::limits).
    pub fn rate_limits(mut self, limits: RateLimits) -> Self {
        self.options.rate_limits = Some(limits);
        self
    }

    /// Names the MCP server behind the gate: for policies that are about several servers or trust
    /// what some say about their tools, for audit records (`server`), and for the roster. No name by
    /// default; records and the roster then know the server by its resource.
    pub fn server(mut self, name: impl Into<String>) -> Self {
        self.options.server = Some(name.into());
        self
    }

    /// Says in audit records where requests go behind the gate (`upstream`), where that is another
    /// server: its URL, of which only the origin is recorded, or a name. Nothing else goes by it.
    pub fn upstream(mut self, upstream: impl Into<String>) -> Self {
        self.options.upstream = Some(upstream.into());
        self
    }

    /// Changes how messages are inspected, by the methods of [`InspectLayer`]: what servers may ask
    /// clients for, what leaves the gate. What the builder's own methods say is set already.
    pub fn inspection(
        mut self,
        customize: impl FnOnce(InspectLayer) -> InspectLayer + Send + 'static,
    ) -> Self {
        self.options.inspection = Some(Box::new(customize));
        self
    }

    /// Adds a check or a change of your own: of requests before policy decides, of answers before they
    /// are filtered.
    ///
    /// ```
    /// # use portcullis::{Hook, HookEvent, Method, Policy, Portcullis, HookRefusal, HookVerdict};
    /// # fn gate() -> Result<(), Box<dyn std::error::Error>> {
    /// let in_house = Hook::validation("in-house", async |event: HookEvent| {
    ///     // Read it with `serde_json::from_slice(event.json())`.
    ///     let mentions = event.json().windows(11).any(|part| part == b"evil.invali");
    ///     Ok(if mentions {
    ///         HookVerdict::Refuse(HookRefusal::tool_result("Only recipients in the house."))
    ///     } else {
    ///         HookVerdict::Pass
    ///     })
    /// });
    /// let gate = Portcullis::builder()
    ///     .policy(Policy::deny_all())
    ///     .hook(in_house.requests([Method::ToolsCall]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn hook(mut self, hook: Hook) -> Self {
        self.options.hooks.push(hook);
        self
    }

    /// The keys that bind legacy session ids to their caller. Random at start by default, which is
    /// right for one process; replicas must share them.
    pub fn session_keys(mut self, keys: SessionKeys) -> Self {
        self.options.session_keys = Some(keys);
        self
    }

    /// Keeps this roster: who uses the server, and who is blocked. Blocks are put on record as they come into
    /// force. One roster may serve several gates, each under its own [`server`](Self::server) name, or else
    /// its resource.
    #[cfg(feature = "roster")]
    pub fn roster(mut self, roster: portcullis_roster::Roster) -> Self {
        self.options.roster = Some(roster);
        self
    }

    /// Where the time comes from, for tests; also the time that policies decide for.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.options.clock = Some(clock);
        self
    }

    /// Adds a place for audit records. Without any, records become `tracing` events with the
    /// target `portcullis::audit`.
    pub fn audit(mut self, sink: impl Sink) -> Self {
        self.options.audit = self.options.audit.with(sink);
        self
    }

    /// Uses an audit layer that you have built, in place of sinks: together with [`audit`](Self::audit) it is an
    /// error. Its records name the [`server`](Self::server) and [`upstream`](Self::upstream) of this gate, where
    /// those are said.
    pub fn audit_layer(mut self, layer: AuditLayer) -> Self {
        self.options.audit = self.options.audit.replaced(layer);
        self
    }

    /// Keeps no record of who called what.
    pub fn danger_no_audit(mut self) -> Self {
        self.options.audit = Audit::Off;
        self
    }
}

impl<A: Authorizer> Builder<Chosen<String>, Chosen<Vec<Issuer>>, Chosen<A>> {
    /// The gate as one layer.
    ///
    /// # Errors
    /// When a part's configuration is not valid; the source names what and why.
    pub fn build(self) -> Result<PortcullisLayer<A>, BuildError> {
        let Self { resource: Chosen(resource), issuers: Chosen(issuers), authorizer, mut options } =
            self;
        let (dpop, tokens) = (options.dpop.take(), options.tokens.take());
        let optional_for = std::mem::take(&mut options.optional_for);
        let require_base_scopes = options.require_base_scopes.take();
        let mut metadata = ResourceMetadata::builder(&resource);
        if let Some(dpop) = &dpop {
            for algorithm in dpop.algorithms() {
                metadata = metadata.dpop_signing_alg(algorithm.as_str());
            }
            if dpop.is_required() {
                metadata = metadata.dpop_bound_access_tokens_required();
            }
        }
        // The metadata must name one: a gate for CI jobs alone names what it has.
        let none_listed = !issuers.iter().any(Issuer::is_listed);
        for issuer in issuers.iter().filter(|issuer| none_listed || issuer.is_listed()) {
            metadata = metadata.authorization_server(issuer.name());
        }
        #[cfg(feature = "jwks-client")]
        let mirror = mirrored(options.mirror.take(), &issuers)?;
        let mut verifier = Verifier::builder(&resource).clock(options.clock());
        for issuer in issuers {
            verifier = verifier.issuer(issuer);
        }
        if let Some(customize) = options.verification.take() {
            verifier = customize(verifier);
        }
        let gate = options.build(&resource, metadata, authorizer.0, |challenge| {
            let verifier = verifier.build().map_err(|e| BuildError::new("tokens", e))?;
            let mut layer = JwtLayer::new(verifier, challenge).danger_optional_for(optional_for);
            if let Some(dpop) = dpop {
                layer = layer.dpop(dpop).map_err(|e| BuildError::new("tokens", e))?;
            }
            if let Some(hierarchy) = require_base_scopes {
                layer = layer
                    .require_base_scopes(hierarchy)
                    .map_err(|e| BuildError::new("tokens", e))?;
            }
            if let Some(customize) = tokens {
                layer = customize(layer);
            }
            let challenge = layer.challenge().clone();
            Ok((layer, challenge))
        })?;
        #[cfg(feature = "jwks-client")]
        let gate = match mirror {
            Some(issuer) => gate.mirror(issuer),
            None => gate,
        };
        Ok(gate)
    }
}

impl<A: Authorizer, F, V> Builder<Chosen<String>, Chosen<Sidecar<F>>, Chosen<A>>
where
    F: FnOnce(ForwardedBuilder) -> ForwardedBuilder<V>,
{
    /// The gate as one layer.
    ///
    /// # Errors
    /// When a part's configuration is not valid; the source names what and why.
    pub fn build(self) -> Result<PortcullisLayer<A, ForwardedLayer<V>>, BuildError> {
        let Self { resource: Chosen(resource), issuers: Chosen(sidecar), authorizer, mut options } =
            self;
        let metadata = ResourceMetadata::builder(&resource);
        options.forwarded = true;
        options.build(&resource, metadata, authorizer.0, |challenge| {
            let builder = sidecar.0(ForwardedLayer::builder(challenge.clone()));
            let layer = builder.build().map_err(|e| BuildError::new("sidecar", e))?;
            Ok((layer, challenge))
        })
    }
}

impl Options {
    fn clock(&self) -> Clock {
        self.clock.clone().unwrap_or_default()
    }

    /// Everything but who callers are, which `sign_in` says, and the challenge to answer with.
    fn build<A: Authorizer, C>(
        self,
        resource: &str,
        mut metadata: ResourceMetadataBuilder,
        authorizer: A,
        sign_in: impl FnOnce(Challenge) -> Result<(C, Challenge), BuildError>,
    ) -> Result<PortcullisLayer<A, C>, BuildError> {
        let clock = self.clock();
        let policy_clock = self.clock;
        for scope in self.scopes {
            metadata = metadata.scope(scope);
        }
        if let Some(customize) = self.metadata {
            metadata = customize(metadata);
        }
        let metadata = metadata.build().map_err(|e| BuildError::new("metadata", e))?;
        let (sign_in, challenge) = sign_in(metadata.challenge())?;

        let mut inspect = InspectLayer::new().resource(resource).clock(clock.clone());
        let mut edge = EdgeLayer::new(resource).map_err(|e| BuildError::new("edge", e))?;
        for host in &self.hosts {
            edge = edge.allow_host(host).map_err(|e| BuildError::new("edge", e))?;
        }
        for origin in &self.origins {
            edge = edge.allow_origin(origin).map_err(|e| BuildError::new("edge", e))?;
        }
        if let Some(source) = &self.source {
            let source = Arc::clone(source);
            edge = edge.source_address(move |parts| source(parts));
        }
        if self.nested {
            edge = edge.nested();
        }
        if self.forwarded {
            edge = edge.danger_keep_identity_headers();
        }
        if let Some(versions) = self.versions {
            let legacy = versions.iter().any(|v| v.era() == Era::Legacy);
            edge = edge.sessions(legacy);
            inspect = inspect.versions(versions).map_err(|e| BuildError::new("edge", e))?;
        }
        if let Some(limits) = self.limits {
            edge = edge.limits(limits);
            inspect = inspect.limits(limits);
        }
        if let Some(limits) = self.rate_limits {
            inspect = inspect.rate_limits(limits);
        }
        if let Some(keys) = self.session_keys {
            inspect = inspect.session_keys(keys);
        }
        for hook in self.hooks {
            inspect = inspect.hook(hook).map_err(|e| BuildError::new("hooks", e))?;
        }
        if let Some(customize) = self.inspection {
            inspect = customize(inspect);
        }

        let site =
            Site { resource, server: self.server.as_deref(), upstream: self.upstream.as_deref() };
        let audit = self.audit.build(site, clock, self.source)?;
        #[cfg(feature = "roster")]
        let known = {
            let server = self.server.as_deref().unwrap_or(resource);
            KnownLayer::new(self.roster, server, &audit)
        };
        #[cfg(not(feature = "roster"))]
        let known = KnownLayer::default();

        let mut rbac = RbacLayer::new(authorizer, challenge);
        if let Some(server) = self.server {
            rbac = rbac.server(server);
        }
        if let Some(clock) = policy_clock {
            rbac = rbac.clock(clock);
        }
        Ok(PortcullisLayer {
            known,
            audit,
            prm: PrmLayer::new(metadata.clone()),
            edge,
            sign_in,
            inspect,
            rbac,
            metadata,
        })
    }
}

impl Audit {
    pub(crate) fn with(self, sink: impl Sink) -> Self {
        let builder = match self {
            Self::Sinks(builder) => builder,
            Self::Tracing | Self::Off => AuditLayer::builder(),
            Self::Layer(_) | Self::Both => return Self::Both,
        };
        Self::Sinks(builder.sink(sink))
    }

    pub(crate) fn replaced(self, layer: AuditLayer) -> Self {
        match self {
            Self::Tracing | Self::Layer(_) | Self::Off => Self::Layer(layer),
            Self::Sinks(_) | Self::Both => Self::Both,
        }
    }

    /// The same for a server on standard input and output.
    #[cfg(feature = "stdio")]
    pub(crate) fn over_stdio(self) -> Self {
        match self {
            Self::Tracing => Self::Sinks(AuditLayer::builder().sink(TracingSink::new()).stdio()),
            Self::Sinks(builder) => Self::Sinks(builder.stdio()),
            Self::Layer(_) | Self::Both | Self::Off => self,
        }
    }

    pub(crate) fn build(
        self,
        site: Site<'_>,
        clock: Clock,
        source: Option<Source>,
    ) -> Result<AuditLayer, BuildError> {
        let mut builder = match self {
            Self::Layer(layer) => {
                return site.of_layer(layer).map_err(|e| BuildError::new("audit", e));
            }
            Self::Both => {
                let fault = "an audit layer has its own sinks: give it all of them, or no layer";
                return Err(BuildError::new("audit", fault));
            }
            Self::Off => return Ok(AuditLayer::danger_off()),
            Self::Tracing => AuditLayer::builder().sink(TracingSink::new()),
            Self::Sinks(builder) => builder,
        };
        if let Some(source) = source {
            builder = builder.peer(move |parts| source(parts));
        }
        builder = builder.resource(site.resource);
        if let Some(server) = site.server {
            builder = builder.server(server);
        }
        if let Some(upstream) = site.upstream {
            builder = builder.upstream(upstream);
        }
        builder.clock(clock).build().map_err(|e| BuildError::new("audit", e))
    }
}

/// What the records of a gate are about.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) resource: &'a str,
    pub(crate) server: Option<&'a str>,
    pub(crate) upstream: Option<&'a str>,
}

impl Site<'_> {
    /// The layer for this gate: it says itself which resource it records, and the gate says the rest.
    fn of_layer(self, layer: AuditLayer) -> Result<AuditLayer, portcullis_audit::ConfigError> {
        let layer = match self.server {
            Some(server) => layer.for_server(server)?,
            None => layer,
        };
        match self.upstream {
            Some(upstream) => layer.for_upstream(upstream),
            None => Ok(layer),
        }
    }
}
