//! The program as people and scripts run it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::type_complexity,
    missing_docs,
    reason = "tests"
)]

mod audit;
mod cases;
mod common;
mod diff;
mod explain;
mod output;
mod pins;
#[cfg(feature = "roster")]
mod roster;
mod validate;
mod visible;
