//! The layers stacked without the facade, outermost first.
//!
//! ```sh
//! cargo run --example by_hand
//! ```
//!
//! Do this to leave a layer out or put one of your own between. What you leave out is not silently
//! open: a layer that misses a fact answers 500.
#![allow(clippy::print_stdout, reason = "a program for a terminal")]
#![allow(unreachable_pub, reason = "modules of one program")]

#[path = "quickstart/notes.rs"]
mod notes;
mod support;

use axum::serve::ListenerExt as _;
use portcullis::audit::{AuditLayer, TracingSink};
use portcullis::jwt::{Issuer, JwtLayer, Verifier};
use portcullis::mcp::{EdgeLayer, InspectLayer};
use portcullis::prm::{PrmLayer, ResourceMetadata};
use portcullis::rbac::{Policy, RbacLayer};
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let idp = support::identity_provider().await?;
    let listener = support::listener().await?;
    let resource = format!("http://{}/mcp", listener.local_addr()?);

    let metadata = ResourceMetadata::builder(&resource)
        .authorization_server(idp.issuer_url())
        .scope("notes:read")
        .build()?;
    let issuer =
        Issuer::new(idp.issuer_url()).jwks_url(format!("{}/jwks", idp.issuer_url())).internal();
    let verifier = Verifier::builder(&resource).issuer(issuer).build()?;
    let policy = Policy::from_yaml(include_str!("quickstart/policy.yaml"))?;

    let service = ServiceBuilder::new()
        .layer(AuditLayer::builder().sink(TracingSink::new()).resource(&resource).build()?)
        .layer(PrmLayer::new(metadata.clone()))
        .layer(EdgeLayer::new(&resource)?)
        .layer(JwtLayer::new(verifier, metadata.challenge()))
        .layer(InspectLayer::new().resource(&resource))
        .layer(RbacLayer::new(policy, metadata.challenge()))
        .service(notes::Notes::service());

    let app = axum::Router::new()
        .route_service(metadata.path(), service.clone())
        .route_service(metadata.well_known_path(), service);

    support::ready(&resource, &idp);
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, app).await?)
}
