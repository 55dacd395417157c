//! Health checks over sockets, and as a service.

use http::{Method, Request};
use http_body_util::BodyExt as _;
use portcullis_telemetry::{
    AuditSink, Expiry, ExpiryKind, Keys, Report, Telemetry, Unready, Warning,
};
use tower::ServiceExt as _;

use crate::common::*;

async fn ask(telemetry: &Telemetry, method: Method, path: &str) -> (u16, http::HeaderMap, String) {
    let request = Request::builder().method(method).uri(path).body(()).unwrap();
    let (parts, body) = telemetry.health().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn only_its_own_paths_and_methods() {
    let telemetry = Telemetry::new();
    let rows = [
        (Method::GET, "/live", 200),
        (Method::HEAD, "/live", 200),
        (Method::GET, "/ready", 503),
        (Method::HEAD, "/ready", 503),
        (Method::GET, "/metrics", 200),
        (Method::GET, "/metrics?x=1", 200),
        (Method::GET, "/", 404),
        (Method::GET, "/metrics/", 404),
        (Method::GET, "//ready", 404),
        (Method::POST, "/ready", 405),
        (Method::DELETE, "/metrics", 405),
        (Method::POST, "/elsewhere", 404),
    ];
    for (method, path, status) in rows {
        let (found, headers, body) = ask(&telemetry, method.clone(), path).await;
        assert_eq!(found, status, "{method} {path}");
        assert_eq!(body.is_empty(), method == Method::HEAD, "{method} {path}");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers.contains_key("allow"), status == 405);
        let length: usize = headers["content-length"].to_str().unwrap().parse().unwrap();
        assert!(length > 0 && (body.is_empty() || body.len() == length), "{method} {path}");
    }
    let (_, headers, _) = ask(&telemetry, Method::GET, "/metrics").await;
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let (_, headers, body) = ask(&telemetry, Method::GET, "/ready").await;
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(body, r#"{"ready":false,"reasons":[{"code":"nothing_watched"}],"warnings":[]}"#);
}

#[tokio::test]
async fn sources_speak_for_their_routes() {
    let telemetry = Telemetry::new();
    telemetry.watch("notes", |report: &mut Report| report.keys(Keys::new("https://id.example")));
    telemetry.watch("notes", |report: &mut Report| {
        let mut sink = AuditSink::new("file", 100);
        sink.queued = 99;
        report.sink(sink);
    });
    telemetry.watch("process", |report: &mut Report| {
        let at = Some(std::time::Duration::from_secs(1));
        report.expiry(Expiry::new(ExpiryKind::Certificate, "listener", at));
    });
    let (status, _, body) = ask(&telemetry, Method::GET, "/ready").await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["ready"]), (200, &true.into()));
    let codes: Vec<_> = body["warnings"].as_array().unwrap().iter().map(|w| &w["code"]).collect();
    assert_eq!(codes, [Warning::SinkBehind.as_str(), Warning::Expired.as_str()]);
    let text = telemetry.metrics_text();
    numbers(
        &text,
        &[
            (r#"audit_queue_depth{route="notes",sink="file"}"#, 99.0),
            (
                r#"expiry_timestamp_seconds{route="process",kind="certificate",name="listener"}"#,
                1.0,
            ),
            (r#"warnings{warning="sink_behind"}"#, 1.0),
            (r#"warnings{warning="expires_soon"}"#, 0.0),
            (r#"jwks_usable{route="notes",issuer="https://id.example"}"#, 1.0),
            ("ready", 1.0),
        ],
    );
    assert!(!text.contains("jwks_age"), "keys that are not fetched have no age");
    telemetry.forget("notes");
    assert!(!telemetry.metrics_text().contains("notes"));
    telemetry.shut_down();
    assert_eq!(telemetry.readiness().reasons[0].code, Unready::ShuttingDown.as_str());
}

#[cfg(feature = "serve")]
mod served {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn read(stream: &mut TcpStream) -> String {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_listener_of_its_own() {
        let telemetry = Telemetry::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = tokio::spawn(telemetry.health().serve(listener));
        let _idle =
            [TcpStream::connect(addr).await.unwrap(), TcpStream::connect(addr).await.unwrap()];
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream
            .write_all(b"GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let answer = read(&mut stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("live\n"),
            "{answer}"
        );
        server.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_says_nothing_is_let_go() {
        let telemetry = Telemetry::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(telemetry.health().serve(listener));
        let before = tokio::time::Instant::now();
        let mut slow = TcpStream::connect(addr).await.unwrap();
        slow.write_all(b"GET /live HT").await.unwrap();
        // Time passes by itself while everybody waits.
        let mut answer = Vec::new();
        slow.read_to_end(&mut answer).await.unwrap();
        assert!(!String::from_utf8_lossy(&answer).contains("200"), "closed");
        assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_so_many_places_and_no_more() {
        let telemetry = Telemetry::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(telemetry.health().serve(listener));
        let mut idle = Vec::new();
        for _ in 0..64 {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            stream.write_all(b"GET /li").await.unwrap();
            idle.push(stream);
        }
        let before = tokio::time::Instant::now();
        let mut last = TcpStream::connect(addr).await.unwrap();
        last.write_all(b"GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        assert!(read(&mut last).await.ends_with("live\n"));
        assert!(before.elapsed() > Duration::from_secs(3), "it waited until a place was free");
    }
}
