//! The layers as their users see them, with stand-ins for the layers inside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

#[cfg(all(feature = "opentelemetry", feature = "tracing-opentelemetry"))]
mod collector;
mod common;
mod health;
mod numbers;
#[cfg(feature = "opentelemetry")]
mod otel;
mod spans;
