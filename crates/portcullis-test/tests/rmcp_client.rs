//! The way of a real MCP client: discovery, registration, authorization, token, refresh.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use http::Request;
use jwt_simple::prelude::*;
use portcullis_test::{DevIssuer, Person, send_http1};
use rmcp::transport::auth::{
    AuthorizationManager, AuthorizationMetadataSource, AuthorizationRequest, AuthorizationSession,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::test]
async fn it_walks_the_whole_way() {
    let issuer = DevIssuer::builder()
        .person(Person::new("rita").groups(["staff"]).scopes(["notes:read", "notes:write"]))
        .bind(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let mcp = resource_server(issuer.issuer_url()).await;

    let mut manager = AuthorizationManager::new(&mcp).await.unwrap();
    let resolution = manager.resolve_metadata().await.unwrap();
    assert_eq!(resolution.source, AuthorizationMetadataSource::ProtectedResourceMetadata);
    assert_eq!(resolution.metadata.issuer.as_deref(), Some(issuer.issuer_url()));
    manager.set_metadata(resolution.metadata);

    let request = AuthorizationRequest::new("http://localhost:9/callback").with_client_name("test");
    let session = AuthorizationSession::new(manager, request.with_scopes(["notes:read"])).await;
    let session = session.unwrap_or_else(|(_, error)| panic!("{error}"));

    let path = session.get_authorization_url().strip_prefix(issuer.issuer_url()).unwrap();
    let request = Request::get(format!("{path}&login_hint=rita")).body(Bytes::new()).unwrap();
    let addr = issuer.issuer_url().strip_prefix("http://").unwrap().parse().unwrap();
    let response = send_http1(addr, request).await;
    assert_eq!(response.status(), 302);
    let location = response.headers()[header::LOCATION].to_str().unwrap();
    assert!(location.starts_with("http://localhost:9/callback?code="), "{location}");

    session.handle_callback_url(location).await.unwrap();
    let first = session.auth_manager.get_access_token().await.unwrap();
    session.auth_manager.refresh_token().await.unwrap();
    let second = session.auth_manager.get_access_token().await.unwrap();
    assert_ne!(first, second);
    for token in [first, second] {
        let claims = verified(&issuer, &token, &mcp);
        assert_eq!(claims.subject.as_deref(), Some("rita"));
        assert_eq!(claims.issuer.as_deref(), Some(issuer.issuer_url()));
        assert_eq!(claims.custom["scope"], "notes:read");
        assert_eq!(claims.custom["groups"], json!(["staff"]));
    }
}

fn verified(issuer: &DevIssuer, token: &str, audience: &str) -> JWTClaims<Value> {
    let keys: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    let key = ES256PublicKey::from_jwk(&keys["keys"][0].to_string()).unwrap();
    let options = VerificationOptions {
        allowed_audiences: Some(HashSet::from_strings(&[audience])),
        required_signature_type: Some("at+jwt".to_owned()),
        ..VerificationOptions::default()
    };
    key.verify_token::<Value>(token, Some(options)).unwrap()
}

/// An MCP endpoint that says where to get a token, and nothing else.
async fn resource_server(issuer: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let well_known = "/.well-known/oauth-protected-resource/mcp";
    let document = json!({
        "resource": format!("{origin}/mcp"),
        "authorization_servers": [issuer],
        "scopes_supported": ["notes:read"],
    });
    let challenge =
        format!("Bearer scope=\"notes:read\", resource_metadata=\"{origin}{well_known}\"");
    let refuse =
        move || async move { (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]) };
    let router = Router::new()
        .route("/mcp", post(refuse.clone()).get(refuse))
        .route(well_known, get(move || async move { axum::Json(document) }));
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("{origin}/mcp")
}
