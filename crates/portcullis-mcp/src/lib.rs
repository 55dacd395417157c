//! Tower middleware that reads MCP traffic strictly, so that policy decides on what the server will
//! execute and on nothing else.
//!
//! * [`EdgeLayer`] guards the HTTP edge, before sign-in: path, `Host`, `Origin`, CORS, header
//!   limits, headers that callers have no business to send.
//! * [`InspectLayer`] reads the request after sign-in (HTTP, JSON, JSON-RPC, protocol version,
//!   session, mirrored headers), hands what is asked to the layers inside as
//!   [`McpMessage`](portcullis_core::McpMessage), and filters what comes back.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use portcullis_core::{AnonymousReason, Buffered, Caller, McpMessage, RequestFacts};
//! use portcullis_mcp::{EdgeLayer, InspectLayer};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let resource = "https://mcp.example.com/mcp";
//! let service = ServiceBuilder::new()
//!     .layer(EdgeLayer::new(resource)?)
//!     // A sign-in layer belongs here. This one takes everybody for nobody.
//!     .map_request(|mut request: Request<Full<Bytes>>| {
//!         request.set_caller(Caller::Anonymous(AnonymousReason::NoCredentials));
//!         request
//!     })
//!     // So does a layer that authorizes, inside this one.
//!     .layer(InspectLayer::new().resource(resource).danger_without_authorization())
//!     .service(service_fn(|request: Request<Buffered>| async move {
//!         let Some(McpMessage::Request(asked)) = request.message() else { unreachable!() };
//!         assert_eq!(asked.targets().next().map(|tool| tool.name()), Some("get_weather"));
//!         Response::builder()
//!             .header("content-type", "application/json")
//!             .body(Full::from(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#))
//!     }));
//!
//! let call = |body: &'static str| {
//!     Request::post("/mcp")
//!         .header("host", "mcp.example.com")
//!         .header("content-type", "application/json")
//!         .header("accept", "application/json, text/event-stream")
//!         .body(Full::from(body))
//! };
//! let clear = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_weather"}}"#;
//! let response = service.clone().oneshot(call(clear)?).await?;
//! assert_eq!(response.status(), 200);
//!
//! // Two parsers would disagree about which tool this calls.
//! let unclear = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_weather","name":"delete_all"}}"#;
//! let response = service.oneshot(call(unclear)?).await?;
//! assert_eq!(response.status(), 400);
//! # Ok(())
//! # }
//! ```
//!
//! # Checks and changes of your own
//! A [`Hook`] binds an [`Interceptor`], a piece of your code, to methods: it passes, refuses with words
//! of your choice, or changes arguments and results. Policy decides on what is forwarded, and what
//! leaves is filtered after the last hook. A hook that fails, in whatever way, refuses.
//!
//! # What it refuses by default
//! * At the edge: every path but the resource's own, hosts and web origins that were not allowed,
//!   header sections past 32 KiB or 100 fields.
//! * In the body: whatever JSON parsers are known to read differently. Duplicate member names at
//!   any depth (also through escapes), names that policy reads in other letter cases, with other
//!   underscores or with a NUL, lone surrogates, a byte order mark, trailing data, more than 64 levels or 100 000 values, positional
//!   parameters, ids that are not strings or integers, bodies past 4 MiB or slower than 10 seconds,
//!   content codings, media types other than JSON.
//! * In the protocol: headers and bodies that disagree, versions and methods that are not enabled,
//!   batches outside 2025-03-26, responses outside a session, sessions and tasks of somebody else.
//!   Extension methods count as unknown, but for the tasks of 2026-07-28, which each request has to
//!   declare. What names a task of somebody else as the one it belongs to is refused like the task itself.
//! * From callers without credentials, where a sign-in layer lets them in for some methods: every
//!   message of another method, and whatever is not a message, with 401.
//! * More than 64 requests in flight or 32 open streams of one caller ([`Limits`]). Rates are limited
//!   only when [`RateLimits`] say so.
//! * In answers: whatever the caller may not see, and whatever is not MCP. What the service behind does
//!   not know gets the same answer as what is hidden.
//! * Streams that end without an answer: the client gets an error in its place. Where it may take the stream
//!   up again (in a session, after an event with an id), and where it waits for news (`GET`,
//!   `subscriptions/listen`), the stream breaks off for it as it did here.
//! * Streams of a session that has ended (`DELETE`, an answer of 404, one session too many). What still waited
//!   for an answer there gets an error.
//! * From clients outside sessions: cancellations and progress, which could mean anybody's request. They are
//!   accepted and go no further.
//! * From clients in sessions: answers to what they were not asked there. Names of sessions that
//!   are none, more often than 20 times a minute from one caller.
//! * From the service: URLs to which it would send people, but to hosts that were allowed
//!   ([`InspectLayer::allow_elicitation_at`]); requests that the client did not declare it can answer, in `initialize`
//!   or with the modern request. In a session the service is told that it was declined. Outside sessions nobody saw
//!   what a legacy client declared: no URL passes there, the rest does. The error `-32042`, which sends people to URLs, is
//!   another one for clients that did not declare that they can visit them.
//! * To clients that listen: news of resources that they did not ask for, neither by their URI nor by one above it.
//!
//! # What it does not do
//! It verifies no token and holds no policy. It shares nothing with other replicas: ids of sessions
//! prove themselves, so that every replica with the same keys accepts them. When a session was used
//! last and how many a caller has, each replica counts for itself, and a session that it has not seen
//! before counts as used now. A session that was idle for too long is ended when it is named again. Streams
//! that this replica has open end with their session; of what ends elsewhere it learns nothing, and the
//! service closes those. A JSON answer that is on its way comes all the same. Ids of
//! tasks prove whose they are and which tool runs; the ids that the service assigns stay behind. Lists
//! of tasks, and notices about them, show those that this replica has seen begin or be asked for; a
//! subscription of 2026-07-28 names its tasks itself. What such a notice says a task has come to stays behind where
//! hooks want to see answers: clients ask. The id that the service assigned is put right in `statusMessage`,
//! where it stands as a word and has 8 characters or more, and not in other texts. The
//! ids of a server's requests prove themselves too: a client answers only what it was asked in that
//! session, but whether it has answered before is for the service behind to know. It compares `Mcp-Param-…` headers
//! with arguments once a modern tool list that declares them has passed; until then that is left to
//! the service behind.
//!
//! What is hidden looks like what does not exist: the same status, headers and bytes, in lists, answers and errors. It
//! can be told apart by the time that an answer takes; by what the service says on the stream before it says that
//! something is unknown (progress, a message of its log), or when it says that only after 250 ms; by words for
//! it that this crate does not know; by what else names it, in texts that nobody filters (results, instructions,
//! descriptions). A service behind which existence is a secret answers unknown names at once and in plain words.
//!
//! # Where to put it
//! From the outside: audit, public routes such as metadata, [`EdgeLayer`], sign-in,
//! [`InspectLayer`], authorization, the service. `portcullis-jwt`, `portcullis-rbac` and
//! `portcullis-audit` are the others; the `portcullis` crate stacks them. [`InspectLayer`] answers
//! 500 when no sign-in layer ran, and when no authorizing layer did.
//!
//! Listeners should set `TCP_NODELAY`: without it each event of a stream can wait 40 ms.
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod anonymous;
mod behind;
mod body;
mod build;
mod capability;
mod chars;
mod completion;
mod config;
mod courier;
mod crowd;
mod custom;
mod edge;
mod era;
mod error;
mod events;
mod exchange;
#[cfg(test)]
mod fakes;
mod filter;
mod future;
mod head;
mod hook;
mod inspect;
mod json;
mod judge;
mod layer;
mod limits;
mod lines;
mod listen;
mod lists;
#[doc(hidden)]
pub mod measure;
mod media;
mod mirror;
mod names;
mod parse;
mod pins;
mod questions;
mod rate;
mod rate_store;
mod read;
mod respond;
mod resume;
mod rewrite;
mod server;
mod server_info;
mod service;
mod session;
mod session_table;
mod splice;
mod sse;
mod task;
mod task_book;
mod throttle;
mod unknown;
mod violation;
mod web;

pub use body::FilterBody;
pub use edge::{Edge, EdgeFuture, EdgeLayer};
pub use error::ConfigError;
pub use future::ResponseFuture;
pub use hook::{Hook, HookEvent, HookPhase, HookRefusal, HookVerdict, Interceptor};
pub use layer::InspectLayer;
pub use limits::Limits;
pub use pins::{PinEvent, ToolPins};
pub use rate::{Rate, RateLimits};
pub use rate_store::{MemoryRates, RateKey, RateStore, Taken, Taking, TakingSender};
pub use service::Inspect;
pub use session::SessionKeys;
