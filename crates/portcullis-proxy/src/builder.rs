//! From settings to an upstream.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use portcullis_dial::{Dialer, Tls};

use crate::connect::{Connector, Target};
use crate::request::{Telling, is_framing, is_own};
use crate::upstream::Config;
use crate::url::{Place, PlaceKind};
use crate::{ConfigError, HttpUpstream, IdentityHeaders, Secret};

const CONNECT: Duration = Duration::from_secs(5);
const INSIST: Duration = Duration::from_secs(1);
const HEAD: Duration = Duration::from_secs(120);
const DOCUMENT: Duration = Duration::from_secs(60);
/// Shorter than the five seconds after which the usual servers of Python and Node close an idle
/// connection: what is sent into a closing connection cannot be sent again.
const IDLE: Duration = Duration::from_secs(4);
const MAX_IDLE: usize = 256;
/// The largest head of an answer, give or take one read, and how much of a body is read at once.
const MAX_HEAD: usize = 64 * 1024;

/// Settings of an [`HttpUpstream`]; made by [`HttpUpstream::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct HttpUpstreamBuilder {
    place: Place,
    name: Option<String>,
    tls: Tls,
    plain: bool,
    http2_only: bool,
    passed: Vec<String>,
    identity: Option<IdentityHeaders>,
    credential: Option<(HeaderName, Secret)>,
    connect: Duration,
    insist: Duration,
    head: Duration,
    document: Duration,
    silence: Option<Duration>,
    idle: Duration,
    max_idle: usize,
}

impl HttpUpstreamBuilder {
    pub(crate) fn new(url: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            place: Place::parse(url)?,
            name: None,
            tls: Tls::platform(),
            plain: false,
            http2_only: false,
            passed: Vec::new(),
            identity: None,
            credential: None,
            connect: CONNECT,
            insist: INSIST,
            head: HEAD,
            document: DOCUMENT,
            silence: None,
            idle: IDLE,
            max_idle: MAX_IDLE,
        })
    }

    /// Names the upstream in logs. By default it is known there by its host or socket.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How the server is known, and which certificate it is shown. By default the root certificates of
    /// the platform, and none.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Sends requests in the clear over a network. Whoever is on the way reads and changes them, and what
    /// they say of who is calling. Without this, `http` is for loopback addresses and `localhost`.
    pub fn danger_plain_http(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Speaks HTTP/2 from the first byte. Without this, HTTP/2 is spoken where a server chooses it over
    /// TLS, and else HTTP/1.1.
    pub fn http2_only(mut self) -> Self {
        self.http2_only = true;
        self
    }

    /// Lets this field pass although its name looks like a claim of identity, because a layer outside
    /// writes it. That layer must remove what came with a request, on every path, as
    /// `portcullis_assertion` does; else clients say in it who they are.
    pub fn danger_pass_header(mut self, name: impl Into<String>) -> Self {
        self.passed.push(name.into());
        self
    }

    /// Tells the server who is calling, in plain headers. By default it is told nothing.
    pub fn identity(mut self, headers: IdentityHeaders) -> Self {
        self.identity = Some(headers);
        self
    }

    /// Sends this credential along with every request, whoever is calling. The server cannot tell callers
    /// apart by it, and each of them acts with all that it allows: what the gate lets pass is all that is
    /// between. Audit records say `"cred_source":"shared"`.
    pub fn danger_shared_credential(mut self, header: HeaderName, secret: Secret) -> Self {
        self.credential = Some((header, secret));
        self
    }

    /// How long a connection may take, TLS included; 5 seconds by default.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// How long a server that refuses connections is asked again for the same request; 1 second by
    /// default, within the limit for a connection. Zero gives up at once.
    pub fn insist_on_connecting(mut self, limit: Duration) -> Self {
        self.insist = limit;
        self
    }

    /// How long the server may take from a request to the head of its answer; 2 minutes by default. A
    /// server that answers with one JSON document sends the head when the work is done.
    pub fn answer_timeout(mut self, limit: Duration) -> Self {
        self.head = limit;
        self
    }

    /// How long the rest of a JSON document may take; 1 minute by default.
    pub fn document_timeout(mut self, limit: Duration) -> Self {
        self.document = limit;
        self
    }

    /// How long a stream of events may be silent. By default for ever: a listening stream has nothing to
    /// say until something happens. Comments count, with which many servers keep streams alive.
    pub fn silence_timeout(mut self, limit: Duration) -> Self {
        self.silence = Some(limit);
        self
    }

    /// How long an unused connection is kept; 4 seconds by default, which is less than the 5 after which
    /// common servers close it. Zero keeps none.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// How many unused connections are kept; 256 by default.
    pub fn max_idle_connections(mut self, limit: usize) -> Self {
        self.max_idle = limit;
        self
    }

    /// The upstream. Connects to nothing yet.
    ///
    /// # Errors
    /// The URL is plain `http` to another machine; a limit is zero; a header to pass is not one that a
    /// layer may write; or there is no TLS to be had for an `https` URL.
    pub fn build(self) -> Result<HttpUpstream, ConfigError> {
        let limits = [Some(self.connect), Some(self.head), Some(self.document), self.silence];
        if limits.into_iter().flatten().any(|limit| limit.is_zero()) {
            return Err(ConfigError::new("a time limit of the upstream is zero"));
        }
        let plain = matches!(self.place.kind, PlaceKind::Plain { .. });
        if plain && !self.plain && !self.place.is_local() {
            return Err(ConfigError::new(
                "the URL of the upstream is plain http and leads to another machine",
            ));
        }
        if let Some(identity) = &self.identity {
            identity.check()?;
        }
        let credential = match &self.credential {
            Some((name, _)) if is_framing(name.as_str()) => {
                return Err(ConfigError::new(format!(
                    "the header {name} cannot carry a credential"
                )));
            }
            Some((name, secret)) => Some((name.clone(), secret.header()?)),
            None => None,
        };
        let passed = self.passed.iter().map(|name| passed(name)).collect::<Result<_, _>>()?;
        let target = match &self.place.kind {
            PlaceKind::Tls { host, port } => {
                let protocols: &[&[u8]] =
                    if self.http2_only { &[b"h2"] } else { &[b"h2", b"http/1.1"] };
                Target::Network(Dialer::tls(host, *port, &self.tls)?.offering(protocols))
            }
            PlaceKind::Plain { host, port } => Target::Network(Dialer::plain(host, *port)?),
            PlaceKind::Unix(path) => Target::Unix(path.as_path().into()),
        };
        let telling = Telling { passed, identity: self.identity, credential };
        let connector = Connector::new(target, self.connect, self.insist);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.idle)
            .pool_max_idle_per_host(if self.idle.is_zero() { 0 } else { self.max_idle })
            .http1_max_buf_size(MAX_HEAD)
            .http2_only(self.http2_only)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            // Only what was never written to a connection.
            .retry_canceled_requests(true)
            .build(connector.clone());
        let config = Config {
            name: self.name.unwrap_or_else(|| self.place.name()),
            uri: self.place.uri,
            telling,
            head_limit: self.head,
            document_limit: self.document,
            silence_limit: self.silence,
        };
        Ok(HttpUpstream { client, connector, config: Arc::new(config) })
    }
}

fn passed(name: &str) -> Result<HeaderName, ConfigError> {
    HeaderName::try_from(name)
        .ok()
        .filter(|name| !is_own(name.as_str()))
        .ok_or_else(|| ConfigError::new(format!("the header {name:?} cannot be passed")))
}
