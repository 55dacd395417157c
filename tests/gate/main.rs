//! The whole gate, over real sockets, in front of an upstream that we script.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    unreachable_pub,
    reason = "tests"
)]

mod anonymous;
#[cfg(feature = "yaml")]
mod attacks;
mod authority;
mod certificate;
#[cfg(all(feature = "proxy-stdio", feature = "yaml", unix))]
mod commands;
#[path = "../corpus/mod.rs"]
mod corpus;
mod differential;
mod disconnect;
mod dpop;
mod era;
#[cfg(feature = "yaml")]
mod filtering;
mod hooks;
mod inspection;
mod issuers;
mod limits;
mod listen;
mod lists;
mod miswired;
mod networks;
mod order;
mod profiles;
#[cfg(feature = "proxy")]
mod proxied;
mod readers;
#[cfg(feature = "axum")]
mod resources;
#[cfg(feature = "roster")]
mod roster;
mod rounds;
mod sidecar;
mod step_up;
mod support;
mod task_extension;
mod tasks;
#[cfg(all(feature = "telemetry", feature = "yaml", feature = "reload"))]
mod watched;
mod wire;
