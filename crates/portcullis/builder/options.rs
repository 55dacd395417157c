//! The choices that have a default.

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use portcullis_audit::{AuditLayer, Sink};
use portcullis_core::{Clock, Version};
use portcullis_mcp::{Hook, InspectLayer, Limits, RateLimits, SessionKeys};
use portcullis_prm::ResourceMetadataBuilder;

use super::Builder;
use super::audit::Audit;

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
