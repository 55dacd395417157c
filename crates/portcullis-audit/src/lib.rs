//! Audit records for every MCP decision and outcome, as tower middleware.
//!
//! [`AuditLayer`] stands outermost. It opens a [`Trail`](portcullis_core::Trail) for each request;
//! the layers inside say on it who is calling, what is asked and how that was decided. For every
//! request that is signed in or refused the sinks get exactly one *decision* record, before anything
//! runs, and one *outcome* record, when the answer has ended; for a batch, one pair per element
//! (R-260). Public metadata and preflights leave no record.
//!
//! ```
//! use http::{Request, Response};
//! use portcullis_audit::{AuditLayer, MemorySink, Record, ResultType, Verdict};
//! use portcullis_core::{Challenge, Denial, GateBody};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let records = MemorySink::new();
//! let audit = AuditLayer::builder()
//!     .sink(records.clone()) // for real: `FileSink::builder("audit.jsonl").open()?`
//!     .resource("https://mcp.example.com/mcp")
//!     .build()?;
//!
//! // Stands for a sign-in layer that refuses everyone.
//! let challenge = Challenge::new("https://mcp.example.com/.well-known/oauth-protected-resource", ["mcp:read"])?;
//! let refuse = service_fn(move |_: Request<()>| {
//!     let response = Denial::no_token(&challenge).into_response::<GateBody<http_body_util::Empty<_>>>();
//!     async move { Ok::<Response<_>, std::convert::Infallible>(response) }
//! });
//! let service = ServiceBuilder::new().layer(audit.clone()).service(refuse);
//!
//! drop(service.oneshot(Request::new(())).await?); // the caller goes away without reading
//! assert!(audit.flush().await);
//! let records = records.records();
//! let [Record::Decision(decision), Record::Outcome(outcome)] = records.as_slice() else {
//!     panic!("a decision, then its outcome")
//! };
//! assert_eq!(decision.verdict(), Verdict::Challenge);
//! assert_eq!(outcome.result_type(), ResultType::Aborted);
//! # Ok(())
//! # }
//! ```
//!
//! # Records
//! Every record is one JSON object on one line. A member that does not apply is left out; the order
//! is always the one below. `schema` is [`SCHEMA`]. All records begin with `schema`, `record` (their
//! kind), `ts` (RFC 3339, UTC, milliseconds) and `event_id` (UUIDv7).
//!
//! | kind | further members |
//! |---|---|
//! | `decision` | `request_id` (made by the gate; the same for all elements of a batch), `gate_trace_id` (of the gate's own span, where one is exported), `element` (place in the batch), `resource`, `server` (the name that policy and the roster know), `upstream` (where requests are forwarded to: an origin or a name), `transport` (`streamable_http` or `stdio`), `mcp_version`, `era`, `session_hash` (a keyed digest), `trace_id` (the client's, unverified, from its header or else from what a 2026-07-28 request says itself), `jsonrpc_id` (the raw JSON), `method`, `target_type`, `target`, `more_targets`, `argument_keys` (names only), `argument_types`, `argument_count`, `argument_bytes`, `argument_digest`, `argument_values` (both on demand), `principal` (`iss`, `sub`, `client_id`, `auth` (how they were authenticated), `kind`: `user`, `client` or `anonymous`, `act`), `scopes`, `roles`, `token` (`jti`, or else `sha256`: 12 hexadecimal digits; `alg`, `kid`, `exp`), `decision`, `reason`, `rule_id`, `policy_version`, `http_status`, `error_code`, `source_ip`, `unverified_user_agent`, `unverified_traceparent`, `unverified_client_name`, `unverified_client_version`, `redacted` (what was left out of names looked like), `truncated` |
//! | `outcome` | `server`, `duration_ms`, `http_status`, `result_type`, `error_code`, `reason` (only where it differs from the decision's), `hook` (the one that withheld the answer), `upstream_status` (of the service behind the gate, where it was no success), `cred_source` (where it was called with a credential from configuration, that all callers share), `bytes_in`, `bytes_out`, `filtered_count`, `filtered`, `unverified_server_name`, `unverified_server_version`, `redacted`, `truncated` |
//! | `gap` | `since` (when the first was lost), `dropped`: records that this sink never got |
//! | `suppressed` | `count`: unauthenticated failures that were not recorded one by one |
//! | `event` | `event`: see [`EventKind`]; `resource`, `server`, `principal`, `about`, `from`, `to`, `reason`, `detail`, `count`, `truncated` |
//! | `chain` | a hash chain begins, or goes on in another file: `continues` (`chain`, `seq`, `clean`), `torn`, `part`, `key`, `checkpoint_records`, `checkpoint_seconds` |
//! | `checkpoint` | vouches for all before it: `occasion`, `key`, `previous_key`, `signature` |
//!
//! `decision` is `allow`, `deny`, `challenge`, `error` or, where policy was never asked,
//! `undecided`: see [`Verdict`]. `result_type` is `complete`, `stream`, `error`,
//! `is_error`, `input_required`, `task` or `aborted`: see [`ResultType`]. A stream of server messages has its decision when it opens and its
//! outcome when it closes. `reason` is a [`Reason`](portcullis_core::Reason). In a batch, `bytes_out`
//! is the size of the whole answer, and what inspection says of the answer without naming an element
//! is said of every element that it can be about.
//!
//! What a server says of itself is in the outcome of each request whose answer says it, and nowhere else:
//! that is `initialize` up to 2025-11-25, and in 2026-07-28 `server/discover` and every answer whose
//! `_meta` has it.
//!
//! The spans of `portcullis-telemetry` say `portcullis.request_id`, which is `request_id` here, and where
//! their exporter is known to it, records have its trace as `gate_trace_id`: either way leads from one
//! to the other. The client's own ids are claims, and nothing is joined by them.
//!
//! `audit.schema.json` in this crate's folder is the JSON Schema of all records, and [`Entry`] reads
//! them. Within a version, members may come, and none goes or changes its type.
//!
//! Strings are at most 1024 bytes, and lists at most 1024 bytes of text; `truncated` says that
//! something was cut. Control characters, line separators, and characters that are invisible or
//! change the direction of text are escaped, so that a record is one line whatever a client sent
//! (R-266).
//!
//! [`Format`] names other forms: OCSF and CEF, for each sink.
//!
//! # Proof
//! [`FileSink`] and [`ChainedSink`] chain the lines: each ends with `chain`, `seq` and `prev`, the
//! SHA-256 of the line before, and a key signs checkpoints. [`Verifier`] finds what was changed,
//! removed, reordered or cut off, across rotated files, restarts and several writers. [`Chaining`]
//! says exactly what it cannot find, and how to find that too.
//!
//! # What it refuses by default
//! A `tools/call` whose decision cannot be recorded: no room in a sink's queue, or the sink failed.
//! The layer that holds the permit then answers 503 and nothing runs (R-267). "Recorded" means that
//! every sink that fails closed wrote and flushed it; [`Delivery`] names the other choices. Other
//! records are dropped when there is no room, counted, and reported by a `gap` record.
//!
//! # What it does not do
//! It never records tokens or results, and argument values only where [`ArgumentValues`] names the tool
//! and the place and the value does not look like a secret. What looks like one inside a name that
//! the client chose (a password in a URI, a token for an argument's name) is replaced by `(redacted)`.
//! That goes by looks: a password that looks like a word stays. It deletes no file. It decides nothing:
//! without layers inside that speak on the trail, it records nothing.
//!
//! # Where to put it
//! Outermost, so that it sees every refusal. The `portcullis` crate does this for you.
//!
//! Each sink has a thread that polls its queue, so that a request seldom pays for waking it. Drop the
//! layer and its services, or await [`AuditLayer::flush`], before the process ends: what is queued is
//! lost with it otherwise.
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod arguments;
mod body;
mod builder;
mod chain;
mod classify;
mod client;
mod copied;
mod debt;
mod delivery;
mod describe;
mod element;
mod elevation;
mod encode;
mod entry;
mod error;
mod escape;
mod event;
#[cfg(feature = "file")]
mod file;
mod format;
mod future;
mod hub;
mod id;
mod json_lines;
mod keyed;
mod layer;
mod log;
mod memory;
mod queue;
mod record;
mod sample;
mod screen;
mod secrets;
mod service;
mod sink;
mod site;
mod status;
mod text;
mod time;
mod token;
mod trace;
mod tracing_sink;
mod trail;
mod verify;
mod watch;
mod who;
mod writer;

