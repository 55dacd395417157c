//! Tower middleware that takes a caller's identity from headers which a trusted sidecar has set.
//!
//! Where oauth2-proxy, Vouch, Authelia, Apache (mod_auth_openidc, mod_auth_mellon) or Envoy already
//! signs people in, [`ForwardedLayer`] stands where a token layer would: it reads the one family of
//! headers that this sidecar sets, only when the connection comes from that very sidecar, and hands
//! a [`Caller`](portcullis_core::Caller) to the services inside it. Headers that claim an identity
//! never go further.
//!
//! ```
//! use std::net::SocketAddr;
//!
//! use portcullis_core::Challenge;
//! use portcullis_forwarded::{ForwardedLayer, Peer, PeerInfo, Profile};
//! use portcullis_test::FakeMcp;
//! use tower::{Layer, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let metadata = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
//! let layer = ForwardedLayer::builder(Challenge::new(metadata, ["mcp:read"])?)
//!     .profile(Profile::oauth2_proxy())
//!     .issuer("https://proxy.example.com")
//!     .trust(Peer::address("10.0.0.5".parse()?))
//!     // Whatever your server leaves in the request; with axum, `ConnectInfo<SocketAddr>`.
//!     .peer(|parts| parts.extensions.get::<SocketAddr>().copied().map(PeerInfo::from))
//!     .build()?;
//!
//! let server = FakeMcp::new();
//! let request = |from: &str| {
//!     http::Request::post("/mcp")
//!         .extension(from.parse::<SocketAddr>().unwrap())
//!         .header("x-auth-request-user", "alice")
//!         .header("x-forwarded-user", "root") // another family: removed
//!         .body(String::new())
//! };
//! let response = layer.layer(server.clone()).oneshot(request("10.0.0.5:4711")?).await?;
//! assert!(response.status().is_success());
//! let seen = server.last();
//! assert_eq!(seen.caller.unwrap().principal().unwrap().subject(), "alice");
//! assert!(seen.headers.is_empty());
//!
//! let response = layer.layer(server.clone()).oneshot(request("10.0.0.6:4711")?).await?;
//! assert_eq!(response.status(), 401);
//! # Ok(())
//! # }
//! ```
//!
//! # What it refuses by default
//! * **401** with the challenge: a peer that is not trusted, whatever it claims; a trusted one
//!   without the shared secret, where there is one; a request in which the sidecar names nobody.
//! * **400**: an identity header that is there twice, in two spellings (`-`, `_`, `.`), in another
//!   spelling than the sidecar's, or named by `Connection`; a value with other than printable ASCII;
//!   an address with two `@`; a list with an empty item; anything over the limits (255 bytes a name,
//!   512 items and 32 KiB a list).
//! * **500**: a request whose peer is not known.
//! * At start-up: no trusted peer, networks that are everybody, short secrets, headers with another
//!   meaning.
//!
//! A request without the groups header has a caller whose groups are *unknown*, not one without
//! groups: clients can make several proxies drop it.
//!
//! # What it removes
//! From every request, in any spelling: the identity headers of all sidecars that this crate knows
//! (not only the configured one's), `Client-Cert` and its kin (RFC 9440), access tokens that
//! sidecars pass on (`X-Auth-Request-Access-Token`), `Authorization`, `Cookie`, `DPoP` and
//! `Proxy-*`. From peers that are not trusted also `Forwarded`, `X-Forwarded-*`, `X-Real-IP`,
//! `X-Original-*`, `X-Rewrite-URL`.
//!
//! # What it does not do
//! It signs nobody in and keeps no session. It does not decode names: a group whose name holds the
//! delimiter cannot be told from two (see [`ListFormat`]). It cannot know that your sidecar replaces
//! what a client sends under the same name: one that adds a second line is caught, one that merges
//! or passes it on is not. The principal's letter case is the sidecar's. It reads no certificate,
//! and none from `X-Forwarded-Client-Cert` or PEM headers.
//!
//! # Where to put it
//! Where `portcullis-jwt` would stand: inside `portcullis-audit` and the edge, outside
//! `portcullis-mcp` and `portcullis-rbac`. One sign-in layer a stack. For servers on standard input
//! and output there is [`Environment`]. Where callers have tokens that are bound to a certificate
//! (RFC 8705) and a proxy ends their TLS, [`ClientCertLayer`] goes around the whole stack.
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]

mod admit;
mod assertion;
mod builder;
mod client_cert;
mod environment;
mod error;
mod future;
mod layer;
mod names;
mod peer;
mod profile;
mod read;
mod secret;
mod service;
mod value;

pub use assertion::{AssertionError, Unsigned, VerifyAssertion};
pub use builder::ForwardedBuilder;
pub use client_cert::{ClientCert, ClientCertBuilder, ClientCertFuture, ClientCertLayer};
pub use environment::Environment;
pub use error::{ConfigError, IdentityError, IdentityErrorKind};
pub use future::ResponseFuture;
pub use layer::ForwardedLayer;
pub use peer::{Peer, PeerInfo};
pub use profile::{ListFormat, Profile};
pub use service::Forwarded;
