//! Each sink against a far side that works, fails, hangs, dies and comes back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

mod collectors;
mod http;
mod layer;
mod postgres;
mod records;
mod sqlite;
mod syslog;
mod web;
