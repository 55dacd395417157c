//! What a client gets to see of an upstream's answer.

use std::sync::{Arc, Mutex};

use http::{HeaderName, StatusCode};
use http_body_util::BodyExt as _;
use portcullis_core::{
    Acknowledgement, Caller, CredentialSource, Decided, DenialKind, McpMessage, Note, Reason,
    Recorder, RequestFacts as _, ResponseFacts as _, Trail, Version,
};
use portcullis_proxy::Secret;

use crate::rig::{Behind, NOTHING_FOUND, Then, ask, call, error_of, get, post, raw, told};

/// which answers pass, and what is said in place of others.
#[tokio::test]
async fn an_answer_passes_or_is_a_plain_502() {
    let upstream_error = || (502, error_of("Upstream error"));
    let unavailable = || (503, error_of("Upstream temporarily unavailable"));
    let json = |status: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let plain = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 6\r\n\r\nsecret");
    let rows: Vec<(&str, String, (u16, String))> = vec![
        ("a result", json("200 OK", "{\"a\":1}"), (200, "{\"a\":1}".into())),
        ("an error", json("400 Bad Request", "{\"b\":1}"), (400, "{\"b\":1}".into())),
        ("no such method", json("404 Not Found", "{\"c\":1}"), (404, "{\"c\":1}".into())),
        ("too many", json("429 Too Many Requests", "{}"), (429, "{}".into())),
        ("an error page", plain("404 Not Found"), (404, String::new())),
        ("accepted", "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".into(), (202, String::new())),
        ("accepted, with a text", plain("202 Accepted"), (202, String::new())),
        ("accepted, with a document", json("202 Accepted", "{}"), (202, String::new())),
        (
            "events that are none",
            "HTTP/1.1 404 No\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\ndata: 1\n\n".into(),
            (404, String::new()),
        ),
        ("no content", "HTTP/1.1 204 No Content\r\n\r\n".into(), (204, String::new())),
        (
            "events",
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nContent-Length: 9\r\n\r\ndata: 1\n\n".into(),
            (200, "data: 1\n\n".into()),
        ),
        ("early hints first", format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{}", json("200 OK", "{}")), (200, "{}".into())),
        ("continue first", format!("HTTP/1.1 100 Continue\r\n\r\n{}", json("200 OK", "{}")), (200, "{}".into())),
        (
            "a challenge",
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer resource_metadata=\"https://evil.example\"\r\nContent-Length: 0\r\n\r\n".into(),
            upstream_error(),
        ),
        ("forbidden", json("403 Forbidden", "{\"why\":\"secret\"}"), upstream_error()),
        ("a proxy's challenge", plain("407 Proxy Authentication Required"), upstream_error()),
        ("a timeout of a request", plain("408 Request Timeout"), upstream_error()),
        ("misdirected", plain("421 Misdirected Request"), upstream_error()),
        ("too early", plain("425 Too Early"), upstream_error()),
        ("an upgrade", plain("426 Upgrade Required"), upstream_error()),
        (
            "switched protocols",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n".into(),
            upstream_error(),
        ),
        (
            "a redirect",
            "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n".into(),
            upstream_error(),
        ),
        (
            "a redirect that keeps the method",
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n".into(),
            upstream_error(),
        ),
        ("not modified", "HTTP/1.1 304 Not Modified\r\n\r\n".into(), upstream_error()),
        ("part of it", json("206 Partial Content", "{}"), upstream_error()),
        ("a fault", json("500 Internal Server Error", "{\"trace\":\"secret\"}"), upstream_error()),
        ("another gateway's", plain("502 Bad Gateway"), upstream_error()),
        ("busy", plain("503 Service Unavailable"), unavailable()),
        ("a number that is none", plain("799 What"), upstream_error()),
        ("a page", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\nsecret".into(), upstream_error()),
        ("no type", plain("200 OK"), upstream_error()),
        (
            "two types",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}".into(),
            upstream_error(),
        ),
        (
            "compressed",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}".into(),
            upstream_error(),
        ),
        ("not HTTP", "SSH-2.0-OpenSSH_9.9\r\n\r\n".into(), upstream_error()),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\n{}  ".into(),
            upstream_error(),
        ),
        (
            "a header without end",
            format!("HTTP/1.1 200 OK\r\nX-A: {}", "a".repeat(300_000)),
            upstream_error(),
        ),
        (
            "a header that is too long",
            json("200 OK", "{}").replacen("\r\n", &format!("\r\nX-A: {}\r\n", "a".repeat(300_000)), 1),
            upstream_error(),
        ),
        (
            "headers without number",
            json("200 OK", "{}").replacen("\r\n", &format!("\r\n{}", "X-A: a\r\n".repeat(2_000)), 1),
            upstream_error(),
        ),
    ];
    for (name, answer, expected) in rows {
        let answer: &'static str = answer.leak();
        let behind = Behind::new(move |_, _| Then::SayAndClose(answer)).await;
        let response = ask(&behind.upstream(), call()).await;
        let refused = response.denial().map(|denial| denial.kind());
        let ours = expected.0 >= 500;
        assert_eq!(refused, ours.then_some(DenialKind::Upstream), "{name}");
        for header in ["www-authenticate", "location", "upgrade", "link"] {
            assert!(!response.headers().contains_key(header), "{name}: {header}");
        }
        let typed = response.headers().contains_key("content-type");
        assert_eq!(typed, !expected.1.is_empty(), "{name}");
        assert_eq!(told(response).await, expected, "{name}");
        assert_eq!(behind.seen().len(), 1, "{name}");
    }
}

