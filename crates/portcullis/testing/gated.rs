//! One-line checks of whom a service lets in.

use std::fmt::Debug;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use portcullis_core::Buffered;
use tower_service::Service;

use crate::testing::{Authority, Mistake};

/// Asserts that `service` lets nobody in without a token at `uri`, the absolute URI of the MCP
/// endpoint.
///
/// It sends the requests that an unauthenticated client or attacker would: every MCP method over
/// HTTP, a token that is none, a scheme that is none, a token in the query. Each must be answered
/// with 401 (or 400 for the query) and a `Bearer` challenge that names the metadata. Put it in a
/// test of the service that you really serve, so that a layer lost in a refactoring is found there.
///
/// # Panics
/// When any of these requests is answered otherwise.
pub async fn assert_gated<S, B>(service: S, uri: &str)
where
    S: Service<Request<Buffered>, Response = Response<B>> + Clone,
    S::Error: Debug,
{
    let unsigned = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.";
    let with_query = format!("{uri}?access_token=x");
    let attempts = [
        ("no token", Method::POST, uri, None, StatusCode::UNAUTHORIZED),
        ("no token, GET", Method::GET, uri, None, StatusCode::UNAUTHORIZED),
        ("no token, DELETE", Method::DELETE, uri, None, StatusCode::UNAUTHORIZED),
        ("an unsigned token", Method::POST, uri, Some(unsigned), StatusCode::UNAUTHORIZED),
        ("another scheme", Method::POST, uri, Some("Basic YTpi"), StatusCode::UNAUTHORIZED),
        ("a token in the query", Method::POST, &with_query, None, StatusCode::BAD_REQUEST),
    ];
    for (name, method, uri, authorization, expected) in attempts {
        let response = ask(service.clone(), name, method, uri, authorization).await;
        assert_refused(name, &response, expected);
    }
}

/// Asserts that `service` refuses the tokens of `authority`, which it trusts, whenever they have a
/// fault: each [`Mistake`] in turn, with 401 and a `Bearer` challenge, and all with the same answer,
/// so that an attacker learns nothing from it (R-133).
///
/// To know that nothing else is the reason, also send a good token in your test.
///
/// # Panics
/// When any of these requests is answered otherwise.
pub async fn assert_refuses<S, B>(service: S, uri: &str, authority: &Authority)
where
    S: Service<Request<Buffered>, Response = Response<B>> + Clone,
    S::Error: Debug,
{
    let mut first = None;
    for mistake in Mistake::ALL {
        let name = format!("{mistake:?}");
        let token = authority.token(uri).mistake(mistake).sign();
        let authorization = format!("Bearer {token}");
        let response = ask(service.clone(), &name, Method::POST, uri, Some(&authorization)).await;
        assert_refused(&name, &response, StatusCode::UNAUTHORIZED);
        let challenge = response.headers().get(header::WWW_AUTHENTICATE).cloned();
        assert_eq!(
            first.get_or_insert_with(|| challenge.clone()),
            &challenge,
            "{name}: the answer tells it from other mistakes"
        );
    }
}

#[expect(clippy::panic, reason = "an assertion for tests")]
async fn ask<S, B>(
    mut service: S,
    name: &str,
    method: Method,
    uri: &str,
    authorization: Option<&str>,
) -> Response<B>
where
    S: Service<Request<Buffered>, Response = Response<B>>,
    S::Error: Debug,
{
    const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream");
    if let Some(host) = request.uri_ref().and_then(http::Uri::authority).cloned() {
        request = request.header(header::HOST, host.as_str());
    }
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let body = Buffered::new(Bytes::from_static(CALL.as_bytes()));
    let Ok(request) = request.body(body) else { panic!("{uri} is not a URI") };

    if let Err(error) = std::future::poll_fn(|cx| service.poll_ready(cx)).await {
        panic!("{name}: the service failed: {error:?}");
    }
    match service.call(request).await {
        Ok(response) => response,
        Err(error) => panic!("{name}: the service failed: {error:?}"),
    }
}

fn assert_refused<B>(name: &str, response: &Response<B>, expected: StatusCode) {
    let challenge = response.headers().get(header::WWW_AUTHENTICATE);
    let challenge = challenge.and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert_eq!(response.status(), expected, "{name}: not gated");
    assert!(
        challenge.starts_with("Bearer ") && challenge.contains("resource_metadata="),
        "{name}: the challenge leads nowhere: {challenge:?}"
    );
}
