//! Services that stand behind a gate and hand its requests on to MCP servers elsewhere.
//!
//! [`HttpUpstream`] speaks Streamable HTTP with a server on the network or on a Unix socket. It is the
//! innermost service of a stack: put the layers that decide around it.
//!
//! `StdioUpstream` (feature `stdio`, on Unix) runs a server that speaks over standard input and output, and
//! keeps its children apart by person. What it refuses and does not do is told there; what follows is about
//! [`HttpUpstream`].
//!
//! ```
//! use portcullis_proxy::{HttpUpstream, IdentityHeaders};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let notes = HttpUpstream::builder("http://127.0.0.1:8080/mcp")?
//!     .identity(IdentityHeaders::auth_request())
//!     .build()?;
//! // Any body, any request: it goes to the URL above, without the caller's token.
//! # use tower::ServiceExt;
//! # use portcullis_core::{Buffered, ResponseFacts};
//! # let notes = HttpUpstream::builder("unix:/nonexistent:/mcp")?.insist_on_connecting(std::time::Duration::ZERO).build()?;
//! let request = http::Request::post("/").body(Buffered::empty())?;
//! let response = notes.oneshot(request).await?;
//! // Nobody is there: in the words of a gate, not of the network.
//! assert_eq!(response.status(), 502);
//! assert!(response.denial().is_some());
//! # Ok(())
//! # }
//! ```
//!
//! # What it refuses by default
//! * A URL of plain `http` to another machine; a server whose certificate does not verify.
//! * To pass on `Authorization`, `DPoP` and `Cookie`, for which there is no switch, and whatever else claims
//!   an identity, an origin or another method (R-018, R-019). Path and query of the request stay behind too.
//! * Methods other than GET, POST and DELETE; a `Connection` field that names a field which is to arrive.
//! * Answers that are between the server and this hop: 401, 403 and other challenges, redirects, upgrades,
//!   faults, content that is neither JSON nor events, or is compressed. The client gets 502, 503 or 504 with a
//!   JSON-RPC error that says nothing of the cause (R-086, R-305); an event of `tracing` at the target
//!   `portcullis::proxy` names the upstream and the cause.
//! * Fields of answers that are not the client's: cookies, challenges, CORS, `ETag`, `Server`, …, and for
//!   revision 2026-07-28 `Mcp-Session-Id` (R-021).
//!
//! # Retries
//! A request that the server may have received is not sent again, with one exception: a GET, which only opens
//! a stream of events, is sent once more when a connection breaks before its answer. Requests that were never
//! written to a connection, because it was closed or refused, go out on another one.
//!
//! # Streams and clients that go away
//! Bodies pass frame by frame, as fast as they are read and no faster. Dropping the future or the body ends the
//! exchange with the server at once: for 2026-07-28 that cancels the request, for earlier revisions it does not,
//! and nothing is sent in the client's name (R-077). A stream that breaks off ends as an error, so that it does not
//! look whole.
//!
//! # What it does not do
//! It reads no JSON-RPC, keeps no sessions and decides nothing. It does not balance load: one upstream is one
//! URL. It follows no redirect and knows no proxies of its own.
//!
//! # Where to put it
//! Innermost, inside `portcullis-rbac` or the facade's gate, whose facts name the request in errors. A layer
//! between may add a signed assertion of who is calling (`portcullis-assertion`): its header passes.
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod builder;
mod connect;
mod error;
mod exchange;
mod future;
mod identity;
mod outgoing;
mod request;
mod respond;
mod secret;
#[cfg(all(feature = "stdio", unix))]
mod stdio;
mod upstream;
mod url;

pub use body::ProxyBody;
pub use builder::HttpUpstreamBuilder;
pub use error::{ConfigError, ProxyError, ProxyErrorKind};
pub use future::ResponseFuture;
pub use identity::IdentityHeaders;
pub use portcullis_dial::Tls;
pub use secret::Secret;
#[cfg(all(feature = "stdio", unix))]
pub use stdio::{StdioFuture, StdioUpstream, StdioUpstreamBuilder};
pub use upstream::HttpUpstream;
