//! What the tests, examples and benches of portcullis share. Not published.
//!
//! * [`Mint`] signs access tokens of every algorithm, well formed or odd.
//! * [`FakeMcp`] is a server that answers as told and remembers what reached it.
//! * [`serve`] puts a service on a socket; [`raw_http1`], [`send_http1`] and [`send_http2`] talk
//!   to it; [`ChunkedBody`] and [`DropProbe`] watch streams.
//! * [`DevIssuer`] is an authorization server in which anyone can sign in as anyone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test helper fails its test"
)]

mod answer;
mod body;
#[deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it answers requests that no test wrote"
)]
mod dev;
mod fake;
mod key;
mod mint;
mod postgres;
mod probe;
mod proof;
mod random;
mod serve;
mod token;
mod wire;

pub use answer::Answer;
pub use body::ChunkedBody;
pub use dev::{DevIssuer, DevIssuerBuilder, Person};
pub use fake::{FakeMcp, Seen};
pub use mint::Mint;
pub use postgres::Cluster;
pub use probe::{DropGuard, DropProbe};
pub use proof::{ProofBuilder, sha256};
pub use serve::{Server, serve};
pub use token::TokenBuilder;
pub use wire::{raw_http1, send_http1, send_http2, split_response};
