#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::convert::Infallible;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};
use portcullis_core::{DenialKind, ResponseFacts as _};
use portcullis_prm::{Prm, PrmLayer, PrmService, ResourceMetadata, ServerMetadata};
use portcullis_test::{FakeMcp, raw_http1, send_http2, serve, split_response};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
const DOCUMENT: &str = r#"{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://auth.example.com"],"scopes_supported":["mcp:read"],"bearer_methods_supported":["header"],"resource_name":"Example MCP"}"#;

fn builder(resource: &str) -> portcullis_prm::ResourceMetadataBuilder {
    ResourceMetadata::builder(resource).authorization_server("https://auth.example.com")
}

fn recipe() -> ResourceMetadata {
    builder("https://mcp.example.com/mcp")
        .scope("mcp:read")
        .resource_name("Example MCP")
        .build()
        .unwrap()
}

fn layered(metadata: ResourceMetadata) -> (Prm<FakeMcp>, FakeMcp) {
    let fake = FakeMcp::answering(|_| portcullis_test::Answer::status(418));
    (PrmLayer::new(metadata).layer(fake.clone()), fake)
}

async fn status(service: &Prm<FakeMcp>, method: &str, target: &str) -> StatusCode {
    let request =
        Request::builder().method(method).uri(target).body(Empty::<Bytes>::new()).unwrap();
    service.clone().oneshot(request).await.unwrap().status()
}

/// The recipe of the metadata response: these headers and no others but `Date`, these bytes.
#[tokio::test]
async fn recipe_bytes() {
    let (service, fake) = layered(recipe());
    let server = serve(service).await;
    let request = format!("GET {WELL_KNOWN}/mcp HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n");
    let response = raw_http1(server.addr(), request).await;
    let (head, body) = split_response(&response);
    let head = head.trim_end().to_ascii_lowercase();
    let (date, head): (Vec<&str>, Vec<&str>) = head.lines().partition(|l| l.starts_with("date:"));
    assert_eq!(date.len(), 1);
    assert_eq!(
        head,
        [
            "http/1.1 200 ok",
            "content-type: application/json",
            "cache-control: public, max-age=3600",
            "access-control-allow-origin: *",
            "content-length: 195",
        ]
    );
    assert_eq!(String::from_utf8(body).unwrap(), DOCUMENT);
    assert_eq!(fake.count(), 0);
}

/// X-44, X-47: no header and no authority changes a byte, and no token is needed.
#[tokio::test]
async fn request_headers_change_nothing() {
    let (service, _) = layered(recipe());
    let server = serve(service).await;
    let rows = [
        "Host: mcp.example.com",
        "Host: evil.example",
        "Host: evil.example\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example",
        "Host: x\r\nX-Forwarded-Proto: http\r\nX-Original-URL: /evil\r\nX-Rewrite-URL: /evil",
        "Host: x\r\nOrigin: https://evil.example\r\nCookie: a=b",
        "Host: x\r\nAuthorization: Bearer nonsense\r\nAuthorization: Basic eDp5",
        "Host: x\r\nMCP-Protocol-Version: 2099-01-01\r\nAccept: text/html",
    ];
    let strip_date = |response: Vec<u8>| {
        let text = String::from_utf8(response).unwrap();
        text.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n")
    };
    let mut expected = None;
    for fields in rows {
        let request = format!("GET {WELL_KNOWN}/mcp HTTP/1.1\r\n{fields}\r\n\r\n");
        let got = strip_date(raw_http1(server.addr(), request).await);
        assert!(got.ends_with(DOCUMENT), "{fields}: {got}");
        assert_eq!(expected.get_or_insert_with(|| got.clone()), &got, "{fields}");
    }
    let uri = format!("https://evil.example{WELL_KNOWN}/mcp?resource=https://evil.example");
    let response = send_http2(server.addr(), Request::get(uri).body(Bytes::new()).unwrap()).await;
    assert_eq!(response.body(), DOCUMENT);
    assert!(response.headers().get("vary").is_none());
}

/// X-46: only the exact path is ours; the rest reaches the inner service as it came.
#[tokio::test]
async fn path_tricks() {
    let (service, fake) = layered(recipe());
    let server = serve(service).await;
    let rows = [
        ("exact", "/mcp", true),
        ("query", "/mcp?resource=https://evil.example", true),
        ("empty query", "/mcp?", true),
        ("root", "", false),
        ("root with a slash", "/", false),
        ("double slash", "//mcp", false),
        ("escaped dots", "/%2e%2e/mcp", false),
        ("dots", "/../oauth-protected-resource/mcp", false),
        ("escaped slash", "/mcp%2f..%2fadmin", false),
        ("escaped letter", "/%6dcp", false),
        ("parameter", "/mcp;x", false),
        ("upper case", "/MCP", false),
        ("trailing slash", "/mcp/", false),
        ("longer", "/mcp2", false),
        ("below", "/mcp/x", false),
        ("shorter", "/mc", false),
        ("backslash", "\\mcp", false),
    ];
    for (name, suffix, ours) in rows {
        let before = fake.count();
        let request = format!("GET {WELL_KNOWN}{suffix} HTTP/1.1\r\nHost: x\r\n\r\n");
        let response = raw_http1(server.addr(), request).await;
        let (head, body) = split_response(&response);
        assert_eq!(head.starts_with("HTTP/1.1 200"), ours, "{name}: {head}");
        assert_eq!(body == DOCUMENT.as_bytes(), ours, "{name}");
        // The HTTP server itself refuses a backslash.
        let reached = fake.count() == before + 1 && fake.last().uri.path().ends_with(suffix);
        assert!(ours || reached || head.starts_with("HTTP/1.1 400"), "{name}: {head}");
    }
    let (service, _) = layered(recipe());
    let elsewhere = [
        "/mcp",
        "/mcp/.well-known/oauth-protected-resource",
        "/.WELL-KNOWN/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/authorize",
        "/token",
        "/register",
        "/",
        "*",
    ];
    for target in elsewhere {
        assert_eq!(status(&service, "GET", target).await, 418, "{target}");
    }
}

