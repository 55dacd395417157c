//! A policy of your own in place of roles: who may do what is decided by your code.
//!
//! ```sh
//! cargo run --example own_policy --features axum
//! ```
#![allow(clippy::print_stdout, reason = "a program for a terminal")]
#![allow(unreachable_pub, reason = "modules of one program")]

#[path = "quickstart/notes.rs"]
mod notes;
mod support;

use axum::serve::ListenerExt as _;
use portcullis::core::{TargetKind, Text};
use portcullis::{Answer, Authorizer, Decision, Issuer, Never, Portcullis, Query};

/// Everybody reads; people change notes only under the name they signed in with, and no client does
/// so on its own behalf.
struct PeopleWrite;

impl Authorizer for PeopleWrite {
    // The answer is always at hand. A policy that asks another service names its future here.
    type Later = Never;

    fn authorize(&self, query: &Query<'_>) -> Answer<Never> {
        let person = query.caller().principal().is_some_and(|principal| !principal.is_client());
        let decision = match query.target() {
            Some((TargetKind::Tool, "list_notes" | "read_note")) => {
                Decision::allow("everybody-reads")
            }
            Some((TargetKind::Tool, "add_note" | "edit_note")) if person => {
                Decision::allow("people-write")
            }
            _ => Decision::default_deny(),
        };
        Answer::Now(decision)
    }

    fn version(&self) -> Text {
        Text::from_static("people-write 1")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let idp = support::identity_provider().await?;
    let listener = support::listener().await?;
    let resource = format!("http://{}/mcp", listener.local_addr()?);

    let gate = Portcullis::builder()
        .resource(&resource)
        .issuer(
            Issuer::new(idp.issuer_url()).jwks_url(format!("{}/jwks", idp.issuer_url())).internal(),
        )
        .policy(PeopleWrite)
        .build()?;
    let app: axum::Router = gate.router(notes::Notes::service());

    support::ready(&resource, &idp);
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, app).await?)
}
