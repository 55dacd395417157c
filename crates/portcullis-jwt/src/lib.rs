//! Tower middleware that lets a request in only with a valid JWT access token.
//!
//! [`JwtLayer`] reads `Authorization: Bearer …`, verifies the token (RFC 9068, RFC 8725) and hands
//! a [`Caller`](portcullis_core::Caller) to the services inside it. Everything else is answered 401
//! with a challenge (RFC 6750 §3) that MCP clients know how to follow. [`Verifier`] does the same
//! for tokens that come another way.
//!
//! ```
//! use http::{Request, StatusCode};
//! use portcullis_core::{Caller, Challenge, Principal, RequestFacts};
//! use portcullis_jwt::{Issuer, JwkSet, JwtLayer, Verifier};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mint = portcullis_test::Mint::es256("https://id.example.com");
//! # let (jwk_set, token) = (mint.jwks(), mint.token().sign());
//! let verifier = Verifier::builder("https://mcp.example.com/mcp")
//!     // Or `.jwks_url("https://id.example.com/jwks")`, to have them fetched and kept fresh.
//!     .issuer(Issuer::new("https://id.example.com").keys(JwkSet::from_json(jwk_set)?))
//!     .build()?;
//! let challenge = Challenge::new(
//!     "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
//!     ["mcp:read"],
//! )?;
//! let service = ServiceBuilder::new().layer(JwtLayer::new(verifier, challenge)).service_fn(
//!     async |request: Request<String>| {
//!         let who = request.caller().and_then(Caller::principal).map(Principal::subject);
//!         assert_eq!(who, Some("alice"));
//!         Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
//!     },
//! );
//!
//! let request = Request::post("/mcp").header("authorization", format!("Bearer {token}"));
//! let response = service.clone().oneshot(request.body(String::new())?).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//!
//! let response = service.oneshot(Request::post("/mcp").body(String::new())?).await?;
//! assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! # Ok(())
//! # }
//! ```
//!
//! Opaque tokens, which say nothing themselves, are accepted where the issuer is asked about them:
//! `Issuer::introspection` (RFC 7662, feature `jwks-client`).
//!
//! [`Profile`] knows how the tokens of Entra ID, Okta, Keycloak, Auth0, Ping, Cognito, Google, GitHub
//! Actions, GitLab and SPIFFE look.
//!
//! # What it refuses by default
//! * `none`, symmetric and unlisted algorithms; keys that do not fit the algorithm; weak keys.
//! * Headers that name keys (`jku`, `x5u`, `jwk`, `x5c`) or extensions (`crit`, `b64`).
//! * Any `iss` and `aud` that is not, byte for byte, a configured one; no `aud`; no `exp`.
//! * Types other than `at+jwt`; see [`Issuer::accept_jwt_typ`] for issuers that do not set it.
//! * Tokens bound to a key or a certificate (`cnf`), unless the layer is told how that is proved:
//!   [`JwtLayer::dpop`] (RFC 9449), [`JwtLayer::client_certificate`] (RFC 8705).
//! * Two tokens, tokens in the query, repeated member names, lax base64 and tokens over 16 KiB.
//!
//! The sender of a bad token always sees the same bytes. The cause is in the
//! [`Denial`](portcullis_core::Denial) of the response's extensions, as a
//! [`Reason`](portcullis_core::Reason). When the keys of an issuer cannot be had,
//! or it cannot be asked about a token, the answer is 503, so that clients do not throw good tokens away.
//!
//! # What it does not do
//! It does not issue tokens, terminate TLS, or say what a caller
//! may do: that is `portcullis-rbac`.
//!
//! # Where to put it
//! Outside `portcullis-mcp` and `portcullis-rbac`, inside `portcullis-audit`. Wrap the service, not
//! single routes, so that no route is left open. The `portcullis` crate does this for you.
//!
//! The inner service never sees the `Authorization` field: a token is for this resource alone.
//!
//! # Without a C compiler
//! With `default-features = false` and the feature `pure-rust`, the same tokens and keys are accepted
//! and refused, and nothing is left out; a signature takes about four (ES256) to ten (RS256) times as long to
//! verify. To fetch keys over `https`, install a default `CryptoProvider` of `rustls` before
//! [`VerifierBuilder::build`]: none without a C compiler is among the dependencies. Or hand the keys
//! in, with [`Issuer::keys`].
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "jwks-client")]
mod address;
mod admission;
mod algorithm;
mod api_key;
mod binding;
#[cfg(feature = "jwks-client")]
mod cache;
mod check;
mod claim;
mod claim_rule;
#[cfg(feature = "jwks-client")]
mod connect;
mod credentials;
#[cfg(feature = "jwks-client")]
mod discovery;
mod dpop;
mod dry_run;
mod error;
#[cfg(feature = "jwks-client")]
mod fetch;
mod future;
mod htu;
#[cfg(feature = "jwks-client")]
mod introspection;
mod issuer;
mod jose;
mod json;
mod jwk;
mod keys;
mod layer;
#[cfg(feature = "jwks-client")]
mod metadata;
mod nonce;
mod principal;
mod profile;
mod proof;
mod replay;
#[cfg(feature = "jwks-client")]
mod resolver;
mod revocation;
mod service;
mod status;
mod step_up;
mod subject;
mod thumbprint;
mod token_cache;
mod verifier;
mod verify;
mod wait;

pub use algorithm::Algorithm;
pub use api_key::{ApiKey, ApiKeys, MintedKey};
pub use claim_rule::ClaimRule;
pub use dpop::{Dpop, DpopBuilder};
pub use error::{ConfigError, TokenError};
#[cfg(feature = "jwks-client")]
pub use fetch::{FetchError, fetch_json};
pub use future::ResponseFuture;
#[cfg(feature = "jwks-client")]
pub use introspection::{ClientAuth, ClientKey, Introspection};
pub use issuer::Issuer;
pub use jwk::JwkSet;
pub use layer::JwtLayer;
#[cfg(feature = "jwks-client")]
pub use metadata::IssuerMetadata;
pub use profile::Profile;
pub use replay::{FirstUse, FirstUseSender, MemoryReplay, ProofId, ProofUse, ReplayStore};
pub use revocation::{Revocation, Revocations};
pub use service::Jwt;
pub use status::{KeyStatus, TokenCacheStatus};
pub use step_up::StepUp;
pub use verifier::{Verifier, VerifierBuilder};
