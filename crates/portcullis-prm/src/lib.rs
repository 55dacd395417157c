//! Tower middleware that publishes OAuth 2.0 Protected Resource Metadata (RFC 9728).
//!
//! A client that was answered 401 reads this document to learn which authorization server issues
//! tokens for the MCP server and which scopes to ask for. [`PrmLayer`] serves it at its well-known
//! path, from bytes made once at start-up, and hands every other request to the service inside.
//! [`ResourceMetadata::challenge`] is the matching `WWW-Authenticate` challenge for the layers that
//! refuse.
//!
//! ```
//! use portcullis_prm::{PrmLayer, ResourceMetadata};
//! use portcullis_test::FakeMcp;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let metadata = ResourceMetadata::builder("https://mcp.example.com/mcp")
//!     .authorization_server("https://auth.example.com")
//!     .scope("mcp:read")
//!     .resource_name("Example MCP")
//!     .build()?;
//! assert_eq!(metadata.well_known_path(), "/.well-known/oauth-protected-resource/mcp");
//!
//! let service = ServiceBuilder::new().layer(PrmLayer::new(metadata.clone())).service(FakeMcp::new());
//! let request = http::Request::get(metadata.well_known_path()).body(String::new())?;
//! let response = service.oneshot(request).await?;
//! assert_eq!(response.headers()["content-type"], "application/json");
//! # Ok(())
//! # }
//! ```
//!
//! # What it refuses by default
//! * At start-up: identifiers that clients would not find equal to the URL their users typed
//!   (plain `http` except on loopback hosts, upper case in the host, user information, query,
//!   fragment, default ports, dot segments), scopes that are not a resource's to ask for
//!   (`openid`, `offline_access`, wildcards), members without a value, and `signed_metadata` that is
//!   not a JWT or says something else than the document.
//! * At request time: methods other than `GET`, `HEAD` and `OPTIONS` on its own paths, with 405.
//!   A path that is not exactly its own (case, percent-encoding, trailing slash, parameters) is
//!   another service's request.
//!
//! # What it does not do
//! It needs no token and looks at no header: `Host`, `Forwarded` and `Origin` change nothing,
//! because every URL comes from configuration. It serves no authorization server metadata unless
//! [told to](PrmLayer::mirror_server_metadata), and has no endpoints of an authorization server. It does
//! not sign documents, and does not check that the authorization server is there.
//!
//! # Where to put it
//! Outside `portcullis-jwt`, since clients without a token must reach it, and outside `Host` and
//! `Origin` checks. On a router, route [`ResourceMetadata::well_known_paths`] to a [`PrmService`]:
//! a layer on a nested service never sees these paths.
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]

mod answer;
mod builder;
mod document;
mod error;
mod future;
mod language;
mod layer;
mod metadata;
mod mirror;
mod service;
mod signed;
mod url;

pub use builder::ResourceMetadataBuilder;
pub use error::ConfigError;
pub use future::ResponseFuture;
pub use layer::PrmLayer;
pub use metadata::ResourceMetadata;
pub use mirror::ServerMetadata;
pub use service::{Prm, PrmService};
