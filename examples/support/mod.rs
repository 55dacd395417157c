//! What the examples share and your program has elsewhere: an identity provider and a listener.

use std::io;
use std::net::Ipv4Addr;

use portcullis_test::{DevIssuer, Person};
use tokio::net::TcpListener;

/// An identity provider for development, in place of your company's.
pub async fn identity_provider() -> io::Result<DevIssuer> {
    let scopes = ["notes:read", "notes:write"];
    DevIssuer::builder()
        .person(Person::new("rita").groups(["staff"]).scopes(scopes))
        .person(Person::new("ada").groups(["it-admins"]).scopes(scopes))
        .bind((Ipv4Addr::LOCALHOST, 0).into())
        .await
}

/// A listener on the port that the first argument names, or on any free one.
pub async fn listener() -> io::Result<TcpListener> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(0);
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// Says where the server is, and hands out a token to try it with.
pub fn ready(resource: &str, idp: &DevIssuer) {
    println!("listening on {resource}");
    println!("rita's token: {}", idp.token_for("rita", resource, &["notes:read"]));
}
