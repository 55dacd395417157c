//! The gate for a server on standard input and output (feature `stdio`).
//!
//! Whoever starts such a server is its caller: there is no connection to authenticate. The launcher
//! says who that is in the environment, and the same policy and the same audit trail apply as over
//! HTTP:
//!
//! | variable | what |
//! |---|---|
//! | `MCP_USER_TOKEN` | an access token for this server: the issuer's word, verified for every message |
//! | `MCP_USER_EMAIL`, `MCP_USER_GROUPS` | names (groups joined with `,`): the launcher's word |
//!
//! ```no_run
//! use portcullis::forwarded::Environment;
//! use portcullis::stdio::StdioGate;
//! use portcullis::{Policy, TracingSink};
//! # use portcullis_test::FakeMcp;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let policy = "";
//! # let my_mcp_service = FakeMcp::new();
//! let caller = Environment::from_process("urn:example:laptops")?;
//! let gate = StdioGate::named(caller)
//!     .policy(Policy::from_yaml(policy)?)
//!     .audit(TracingSink::new()) // Not to standard output: that is the client's.
//!     .build()?;
//! gate.serve(my_mcp_service).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The server is the same tower service that speaks Streamable HTTP, so one server has both
//! transports: each line is handed to it as a request, and each message of its answers is written as
//! a line.
//!
//! With the feature `roster`, the [builder](StdioGateBuilder) takes a roster: who uses the server is on it, and who
//! is blocked is refused. With `telemetry`, `StdioGate::watched_by` counts and traces each message.
//!
//! # What it does not do
//! It is no barrier to the person at the keyboard, who can start the server without it. Values for
//! `Mcp-Param-*` fields (`x-mcp-header`) are not derived: such tools are for HTTP.

mod bridge;
mod envelope;
mod lines;
mod named;
mod reply;

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use portcullis_audit::{Audit as AuditService, AuditLayer, Sink};
use portcullis_core::{Buffered, Challenge, Principal};
use portcullis_jwt::{JwtLayer, Verifier};
use portcullis_mcp::{Inspect, InspectLayer, Limits};
use portcullis_rbac::{Authorizer, Rbac, RbacLayer};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_layer::Layer;
use tower_service::Service;

pub use named::{Named, NamedLayer};

use crate::builder::audit::{Audit, Site};
use crate::known::{Known, KnownLayer};
use crate::{BuildError, Chosen, Clock, Missing};

/// What audit records call the resource, unless it is named.
const RESOURCE: &str = "stdio:";

/// How long requests may go on after the client has closed its end.
const GRACE: Duration = Duration::from_secs(10);

/// A gate for one process and one caller; see the [module docs](self).
pub struct StdioGate<A, C> {
    pub(crate) audit: AuditLayer,
    pub(crate) sign_in: C,
    pub(crate) known: KnownLayer,
    inspect: InspectLayer,
    pub(crate) rbac: RbacLayer<A>,
    #[cfg(feature = "telemetry")]
    pub(crate) watch: Option<portcullis_telemetry::WatchLayer>,
    authorization: Option<HeaderValue>,
    max_line: usize,
}

/// Builds a [`StdioGate`]; made by [`StdioGate::named`] and [`StdioGate::token`].
#[must_use = "a builder does nothing until `build`"]
pub struct StdioGateBuilder<P, C> {
    sign_in: SignIn<C>,
    authorizer: P,
    resource: String,
    limits: Limits,
    max_line: usize,
    clock: Option<Clock>,
    #[cfg(feature = "roster")]
    roster: Option<portcullis_roster::Roster>,
    audit: Audit,
}

/// Makes the sign-in layer, and the `Authorization` of every request.
type SignIn<C> = Box<dyn FnOnce(Challenge) -> Result<(C, Option<HeaderValue>), BuildError> + Send>;

impl StdioGate<(), ()> {
    /// The caller is `principal`, by the launcher's word: see
    /// [`Environment`](crate::forwarded::Environment).
    pub fn named(principal: Principal) -> StdioGateBuilder<Missing, NamedLayer> {
        let layer = NamedLayer::new(principal);
        StdioGateBuilder::new(Box::new(move |_| Ok((layer, None))))
    }

    /// The caller is who `token` says, by the word of an issuer that `verifier` trusts. The token
    /// is verified again for every message: the answer is an error once it has ended, is revoked,
    /// or its issuer is no longer trusted.
    pub fn token(verifier: Verifier, token: &str) -> StdioGateBuilder<Missing, JwtLayer> {
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        StdioGateBuilder::new(Box::new(move |challenge| {
            let mut value = value.map_err(|_| {
                BuildError::new("tokens", "the access token holds control characters")
            })?;
            value.set_sensitive(true);
            Ok((JwtLayer::new(verifier, challenge), Some(value)))
        }))
    }
}

impl<C> StdioGateBuilder<Missing, C> {
    fn new(sign_in: SignIn<C>) -> Self {
        Self {
            sign_in,
            authorizer: Missing(()),
            resource: RESOURCE.to_owned(),
            limits: Limits::new(),
            max_line: lines::MAX_LINE,
            clock: None,
            #[cfg(feature = "roster")]
            roster: None,
            audit: Audit::default(),
        }
    }

    /// What the caller may do.
    pub fn policy<A: Authorizer>(self, authorizer: A) -> StdioGateBuilder<Chosen<A>, C> {
        StdioGateBuilder {
            sign_in: self.sign_in,
            authorizer: Chosen(authorizer),
            resource: self.resource,
            limits: self.limits,
            max_line: self.max_line,
            clock: self.clock,
            #[cfg(feature = "roster")]
            roster: self.roster,
            audit: self.audit,
        }
    }
}

