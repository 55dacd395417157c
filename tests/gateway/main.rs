//! The gateway as a company runs it: the program itself, its files, its signals.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests"
)]

mod ask;
mod browser;
mod check;
#[path = "../../examples/quickstart/client.rs"]
#[allow(dead_code, reason = "the quickstart uses the rest")]
mod client;
mod commands;
mod dpop;
mod faults;
mod identity;
mod limits;
mod listeners;
mod pins;
mod records;
mod reload;
mod rig;
mod roster;
mod shapes;
mod sidecar;
mod stop;
mod story;
mod upstream;
