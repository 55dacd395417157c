//! Enterprise access control in front of any MCP server, as one tower layer.
//!
//! Wrap the MCP service itself, not the router around it, so that nothing added later is left open:
//!
//! ```
//! use portcullis::{Issuer, JwkSet, Policy, Portcullis};
//! use tower::Layer as _;
//! # use portcullis_test::{FakeMcp, Mint};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let jwks = Mint::es256("https://id.example.com").jwks();
//! # let my_mcp_service = FakeMcp::new();
//!
//! let gate = Portcullis::builder()
//!     .resource("https://mcp.example.com/mcp")
//!     .issuer(Issuer::new("https://id.example.com").keys(JwkSet::from_json(&jwks)?))
//!     .policy(Policy::from_yaml(
//!         "
//! roles:
//!   reader: { groups: [staff] }
//! rules:
//!   - id: staff-read
//!     roles: [reader]
//!     allow: { tools: [list_notes, read_note] }
//! ",
//!     )?)
//!     .build()?;
//! let service = gate.layer(my_mcp_service);
//! # Ok(())
//! # }
//! ```
//!
//! The gate then answers, in this order: audit record opened → metadata (RFC 9728) → `Host`, `Origin`,
//! limits → access token → MCP message → policy → your service. The order is fixed here; you choose
//! the parts, in any reading order.
//!
//! # While it runs
//! * `PortcullisLayer::verifier` adds and removes issuers and revokes tokens, at once and for all
//!   services of the gate.
//! * `Builder::roster` (feature `roster`) keeps who uses the server, for the access review, and lets an
//!   administrator block a person at once.
//! * `PortcullisLayer::self_check` (feature `jwks-client`) says at start what would keep clients from
//!   signing in: an issuer that cannot be reached or calls itself otherwise, one without PKCE,
//!   metadata that leads elsewhere.
//! * `PortcullisLayer::watched_by` (feature `telemetry`) gives metrics, health checks and traces.
//! * `Gates` (feature `axum`) puts several gated services behind one listener, each path with its own
//!   issuers, audience and policy.
//!
//! # Your tests
//! The module `testing` (feature `test-util`) has an authority that signs good and bad tokens, and
//! assertions that nobody gets past the gate without a good one.
//!
//! # Who is calling, inside a tool
//! The verified [`Caller`] and the [`Permit`] travel in the request. With rmcp:
//!
//! ```
//! use portcullis::RequestFacts as _;
//!
//! fn who(parts: &http::request::Parts) -> Option<&str> {
//!     parts.caller()?.principal().map(|principal| principal.subject())
//! }
//! # assert!(who(&http::Request::new(()).into_parts().0).is_none());
//! ```
//!
//! # What it refuses by default
//! A request without a token that one of your issuers signed for this very resource; a message that
//! two JSON parsers could read differently; a method its protocol revision does not have; every tool,
//! prompt and resource that no rule allows, which callers do not even see in lists. A stack wired by
//! hand with a layer missing answers 500.
//!
//! # What it does not do
//! It issues no tokens, terminates no TLS and keeps no sessions of its own. It does not rewrite your
//! server: tools see the same requests, less the caller's token and any header that claims an identity.
//!
//! # Where to put it
//! Directly around the MCP service. At the root of a server the gate serves its own metadata path; for
//! an axum application, `PortcullisLayer::router` (feature `axum`) yields one router with both
//! routes. Set `TCP_NODELAY` on your listener: without it each streamed answer waits about 40 ms.
//!
//! Some servers check the host themselves. rmcp's answers to names of the loopback only, so tell it yours, or every
//! answer is 502: `StreamableHttpServerConfig::default().with_allowed_hosts(["mcp.example.com"])`.
//!
//! # The parts
//! Each layer is a crate of its own and can be used alone: [`jwt`] or [`forwarded`], [`prm`], [`mcp`],
//! [`rbac`], [`audit`], over the vocabulary of [`core`].
//!
//! # Without a C compiler
//! With `default-features = false` and the feature `pure-rust`, all cryptography is done in Rust:
//! nothing is refused less, and verifying a signature takes several times as long. To fetch keys over
//! `https` (feature `jwks-client`), install a default `CryptoProvider` of `rustls` first; or hand the
//! keys in, with [`Issuer::keys`].
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

