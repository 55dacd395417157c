//! What the edge was told.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;
use http::request::Parts;
use tower_layer::Layer;

use super::authority::{Authority, Origin, Scheme};
use crate::{ConfigError, Edge, Limits};

/// Refuses what no MCP client would send, before anybody asks who is calling.
///
/// Built from the canonical resource URI, which fixes the path and the host. Nothing else is served
/// there: routes for metadata or health checks go outside.
///
/// * a path other than the endpoint's, byte for byte: 404
/// * no `Host`, or two, or one that differs from an absolute request target: 400; a host that is
///   not allowed: 403
/// * an `Origin` that is not allowed: 403. Without the field a request passes: it is not
///   from a web page
/// * too many or too large header fields: 431
/// * two lengths, or a length beside a transfer coding: 400
///
/// It answers CORS preflights and adds CORS headers for allowed origins to every answer, refusals
/// included. It removes what callers have no business to send inward: identity
/// headers in any spelling, `Forwarded` and `X-Forwarded-*`, cookies, `Proxy-*`, method and path
/// overrides, hop-by-hop fields. `Authorization` stays: sign-in takes that.
#[derive(Clone, Debug)]
#[must_use]
pub struct EdgeLayer {
    config: Arc<EdgeConfig>,
}

#[derive(Clone, Debug)]
pub(crate) struct EdgeConfig {
    pub(crate) scheme: Scheme,
    pub(crate) path: String,
    pub(crate) nested: bool,
    pub(crate) hosts: Vec<Authority<'static>>,
    /// Whether loopback names are allowed hosts, at any port.
    pub(crate) loopback: bool,
    pub(crate) origins: Vec<Origin<'static>>,
    pub(crate) limits: Limits,
    /// `Access-Control-Allow-Methods`.
    pub(crate) methods: HeaderValue,
    /// Whether headers that say who is calling stay.
    pub(crate) keep_identity: bool,
    /// How to find out where a request comes from.
    pub(crate) source: Option<Source>,
}

type Find = dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync;

/// Finds out where a request comes from.
#[derive(Clone)]
pub(crate) struct Source(pub(crate) Arc<Find>);

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl EdgeLayer {
    /// The edge of the resource whose canonical URI is `resource`.
    ///
    /// The host of `resource` is allowed, at its port. When it is a loopback name or address, then
    /// so are `localhost`, `127.0.0.1` and `[::1]`, at any port: there a foreign name in `Host` is
    /// the sign of DNS rebinding, and the port is often not known in advance.
    ///
    /// # Errors
    /// When `resource` is not an absolute URI with the scheme `https` (or `http` on a loopback
    /// host), or has user information, a query or a fragment.
    pub fn new(resource: &str) -> Result<Self, ConfigError> {
        let wrong = |what: &str| ConfigError::new(format!("resource {resource:?}: {what}"));
        let (scheme, rest) =
            Scheme::split(resource).ok_or_else(|| wrong("not an absolute https URI"))?;
        if rest.contains(['?', '#']) {
            return Err(wrong("has a query or a fragment"));
        }
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or_default();
        let path = if path.is_empty() { "/" } else { path };
        if !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(wrong("has a path that is not ASCII"));
        }
        let host = Authority::parse(authority).ok_or_else(|| wrong("has no valid host"))?;
        if scheme == Scheme::Http && !host.is_loopback() {
            return Err(wrong("http is for loopback hosts only"));
        }
        let config = EdgeConfig {
            scheme,
            path: path.to_owned(),
            nested: false,
            loopback: host.is_loopback(),
            hosts: vec![host.into_owned()],
            origins: Vec::new(),
            limits: Limits::default(),
            methods: HeaderValue::from_static("GET, POST, DELETE"),
            keep_identity: false,
            source: None,
        };
        Ok(Self { config: Arc::new(config) })
    }

    /// Also allows `host` in `Host` and `:authority`: `name` or `name:port`, without wildcards. A
    /// missing port is the default port of the resource's scheme.
    ///
    /// # Errors
    /// When `host` is not a host.
    pub fn allow_host(self, host: &str) -> Result<Self, ConfigError> {
        let host = Authority::parse(host)
            .ok_or_else(|| ConfigError::new(format!("{host:?} is not a host")))?;
        Ok(self.change(|config| config.hosts.push(host.into_owned())))
    }

    /// Also allows web pages of `origin`: `https://app.example.com`, without wildcards. Pages of the
    /// resource's own origin are always allowed.
    ///
    /// # Errors
    /// When `origin` is not a scheme, a host and perhaps a port.
    pub fn allow_origin(self, origin: &str) -> Result<Self, ConfigError> {
        let origin = Origin::parse(origin)
            .ok_or_else(|| ConfigError::new(format!("{origin:?} is not an origin")))?;
        Ok(self.change(|config| config.origins.push(origin.into_owned())))
    }

    /// Says that a router strips the path in front of this layer: only `/` and the empty path are
    /// then the endpoint. How exactly the router matches is then its own affair.
    pub fn nested(self) -> Self {
        self.change(|config| config.nested = true)
    }

    /// Replaces the limits; the edge uses those of the headers.
    pub fn limits(self, limits: Limits) -> Self {
        self.change(|config| config.limits = limits)
    }

    /// Says whether legacy sessions are enabled, which is the default: without them web pages are
    /// told of `POST` only.
    pub fn sessions(self, enabled: bool) -> Self {
        let methods = if enabled { "GET, POST, DELETE" } else { "POST" };
        self.change(|config| config.methods = HeaderValue::from_static(methods))
    }

    /// Finds out with `source` which address a request comes from, for policies that name networks
    /// and says so inward ([`RequestFacts::set_source_address`]). Without this, a fact that stands
    /// there already stays: that of a layer of yours which knows the connection.
    ///
    /// Read it from the connection; with axum, `into_make_service_with_connect_info` leaves it in the
    /// extensions. Headers of callers are still there: read one only if a proxy of yours sets it on every
    /// request, and then only what that proxy itself wrote, the last address of a list.
    ///
    /// [`RequestFacts::set_source_address`]: portcullis_core::RequestFacts::set_source_address
    pub fn source_address<F>(self, source: F) -> Self
    where
        F: Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static,
    {
        self.change(|config| config.source = Some(Source(Arc::new(source))))
    }

    /// Leaves the headers that say who is calling, and `Connection`, in the request.
    ///
    /// Only for a layer directly inside that reads and removes them, as `portcullis-forwarded`
    /// does. Without one, anybody could claim to be anybody before the service.
    pub fn danger_keep_identity_headers(self) -> Self {
        self.change(|config| config.keep_identity = true)
    }

    fn change(mut self, change: impl FnOnce(&mut EdgeConfig)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }
}

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Edge::new(inner, Arc::clone(&self.config))
    }
}