/// R-151.
#[tokio::test]
async fn root_copies() {
    let mcp = |root: bool| {
        let metadata = builder("https://h.example/mcp");
        if root { metadata.serve_at_root() } else { metadata }.build().unwrap()
    };
    let other = || builder("https://h.example/other").serve_at_root().build().unwrap();
    let root = || builder("https://h.example").build().unwrap();
    let rows: [(&str, PrmLayer, Option<&str>); 5] = [
        ("one, not asked for", PrmLayer::new(mcp(false)), None),
        ("one, asked for", PrmLayer::new(mcp(true)), Some("https://h.example/mcp")),
        ("several", PrmLayer::new(mcp(true)).add_resource(other()).unwrap(), None),
        ("the resource itself", PrmLayer::new(root()), Some("https://h.example")),
        (
            "itself among several",
            PrmLayer::new(mcp(true)).add_resource(root()).unwrap(),
            Some("https://h.example"),
        ),
    ];
    for (name, layer, resource) in rows {
        let request = Request::get(WELL_KNOWN).body(()).unwrap();
        let response = layer.into_service().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        match resource {
            None => assert_eq!(parts.status, 404, "{name}"),
            Some(resource) => {
                let start = format!(r#"{{"resource":"{resource}","#);
                assert!(body.starts_with(start.as_bytes()), "{name}: {body:?}");
            }
        }
    }
    let twice =
        PrmLayer::new(mcp(false)).add_resource(builder("https://b.example/mcp").build().unwrap());
    assert!(twice.unwrap_err().to_string().contains("two resources"));
}

#[tokio::test]
async fn several_resources_keep_their_own_documents() {
    let one = builder("https://h.example/one").build().unwrap();
    let two = builder("https://h.example/two").build().unwrap();
    let service: PrmService =
        PrmLayer::new(one.clone()).add_resource(two.clone()).unwrap().into_service();
    for metadata in [one, two] {
        let request = Request::get(metadata.well_known_path()).body(()).unwrap();
        let body = service.clone().oneshot(request).await.unwrap().into_body();
        assert_eq!(body.collect().await.unwrap().to_bytes(), metadata.document());
    }
}

#[tokio::test]
async fn head_has_the_same_headers_and_no_body() {
    let (service, _) = layered(recipe());
    let path = recipe().well_known_path().to_owned();
    let ask = |method: &str| {
        let request = Request::builder().method(method).uri(&path);
        service.clone().oneshot(request.body(Empty::<Bytes>::new()).unwrap())
    };
    let get = ask("GET").await.unwrap();
    let head = ask("HEAD").await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers(), get.headers());
    assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty());

    let server = serve(service.clone()).await;
    let request = format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let response = raw_http1(server.addr(), request).await;
    let (head, body) = split_response(&response);
    assert!(head.contains("content-length: 195"), "{head}");
    assert!(body.is_empty());
}

#[tokio::test]
async fn preflight_is_answered() {
    let (service, fake) = layered(recipe());
    let request = Request::options(recipe().well_known_path())
        .header("origin", "http://localhost:6274")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "mcp-protocol-version")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.headers()["access-control-allow-methods"], "GET, HEAD, OPTIONS");
    assert_eq!(response.headers()["access-control-allow-headers"], "mcp-protocol-version");
    assert!(response.headers().get("access-control-allow-credentials").is_none());
    assert_eq!(fake.count(), 0);
}

#[tokio::test]
async fn other_methods_are_refused() {
    let (service, fake) = layered(recipe());
    for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY", "get"] {
        let request = Request::builder().method(method).uri(recipe().well_known_path());
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(response.headers()["allow"], "GET, HEAD, OPTIONS", "{method}");
        assert_eq!(response.denial().unwrap().kind(), DenialKind::Malformed, "{method}");
    }
    assert_eq!(fake.count(), 0);
    assert_eq!(status(&service, "POST", "/mcp").await, 418);
}