pub use arguments::ArgumentValues;
pub use body::AuditBody;
pub use builder::AuditLayerBuilder;
pub use chain::key::{CheckpointSigner, SigningKey, VerifyingKey};
pub use chain::record::{Checkpoint, Occasion, Start};
pub use chain::settings::Chaining;
pub use chain::sink::ChainedSink;
pub use delivery::{Delivery, SinkOptions};
pub use entry::{
    ActorEntry, ArgumentEntry, ChainEntry, CheckpointEntry, ContinuesEntry, DecisionEntry, Entry,
    EntryBody, EventEntry, GapEntry, OutcomeEntry, PrincipalEntry, SuppressedEntry, TokenEntry,
};
pub use error::{ConfigError, ConfigErrorKind};
pub use event::{Event, EventKind};
#[cfg(feature = "file")]
pub use file::FileSink;
#[cfg(feature = "file")]
pub use file::settings::{FileSinkBuilder, SyncPolicy};
pub use format::Format;
pub use future::ResponseFuture;
pub use id::EventId;
pub use json_lines::JsonLines;
pub use layer::AuditLayer;
pub use log::AuditLog;
pub use memory::MemorySink;
pub use record::{Decision, Gap, Outcome, Record, ResultType, SCHEMA, Suppressed, Verdict};
pub use service::Audit;
pub use sink::Sink;
pub use status::SinkStatus;
pub use tracing_sink::TracingSink;
pub use verify::Verifier;
pub use verify::report::{ChainEnd, ChainReport, Finding, FindingKind, Report};
