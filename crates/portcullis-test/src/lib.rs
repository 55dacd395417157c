//! What the tests, examples and benches of portcullis share. Not published.
//!
//! * [`Mint`] signs access tokens of every algorithm, well formed or odd.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test helper fails its test"
)]

mod key;
mod mint;
mod random;
mod token;

pub use mint::Mint;
pub use token::TokenBuilder;