#[tokio::test]
async fn what_is_not_ours_passes_untouched() {
    let (service, fake) = layered(recipe());
    let request = Request::post("/mcp?x=1")
        .header("x-a", "1")
        .body(Full::new(Bytes::from_static(b"{\"a\" :1}")))
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 418);
    let seen = fake.last();
    assert_eq!((seen.uri.to_string().as_str(), &seen.body[..]), ("/mcp?x=1", &b"{\"a\" :1}"[..]));
    assert_eq!(seen.headers["x-a"], "1");
}

#[tokio::test]
async fn the_service_alone_answers_404_and_reflects_nothing() {
    let service = PrmService::from(recipe());
    let target = Request::get(format!("{WELL_KNOWN}/some-path?x=y")).body(()).unwrap();
    let response = service.oneshot(target).await.unwrap();
    assert_eq!(response.status(), 404);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "Not found");
}

#[tokio::test]
async fn max_age_is_configurable() {
    let metadata = builder("https://h.example").max_age(Duration::from_millis(60_900)).build();
    let request = Request::get(WELL_KNOWN).body(()).unwrap();
    let response = PrmService::from(metadata.unwrap()).oneshot(request).await.unwrap();
    assert_eq!(response.headers()["cache-control"], "public, max-age=60");
}

/// The layer is as ready as what is inside, and calls the very service that was made ready.
#[tokio::test]
async fn readiness_is_the_inner_services() {
    let (mut mock, mut handle) =
        tower_test::mock::spawn_layer::<Request<()>, Response<String>, _>(PrmLayer::new(recipe()));
    handle.allow(0);
    assert!(matches!(mock.poll_ready(), Poll::Pending));
    handle.allow(1);
    assert!(matches!(mock.poll_ready(), Poll::Ready(Ok(()))));
    let answer = mock.call(Request::get("/mcp").body(()).unwrap());
    let (request, reply) = handle.next_request().await.unwrap();
    assert_eq!(request.uri(), "/mcp");
    reply.send_response(Response::new("inner".to_owned()));
    assert_eq!(answer.await.unwrap().into_body().collect().await.unwrap().to_bytes(), "inner");
    assert!(matches!(mock.poll_ready(), Poll::Pending));
    handle.send_error("broken");
    assert!(matches!(mock.poll_ready(), Poll::Ready(Err(_))));
}

/// A slot that was reserved for an answer of our own is kept for the next request.
#[tokio::test]
async fn a_concurrency_limit_inside_is_kept() {
    let inner = tower::service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("inner")))
    });
    let mut service = ServiceBuilder::new()
        .layer(PrmLayer::new(recipe()))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(inner);
    for target in [recipe().well_known_path(), "/mcp", recipe().well_known_path(), "/mcp"] {
        let request = Request::get(target).body(()).unwrap();
        let ready = tokio::time::timeout(Duration::from_secs(5), service.ready()).await.unwrap();
        assert_eq!(ready.unwrap().call(request).await.unwrap().status(), 200, "{target}");
    }
}

/// R-172: the authorization server's own bytes, from memory, and nothing beside them.
#[tokio::test]
async fn the_mirror() {
    const PATH: &str = "/.well-known/oauth-authorization-server";
    let document = r#"{ "issuer" : "https://auth.example.com","x":1.0 }"#;
    let (now, source) = tokio::sync::watch::channel(ServerMetadata::Pending);
    let layer = PrmLayer::new(recipe()).mirror_server_metadata(move || source.borrow().clone());
    assert_eq!(layer.paths().collect::<Vec<_>>(), [&format!("{WELL_KNOWN}/mcp"), PATH]);
    let service = layer.into_service();
    let ask = |method: &'static str, path: &'static str| {
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        let service = service.clone();
        async move {
            let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
            (parts.status.as_u16(), parts.headers, body.collect().await.unwrap().to_bytes())
        }
    };
    let (status, headers, body) = ask("GET", PATH).await;
    assert_eq!(status, 503);
    assert_eq!(headers["retry-after"], "5");
    assert_eq!(headers["cache-control"], "no-store");
    assert!(body.starts_with(br#"{"error":"temporarily_unavailable""#));

    now.send_replace(ServerMetadata::Document(document.into()));
    let (status, headers, body) = ask("GET", PATH).await;
    assert_eq!((status, &body[..]), (200, document.as_bytes()));
    for (name, value) in [
        ("content-type", "application/json"),
        ("cache-control", "public, max-age=600"),
        ("access-control-allow-origin", "*"),
        ("x-content-type-options", "nosniff"),
        ("content-length", "49"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    let (status, headers, body) = ask("HEAD", PATH).await;
    assert_eq!((status, body.len()), (200, 0));
    assert_eq!(headers["content-length"], "49");
    assert_eq!(ask("OPTIONS", PATH).await.0, 204);
    assert_eq!(ask("POST", PATH).await.0, 405);
    for path in [
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/oauth-authorization-server/",
        "/.well-known/openid-configuration",
        "/authorize",
        "/token",
        "/register",
    ] {
        assert_eq!(ask("GET", path).await.0, 404, "{path}");
    }
    now.send_replace(ServerMetadata::Absent);
    assert_eq!(ask("GET", PATH).await.0, 404);
}
