//! Ten lines around an rmcp server.
//!
//! ```sh
//! cargo run --example rmcp_server --features axum
//! ```
//!
//! Your own server replaces `Notes`, your identity provider the embedded one.
#![allow(clippy::print_stdout, reason = "a program for a terminal")]
#![allow(unreachable_pub, reason = "modules of one program")]

#[path = "quickstart/notes.rs"]
mod notes;
mod support;

use axum::serve::ListenerExt as _;
use portcullis::{Issuer, Policy, Portcullis};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let idp = support::identity_provider().await?;
    let listener = support::listener().await?;
    let resource = format!("http://{}/mcp", listener.local_addr()?);

    // The ten lines.
    let jwks = format!("{}/jwks", idp.issuer_url());
    let gate = Portcullis::builder()
        .resource(&resource)
        .issuer(Issuer::new(idp.issuer_url()).jwks_url(jwks).internal())
        .policy(Policy::from_yaml(include_str!("quickstart/policy.yaml"))?)
        .build()?;
    let app: axum::Router = gate.router(notes::Notes::service());

    support::ready(&resource, &idp);
    // Streamed answers are several small writes: Nagle's algorithm would add 40 ms to each.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, app).await?)
}
