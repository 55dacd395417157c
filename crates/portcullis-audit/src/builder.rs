//! Settings of an [`AuditLayer`].

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use portcullis_core::{Clock, Method};

use crate::copied::Budget;
use crate::elevation::Elevations;
use crate::error::{ConfigError, ConfigErrorKind};
use crate::hub::{Hub, Peer, Required};
use crate::id::Ids;
use crate::keyed::Digests;
use crate::queue::Queue;
use crate::record::Private;
use crate::sample::Bucket;
use crate::site::Site;
use crate::{ArgumentValues, AuditLayer, Delivery, Event, EventKind, Format, Sink, SinkOptions};

/// How many records a sink may be behind, by default.
const CAPACITY: usize = 8192;
/// How long the drop of the last handle waits for the sinks, by default.
const PATIENCE: Duration = Duration::from_secs(5);

/// Builds an [`AuditLayer`]; made by [`AuditLayer::builder`].
#[must_use = "a builder does nothing until `build`"]
pub struct AuditLayerBuilder {
    sinks: Vec<(Box<dyn Sink>, SinkOptions)>,
    resource: Option<String>,
    server: Option<String>,
    upstream: Option<String>,
    peer: Option<Peer>,
    filtered_names: bool,
    required: Required,
    capacity: usize,
    unauthenticated: (u32, u32),
    transport: &'static str,
    digest_key: Option<Vec<u8>>,
    argument_digests: bool,
    values: ArgumentValues,
    lifecycle: bool,
    patience: Duration,
    clock: Clock,
}

