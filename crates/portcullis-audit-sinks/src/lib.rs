//! Places for audit records outside the process: syslog, HTTP collectors, OpenTelemetry, SQLite and
//! PostgreSQL.
//!
//! Each is a [`Sink`](portcullis_audit::Sink) of `portcullis-audit`, behind a feature of its own:
//!
#![cfg_attr(all(feature = "syslog", feature = "aws-lc-rs"), doc = "```no_run")]
#![cfg_attr(not(all(feature = "syslog", feature = "aws-lc-rs")), doc = "```ignore")]
//! use portcullis_audit::AuditLayer;
//! use portcullis_audit_sinks::{Syslog, Tls};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let collector = Syslog::tls("logs.example.com", 6514)
//!     .trust(Tls::authorities(std::fs::read("/etc/ssl/our-ca.pem")?)?)
//!     .build()?;
//! let audit = AuditLayer::builder().sink(collector).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # What "on record" means
//! The audit layer tells nobody that a record is kept before the sink's `flush` has returned. What that
//! promises depends on what the far side can say:
//!
//! | sink | a flush succeeds when | the same record twice | what can be lost unseen |
//! |---|---|---|---|
//! | [`SyslogSink`] | the operating system has taken every byte for a connection that the far side has not closed: syslog has no acknowledgements | possible after a broken connection: what was sent in its last 5 seconds is sent again | what a collector had not read when it died, if the connection broke more than 5 seconds after it was sent, or was more than 1 MiB |
//! | [`HttpSink`] of [`HttpLines`] | the collector answered 2xx | possible, when the answer was lost: `event_id`, and `Idempotency-Key`, tell | nothing |
//! | [`HttpSink`] of [`Splunk`] | it answered 200; with [`acknowledged`](Splunk::acknowledged), when the events are indexed | possible, as above | without acknowledgement, what an indexer loses |
//! | [`HttpSink`] of [`Otlp`] | it answered 200 and rejected nothing | possible, as above | nothing that the collector answers for |
//! | [`SqliteSink`] | the transaction is committed and on disk | never | nothing |
//! | [`PostgresSink`] | the transaction is committed, as `synchronous_commit` of the role says | never | nothing |
//!
//! What does not arrive is counted by the audit layer, which reports it with a `gap` record. The count is an
//! upper bound: a batch whose answer was lost may have arrived. How often a batch is tried, and for how
//! long, is a [`Retry`].
//!
//! The line of a record is always sent as it is, byte for byte, in a text field: what was made to be verified
//! can be verified there.
//!
//! # What it refuses by default
//! Plain HTTP and plain TCP to anything but this machine, and PostgreSQL without TLS over a network; a server
//! whose certificate does not verify; settings that cannot be honoured.
//!
//! # What it does not do
//! It keeps nothing on disk while a collector is down: memory is bounded by the queue of the audit layer and
//! one batch. For outages longer than that, give the layer a file too, and let an agent ship it. It compresses
//! nothing, creates no SQL partitions and deletes no old rows. A sink does its work on the thread that the audit
//! layer gives it: it must not be called inside an async runtime.
//!
//! # Where to put it
//! In [`AuditLayerBuilder::sink`](portcullis_audit::AuditLayerBuilder::sink), or in the builder of the
//! `portcullis` crate. Like `portcullis-engines`, this crate builds on another layer's crate: it implements
//! the trait of `portcullis-audit`. Nothing builds on it.
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(
        feature = "http",
        feature = "otlp",
        feature = "postgres",
        feature = "sqlite",
        feature = "syslog"
    )),
    allow(dead_code, reason = "parts that sinks share serve those that are not built")
)]

mod error;
#[cfg(any(feature = "sqlite", feature = "network"))]
mod fields;
#[cfg(feature = "http-client")]
mod http;
#[cfg(feature = "network")]
mod outbox;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "network")]
mod retry;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "syslog")]
mod syslog;

pub use error::ConfigError;
#[cfg(feature = "http-client")]
pub use http::HttpSink;
#[cfg(feature = "otlp")]
pub use http::Otlp;
#[cfg(feature = "http")]
pub use http::{HttpLines, Splunk};
#[cfg(feature = "postgres")]
pub use portcullis_dial::Postgres;
#[cfg(feature = "network")]
pub use portcullis_dial::Tls;
#[cfg(feature = "postgres")]
pub use postgres::PostgresSink;
#[cfg(feature = "network")]
pub use retry::Retry;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteSink;
#[cfg(feature = "syslog")]
pub use syslog::{Syslog, SyslogSink};
