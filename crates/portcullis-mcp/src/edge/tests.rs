use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Empty};
use portcullis_core::{GateBody, Reason, RequestFacts as _, ResponseFacts as _};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::{EdgeLayer, Limits};

const RESOURCE: &str = "https://mcp.example.com/mcp";
/// What a row sends and expects.
type Fields<'a> = &'a [(&'a str, &'a str)];
type HostRow<'a> = (&'a str, &'a EdgeLayer, &'a str, &'a [&'a str], u16, Option<Reason>);
type Answer = Response<GateBody<Empty<Bytes>>>;

fn edge() -> EdgeLayer {
    EdgeLayer::new(RESOURCE).unwrap()
}

/// Sends a request, and returns the answer and the headers that the inner service saw.
async fn send<B: Send + 'static>(
    layer: &EdgeLayer,
    request: Request<B>,
) -> (Answer, Option<HeaderMap>) {
    let seen = Arc::new(Mutex::new(None));
    let inner = service_fn(|request: Request<B>| {
        *seen.lock().unwrap() = Some(request.headers().clone());
        async {
            let response = Response::builder()
                .header("access-control-allow-origin", "*")
                .header("access-control-allow-credentials", "true")
                .header("vary", "Accept");
            Ok::<_, Infallible>(response.body(Empty::<Bytes>::new()).unwrap())
        }
    });
    let answer = layer.layer(inner).oneshot(request).await.unwrap();
    let seen = seen.lock().unwrap().take();
    (answer, seen)
}

