//! Tower middleware that tells the service behind a gate who is calling, in a signed header.
//!
//! A service in another process cannot read the [`Caller`](portcullis_core::Caller) of a request,
//! and must not believe an unsigned header. [`AssertionLayer`] adds one header with a JWT that is
//! signed by the gate, meant for that service alone and valid for a minute (R-141). The service
//! verifies it with any JWT library and the key set of [`AssertionLayer::jwks`].
//!
//! ```
//! use portcullis_assertion::{AssertionLayer, SigningKey};
//! use portcullis_core::{Caller, Principal, RequestFacts};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = AssertionLayer::builder("https://gate.example.com", "https://notes.internal")
//!     .key(SigningKey::generate_es256()) // Or one that replicas share: `es256_from_pem`.
//!     .build()?;
//! // Serve these bytes where the service looks for the gate's keys.
//! assert!(layer.jwks().starts_with(b"{\"keys\":"));
//!
//! let service = ServiceBuilder::new().layer(layer).service_fn(async |request: http::Request<()>| {
//!     assert!(request.headers().contains_key("x-portcullis-assertion"));
//!     Ok::<_, std::convert::Infallible>(http::Response::new(()))
//! });
//! let mut request = http::Request::new(());
//! // The sign-in layer does this.
//! request.set_caller(Caller::Verified(Principal::builder("https://id.example.com", "alice").build().into()));
//! service.oneshot(request).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # The assertion
//! Header: `typ` is `portcullis-assertion+jwt`, `alg` is `ES256` or `EdDSA`, `kid` is the key's
//! thumbprint (RFC 7638). Claims:
//!
//! | claim | what |
//! |---|---|
//! | `iss`, `aud` | the gate and the service, as configured |
//! | `sub` | the caller: issuer, `#`, subject; see [`plain_subjects`](AssertionLayerBuilder::plain_subjects) |
//! | `sub_id` | the same in two members, `iss` and `sub`, with `format` = `iss_sub` (RFC 9493 §3.2.2) |
//! | `client_id`, `tenant`, `scope` | as in the caller's token, where they are there |
//! | `groups`, `roles` | lists; `groups` is absent when they are not all known, and `[]` when there are none |
//! | `act` | who acts for the caller (RFC 8693 §4.1) |
//! | `amr_gate` | how the caller proved who they are to the gate: `bearer`, … |
//! | `client_only` | `true` when no person is behind the caller |
//! | `iat`, `exp`, `jti` | made now; a minute later, or when the caller's own proof ends; an id |
//!
//! One assertion serves several requests of the same caller, for half its lifetime: `jti` is for
//! tracing, not for use-once checks.
//!
//! # What it refuses by default
//! * A request without a [`Caller`](portcullis_core::Caller): no sign-in layer ran, so it is answered 500.
//! * Copies of its header that came with the request, in any spelling that a CGI-like server behind
//!   it would read as the same name: they are removed, whoever is calling.
//!
//! An anonymous caller gets no assertion: for the service behind, no header means nobody.
//!
//! # What it does not do
//! It publishes no key set by itself, and it does not say what the caller may do: a request that
//! reaches the service has been permitted.
//!
//! # Where to put it
//! Innermost, inside `portcullis-rbac`, so that nothing is signed for requests that are refused.
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod attach;
mod builder;
mod cache;
mod claims;
mod error;
mod future;
mod key;
mod layer;
mod name;
mod service;
mod sign;

pub use builder::AssertionLayerBuilder;
pub use error::ConfigError;
pub use future::ResponseFuture;
pub use key::SigningKey;
pub use layer::AssertionLayer;
pub use service::Assertion;
