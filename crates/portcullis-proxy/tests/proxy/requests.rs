//! What an upstream gets to see.

use bytes::Bytes;
use http::{HeaderName, Request};
use portcullis_core::{Buffered, RequestFacts as _};
use portcullis_proxy::{HttpUpstream, IdentityHeaders, Secret};
use tower::ServiceExt as _;

use crate::rig::{Behind, NOTHING_FOUND, ask, call, front, raw, told};

/// The lines of a request's head, without the first, in lower case and sorted.
fn head(request: &str) -> Vec<String> {
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.lines().skip(1).map(str::to_ascii_lowercase).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_request_arrives_whole_and_at_the_url_that_was_configured() {
    let behind = Behind::always(NOTHING_FOUND).await;
    let answer = told(ask(&behind.upstream(), call()).await).await;
    assert_eq!(answer, (200, "{}".to_owned()));
    let seen = behind.last();
    assert!(seen.starts_with("POST /mcp HTTP/1.1\r\n"), "{seen}");
    assert!(seen.ends_with(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call"}"#), "{seen}");
    let host = behind.url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
    let expected = [
        "accept-encoding: identity".to_owned(),
        "accept: application/json, text/event-stream".to_owned(),
        "content-length: 46".to_owned(),
        "content-type: application/json".to_owned(),
        format!("host: {host}"),
        "mcp-protocol-version: 2025-11-25".to_owned(),
    ];
    assert_eq!(head(&seen), expected);
    assert!(!seen.contains("access_token"), "no query comes along");
}

/// R-018, R-019, X-43, X-187.
#[tokio::test]
async fn what_callers_have_no_business_to_say_is_left_behind() {
    let behind = Behind::always(NOTHING_FOUND).await;
    let lines = [
        "Authorization: Bearer token-of-alice",
        "DPoP: proof",
        "Cookie: session=1",
        "Cookie2: a",
        "Proxy-Authorization: Basic x",
        "Proxy-Whatever: x",
        "Proxy-Connection: keep-alive",
        "Connection: keep-alive, TE, close",
        "Keep-Alive: 5",
        "TE: trailers",
        "Trailer: X-Sum",
        "HTTP2-Settings: AAA",
        "Expect: 100-continue",
        "X-Auth-Request-User: admin",
        "X_Auth_Request_User: admin",
        "X.Auth.Request.User: admin",
        "X-Forwarded-User: admin",
        "X-Forwarded-Email: admin@example.com",
        "Remote-User: admin",
        "X-Remote-User: admin",
        "X-Mcp-Principal: admin",
        "X-Client-Cert: admin",
        "X-Access-Token: token-of-alice",
        "X-Forwarded-For: 10.0.0.1",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: https",
        "Forwarded: for=10.0.0.1",
        "X-Real-IP: 10.0.0.1",
        "X-Original-URL: /admin",
        "X-Rewrite-URL: /admin",
        "X-HTTP-Method-Override: DELETE",
        "Origin: https://evil.example",
        "Referer: https://evil.example/?token=a",
        "Sec-Fetch-Site: cross-site",
        "Accept-Encoding: gzip, br",
        "If-None-Match: \"a\"",
        "Range: bytes=0-1",
        "Via: 1.1 other",
        "Max-Forwards: 1",
        // These go on.
        "Accept: application/json, text/event-stream",
        "Content-Type: application/json",
        "Mcp-Session-Id: s-1",
        "Mcp-Method: tools/call",
        "Mcp-Param-Region: eu",
        "Traceparent: 00-a-b-01",
        "X-Request-Id: 17",
        "User-Agent: agent/1.0",
    ];
    let request = format!(
        "POST /notes?access_token=leak HTTP/1.1\r\nHost: gate.example\r\nContent-Length: 2\r\n{}\r\n\r\n{{}}",
        lines.join("\r\n")
    );
    let answer = raw(behind.upstream(), &request).await;
    assert!(answer.contains("HTTP/1.1 200 OK"), "{answer}");
    let host = behind.url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
    let expected = [
        "accept-encoding: identity",
        "accept: application/json, text/event-stream",
        "content-length: 2",
        "content-type: application/json",
        &format!("host: {host}"),
        "mcp-method: tools/call",
        "mcp-param-region: eu",
        "mcp-session-id: s-1",
        "traceparent: 00-a-b-01",
        "user-agent: agent/1.0",
        "x-request-id: 17",
    ];
    assert_eq!(head(&behind.last()), expected);
}

/// X-43: a client cannot make this hop drop what a layer outside wrote.
#[tokio::test]
async fn connection_names_nothing_that_is_to_arrive() {
    let rows = [
        ("close", 200),
        ("Keep-Alive, TE", 200),
        ("x-not-there", 200),
        ("X-Portcullis-Assertion", 400),
        ("close, Mcp-Session-Id", 400),
        ("Content-Type", 400),
        ("host", 400),
        (",, x-portcullis-assertion", 400),
    ];
    for (options, expected) in rows {
        let behind = Behind::always(NOTHING_FOUND).await;
        let mut request = call();
        let headers = request.headers_mut();
        headers.insert("host", "gate.example".parse().unwrap());
        headers.insert("mcp-session-id", "s-1".parse().unwrap());
        headers.insert("x-portcullis-assertion", "signed".parse().unwrap());
        headers.append("connection", options.parse().unwrap());
        let response = ask(&behind.upstream(), request).await;
        assert_eq!(response.status(), expected, "{options}");
        assert_eq!(behind.seen().len(), usize::from(expected == 200), "{options}");
        if expected == 200 {
            assert!(behind.last().contains("x-portcullis-assertion: signed"), "{options}");
        }
    }
}

/// X-43, with the names that this hop writes itself.
#[tokio::test]
async fn identity_is_what_the_gate_says_whoever_said_it_before() {
    let rows = [
        ("a caller", true, vec!["remote-user: https://id.example#alice"]),
        ("nobody", false, vec![]),
    ];
    for (name, known, expected) in rows {
        let behind = Behind::always(NOTHING_FOUND).await;
        let own = HeaderName::from_static("x-who");
        let identity = IdentityHeaders::remote_user().email(own);
        let upstream = behind.builder().identity(identity).build().unwrap();
        let mut request = call();
        if !known {
            let reason = portcullis_core::AnonymousReason::NoCredentials;
            request.set_caller(portcullis_core::Caller::Anonymous(reason));
        }
        for spelling in ["remote-user", "remote_user", "remote.user", "x-who", "x_who"] {
            request.headers_mut().append(spelling, "admin".parse().unwrap());
        }
        assert_eq!(ask(&upstream, request).await.status(), 200, "{name}");
        let seen = head(&behind.last());
        let said: Vec<_> =
            seen.iter().filter(|line| line.contains("user") || line.contains("who")).collect();
        assert_eq!(said, expected.iter().collect::<Vec<_>>(), "{name}");
        assert!(!behind.last().contains("admin"), "{name}");
    }
    let behind = Behind::always(NOTHING_FOUND).await;
    let upstream = behind.builder().identity(IdentityHeaders::remote_user()).build().unwrap();
    let mut request = call();
    request.clear_caller();
    assert_eq!(ask(&upstream, request).await.status(), 500, "no sign-in layer");
    assert!(behind.seen().is_empty());
}

#[tokio::test]
async fn a_shared_credential_replaces_what_callers_send() {
    for name in ["authorization", "x-api-key"] {
        let behind = Behind::always(NOTHING_FOUND).await;
        let header = HeaderName::from_static(name);
        let secret = Secret::new("Bearer of-the-gate");
        let builder = behind.builder().danger_shared_credential(header, secret);
        assert!(!format!("{builder:?}").contains("of-the-gate"));
        let upstream = builder.build().unwrap();
        assert!(!format!("{upstream:?}").contains("of-the-gate"));
        let mut request = call();
        request.headers_mut().append(name, "Bearer token-of-alice".parse().unwrap());
        request.headers_mut().append("x_api_key", "of-alice".parse().unwrap());
        assert_eq!(ask(&upstream, request).await.status(), 200);
        let seen = behind.last();
        assert!(seen.contains(&format!("{name}: Bearer of-the-gate\r\n")), "{seen}");
        assert!(!seen.contains("token-of-alice"), "{seen}");
        assert_eq!(seen.contains("of-alice"), name == "authorization", "{seen}");
    }
}

#[tokio::test]
async fn a_passed_header_is_the_only_one_of_its_kind_that_passes() {
    let behind = Behind::always(NOTHING_FOUND).await;
    let upstream = behind.builder().danger_pass_header("X-Auth-Assertion").build().unwrap();
    let mut request = call();
    for name in ["x-auth-assertion", "x_auth_assertion", "x-auth-user"] {
        request.headers_mut().append(name, "a".parse().unwrap());
    }
    assert_eq!(ask(&upstream, request).await.status(), 200);
    let seen = head(&behind.last());
    assert!(seen.iter().any(|line| line == "x-auth-assertion: a"), "{seen:?}");
    assert!(!seen.iter().any(|line| line.contains("x_auth") || line.contains("x-auth-user")));

    // What this hop writes itself is nobody else's, though it be passed by mistake.
    let identity = IdentityHeaders::remote_user();
    let upstream = behind.builder().identity(identity).danger_pass_header("Remote-User");
    let mut request = call();
    let nobody = portcullis_core::AnonymousReason::NoCredentials;
    request.set_caller(portcullis_core::Caller::Anonymous(nobody));
    request.headers_mut().insert("remote-user", "admin".parse().unwrap());
    assert_eq!(ask(&upstream.build().unwrap(), request).await.status(), 200);
    assert!(!behind.last().contains("admin"), "{}", behind.last());
}

#[test]
fn settings_that_cannot_be_honoured_are_errors() {
    let base = || HttpUpstream::builder("https://notes.internal/mcp").unwrap();
    let header = HeaderName::from_static;
    let shared =
        |name, value: &str| base().danger_shared_credential(header(name), Secret::new(value));
    let zero = std::time::Duration::ZERO;
    let local = |url| HttpUpstream::builder(url).unwrap();
    let rows = [
        ("a loopback address", local("http://127.0.0.1/mcp"), true),
        ("localhost", local("http://localhost:1/mcp"), true),
        ("a socket", local("unix:/run/x.sock:/mcp"), true),
        ("a network", local("http://notes.internal/mcp"), false),
        ("a network, knowingly", local("http://notes.internal/mcp").danger_plain_http(), true),
        ("no time", local("http://127.0.0.1/mcp").answer_timeout(zero), false),
        ("no time to connect", local("http://127.0.0.1/mcp").connect_timeout(zero), false),
        ("a credential", local("http://127.0.0.1/mcp"), true),
        ("a credential of nothing", shared("authorization", " "), false),
        ("a credential of lines", shared("authorization", "a\r\nb: c"), false),
        ("a credential for a host", shared("host", "a"), false),
        ("a credential for a session", shared("mcp-session-id", "a"), false),
        ("a credential for a length", shared("content-length", "1"), false),
        (
            "the caller's token",
            local("http://127.0.0.1/").danger_pass_header("Authorization"),
            false,
        ),
        ("the caller's cookie", local("http://127.0.0.1/").danger_pass_header("cookie"), false),
        ("a hop's own", local("http://127.0.0.1/").danger_pass_header("Connection"), false),
        ("a proof", local("http://127.0.0.1/").danger_pass_header("DPoP"), false),
        ("no name", local("http://127.0.0.1/").danger_pass_header("a b"), false),
    ];
    for (name, builder, expected) in rows {
        assert_eq!(builder.build().is_ok(), expected, "{name}");
    }
}

#[tokio::test]
async fn only_the_methods_of_the_transport_pass() {
    let rows = [
        ("PUT", 405),
        ("PATCH", 405),
        ("HEAD", 405),
        ("OPTIONS", 405),
        ("TRACE", 405),
        ("CONNECT", 405),
        ("BREW", 405),
    ];
    for (method, expected) in rows {
        let behind = Behind::always(NOTHING_FOUND).await;
        let mut request = call();
        *request.method_mut() = method.parse().unwrap();
        let response = ask(&behind.upstream(), request).await;
        assert_eq!(response.status(), expected, "{method}");
        assert_eq!(response.headers()["allow"], "GET, POST, DELETE");
        assert!(behind.seen().is_empty(), "{method}");
    }
}

/// Bodies of GET and DELETE mean nothing, and are where two readers disagree.
#[tokio::test]
async fn only_a_post_has_a_body() {
    for method in ["GET", "DELETE"] {
        let behind = Behind::always("HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n").await;
        let mut request = call();
        *request.method_mut() = method.parse().unwrap();
        assert_eq!(ask(&behind.upstream(), request).await.status(), 405);
        let seen = behind.last();
        assert!(seen.starts_with(method) && seen.ends_with("\r\n\r\n"), "{seen}");
        assert!(!seen.contains("content-length"), "{seen}");
    }
}

/// A body of any type is sent as it comes, without trailers.
#[tokio::test]
async fn a_body_may_be_streamed() {
    use http_body::Frame;

    use crate::rig::Pieces;

    let behind = Behind::always(NOTHING_FOUND).await;
    let frames = [
        Frame::data(Bytes::from_static(b"{\"a\":")),
        Frame::data(Bytes::from_static(b"1}")),
        Frame::trailers(
            [(HeaderName::from_static("x-user"), "admin".parse().unwrap())].into_iter().collect(),
        ),
    ];
    let body = Pieces(frames.into_iter().collect());
    let request = Request::post("/").body(body).unwrap();
    let response = behind.upstream().oneshot(request).await.unwrap();
    assert_eq!(told(response).await.0, 200);
    let seen = behind.last();
    assert!(seen.contains("transfer-encoding: chunked"), "{seen}");
    assert!(seen.contains("{\"a\":") && seen.contains("1}"), "{seen}");
    assert!(!seen.contains("admin"), "{seen}");
}

/// Smuggling: what is sent on has one length, and it is the one that was read.
#[tokio::test]
async fn a_message_has_one_length() {
    let rows = [
        (
            "a length and chunks",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\
             Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n",
        ),
        (
            "two lengths",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 40\r\nConnection: close\r\n\r\n{}",
        ),
        (
            "a length that is none",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\nConnection: close\r\n\r\n{}",
        ),
        (
            "another coding",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, identity\r\nConnection: close\r\n\r\n{}",
        ),
        (
            "a folded line",
            "POST / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n Content-Length: 9\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        ),
        (
            "a space before the colon",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 9\r\nConnection: close\r\n\r\n{}",
        ),
        (
            "a bare line feed in a value",
            "POST / HTTP/1.1\r\nHost: a\r\nX-A: b\nX-User: admin\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        ),
    ];
    for (name, request) in rows {
        let behind = Behind::always(NOTHING_FOUND).await;
        let answer = raw(behind.upstream(), request).await;
        let seen = behind.seen();
        assert!(seen.len() <= 1, "{name}: {seen:?}");
        for seen in seen {
            let lengths = seen.matches("content-length:").count();
            let chunked = seen.matches("transfer-encoding:").count();
            assert_eq!(lengths + chunked, 1, "{name}: {seen}");
            assert!(!seen.contains("/admin") && !seen.contains("x-user"), "{name}: {seen}");
            assert!(seen.contains("{}"), "{name}: {seen}");
        }
        assert!(!answer.contains("HTTP/1.1 5"), "{name}: {answer}");
    }
}

/// Where a request goes is configuration: neither its target nor `Host` have a say.
#[tokio::test]
async fn no_request_chooses_where_it_goes() {
    let rows = [
        "POST http://169.254.169.254/latest HTTP/1.1\r\nHost: 169.254.169.254",
        "POST //evil.example/ HTTP/1.1\r\nHost: evil.example",
        "POST /../../admin HTTP/1.1\r\nHost: a",
        "POST /mcp%0d%0aX-User:%20admin HTTP/1.1\r\nHost: a",
    ];
    for start in rows {
        let behind = Behind::always(NOTHING_FOUND).await;
        let request = format!("{start}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}");
        raw(behind.upstream(), &request).await;
        for seen in behind.seen() {
            assert!(
                seen.starts_with("POST /mcp HTTP/1.1\r\nhost: 127")
                    || seen.starts_with("POST /mcp HTTP/1.1\r\n"),
                "{start}: {seen}"
            );
            for bad in ["evil", "169.254", "admin"] {
                assert!(!seen.contains(bad), "{start}: {seen}");
            }
        }
    }
}

/// `Expect` is for this hop: the body is asked for here, and not of the upstream.
#[tokio::test]
async fn a_client_that_waits_to_continue_is_told_so() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let behind = Behind::always(NOTHING_FOUND).await;
    let mut tcp = front(behind.upstream()).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\
                Connection: close\r\n\r\n";
    tcp.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    tcp.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    tcp.write_all(b"{}").await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(!behind.last().contains("expect"));
}

#[tokio::test]
async fn facts_stay_in_this_process() {
    let behind = Behind::always(NOTHING_FOUND).await;
    let request: Request<Buffered> = call();
    assert!(request.caller().is_some());
    let response = ask(&behind.upstream(), request).await;
    assert!(portcullis_core::ResponseFacts::permit(&response).is_none());
    assert!(!behind.last().contains("alice"));
}

/// A signed assertion passes, and what callers write in its place does not.
#[tokio::test]
async fn a_signed_assertion_passes() {
    use portcullis_assertion::{AssertionLayer, SigningKey};
    use tower::Layer as _;

    let behind = Behind::always(NOTHING_FOUND).await;
    let layer = AssertionLayer::builder("https://gate.example", &behind.url)
        .key(SigningKey::generate_ed25519())
        .build()
        .unwrap();
    let mut request = call();
    for name in ["x-portcullis-assertion", "x_portcullis_assertion"] {
        request.headers_mut().insert(name, "forged".parse().unwrap());
    }
    let response = layer.layer(behind.upstream()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let seen = behind.last();
    assert!(seen.contains("\r\nx-portcullis-assertion: ey") && !seen.contains("forged"), "{seen}");
}

#[test]
fn what_is_handed_around_may_go_to_any_thread() {
    fn any_thread<T: Send + Sync + Unpin>() {}
    any_thread::<HttpUpstream>();
    any_thread::<portcullis_proxy::ProxyBody>();
    fn sent<T: Send>() {}
    sent::<portcullis_proxy::ResponseFuture>();
}