///
#[tokio::test]
async fn what_belongs_to_the_connection_behind_stays_there() {
    let gone = [
        "WWW-Authenticate: Bearer",
        "Set-Cookie: session=1",
        "Set-Cookie2: a",
        "Access-Control-Allow-Origin: *",
        "Access-Control-Allow-Credentials: true",
        "Proxy-Authenticate: Basic",
        "Proxy-Whatever: a",
        "Connection: keep-alive, X-Hop, Content-Type",
        "X-Hop: 1",
        "Keep-Alive: timeout=5",
        "Trailer: X-Sum",
        "Upgrade: h2c",
        "Alt-Svc: h2=\":443\"",
        "Strict-Transport-Security: max-age=1",
        "Clear-Site-Data: \"*\"",
        "Server: thing/1.0",
        "X-Powered-By: thing",
        "Via: 1.1 thing",
        "ETag: \"a\"",
        "Last-Modified: Sat, 21 Nov 2026 12:00:00 GMT",
        "Content-Digest: sha-256=:a:",
        "Location: https://evil.example",
        "Refresh: 0; url=https://evil.example",
        "Authentication-Info: a",
        "DPoP-Nonce: a",
    ];
    let kept = [
        "Content-Type: application/json",
        "X-Request-Id: 17",
        "Cache-Control: no-store",
        "Retry-After: 3",
    ];
    let answer: &'static str = format!(
        "HTTP/1.1 200 OK\r\n{}\r\n{}\r\nMcp-Session-Id: s-1\r\nContent-Length: 2\r\n\r\n{{}}",
        gone.join("\r\n"),
        kept.join("\r\n")
    )
    .leak();
    let behind = Behind::always(answer).await;
    for (version, session) in
        [(Version::V2025_03_26, true), (Version::V2025_11_25, true), (Version::V2026_07_28, false)]
    {
        let response = ask(&behind.upstream(), post(version)).await;
        let mut names: Vec<_> = response.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let mut expected = vec![
            "cache-control",
            "content-length",
            "content-type",
            "date",
            "retry-after",
            "x-request-id",
        ];
        expected.retain(|&name| name != "date");
        if session {
            expected.insert(3, "mcp-session-id");
        }
        assert_eq!(names, expected, "{version}");
    }
    // Where nothing inspected, the header says which revision it is.
    let mut request = post(Version::V2026_07_28);
    request.clear_message();
    let response = ask(&behind.upstream(), request).await;
    assert!(!response.headers().contains_key("mcp-session-id"));
}

