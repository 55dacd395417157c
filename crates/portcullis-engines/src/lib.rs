//! Other engines behind the gate: other policy languages, decision points outside the process, and several
//! authorizers at once.
//!
//! An [`Authorizer`](portcullis_rbac::Authorizer) decides for `portcullis-rbac` who may do what. The
//! built-in one is a [`Policy`](portcullis_rbac::Policy); those of this crate stand beside it or in its
//! place:
//!
//! | engine | feature | what it is |
//! |---|---|---|
//! | `Cedar` | `cedar` | policies in Cedar, checked against a schema for MCP |
//! | `Cel` | `cel` | rules whose conditions are CEL expressions |
//! | `AuthZen` | `authzen` | asks a decision point that speaks OpenID AuthZEN |
//! | `OpenFga` | `openfga` | asks an OpenFGA server about relations |
//! | [`AllMustAllow`] | – | several of these, or of your own |
//!
//! `WatchedFile` keeps the file of `Cedar` or `Cel` in force when it changes.
//!
//!
#![cfg_attr(feature = "authzen", doc = "```")]
#![cfg_attr(not(feature = "authzen"), doc = "```ignore")]
//! use portcullis_core::Challenge;
//! use portcullis_engines::{AllMustAllow, AuthZen, DecisionPoint};
//! use portcullis_rbac::{Policy, RbacLayer, Role, Rule};
//!
//! # fn secret() -> String { "secret".into() }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = Policy::builder()
//!     .add_role(Role::new("reader").group("staff"))
//!     .add_rule(Rule::allow("read-notes").tools(["get_*"]).roles(["reader"]))
//!     .build()?;
//! // A sidecar. Over a network it takes https.
//! let point = DecisionPoint::new("http://127.0.0.1:8181").bearer_token(secret());
//! let authorizer = AllMustAllow::new(policy, AuthZen::builder(point).build()?);
//! let challenge = Challenge::new(
//!     "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
//!     ["mcp:read"],
//! )?;
//! let layer = RbacLayer::new(authorizer, challenge);
//! # Ok(())
//! # }
//! ```
//!
//! # What it refuses by default
//! Whatever an engine cannot decide, and callers who have not signed in:
//!
//! | fault | what it is |
//! |---|---|
//! | policies that cannot be used, at start | no start |
//! | the same, in a file that is watched | what was in force stays so |
//! | no connection, no answer in time, a status other than 200 | denial, `pdp_unavailable` |
//! | an answer that is not what the protocol says, or says two things | denial, `pdp_unavailable` |
//! | too many questions under way | denial, `pdp_unavailable` |
//! | a policy or rule that cannot be evaluated, of either kind | denial, `pdp_unavailable` |
//! | arguments of the wrong type, or too large for the engine | denial, `pdp_unavailable` |
//! | a token that lists only some groups, where groups matter | denial |
//! | an argument whose name a server may take for one that is looked at, such as `Path` for `path` | denial |
//! | a caller or target that the engine has no name for | denial, `default_deny` |
//!
//! Lists are filtered by the same questions, many items in one request; so are the calls of a batch, and the
//! resources of a subscription, decided.
//!
//! # What it does not do
//! It does not run a decision point, load policies into one, or hear of changes there: an answer may be
//! used for as long as `DecisionPoint::cache_for` says. It sends no client certificate. No engine
//! sees the address of the caller, or what a server says about its tools.
//!
//! # Where to put it
//! In the [`RbacLayer`](portcullis_rbac::RbacLayer), or in the builder of the `portcullis` crate, in the
//! place of a policy. This crate is the one that builds on another layer's crate: it implements the trait
//! of `portcullis-rbac`. Nothing builds on it.
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod all;
#[cfg(feature = "authzen")]
mod authzen;
#[cfg(feature = "cedar")]
mod cedar;
#[cfg(feature = "cel")]
mod cel;
#[cfg(feature = "policies")]
mod digest;
#[cfg(any(feature = "http-client", feature = "policies"))]
mod error;
#[cfg(any(feature = "authzen", feature = "policies"))]
mod lookalike;
#[cfg(any(feature = "http-client", feature = "cedar"))]
mod naming;
#[cfg(feature = "openfga")]
mod openfga;
#[cfg(feature = "http-client")]
mod point;
#[cfg(feature = "policies")]
mod report;
#[cfg(feature = "policies")]
mod usage;
#[cfg(feature = "policies")]
mod watch;

pub use all::{AllLater, AllMustAllow};
#[cfg(feature = "authzen")]
pub use authzen::{AuthZen, AuthZenBuilder};
#[cfg(feature = "cedar")]
pub use cedar::{Cedar, CedarBuilder};
#[cfg(feature = "cel")]
pub use cel::{Cel, CelBuilder};
#[cfg(any(feature = "http-client", feature = "policies"))]
pub use error::ConfigError;
#[cfg(feature = "openfga")]
pub use openfga::{OpenFga, OpenFgaBuilder};
#[cfg(feature = "http-client")]
pub use point::{Asking, DecisionPoint};
#[cfg(feature = "policies")]
pub use watch::{Watched, WatchedEvent, WatchedFile, WatchedStatus};
