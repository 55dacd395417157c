//! The gate on one service of an axum application whose other routes stay open.
//!
//! ```sh
//! cargo run --example axum_router --features axum
//! ```
//!
//! The safe way is to wrap the MCP service itself. A layer on the router would guard only the routes
//! that were added before it, and stand open for the next one.
#![allow(clippy::print_stdout, reason = "a program for a terminal")]
#![allow(unreachable_pub, reason = "modules of one program")]

#[path = "quickstart/notes.rs"]
mod notes;
mod support;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use portcullis::{Issuer, Policy, Portcullis};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let idp = support::identity_provider().await?;
    let listener = support::listener().await?;
    let resource = format!("http://{}/tools/mcp", listener.local_addr()?);

    let gate = Portcullis::builder()
        .resource(&resource)
        .issuer(
            Issuer::new(idp.issuer_url()).jwks_url(format!("{}/jwks", idp.issuer_url())).internal(),
        )
        .policy(Policy::from_yaml(include_str!("quickstart/policy.yaml"))?)
        .build()?;

    let app = Router::new()
        .route("/", get(|| async { "an open page" }))
        // Two routes, both answered by the gate: the resource and its metadata.
        .merge(gate.router(notes::Notes::service()))
        .route("/health", get(|| async { "ok" }));

    support::ready(&resource, &idp);
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, app).await?)
}
