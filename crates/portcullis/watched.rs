//! What metrics and health checks ask of a gate.

use std::sync::Arc;

use portcullis_audit::{AuditLayer, AuditLog, Delivery};
use portcullis_core::Text;
use portcullis_forwarded::ForwardedLayer;
use portcullis_jwt::{JwtLayer, Verifier};
use portcullis_rbac::{Authorizer, RbacLayer};
use portcullis_telemetry::{
    AuditSink, Keys, Policy, Report, Roster, Source, Telemetry, TokenCache, ToolNames, WatchLayer,
};

use crate::PortcullisLayer;
use crate::known::KnownLayer;
#[cfg(feature = "stdio")]
use crate::stdio::{NamedLayer, StdioGate};

impl<A: Authorizer> PortcullisLayer<A, JwtLayer> {
    /// Lets `telemetry` watch this gate under the name `route`: what it asks of the gate's keys,
    /// policy and audit sinks, and the layer to put around the gated service, or around its router.
    ///
    /// ```
    /// # use portcullis::{Issuer, JwkSet, Policy, Portcullis};
    /// # use portcullis_test::{FakeMcp, Mint};
    /// use portcullis::telemetry::Telemetry;
    /// use tower::Layer as _;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let jwks = Mint::es256("https://id.example.com").jwks();
    /// # let my_mcp_service = FakeMcp::new();
    /// # let gate = Portcullis::builder()
    /// #     .resource("https://mcp.example.com/mcp")
    /// #     .issuer(Issuer::new("https://id.example.com").keys(JwkSet::from_json(&jwks)?))
    /// #     .policy(Policy::danger_permit_all())
    /// #     .build()?;
    /// let telemetry = Telemetry::new();
    /// let watch = gate.watched_by(&telemetry, "notes");
    /// let service = watch.layer(gate.layer(telemetry.stopwatch().layer(my_mcp_service)));
    /// assert!(telemetry.readiness().ready);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Keys go on being fetched, a policy file watched and a roster kept, until `telemetry` is gone or was told to
    /// [`forget`](Telemetry::forget) the route.
    pub fn watched_by(&self, telemetry: &Telemetry, route: &str) -> WatchLayer {
        let verifier = self.verifier().clone();
        telemetry.watch(route, move |report: &mut Report| report_keys(&verifier, report));
        self.watched(telemetry, route)
    }
}

impl<A: Authorizer, V> PortcullisLayer<A, ForwardedLayer<V>> {
    /// Lets `telemetry` watch this gate under the name `route`: what it asks of the gate's policy and
    /// audit sinks, and the layer to put around the gated service, or around its router.
    pub fn watched_by(&self, telemetry: &Telemetry, route: &str) -> WatchLayer {
        self.watched(telemetry, route)
    }
}

#[cfg(feature = "stdio")]
impl<A: Authorizer> StdioGate<A, JwtLayer> {
    /// Lets `telemetry` watch this gate under the name `route`: each message that is served from now on, and what
    /// it asks of the gate's keys, policy and audit sinks. Serve its numbers and checks on a listener of their own:
    /// standard output is the client's.
    #[must_use]
    pub fn watched_by(mut self, telemetry: &Telemetry, route: &str) -> Self {
        let verifier = self.sign_in.verifier().clone();
        telemetry.watch(route, move |report: &mut Report| report_keys(&verifier, report));
        self.watch = Some(watched(&self.rbac, &self.known, &self.audit, telemetry, route));
        self
    }
}

#[cfg(feature = "stdio")]
impl<A: Authorizer> StdioGate<A, NamedLayer> {
    /// Lets `telemetry` watch this gate under the name `route`: each message that is served from now on, and what
    /// it asks of the gate's policy and audit sinks. Serve its numbers and checks on a listener of their own:
    /// standard output is the client's.
    #[must_use]
    pub fn watched_by(mut self, telemetry: &Telemetry, route: &str) -> Self {
        self.watch = Some(watched(&self.rbac, &self.known, &self.audit, telemetry, route));
        self
    }
}

impl<A: Authorizer, C> PortcullisLayer<A, C> {
    fn watched(&self, telemetry: &Telemetry, route: &str) -> WatchLayer {
        watched(&self.rbac, &self.known, &self.audit, telemetry, route)
    }
}

fn watched<A: Authorizer>(
    rbac: &RbacLayer<A>,
    known: &KnownLayer,
    audit: &AuditLayer,
    telemetry: &Telemetry,
    route: &str,
) -> WatchLayer {
    let authorizer = Arc::clone(rbac.authorizer());
    telemetry.tools(route, Tools(Arc::clone(&authorizer)));
    telemetry.watch(route, Parts { authorizer, known: known.clone(), audit: audit.log() });
    telemetry.layer(route)
}

struct Tools<A>(Arc<A>);

impl<A: Authorizer> ToolNames for Tools<A> {
    fn version(&self) -> Text {
        self.0.version()
    }

    fn names(&self) -> Vec<Text> {
        self.0.standing().tools
    }
}

struct Parts<A> {
    authorizer: Arc<A>,
    known: KnownLayer,
    /// It does not keep the sinks open.
    audit: AuditLog,
}

impl<A: Authorizer> Source for Parts<A> {
    fn report(&self, report: &mut Report) {
        let standing = self.authorizer.standing();
        if standing.loaded_at.is_some() || standing.loads > 0 {
            let mut policy = Policy::default();
            policy.loaded_at = standing.loaded_at;
            policy.loads = standing.loads;
            policy.failures = standing.failures;
            policy.failing = standing.failing;
            report.policy(policy);
        }
        if let Some(roster) = self.known.standing() {
            report.roster(roster);
        }
        for (place, status) in self.audit.status().into_iter().enumerate() {
            let mut sink = AuditSink::new(place.to_string(), status.capacity);
            sink.queued = status.queued;
            sink.lost = status.lost;
            sink.accepting = status.accepting();
            sink.required = status.delivery != Delivery::DropAndCount;
            report.sink(sink);
        }
    }
}

impl KnownLayer {
    /// How it stands with the roster, if there is one.
    #[cfg(feature = "roster")]
    fn standing(&self) -> Option<Roster> {
        let status = self.0.as_ref()?.roster().status();
        let mut roster = Roster::default();
        roster.failing = status.failing;
        roster.refusing = status.refusing;
        roster.blocks_age = status.blocks_age;
        roster.blocked = u64::try_from(status.blocked).unwrap_or(u64::MAX);
        roster.lost = status.lost;
        Some(roster)
    }

    #[cfg(not(feature = "roster"))]
    fn standing(&self) -> Option<Roster> {
        None
    }
}

fn report_keys(verifier: &Verifier, report: &mut Report) {
    for status in verifier.key_status() {
        let mut keys = Keys::new(status.issuer);
        keys.fetched = status.fetched;
        keys.usable = status.usable;
        keys.age = status.age;
        keys.usable_for = status.usable_for;
        keys.failing = status.failing;
        keys.fetches = status.fetches;
        keys.failures = status.failures;
        keys.changes = status.changes;
        report.keys(keys);
    }
    if let Some(status) = verifier.token_cache_status() {
        let mut cache = TokenCache::default();
        cache.entries = status.entries;
        cache.hits = status.hits;
        cache.misses = status.misses;
        report.token_cache(cache);
    }
}