impl<P, C> StdioGateBuilder<P, C> {
    /// What audit records call this server; `stdio:` by default.
    pub fn resource(mut self, name: impl Into<String>) -> Self {
        self.resource = name.into();
        self
    }

    /// Limits of messages and of what is in flight.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Keeps this roster: who uses the server, and who is blocked. Its database may be shared with other
    /// servers, this one being known by its [`resource`](Self::resource) there. A caller who is blocked gets
    /// errors, and what is under way ends.
    #[cfg(feature = "roster")]
    pub fn roster(mut self, roster: portcullis_roster::Roster) -> Self {
        self.roster = Some(roster);
        self
    }

    /// The clock, also of policies; the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sends audit records to `sink`, too; to `tracing` if nothing else is said. Standard output is
    /// the client's: no sink may write there.
    pub fn audit(mut self, sink: impl Sink) -> Self {
        self.audit = self.audit.with(sink);
        self
    }

    /// Records with this layer; together with [`audit`](Self::audit) it is an error.
    pub fn audit_layer(mut self, layer: AuditLayer) -> Self {
        self.audit = self.audit.replaced(layer);
        self
    }

    /// Records nothing: nobody will know who called what.
    pub fn danger_no_audit(mut self) -> Self {
        self.audit = Audit::Off;
        self
    }
}

impl<A: Authorizer, C> StdioGateBuilder<Chosen<A>, C> {
    /// The gate.
    ///
    /// # Errors
    /// When a part's configuration is not valid; the source names what and why.
    pub fn build(self) -> Result<StdioGate<A, C>, BuildError> {
        let Self { sign_in, authorizer, resource, limits, max_line, clock, audit, .. } = self;
        #[cfg(feature = "roster")]
        let roster = self.roster;
        let policy_clock = clock.clone();
        let clock = clock.unwrap_or_default();
        let challenge = Challenge::without_metadata([] as [&str; 0])
            .map_err(|e| BuildError::new("tokens", e))?;
        let (sign_in, authorization) = sign_in(challenge.clone())?;
        let inspect = InspectLayer::new().resource(&resource).limits(limits).clock(clock.clone());
        let mut rbac = RbacLayer::new(authorizer.0, challenge);
        if let Some(clock) = policy_clock {
            rbac = rbac.clock(clock);
        }
        let site = Site { resource: &resource, server: None, upstream: None };
        let audit = audit.over_stdio().build(site, clock, None)?;
        #[cfg(feature = "roster")]
        let known = KnownLayer::new(roster, &resource, &audit);
        #[cfg(not(feature = "roster"))]
        let known = KnownLayer::default();
        Ok(StdioGate {
            audit,
            sign_in,
            known,
            inspect,
            rbac,
            #[cfg(feature = "telemetry")]
            watch: None,
            authorization,
            max_line,
        })
    }
}

/// The layers inside sign-in: the roster, inspection, policy.
type Inside<S, A> = Known<Inspect<Rbac<S, A>>>;

/// The layers around a service: audit, who is calling, and those inside.
type Stack<S, A, C> = AuditService<<C as Layer<Inside<S, A>>>::Service>;

impl<A, C> StdioGate<A, C> {
    /// Serves `service` on this process's standard input and output until the client closes them.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub async fn serve<S, B>(&self, service: S) -> io::Result<()>
    where
        C: Layer<Inside<S, A>>,
        Stack<S, A, C>: Service<Request<Buffered>, Response = Response<B>> + Clone + Send + 'static,
        <Stack<S, A, C> as Service<Request<Buffered>>>::Future: Send,
        <Stack<S, A, C> as Service<Request<Buffered>>>::Error: Send,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Error + Send + Sync + 'static,
    {
        self.serve_on(service, tokio::io::stdin(), tokio::io::stdout()).await
    }

    /// Serves `service` on `reader` and `writer`, one JSON-RPC message a line, until `reader` ends.
    /// What is in flight then has 10 seconds to end. The audit trail is flushed.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub async fn serve_on<S, B>(
        &self,
        service: S,
        reader: impl AsyncRead + Unpin,
        writer: impl AsyncWrite + Unpin,
    ) -> io::Result<()>
    where
        C: Layer<Inside<S, A>>,
        Stack<S, A, C>: Service<Request<Buffered>, Response = Response<B>> + Clone + Send + 'static,
        <Stack<S, A, C> as Service<Request<Buffered>>>::Future: Send,
        <Stack<S, A, C> as Service<Request<Buffered>>>::Error: Send,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Error + Send + Sync + 'static,
    {
        let inside = self.known.layer(self.inspect.layer(self.rbac.layer(service)));
        let stack = self.audit.layer(self.sign_in.layer(inside));
        let (authorization, max_line) = (self.authorization.clone(), self.max_line);
        #[cfg(feature = "telemetry")]
        if let Some(watch) = &self.watch {
            let watched = watch.layer(stack);
            let ended = bridge::run(watched, authorization, max_line, reader, writer).await;
            self.audit.flush().await;
            return ended;
        }
        let ended = bridge::run(stack, authorization, max_line, reader, writer).await;
        self.audit.flush().await;
        ended
    }
}

impl<A, C> fmt::Debug for StdioGate<A, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdioGate").finish_non_exhaustive()
    }
}

impl<P, C> fmt::Debug for StdioGateBuilder<P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdioGateBuilder").field("resource", &self.resource).finish_non_exhaustive()
    }
}
