//! Who uses an MCP server: a roster that fills itself, an access review, and blocking a person at once.
//!
//! [`RosterLayer`] stands inside sign-in. It counts who calls, in memory; every few seconds a store is told.
//! Nobody has to be registered first: whoever an identity provider vouches for is on the roster after the first
//! request.
//!
//! ```
//! use std::time::Duration;
//!
//! use http::{Request, Response};
//! use portcullis_core::{Caller, Principal, RequestFacts as _};
//! use portcullis_roster::{Block, MemoryStore, PersonId, Roster};
//! use tower::{Layer as _, ServiceExt as _, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // For real: `SqliteStore::open("roster.db")?`, or a `PostgresStore` that replicas share.
//! let roster = Roster::builder(MemoryStore::new()).build()?;
//! let service = roster.layer().server("notes").layer(service_fn(async |_: Request<()>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
//! }));
//! let request = || {
//!     let mut request = Request::new(());
//!     let alice = Principal::builder("https://id.example.com", "alice").group("staff").build();
//!     request.set_caller(Caller::Verified(alice.into()));
//!     request
//! };
//!
//! assert_eq!(service.clone().oneshot(request()).await?.status(), 200);
//! let alice = PersonId::new("https://id.example.com", "alice");
//! let known = roster.person(alice.clone()).await?.expect("she was seen");
//! assert_eq!((known.requests, known.servers), (1, vec!["notes".to_owned()]));
//!
//! roster.block(Block::new(alice, Duration::ZERO).by("carol")).await?;
//! assert_eq!(service.oneshot(request()).await?.status(), 403);
//! # Ok(())
//! # }
//! ```
//!
//! # Blocking
//! A block is of a subject at an issuer, with whatever token, also with a token of somebody else that names the
//! subject as the current actor (the outermost `act`, RFC 8693). It is in force when [`Roster::block`] returns, and in
//! every other replica within [`poll_every`](RosterBuilder::poll_every), 2 seconds by default. The answer is 403, with the
//! reason `blocked` in the audit record and nothing of it in the body. An answer that is under way, such as a
//! stream of server messages, ends before anything more of it is handed on.
//!
//! While the store does not answer, the last list of blocks stays in force; [`Roster::status`] says how old it is, and
//! [`refuse_when_older_than`](RosterBuilder::refuse_when_older_than) refuses everybody when it is too old. A process that
//! cannot read the list does not start.
//!
//! # The access review
//! [`stale`](stale()) compares who was seen lately with an export of the identity provider ([`UserList`]): whoever is
//! on the roster and not in the export has left, or was never there.
//!
//! # Personal data
//! The roster says who used what, and when: treat it as personal data. It keeps the subject, times, groups, roles,
//! clients and servers; a display name and an e-mail address only if told to
//! ([`name_claim`](RosterBuilder::name_claim), [`email_claim`](RosterBuilder::email_claim)), and no groups if told not to. It never
//! keeps what was asked for. [`Roster::prune`] removes who has not been seen since a date: call it as often as your
//! retention rules say, for nothing is removed by itself. [`Roster::forget`] removes one person; a block stays, since it
//! would be of no use otherwise, until it is lifted. Audit records are another matter.
//!
//! # What it refuses by default
//! Who is blocked (403); requests that no sign-in layer has seen (500); to start without its store.
//!
//! # What it does not do
//! Agents are not on the roster while they act for somebody: the request counts as that person's. The roster takes nobody's word for a name: it is told by the layer that signs callers in. It grants nothing. Requests
//! are counted before policy decides, allowed and denied alike. It does not revoke tokens elsewhere. Numbers of
//! requests are for orientation: a crash loses those since the last flush, and a store that fails after it has
//! committed counts some twice.
//!
//! # Where to put it
//! Inside the layer that signs callers in (`portcullis-jwt`, `portcullis-forwarded`), outside `portcullis-mcp`. The
//! `portcullis` crate does this for you. One [`Roster`] may serve many layers, each with a
//! [server name](RosterLayer::server).
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod blocks;
mod builder;
mod error;
mod event;
mod future;
mod layer;
mod memory;
mod person;
#[cfg(feature = "postgres")]
mod postgres;
mod review;
mod roster;
mod service;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod tally;
mod watch;
mod worker;

pub use builder::RosterBuilder;
pub use error::ConfigError;
pub use event::RosterEvent;
pub use future::ResponseFuture;
pub use layer::RosterLayer;
pub use memory::MemoryStore;
pub use person::{Block, Person, PersonId};
#[cfg(feature = "postgres")]
pub use portcullis_dial::{Postgres, Tls};
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use review::{UserList, stale};
pub use roster::{Roster, RosterStatus};
pub use service::RosterService;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use store::RosterStore;
pub use watch::{RosterBody, Watch};
