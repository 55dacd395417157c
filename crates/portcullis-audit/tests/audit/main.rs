//! The layer as its users see it, with stand-ins for the layers inside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

mod common;
mod delivery;
mod disk;
mod ends;
mod killed;
mod rate;
mod records;
mod status;
