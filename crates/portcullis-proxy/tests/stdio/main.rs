//! Commands behind HTTP: real children, well-behaved and not.
#![cfg(all(feature = "stdio", unix))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    clippy::zombie_processes,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod child;
mod client;
mod ends;
mod people;
mod surroundings;
mod talk;