/// What is said to clients on the wire, by a server with nothing else inside.
#[tokio::test]
async fn on_the_wire_an_answer_has_one_length_and_no_trailers() {
    let chunks = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\
                  Transfer-Encoding: chunked\r\nTrailer: X-User\r\n\r\n2\r\n{}\r\n0\r\nX-User: admin\r\n\r\n";
    let behind = Behind::always(chunks).await;
    let body = ask(&behind.upstream(), call()).await.into_body();
    assert!(body.collect().await.unwrap().trailers().is_none());
    let answer = raw(
        behind.upstream(),
        "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    )
    .await;
    let lower = answer.to_ascii_lowercase();
    assert!(!lower.contains("admin") && !lower.contains("trailer"), "{answer}");
    assert!(!lower.contains("content-length: 99"), "{answer}");
    assert_eq!(lower.matches("transfer-encoding:").count(), 1, "{answer}");
    assert!(lower.contains("\r\n2\r\n{}\r\n0\r\n\r\n"), "{answer}");
}

/// How long a busy server asks to be left alone, within reason.
#[tokio::test]
async fn a_busy_upstream_says_for_how_long() {
    let rows = [
        ("Retry-After: 7\r\n", "7"),
        ("", "5"),
        ("Retry-After: Sat, 21 Nov 2026 12:00:00 GMT\r\n", "5"),
        ("Retry-After: -1\r\n", "5"),
        ("Retry-After: 99999999\r\n", "3600"),
    ];
    for (line, expected) in rows {
        let answer: &'static str =
            format!("HTTP/1.1 503 Busy\r\n{line}Content-Length: 0\r\n\r\n").leak();
        let behind = Behind::always(answer).await;
        let response = ask(&behind.upstream(), call()).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{line}");
        assert_eq!(response.headers()["retry-after"], expected, "{line}");
    }
}

/// A listening stream is one of events, or is not offered.
#[tokio::test]
async fn a_get_brings_events_or_nothing() {
    let rows = [
        (
            "HTTP/1.1 405 No\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
            (405, ""),
        ),
        ("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", (404, "")),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 3\r\n\r\n:\n\n",
            (200, ":\n\n"),
        ),
    ];
    for (answer, expected) in rows {
        let behind = Behind::always(answer).await;
        let (status, body) = told(ask(&behind.upstream(), get()).await).await;
        assert_eq!((status, body.as_str()), expected, "{answer}");
    }
    let behind = Behind::always(NOTHING_FOUND).await;
    assert_eq!(ask(&behind.upstream(), get()).await.status(), 502, "a document");
}

/// Remembers notes.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Recorder for Notes {
    fn caller(&self, _: &Caller) {}
    fn message(&self, _: &McpMessage) {}
    fn decided(&self, _: &Decided<'_>) -> Acknowledgement {
        Acknowledgement::Recorded
    }
    fn note(&self, note: Note<'_>) {
        self.0.lock().unwrap().push(match note {
            Note::UpstreamStatus(status) => status.as_u16().to_string(),
            Note::UpstreamCredential(CredentialSource::Shared) => "shared".to_owned(),
            _ => "other".to_owned(),
        });
    }
}

#[tokio::test]
async fn the_record_says_what_the_client_is_not_told() {
    let behind = Behind::always("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n").await;
    let credential = HeaderName::from_static("authorization");
    let shared = behind.builder().danger_shared_credential(credential, Secret::new("Basic a"));
    for (upstream, expected) in
        [(behind.upstream(), vec!["401"]), (shared.build().unwrap(), vec!["shared", "401"])]
    {
        let notes = Arc::new(Notes::default());
        let mut request = call();
        request.set_trail(Trail::new(Arc::clone(&notes) as _));
        let response = ask(&upstream, request).await;
        let denial = response.denial().unwrap();
        assert_eq!(denial.reason(), Reason::UpstreamError);
        assert_eq!(*notes.0.lock().unwrap(), expected);
    }
}