/// The program in README.md compiles.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../README.md")]
struct Readme;

/// So does that of docs/telemetry.md.
#[cfg(all(
    doctest,
    feature = "telemetry",
    feature = "axum",
    feature = "jwks-client",
    feature = "yaml"
))]
#[doc = include_str!("../../docs/telemetry.md")]
struct TelemetryManual;

/// So do those of docs/identity-providers.md.
#[cfg(all(doctest, feature = "yaml", feature = "audit-file"))]
#[doc = include_str!("../../docs/identity-providers.md")]
struct IdentityProviders;

mod builder;
mod error;
mod events;
#[cfg(feature = "axum")]
mod gates;
mod known;
mod layer;
#[cfg(feature = "jwks-client")]
mod mirror;
#[cfg(feature = "axum")]
mod router;
#[cfg(feature = "jwks-client")]
mod self_check;
#[cfg(feature = "stdio")]
pub mod stdio;
#[cfg(feature = "test-util")]
pub mod testing;
#[cfg(feature = "telemetry")]
mod watched;

pub use portcullis_audit as audit;
#[cfg(any(
    feature = "audit-collectors",
    feature = "audit-postgres",
    feature = "audit-sqlite"
))]
pub use portcullis_audit_sinks as audit_sinks;
pub use portcullis_core as core;
#[cfg(feature = "engines")]
pub use portcullis_engines as engines;
pub use portcullis_forwarded as forwarded;
pub use portcullis_jwt as jwt;
pub use portcullis_mcp as mcp;
pub use portcullis_prm as prm;
#[cfg(feature = "proxy")]
pub use portcullis_proxy as proxy;
pub use portcullis_rbac as rbac;
#[cfg(feature = "roster")]
pub use portcullis_roster as roster;
#[cfg(feature = "settings")]
pub use portcullis_settings as settings;
#[cfg(feature = "telemetry")]
pub use portcullis_telemetry as telemetry;

pub use builder::{Builder, Chosen, Missing, Portcullis, Sidecar};
pub use error::BuildError;
#[cfg(feature = "jwks-client")]
pub use events::key_events;
pub use events::pin_events;
#[cfg(feature = "reload")]
pub use events::policy_events;
#[cfg(feature = "axum")]
pub use gates::Gates;
pub use known::{Known, KnownBody, KnownFuture};
pub use layer::{Gate, PortcullisLayer, Stack};
pub use portcullis_audit::{AuditLayer, TracingSink};
#[cfg(feature = "audit-file")]
pub use portcullis_audit::{FileSink, JsonLines};
pub use portcullis_core::{
    Caller, Clock, Denial, Method, Permit, Principal, RequestFacts, ResponseFacts, ScopeHierarchy,
    Version,
};
#[cfg(feature = "jwks-client")]
pub use portcullis_jwt::{Algorithm, ClientAuth, ClientKey, Introspection};
pub use portcullis_jwt::{
    ApiKey, ApiKeys, ClaimRule, Dpop, Issuer, JwkSet, Profile, Revocation, Revocations, StepUp,
    Verifier,
};
pub use portcullis_mcp::{
    Hook, HookEvent, HookPhase, HookRefusal, HookVerdict, Interceptor, Limits, Rate, RateLimits,
    SessionKeys, ToolPins,
};
pub use portcullis_prm::ResourceMetadata;
pub use portcullis_rbac::{Answer, Authorizer, Decision, Grantable, Never, Policy, Query};
#[cfg(feature = "jwks-client")]
pub use self_check::Finding;
