//! Bounds of everything that is read, and of what one caller may have open.

use std::time::Duration;

use crate::json::JsonLimits;

/// How long a session lives at most.
pub(crate) const MAX_SESSION: Duration = Duration::from_secs(24 * 60 * 60);

/// Bounds of everything that is read from either side, and of what one caller may have open.
///
/// The defaults are those of requirements section 6.4. Raising a limit raises what one request can
/// make this process hold in memory: a request costs at most about [`body`](Self::body), an answer
/// [`response`](Self::response), a stream [`event`](Self::event).
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Limits {
    pub(crate) body: usize,
    pub(crate) response: usize,
    pub(crate) event: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) body_idle: Duration,
    pub(crate) depth: u8,
    pub(crate) values: u32,
    pub(crate) batch: usize,
    pub(crate) header_bytes: usize,
    pub(crate) header_fields: usize,
    pub(crate) mcp_header: usize,
    pub(crate) calls_in_flight: u32,
    pub(crate) open_streams: u32,
    pub(crate) sessions: usize,
    pub(crate) session_idle: Duration,
    pub(crate) session_lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 4 << 20,
            response: 16 << 20,
            event: 4 << 20,
            body_timeout: Duration::from_secs(10),
            body_idle: Duration::from_secs(5),
            depth: 64,
            values: 100_000,
            batch: 50,
            header_bytes: 32 << 10,
            header_fields: 100,
            mcp_header: 8 << 10,
            calls_in_flight: 64,
            open_streams: 32,
            sessions: 20,
            session_idle: Duration::from_secs(30 * 60),
            session_lifetime: MAX_SESSION,
        }
    }
}

impl Limits {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The largest request body in bytes; past it 413. Default 4 MiB.
    pub fn body(mut self, bytes: usize) -> Self {
        self.body = bytes;
        self
    }

    /// The largest JSON answer of the service behind, in bytes; past it 502. Default 16 MiB.
    pub fn response(mut self, bytes: usize) -> Self {
        self.response = bytes;
        self
    }

    /// The largest event of a stream in bytes; past it the stream ends. Default 4 MiB.
    pub fn event(mut self, bytes: usize) -> Self {
        self.event = bytes;
        self
    }

    /// How long a request body may take in all; past it 408. Default 10 seconds.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = timeout;
        self
    }

    /// How long a request body may pause; past it 408. Default 5 seconds.
    pub fn body_idle(mut self, timeout: Duration) -> Self {
        self.body_idle = timeout;
        self
    }

    /// How deep JSON may nest. Default 64. Each level costs some stack.
    pub fn depth(mut self, levels: u8) -> Self {
        self.depth = levels;
        self
    }

    /// How many values one JSON document may hold. Default 100 000.
    pub fn values(mut self, values: u32) -> Self {
        self.values = values;
        self
    }

    /// How many messages a 2025-03-26 batch may hold. Default 50.
    pub fn batch(mut self, messages: usize) -> Self {
        self.batch = messages;
        self
    }

    /// How large a header section may be: names, values and four bytes a field; past it 431
    /// . Default 32 KiB. The HTTP server in front has limits of its own.
    pub fn header_bytes(mut self, bytes: usize) -> Self {
        self.header_bytes = bytes;
        self
    }

    /// How many header fields there may be; past it 431. Default 100.
    pub fn header_fields(mut self, fields: usize) -> Self {
        self.header_fields = fields;
        self
    }

    /// How long the value of one `Mcp-…` field may be, in bytes; past it 431. Default
    /// 8 KiB. Tool names and URIs that do not fit cannot be called by modern clients.
    pub fn mcp_header(mut self, bytes: usize) -> Self {
        self.mcp_header = bytes;
        self
    }

    /// How many requests of one caller may be in flight, from inspection to the end of the answer's
    /// body; past it 429. Default 64.
    ///
    /// A caller is an issuer, a subject and a client. All callers without credentials are one. Each
    /// request of a batch counts. `server/discover` and `initialize`, which must not be answered
    /// 429, and notifications and responses, which let calls end, are refused past twice
    /// the limit. Each process counts for itself.
    pub fn calls_in_flight(mut self, calls: u32) -> Self {
        self.calls_in_flight = calls;
        self
    }

    /// How many streams of server messages one caller may have open (legacy `GET`,
    /// `subscriptions/listen`), besides requests; past it 429. Default 32.
    pub fn open_streams(mut self, streams: u32) -> Self {
        self.open_streams = streams;
        self
    }

    /// How many sessions one caller may have. Default 20. One more ends the one that was used
    /// least recently, here and at the service behind. Each process counts what it has seen;
    /// callers without credentials, who cannot be told apart, have 50 times as many.
    pub fn sessions(mut self, sessions: usize) -> Self {
        self.sessions = sessions;
        self
    }

    /// How long nothing may happen in a session. Default 30 minutes. What is named after that
    /// is answered like an unknown session, and ended at the service behind. An open stream is
    /// something that happens. Each process counts from when it has seen the session last, or first.
    pub fn session_idle(mut self, idle: Duration) -> Self {
        self.session_idle = idle;
        self
    }

    /// How long a session may live. Default, and most, 24 hours.
    pub fn session_lifetime(mut self, lifetime: Duration) -> Self {
        self.session_lifetime = lifetime.min(MAX_SESSION);
        self
    }

    pub(crate) fn json(&self) -> JsonLimits {
        JsonLimits { depth: u16::from(self.depth), values: self.values }
    }
}
