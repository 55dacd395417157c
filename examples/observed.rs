//! A gate with eyes on it: metrics, health checks and a span per request.
//!
//! ```sh
//! cargo run --example observed --features telemetry,axum
//! ```
//!
//! Call it as it says, then look at `/metrics` and `/ready` on the second listener. Spans go to standard
//! error; an OpenTelemetry layer in their place exports them (docs/telemetry.md).
#![allow(clippy::print_stdout, reason = "a program for a terminal")]
#![allow(unreachable_pub, reason = "modules of one program")]

#[path = "quickstart/notes.rs"]
mod notes;
mod support;

use std::io;
use std::net::Ipv4Addr;

use axum::serve::ListenerExt as _;
use portcullis::telemetry::Telemetry;
use portcullis::{Issuer, Policy, Portcullis};
use tokio::net::TcpListener;
use tower::Layer as _;
use tracing_subscriber::fmt::format::FmtSpan;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(io::stderr).with_span_events(FmtSpan::CLOSE).init();
    let idp = support::identity_provider().await?;
    let listener = support::listener().await?;
    let resource = format!("http://{}/mcp", listener.local_addr()?);
    let jwks = format!("{}/jwks", idp.issuer_url());
    let gate = Portcullis::builder()
        .resource(&resource)
        .issuer(Issuer::new(idp.issuer_url()).jwks_url(jwks).internal())
        .policy(Policy::from_yaml(include_str!("quickstart/policy.yaml"))?)
        .build()?;

    // The eyes: what to ask of the gate, who watches requests, and who is told.
    let telemetry = Telemetry::new();
    let watch = gate.watched_by(&telemetry, "notes");
    let service = telemetry.stopwatch().layer(notes::Notes::service());
    let app: axum::Router = gate.router(service).layer(watch);
    let health = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("health checks on http://{}", health.local_addr()?);
    tokio::spawn(telemetry.health().serve(health));

    support::ready(&resource, &idp);
    // Streamed answers are several small writes: Nagle's algorithm would add 40 ms to each.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, app).await?)
}
