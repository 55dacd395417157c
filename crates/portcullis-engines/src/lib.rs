//! Other engines behind the gate: decision points outside the process, and several authorizers at once.
//!
//! An [`Authorizer`](portcullis_rbac::Authorizer) decides for `portcullis-rbac` who may do what. The
//! built-in one is a [`Policy`](portcullis_rbac::Policy); those of this crate stand beside it or in its
//! place. [`AllMustAllow`] makes one of several:
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
//! Whatever an engine cannot decide: no answer in time, an answer that is not what the protocol says, a
//! caller it has no name for, and callers who have not signed in. Lists are filtered by the same
//! question, many items in one request.
//!
//! # What it does not do
//! It does not run a decision point, load policies into one, or hear of changes there: an answer may be
//! used for as long as [`cache_for`](DecisionPoint::cache_for) says. It sends no client certificate. A
//! message with several targets, and a batch, ask about one after the other.
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
#[cfg(feature = "http-client")]
mod error;
#[cfg(feature = "openfga")]
mod openfga;
#[cfg(feature = "http-client")]
mod point;

pub use all::{AllLater, AllMustAllow};
#[cfg(feature = "authzen")]
pub use authzen::{AuthZen, AuthZenBuilder};
#[cfg(feature = "http-client")]
pub use error::ConfigError;
#[cfg(feature = "openfga")]
pub use openfga::{OpenFga, OpenFgaBuilder};
#[cfg(feature = "http-client")]
pub use point::{Asking, DecisionPoint};
