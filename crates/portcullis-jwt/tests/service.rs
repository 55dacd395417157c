//! The layer as a tower service: credentials, what is forwarded, readiness.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use portcullis_core::{
    AnonymousReason, Caller, Challenge, DenialKind, GateBody, Method as McpMethod, Principal,
    Reason, RequestFacts as _, ResponseFacts as _, ScopeHierarchy,
};
use portcullis_jwt::{Issuer, JwkSet, JwtLayer, Verifier};
use portcullis_test::Mint;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_test::mock;

const ISSUER: &str = "https://id.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";

fn layer(mint: &Mint) -> JwtLayer {
    let verifier = Verifier::builder(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .build()
        .unwrap();
    JwtLayer::new(verifier, Challenge::without_metadata(["mcp:read"]).unwrap())
}

/// Answers with what it saw: the caller, and whether a credential came through.
async fn saw(request: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    assert!(request.headers().get(AUTHORIZATION).is_none(), "the token is ours alone");
    let who = match request.caller() {
        Some(Caller::Verified(principal)) => principal.subject().to_owned(),
        Some(Caller::Anonymous(AnonymousReason::NoCredentials)) => "anonymous".to_owned(),
        other => panic!("{other:?}"),
    };
    Ok(Response::new(Full::from(who)))
}

async fn text(response: Response<GateBody<Full<Bytes>>>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// every method, and no exception for sessions.
#[tokio::test]
async fn every_request_needs_its_own_token() {
    let mint = Mint::es256(ISSUER);
    let service = layer(&mint).layer(service_fn(saw));
    for method in [Method::POST, Method::GET, Method::DELETE, Method::HEAD, Method::OPTIONS] {
        let request =
            || Request::builder().method(&method).uri("/mcp").header("mcp-session-id", "s");
        let response = service.clone().oneshot(request().body(()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{method}");
        let request = request().header(AUTHORIZATION, format!("Bearer {}", mint.token().sign()));
        let response = service.clone().oneshot(request.body(()).unwrap()).await.unwrap();
        assert_eq!(text(response).await, "alice", "{method}");
    }
}

/// with the answer each gets.
#[tokio::test]
async fn credentials() {
    let mint = Mint::es256(ISSUER);
    let token = mint.token().sign();
    let bearer = format!("Bearer {token}");
    type Row<'a> = (&'a str, &'a [&'a str], &'a str, Option<(DenialKind, Reason)>);
    let rows: &[Row<'_>] = &[
        ("good", &[&bearer], "", None),
        ("lower case", &[&format!("bearer {token}")], "", None),
        ("none", &[], "", Some((DenialKind::NoToken, Reason::NoToken))),
        ("basic", &["Basic YTpi"], "", Some((DenialKind::NoToken, Reason::NoToken))),
        (
            "two",
            &[&bearer, &bearer],
            "",
            Some((DenialKind::InvalidCredentials, Reason::MultipleAuth)),
        ),
        (
            "list",
            &[&format!("{bearer}, {bearer}")],
            "",
            Some((DenialKind::InvalidCredentials, Reason::MultipleAuth)),
        ),
        ("empty", &["Bearer "], "", Some((DenialKind::InvalidCredentials, Reason::MultipleAuth))),
        (
            "query",
            &[],
            "?access_token=x",
            Some((DenialKind::InvalidCredentials, Reason::QueryToken)),
        ),
        (
            "query besides a good header",
            &[&bearer],
            "?access_token=x",
            Some((DenialKind::InvalidCredentials, Reason::QueryToken)),
        ),
        ("garbage", &["Bearer x"], "", Some((DenialKind::InvalidToken, Reason::MalformedToken))),
    ];
    let service = layer(&mint).layer(service_fn(saw));
    for (name, lines, query, expected) in rows {
        let request = lines
            .iter()
            .fold(Request::post(format!("/mcp{query}")), |r, line| r.header(AUTHORIZATION, *line));
        let response = service.clone().oneshot(request.body(()).unwrap()).await.unwrap();
        let denial = response.denial().map(|denial| (denial.kind(), denial.reason()));
        assert_eq!(denial, *expected, "{name}");
        let challenge = response.headers().get(WWW_AUTHENTICATE).map(|v| v.to_str().unwrap());
        match expected {
            None => assert_eq!(challenge, None, "{name}"),
            Some((DenialKind::NoToken, _)) => {
                assert_eq!(response.status(), 401, "{name}");
                assert_eq!(challenge, Some("Bearer scope=\"mcp:read\""), "{name}");
            }
            Some((DenialKind::InvalidCredentials, _)) => {
                assert_eq!(response.status(), 400, "{name}");
                assert!(
                    challenge.unwrap().starts_with("Bearer error=\"invalid_request\""),
                    "{name}"
                );
            }
            Some(_) => {
                assert_eq!(response.status(), 401, "{name}");
                assert!(challenge.unwrap().starts_with("Bearer error=\"invalid_token\""), "{name}");
            }
        }
    }
}

/// A caller that somebody else put there means nothing.
#[tokio::test]
async fn a_stale_caller_is_replaced() {
    let mint = Mint::es256(ISSUER);
    let service = layer(&mint).layer(service_fn(saw));
    let stale = || {
        let mut request = Request::post("/mcp").body(()).unwrap();
        let mallory = Principal::builder("https://evil.example", "mallory").build();
        request.set_caller(Caller::Verified(Arc::new(mallory)));
        request
    };
    let response = service.clone().oneshot(stale()).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let mut request = stale();
    let bearer = format!("Bearer {}", mint.token().sign());
    request.headers_mut().insert(AUTHORIZATION, bearer.parse().unwrap());
    assert_eq!(text(service.clone().oneshot(request).await.unwrap()).await, "alice");
    let anonymous = layer(&mint).danger_optional_for([McpMethod::ToolsList]);
    let anonymous = ServiceBuilder::new().layer(anonymous).map_request(inspect).service_fn(saw);
    assert_eq!(text(anonymous.oneshot(stale()).await.unwrap()).await, "anonymous");
}

/// Stands for inspection: it finds that the method is one of those that need no token.
fn inspect(mut request: Request<()>) -> Request<()> {
    if let Some(pass) = request.anonymous_pass().cloned() {
        assert!(pass.permits(McpMethod::ToolsList) && !pass.permits(McpMethod::ToolsCall));
        pass.heed();
        request.set_caller(Caller::Anonymous(AnonymousReason::NoCredentials));
    }
    request
}

/// only where asked for, and only for requests that bring nothing at all.
#[tokio::test]
async fn anonymous_callers() {
    let mint = Mint::es256(ISSUER);
    let rows = [
        ("nothing", None, "", StatusCode::OK),
        ("bad token", Some("Bearer x"), "", StatusCode::UNAUTHORIZED),
        ("another scheme", Some("Basic YTpi"), "", StatusCode::UNAUTHORIZED),
        ("empty", Some(""), "", StatusCode::BAD_REQUEST),
        ("query", None, "?access_token=x", StatusCode::BAD_REQUEST),
    ];
    let layer = layer(&mint).danger_optional_for([McpMethod::ToolsList]);
    for (name, line, query, expected) in rows {
        let request = || {
            let request = Request::post(format!("/mcp{query}"));
            let request = match line {
                Some(line) => request.header(AUTHORIZATION, line),
                None => request,
            };
            request.body(()).unwrap()
        };
        let service = ServiceBuilder::new().layer(layer.clone()).map_request(inspect);
        let response = service.service_fn(saw).oneshot(request()).await.unwrap();
        assert_eq!(response.status(), expected, "{name}");

        // Where nobody inspects, nobody is let in.
        let unseen = layer.layer(service_fn(async |request: Request<()>| {
            assert!(request.caller().is_none(), "{name}");
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
        let response = unseen.oneshot(request()).await.unwrap();
        let expected = if expected == StatusCode::OK { 500 } else { expected.as_u16() };
        assert_eq!(response.status(), expected, "{name}, without inspection");
    }
}

/// all base scopes or none of it, before the body is read.
#[tokio::test]
async fn base_scopes() {
    let mint = Mint::es256(ISSUER);
    let verifier = Verifier::builder(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .build()
        .unwrap();
    let challenge = |scopes: &[&str]| Challenge::without_metadata(scopes).unwrap();
    let layer = JwtLayer::new(verifier, challenge(&["mcp:read", "mcp:call"]));
    let hierarchy = ScopeHierarchy::new().implies("mcp:*", ["mcp:read", "mcp:call"]).unwrap();
    let exact = layer.clone().require_base_scopes(ScopeHierarchy::new()).unwrap();
    let broad = layer.clone().require_base_scopes(hierarchy).unwrap();
    for (name, layer, scopes, expected) in [
        ("both", &exact, "mcp:call mcp:read x", 200),
        ("one", &exact, "mcp:read", 403),
        ("none", &exact, "", 403),
        ("alike", &exact, "mcp:Read mcp:calls", 403),
        ("a broad one, unknown", &exact, "mcp:*", 403),
        ("a broad one", &broad, "mcp:*", 200),
        ("one by its name", &broad, "mcp:read", 403),
        ("not required", &layer, "", 200),
    ] {
        let bearer = format!("Bearer {}", mint.token().claim("scope", scopes).sign());
        let request = Request::post("/mcp").header(AUTHORIZATION, bearer).body(()).unwrap();
        let response = layer.layer(service_fn(saw)).oneshot(request).await.unwrap();
        assert_eq!(response.status(), expected, "{name}");
        if expected == 403 {
            let line = "Bearer error=\"insufficient_scope\", scope=\"mcp:read mcp:call\", \
                        error_description=\"Additional permission required\"";
            assert_eq!(response.headers()[WWW_AUTHENTICATE], line, "{name}");
            let denial = response.denial().unwrap();
            assert_eq!(denial.scopes(), ["mcp:read", "mcp:call"], "{name}");
            assert_eq!(
                text(response).await,
                "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-31403,\"message\":\"Insufficient scope\",\
                 \"data\":{\"reason\":\"insufficient_scope\",\"scope\":\"mcp:read mcp:call\"}}}",
                "{name}"
            );
        }
    }
    let verifier = Verifier::builder(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .build()
        .unwrap();
    let none = JwtLayer::new(verifier, challenge(&[]));
    assert!(none.require_base_scopes(ScopeHierarchy::new()).is_err());
}

#[tokio::test]
async fn readiness_is_the_inner_service_s() {
    let mint = Mint::es256(ISSUER);
    let (mut service, mut handle) =
        mock::spawn_layer::<Request<()>, Response<Full<Bytes>>, _>(layer(&mint));
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(service.poll_ready().is_ready());
    let bearer = format!("Bearer {}", mint.token().sign());
    let request = Request::post("/mcp").header(AUTHORIZATION, bearer).body(()).unwrap();
    let response = tokio::spawn(service.call(request));
    let (request, send) = handle.next_request().await.unwrap();
    assert!(request.caller().is_some());
    send.send_response(Response::new(Full::from("ok")));
    assert_eq!(response.await.unwrap().unwrap().status(), 200);
}

/// An error of the inner service passes as it is.
#[tokio::test]
async fn errors_are_the_inner_service_s() {
    let mint = Mint::es256(ISSUER);
    let inner = service_fn(|_: Request<()>| ready(Err::<Response<Full<Bytes>>, _>("broken")));
    let bearer = format!("Bearer {}", mint.token().sign());
    let request = Request::post("/mcp").header(AUTHORIZATION, bearer).body(()).unwrap();
    assert_eq!(layer(&mint).layer(inner).oneshot(request).await.unwrap_err(), "broken");
}

/// tower's `ConcurrencyLimit` panics when a clone that was never ready is called.
#[tokio::test]
async fn inside_and_outside_a_concurrency_limit() {
    let mint = Mint::es256(ISSUER);
    let mut service = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(1))
        .layer(layer(&mint))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(service_fn(saw));
    for _ in 0..3 {
        let bearer = format!("Bearer {}", mint.token().sign());
        let request = Request::post("/mcp").header(AUTHORIZATION, bearer).body(()).unwrap();
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(text(response).await, "alice");
        let request = Request::post("/mcp").body(()).unwrap();
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
}

///
#[tokio::test]
async fn debug_output_has_no_token() {
    let mint = Mint::es256(ISSUER);
    let token = mint.token().sign();
    assert!(token.starts_with("eyJ"));
    let mut service = layer(&mint).layer(service_fn(saw));
    let request = Request::post("/mcp").header(AUTHORIZATION, format!("Bearer {token}"));
    let future = service.call(request.body(()).unwrap());
    for shown in [format!("{future:?}"), format!("{:?}", layer(&mint))] {
        assert!(!shown.contains("eyJ"), "{shown}");
    }
}