impl AuditLayerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            sinks: Vec::new(),
            resource: None,
            server: None,
            upstream: None,
            peer: None,
            filtered_names: false,
            required: Required::Methods(vec![Method::ToolsCall]),
            capacity: CAPACITY,
            unauthenticated: (100, 200),
            transport: "streamable_http",
            digest_key: None,
            argument_digests: false,
            values: ArgumentValues::new(),
            lifecycle: false,
            patience: PATIENCE,
            clock: Clock::system(),
        }
    }

    /// Adds a sink, with a queue and a thread of its own. Every record goes to every sink.
    ///
    /// It fails closed: see [`Delivery::FailClosed`](crate::Delivery::FailClosed).
    pub fn sink(self, sink: impl Sink) -> Self {
        self.sink_with(sink, SinkOptions::new())
    }

    /// Adds a sink that is served as `options` say.
    pub fn sink_with(mut self, sink: impl Sink, options: SinkOptions) -> Self {
        self.sinks.push((Box::new(sink), options));
        self
    }

    /// Names the protected resource in every decision record (`resource`).
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Names the server behind the layer in every decision, outcome and event (`server`): by the name that
    /// policy knows, and the roster. Where there is none, its resource stands for it.
    pub fn server(mut self, name: impl Into<String>) -> Self {
        self.server = Some(name.into());
        self
    }

    /// Says in every decision where requests are forwarded to (`upstream`): a URL, of which only the origin
    /// is recorded, without a user, path or query; a socket as `unix:/path`; or any name, in which you put
    /// no secret.
    pub fn upstream(mut self, upstream: impl Into<String>) -> Self {
        self.upstream = Some(upstream.into());
        self
    }

    /// Sets where the caller's address comes from (`source_ip`); by default records have none.
    ///
    /// With axum, `into_make_service_with_connect_info` leaves it in the extensions. Read a
    /// forwarding header only if a proxy of yours sets it on every request.
    pub fn peer<F>(mut self, source: F) -> Self
    where
        F: Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static,
    {
        self.peer = Some(Arc::new(source));
        self
    }

    /// Also lets nothing run for these methods before its decision is on record. By default
    /// this holds for `tools/call`.
    pub fn fail_closed_for(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        match &mut self.required {
            Required::Methods(required) => required.extend(methods),
            Required::Nothing => self.required = Required::Methods(methods.into_iter().collect()),
            Required::Everything => {}
        }
        self
    }

    /// Lets nothing at all run before its decision is on record.
    pub fn fail_closed_always(mut self) -> Self {
        self.required = Required::Everything;
        self
    }

    /// Lets everything run, `tools/call` too, while its decision is still in the queue or was
    /// dropped. Undoes [`fail_closed_for`](Self::fail_closed_for).
    pub fn danger_fail_open(mut self) -> Self {
        self.required = Required::Nothing;
        self
    }

    /// Says that requests come over standard input and output, not over HTTP (`transport`).
    pub fn stdio(mut self) -> Self {
        self.transport = "stdio";
        self
    }

    /// Sets the key of the digests that stand for what must not be recorded: session ids
    /// (`session_hash`) and, on demand, arguments. At least 32 bytes, random and secret: whoever has it
    /// can find by trying what a digest stands for. By default it is made at start, and digests of one
    /// run mean nothing to another.
    pub fn digest_key(mut self, key: &[u8]) -> Self {
        self.digest_key = Some(key.to_vec());
        self
    }

    /// Also records a keyed digest of the arguments of each `tools/call` (`argument_digest`): equal
    /// arguments, byte for byte, have the same one. Off by default.
    pub fn argument_digests(mut self) -> Self {
        self.argument_digests = true;
        self
    }

    /// Also records some argument values (`argument_values`). None by default.
    pub fn argument_values(mut self, values: ArgumentValues) -> Self {
        self.values = values;
        self
    }

    /// Also records when auditing starts and stops in order (`audit.started`, `audit.stopped`). Off by
    /// default; chained sinks say so in any case.
    pub fn lifecycle_events(mut self) -> Self {
        self.lifecycle = true;
        self
    }

    /// Names the items that were left out of lists in outcome records (`filtered`). Off by default:
    /// the names say what a caller may not know.
    pub fn filtered_names(mut self) -> Self {
        self.filtered_names = true;
        self
    }

    /// Sets how many records a sink may be behind before decisions that must be on record are
    /// refused and others dropped; 8192 by default.
    pub fn capacity(mut self, records: usize) -> Self {
        self.capacity = records;
        self
    }

    /// Sets how many unauthenticated failures are recorded one by one; further ones are
    /// counted, and the count is recorded. By default 100 a second after a burst of 200.
    pub fn unauthenticated_limit(mut self, per_second: u32, burst: u32) -> Self {
        self.unauthenticated = (per_second, burst);
        self
    }

    /// Sets how long the drop of the last handle waits for the sinks to take what is queued; 5
    /// seconds by default.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.patience = timeout;
        self
    }

    /// Sets the clock of the records; the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Starts the writers.
    ///
    /// # Errors
    /// There is no sink; none fails closed, and [`danger_fail_open`](Self::danger_fail_open) was not
    /// said; a limit is zero; the digest key is short; a JSON pointer is none; a sink that chains is to write CEF; the resource or a name is longer than 1024 bytes; the name of
    /// the upstream looks like a secret; the system gives no thread or no random bytes.
    pub fn build(self) -> Result<AuditLayer, ConfigError> {
        let setting = |message| Err(ConfigError::new(ConfigErrorKind::Setting, message));
        let (per_second, burst) = self.unauthenticated;
        if self.sinks.is_empty() {
            let message = "an audit layer needs at least one sink";
            return Err(ConfigError::new(ConfigErrorKind::NoSink, message));
        }
        let no_room = |(_, options): &(_, SinkOptions)| options.capacity == Some(0);
        if self.capacity == 0 || self.sinks.iter().any(no_room) {
            return setting("the capacity of the audit queue must not be zero");
        }
        let loose = |(sink, options): &(Box<dyn Sink>, SinkOptions)| {
            sink.chains() && options.format == Format::Cef
        };
        if self.sinks.iter().any(loose) {
            return setting("a sink that chains its lines cannot write CEF");
        }
        let closed = |(_, options): &(_, SinkOptions)| options.delivery == Delivery::FailClosed;
        if !matches!(self.required, Required::Nothing) && !self.sinks.iter().any(closed) {
            return setting(
                "no audit sink fails closed, so no decision can be made sure of before a call runs; \
                 let one, or say `danger_fail_open`",
            );
        }
        if per_second == 0 || burst == 0 {
            return setting("the limit of unauthenticated failures must not be zero");
        }
        let mut site = Site::default();
        self.resource.as_deref().map_or(Ok(()), |it| site.set_resource(it))?;
        self.server.as_deref().map_or(Ok(()), |it| site.set_server(it))?;
        self.upstream.as_deref().map_or(Ok(()), |it| site.set_upstream(it))?;
        if self.values.malformed().is_some() {
            return setting("a JSON pointer to an argument does not begin with a slash");
        }
        let digests = match &self.digest_key {
            Some(key) => Digests::new(key)?,
            None => Digests::random()?,
        };
        let private =
            Private { digests, argument_digests: self.argument_digests, values: self.values };
        let ids = Arc::new(Ids::new()?);
        let mut hub = Hub {
            transport: self.transport,
            private: Arc::new(private),
            budget: Budget::default(),
            elevations: Elevations::default(),
            lifecycle: self.lifecycle,
            ids: Arc::clone(&ids),
            site: site.shared(),
            peer: self.peer,
            filtered_names: self.filtered_names,
            required: self.required,
            bucket: Bucket::new(per_second, burst, self.clock.instant()),
            patience: self.patience,
            queues: Vec::with_capacity(self.sinks.len()),
            clock: self.clock.clone(),
        };
        for (index, (sink, options)) in self.sinks.into_iter().enumerate() {
            let (clock, ids) = (self.clock.clone(), Arc::clone(&ids));
            let capacity = options.capacity.unwrap_or(self.capacity);
            hub.queues.push(Queue::start(index, sink, &options, capacity, clock, ids)?);
        }
        if hub.lifecycle {
            hub.event(Event::new(EventKind::Started));
        }
        Ok(AuditLayer::with(hub))
    }
}

// By hand: sinks and the peer source show nothing of use.
impl fmt::Debug for AuditLayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLayerBuilder")
            .field("sinks", &self.sinks.len())
            .field("resource", &self.resource)
            .field("required", &self.required)
            .finish_non_exhaustive()
    }
}
