//! For the tests of your own service (feature `test-util`): an [`Authority`] that signs tokens, good
//! and bad, and assertions on what your service does with them.
//!
//! Turn the feature on for tests alone:
//!
//! ```toml
//! [dev-dependencies]
//! portcullis = { version = "0.1", features = ["test-util"] }
//! ```
//!
//! ```
//! use portcullis::testing::{Authority, assert_gated, assert_refuses};
//! use portcullis::{Policy, Portcullis};
//! use tower::{Layer as _, ServiceExt as _};
//! # use portcullis::core::Buffered;
//! # use portcullis_test::FakeMcp;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let resource = "https://mcp.example.com/mcp";
//! let authority = Authority::in_process();
//! let gate = Portcullis::builder()
//!     .resource(resource)
//!     .issuer(authority.issuer())
//!     .policy(Policy::from_yaml(
//!         "
//! roles:
//!   reader: { groups: [staff] }
//! rules:
//!   - id: staff-read
//!     roles: [reader]
//!     allow: { tools: [read_note] }
//! ",
//!     )?)
//!     .build()?;
//! # let my_mcp_service = FakeMcp::new();
//! let service = gate.layer(my_mcp_service);
//!
//! // Nobody gets in without a token, or with one that has any of some thirty faults.
//! assert_gated(service.clone(), resource).await;
//! assert_refuses(service.clone(), resource, &authority).await;
//!
//! // The right one does.
//! let token = authority.token(resource).subject("rita").group("staff").sign();
//! let request = http::Request::post(resource)
//!     .header("authorization", format!("Bearer {token}"))
//!     .header("host", "mcp.example.com")
//!     .header("content-type", "application/json")
//!     .header("accept", "application/json, text/event-stream")
//!     .header("mcp-protocol-version", "2025-06-18")
//!     .body(Buffered::new(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_note"}}"#.into()))?;
//! assert_eq!(service.oneshot(request).await?.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! [`Authority::start`] does the same over HTTP, with discovery, keys that rotate, and outages:
//! `tests/your_server.rs` in the repository is a whole file of tests to start from.
//!
//! These helpers panic when they cannot do what a test asks of them. They have no place in a server:
//! whoever holds an [`Authority`] can sign in as anyone.

mod authority;
mod dpop;
mod gated;
mod http_server;
mod identity_provider;
mod key;
mod mistake;
mod outage;
mod published;
mod token;

pub use authority::{Authority, AuthorityBuilder};
pub use dpop::DpopKey;
pub use gated::{assert_gated, assert_refuses};
pub use identity_provider::IdentityProvider;
pub use mistake::Mistake;
pub use outage::Outage;
pub use token::Token;