fn post(uri: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::post(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

async fn check(
    name: &str,
    layer: &EdgeLayer,
    request: Request<()>,
    status: u16,
    reason: Option<Reason>,
) {
    let (answer, seen) = send(layer, request).await;
    assert_eq!(answer.status(), status, "{name}");
    assert_eq!(answer.denial().map(|denial| denial.reason()), reason, "{name}");
    assert_eq!(seen.is_some(), reason.is_none(), "{name}: a refused request goes no further");
}

/// who is told how to find the address says it, and nobody else is believed.
#[tokio::test]
async fn source_addresses() {
    let told = edge().source_address(|parts| {
        parts.headers.get("x-real-ip").and_then(|value| value.to_str().ok()?.parse().ok())
    });
    let rows = [
        ("found", &told, Some("192.0.2.1"), Some("10.0.0.1"), Some("192.0.2.1")),
        ("in its other form", &told, Some("::ffff:192.0.2.1"), None, Some("192.0.2.1")),
        ("not found", &told, None, Some("10.0.0.1"), None),
        ("not an address", &told, Some("192.0.2.1:80"), Some("10.0.0.1"), None),
        ("a fact of before", &edge(), Some("192.0.2.1"), Some("10.0.0.1"), Some("10.0.0.1")),
        ("never told", &edge(), Some("192.0.2.1"), None, None),
    ];
    for (name, layer, header, before, expected) in rows {
        let mut request = post("/mcp", &[("host", "mcp.example.com")]);
        if let Some(header) = header {
            request.headers_mut().insert("x-real-ip", header.parse().unwrap());
        }
        if let Some(before) = before {
            request.set_source_address(before.parse().unwrap());
        }
        let inner = service_fn(async |request: Request<()>| {
            assert!(!request.headers().contains_key("x-real-ip"), "it goes no further");
            let found = request.source_address().map(|address| address.to_string());
            let mut response = Response::new(Empty::<Bytes>::new());
            let found = found.unwrap_or_default().parse().unwrap();
            response.headers_mut().insert("found", found);
            Ok::<_, Infallible>(response)
        });
        let answer = layer.layer(inner).oneshot(request).await.unwrap();
        assert_eq!(answer.headers()["found"], expected.unwrap_or_default(), "{name}");
    }
}

///
#[tokio::test]
async fn paths() {
    let host = [("host", "mcp.example.com")];
    let rows = [
        ("/mcp", true),
        ("/mcp?x=1", true),
        ("/MCP", false),
        ("/mcp/", false),
        ("//mcp", false),
        ("/%6dcp", false),
        ("/x/../mcp", false),
        ("/mcp/../admin/mcp", false),
        ("/mcp%00", false),
        ("/mcp;a=b", false),
        ("/", false),
        ("/mcp/x", false),
        ("/sse", false),
    ];
    for (path, served) in rows {
        let (status, reason) = if served { (200, None) } else { (404, Some(Reason::BadPath)) };
        check(path, &edge(), post(path, &host), status, reason).await;
    }
    let nested = edge().nested();
    check("nested", &nested, post("/", &host), 200, None).await;
    check("nested full", &nested, post("/mcp", &host), 404, Some(Reason::BadPath)).await;
    let root = EdgeLayer::new("https://mcp.example.com").unwrap();
    check("root", &root, post("/", &host), 200, None).await;
    check("not root", &root, post("/mcp", &host), 404, Some(Reason::BadPath)).await;
}

///
#[tokio::test]
async fn hosts() {
    let none = None;
    let bad = Some(Reason::BadHost);
    let internal = edge().allow_host("mcp.internal:8080").unwrap();
    let rows: &[HostRow<'_>] = &[
        ("right", &edge(), "/mcp", &["mcp.example.com"], 200, none),
        ("default port", &edge(), "/mcp", &["mcp.example.com:443"], 200, none),
        ("upper case", &edge(), "/mcp", &["MCP.Example.COM"], 200, none),
        ("other port", &edge(), "/mcp", &["mcp.example.com:8443"], 403, bad),
        ("foreign", &edge(), "/mcp", &["evil.example"], 403, bad),
        ("suffix", &edge(), "/mcp", &["mcp.example.com.evil.net"], 403, bad),
        ("prefix", &edge(), "/mcp", &["evilmcp.example.com"], 403, bad),
        ("final dot", &edge(), "/mcp", &["mcp.example.com."], 403, bad),
        ("user", &edge(), "/mcp", &["mcp.example.com@evil.example"], 403, bad),
        ("user in front", &edge(), "/mcp", &["evil@mcp.example.com"], 403, bad),
        ("list", &edge(), "/mcp", &["mcp.example.com, evil.example"], 403, bad),
        ("empty", &edge(), "/mcp", &[""], 403, bad),
        ("loopback", &edge(), "/mcp", &["localhost"], 403, bad),
        ("none", &edge(), "/mcp", &[], 400, bad),
        ("two", &edge(), "/mcp", &["mcp.example.com", "mcp.example.com"], 400, bad),
        ("two different", &edge(), "/mcp", &["mcp.example.com", "evil.example"], 400, bad),
        ("absolute", &edge(), "https://mcp.example.com/mcp", &["mcp.example.com"], 200, none),
        ("absolute alone", &edge(), "https://mcp.example.com/mcp", &[], 400, bad),
        ("absolute differs", &edge(), "http://evil/mcp", &["mcp.example.com"], 400, bad),
        ("absolute foreign", &edge(), "http://evil/mcp", &["evil"], 403, bad),
        ("absolute, bad field", &edge(), "https://mcp.example.com/mcp", &["a b"], 403, bad),
        ("configured", &internal, "/mcp", &["mcp.internal:8080"], 200, none),
        ("configured, own too", &internal, "/mcp", &["mcp.example.com"], 200, none),
        ("configured, no port", &internal, "/mcp", &["mcp.internal"], 403, bad),
    ];
    for (name, layer, uri, hosts, status, reason) in rows {
        let fields: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
        check(name, layer, post(uri, &fields), *status, *reason).await;
    }
}

#[tokio::test]
async fn the_authority_of_http2_counts_as_host() {
    let rows: [(&str, Fields<'_>, u16, Option<Reason>); 4] = [
        ("https://mcp.example.com/mcp", &[], 200, None),
        ("https://evil.example/mcp", &[], 403, Some(Reason::BadHost)),
        ("https://mcp.example.com/mcp", &[("host", "evil.example")], 400, Some(Reason::BadHost)),
        ("/mcp", &[], 400, Some(Reason::BadHost)),
    ];
    for (uri, fields, status, reason) in rows {
        let mut request = post(uri, fields);
        *request.version_mut() = Version::HTTP_2;
        check(uri, &edge(), request, status, reason).await;
    }
}

/// Rebinding: a page of evil.example whose name resolves to this machine.
///
#[tokio::test]
async fn loopback_services_know_their_names() {
    for resource in ["http://127.0.0.1:8080/mcp", "http://localhost/mcp", "https://[::1]:1/mcp"] {
        let layer = EdgeLayer::new(resource).unwrap();
        for host in ["localhost:8080", "127.0.0.1:1234", "[::1]:8080", "localhost"] {
            check(host, &layer, post("/mcp", &[("host", host)]), 200, None).await;
        }
        for host in ["evil.example", "evil.localhost", "127.0.0.2", "localhost.evil.example:8080"] {
            let request = post("/mcp", &[("host", host)]);
            check(host, &layer, request, 403, Some(Reason::BadHost)).await;
        }
    }
}

/// what is not allowed is told nothing.
#[tokio::test]
async fn origins() {
    let layer = edge().allow_origin("https://app.example.com").unwrap();
    let layer = layer.allow_origin("http://dev.example.com:3000").unwrap();
    let rows: &[(&[&str], bool)] = &[
        (&[], true),
        (&["https://app.example.com"], true),
        (&["https://APP.example.com"], true),
        (&["https://app.example.com:443"], true),
        (&["http://dev.example.com:3000"], true),
        (&["https://mcp.example.com"], true), // Its own.
        (&["null"], false),
        (&[""], false),
        (&["https://evil.example"], false),
        (&["http://app.example.com"], false),
        (&["http://mcp.example.com"], false),
        (&["https://app.example.com:8443"], false),
        (&["http://dev.example.com"], false),
        (&["https://app.example.com.evil.net"], false),
        (&["https://evil-app.example.com"], false),
        (&["https://sub.app.example.com"], false),
        (&["https://app.example.com."], false),
        (&["https://app.example.com/"], false),
        (&["https://app.example.com@evil.example"], false),
        (&["https://user@app.example.com"], false),
        (&["HTTPS://app.example.com"], false),
        (&["https://app.example.com https://evil.example"], false),
        (&["https://app.example.com, https://evil.example"], false),
        (&["https://xn--pp-xia.example.com"], false),
        (&["app.example.com"], false),
        (&["https://app.example.com", "https://app.example.com"], false),
        (&["https://app.example.com", "https://evil.example"], false),
    ];
    for (origins, allowed) in rows {
        let mut fields = vec![("host", "mcp.example.com")];
        fields.extend(origins.iter().map(|origin| ("origin", *origin)));
        let (answer, seen) = send(&layer, post("/mcp", &fields)).await;
        let expected = if *allowed { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(answer.status(), expected, "{origins:?}");
        assert_eq!(seen.is_some(), *allowed, "{origins:?}");
        let told = answer.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        let due = origins.first().filter(|_| *allowed);
        assert_eq!(told.map(|told| told.to_str().unwrap()), due.copied(), "{origins:?}");
    }
}

#[tokio::test]
async fn without_configuration_only_the_own_origin_passes() {
    let fields = |origin| [("host", "mcp.example.com"), ("origin", origin)];
    let own = post("/mcp", &fields("https://mcp.example.com"));
    check("own", &edge(), own, 200, None).await;
    let other = post("/mcp", &fields("https://app.example.com"));
    check("other", &edge(), other, 403, Some(Reason::BadOrigin)).await;
    let local = EdgeLayer::new("http://127.0.0.1:8080/mcp").unwrap();
    let same = [("host", "localhost:8080"), ("origin", "http://localhost:8080")];
    check("local", &local, post("/mcp", &same), 200, None).await;
    let neighbour = [("host", "localhost:8080"), ("origin", "http://localhost:3000")];
    check("neighbour", &local, post("/mcp", &neighbour), 403, Some(Reason::BadOrigin)).await;
}

fn preflight(origin: &str, asked: &str) -> Request<()> {
    Request::options("/mcp")
        .header("host", "mcp.example.com")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", asked)
        .body(())
        .unwrap()
}

/// Recipe 4.16.
#[tokio::test]
async fn preflights_are_answered_here() {
    let layer = edge().allow_origin("https://app.example.com").unwrap().sessions(false);
    let asked = "authorization,content-type, Accept,mcp-protocol-version,mcp-method,mcp-name,\
                 mcp-param-region,x-auth-request-user,mcp-param-,mcp-param-a b,cookie,*";
    let (answer, seen) = send(&layer, preflight("https://app.example.com", asked)).await;
    assert!(seen.is_none());
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let headers: Vec<_> =
        answer.headers().iter().map(|(k, v)| (k.as_str(), v.to_str().unwrap())).collect();
    assert_eq!(
        headers,
        [
            ("access-control-allow-origin", "https://app.example.com"),
            ("access-control-allow-methods", "POST"),
            (
                "access-control-allow-headers",
                "authorization, content-type, accept, mcp-protocol-version, mcp-method, mcp-name, mcp-param-region"
            ),
            ("access-control-max-age", "600"),
            ("vary", "Origin, Access-Control-Request-Headers"),
        ]
    );
    assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());

    let (answer, _) = send(&edge(), preflight("https://mcp.example.com", "x-a")).await;
    assert_eq!(answer.headers()["access-control-allow-methods"], "GET, POST, DELETE");
    assert!(!answer.headers().contains_key("access-control-allow-headers"));

    let (answer, _) = send(&layer, preflight("https://evil.example", "authorization")).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("access-control-")));
}

#[tokio::test]
async fn options_that_are_no_preflight_go_in() {
    for fields in [
        &[("host", "mcp.example.com")][..],
        &[("host", "mcp.example.com"), ("origin", "https://mcp.example.com")],
        &[("host", "mcp.example.com"), ("access-control-request-method", "POST")],
    ] {
        let mut request = post("/mcp", fields);
        *request.method_mut() = Method::OPTIONS;
        let (answer, seen) = send(&edge(), request).await;
        assert_eq!((answer.status(), seen.is_some()), (StatusCode::OK, true), "{fields:?}");
    }
    // Nor is a POST, whatever it says.
    let mut asks = preflight("https://mcp.example.com", "authorization");
    *asks.method_mut() = Method::POST;
    let (answer, seen) = send(&edge(), asks).await;
    assert_eq!((answer.status(), seen.is_some()), (StatusCode::OK, true));
}

#[tokio::test]
async fn answers_tell_allowed_origins_and_nobody_else() {
    let host = ("host", "mcp.example.com");
    let (answer, _) = send(&edge(), post("/mcp", &[host])).await;
    let cors = |name: &http::HeaderName| name.as_str().starts_with("access-control-");
    assert!(!answer.headers().keys().any(cors), "the service's own are removed");

    let origin = ("origin", "https://mcp.example.com");
    for path in ["/mcp", "/elsewhere"] {
        let (answer, _) = send(&edge(), post(path, &[host, origin])).await;
        let headers = answer.headers();
        assert_eq!(headers["access-control-allow-origin"], "https://mcp.example.com");
        assert_eq!(
            headers["access-control-expose-headers"],
            "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, DPoP-Nonce, Retry-After"
        );
        assert!(!headers.contains_key("access-control-allow-credentials"));
        assert!(headers.get_all("vary").iter().any(|vary| vary == "Origin"));
    }
}

#[tokio::test]
async fn header_limits() {
    let host = ("host", "mcp.example.com");
    let long = |n: usize| "x".repeat(n);
    let many: Vec<_> = (0..100).map(|i| format!("mcp-param-{i}")).collect();
    let mut over: Vec<_> = many.iter().map(|name| (name.as_str(), "1")).collect();
    over.push(host);
    let at: Vec<_> = over[1..].to_vec();
    let too = Some(Reason::TooLarge);
    let layer = edge();
    check("100 fields", &layer, post("/mcp", &at), 200, None).await;
    check("101 fields", &layer, post("/mcp", &over), 431, too).await;
    for (name, value, status, reason) in [
        ("mcp-name", long(8 << 10), 200, None),
        ("mcp-name", long((8 << 10) + 1), 431, too),
        ("mcp-param-x", long(9 << 10), 431, too),
        ("x-other", long(9 << 10), 200, None),
        ("x-other", long(33 << 10), 431, too),
    ] {
        check(name, &layer, post("/mcp", &[host, (name, &value)]), status, reason).await;
    }
    // `host: mcp.example.com` and four more are 23 bytes, `a: b` and four more are 6.
    let exact = edge().limits(Limits::new().header_bytes(29));
    check("exact", &exact, post("/mcp", &[host, ("a", "b")]), 200, None).await;
    check("one more", &exact, post("/mcp", &[host, ("a", "bc")]), 431, too).await;
}

///
///
#[tokio::test]
async fn lengths_that_contradict_are_refused() {
    let host = ("host", "mcp.example.com");
    let (length, other) = (("content-length", "5"), ("content-length", "6"));
    let chunked = ("transfer-encoding", "chunked");
    let refused = Some(Reason::BadFraming);
    let coded = |codings| ("transfer-encoding", codings);
    let rows: [(&str, Fields<'_>, u16, Option<Reason>); 12] = [
        ("length", &[host, length], 200, None),
        ("chunked", &[host, chunked], 200, None),
        ("chunked in capitals", &[host, coded("Chunked")], 200, None),
        ("chunked twice", &[host, chunked, chunked], 400, refused),
        ("chunked twice in one field", &[host, coded("chunked, chunked")], 400, refused),
        ("compressed", &[host, coded("gzip, chunked")], 400, refused),
        ("compressed, in two fields", &[host, coded("gzip"), chunked], 400, refused),
        ("identity", &[host, coded("identity")], 400, refused),
        ("a coding and a length", &[host, coded("gzip"), length], 400, refused),
        ("both", &[host, length, chunked], 400, refused),
        ("two lengths", &[host, length, other], 400, refused),
        ("equal lengths", &[host, length, length], 400, refused),
    ];
    for (name, fields, status, reason) in rows {
        check(name, &edge(), post("/mcp", fields), status, reason).await;
    }
}

#[tokio::test]
async fn what_callers_may_not_send_is_removed() {
    let stripped = [
        "x-auth-request-user",
        "x_auth_request_user",
        "X-Auth_Request-Email",
        "x-user-id",
        "x-forwarded-user",
        "x_forwarded_email",
        "x-forwarded-for",
        "x-forwarded-host",
        "forwarded",
        "x-remote-user",
        "remote-user",
        "remote_user",
        "x-mcp-principal",
        "x-mcp-principal-sub",
        "cookie",
        "proxy-authorization",
        "proxy_foo",
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
        "x-portcullis-assertion",
        "x_portcullis_assertion",
        "x-real-ip",
        "oidc_claim_sub",
        "Mellon-NAME_ID",
        "remote-groups",
        "cf-access-jwt-assertion",
        "client-cert",
        "x-client-cert",
        "x.forwarded.user",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-hop",
    ];
    let kept = [
        "host",
        "authorization",
        "content-type",
        "accept",
        "mcp-method",
        "mcp-param-x-user-id",
        "x-request-id",
        "user-agent",
        "x-authority",
        "traceparent",
        "dpop",
    ];
    let mut request = post("/mcp", &[("host", "mcp.example.com")]);
    for name in stripped.iter().chain(&kept[1..]) {
        let (value, times) = match *name {
            "connection" => ("close, X-Hop, Host", 2),
            "transfer-encoding" => ("chunked", 1), // Others are refused.
            _ => ("x", 2),
        };
        for _ in 0..times {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
    }
    let (_, seen) = send(&edge(), request).await;
    let seen = seen.unwrap();
    for name in stripped {
        assert!(!seen.contains_key(name.to_ascii_lowercase()), "{name}");
    }
    for name in kept {
        assert!(seen.contains_key(name), "{name}");
    }
}

#[test]
fn resources_that_cannot_be_guarded() {
    for resource in [
        "",
        "mcp.example.com/mcp",
        "/mcp",
        "ftp://a.example/",
        "http://mcp.example.com/mcp",
        "https:///mcp",
        "https://user@a.example/",
        "https://a.example/?x",
        "https://a.example/#x",
        "https://a.example/m cp",
        "https://a.example:x/",
        "https://a.example/ä",
    ] {
        assert!(EdgeLayer::new(resource).is_err(), "{resource}");
    }
    assert!(edge().allow_host("*.example.com").is_err());
    assert!(edge().allow_origin("*").is_err());
    assert!(edge().allow_origin("https://*.example.com").is_err());
    assert!(edge().allow_origin("null").is_err());
    let error = EdgeLayer::new("x").unwrap_err().to_string();
    assert_eq!(error, "resource \"x\": not an absolute https URI");
}

/// Readiness: the edge calls exactly the service whose readiness was asked for.
#[tokio::test]
async fn a_limited_service_is_not_called_before_it_is_ready() {
    let inner = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let inner = tower::limit::ConcurrencyLimit::new(inner, 1);
    let edge = edge().layer(inner);
    for _ in 0..3 {
        let request = post("/mcp", &[("host", "mcp.example.com")]);
        let answer: Answer = edge.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
}
