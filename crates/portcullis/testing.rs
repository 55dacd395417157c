//! One-line checks for the tests of your own service.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use portcullis_core::Buffered;
use tower_service::Service;

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
#[expect(clippy::panic, reason = "an assertion for tests")]
pub async fn assert_gated<S, B>(service: S, uri: &str)
where
    S: Service<Request<Buffered>, Response = Response<B>> + Clone,
    S::Error: std::fmt::Debug,
{
    const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
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

        let mut service = service.clone();
        if let Err(error) = std::future::poll_fn(|cx| service.poll_ready(cx)).await {
            panic!("{name}: the service failed: {error:?}");
        }
        let response = match service.call(request).await {
            Ok(response) => response,
            Err(error) => panic!("{name}: the service failed: {error:?}"),
        };
        let challenge = response.headers().get(header::WWW_AUTHENTICATE);
        let challenge = challenge.and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(response.status(), expected, "{name}: not gated");
        assert!(
            challenge.starts_with("Bearer ") && challenge.contains("resource_metadata="),
            "{name}: the challenge leads nowhere: {challenge:?}"
        );
    }
}
