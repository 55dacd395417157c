//! Streams: unbuffered, with back-pressure, and ended from either side.

use std::time::Duration;

use http_body_util::BodyExt as _;
use portcullis_core::Version;
use portcullis_proxy::{HttpUpstream, HttpUpstreamBuilder, ProxyBody, ProxyErrorKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::{ask, call, front, get, post, read_request};

const HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const LIMIT: Duration = Duration::from_secs(20);

/// An upstream, and its side of the one connection, once a request was read there.
async fn open() -> (HttpUpstream, tokio::task::JoinHandle<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let upstream = HttpUpstream::builder(&url).unwrap().build().unwrap();
    let behind = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.set_nodelay(true).unwrap();
        read_request(&mut tcp).await.unwrap();
        tcp
    });
    (upstream, behind)
}

async fn say(tcp: &mut TcpStream, data: &str) {
    let chunk = format!("{:x}\r\n{data}\r\n", data.len());
    tcp.write_all(chunk.as_bytes()).await.unwrap();
}

/// The other side has gone: nothing more is to be read, and in the end nothing can be written.
async fn is_gone(tcp: &mut TcpStream) -> bool {
    let mut rest = [0; 64];
    tokio::time::timeout(LIMIT, tcp.read(&mut rest))
        .await
        .is_ok_and(|read| matches!(read, Ok(0) | Err(_)))
}

/// R-074 by test: an event arrives although the next one has not been written.
#[tokio::test]
async fn events_pass_one_by_one() {
    for request in [call(), get()] {
        let (upstream, behind) = open().await;
        let asked = tokio::spawn(async move { ask(&upstream, request).await });
        let mut behind = behind.await.unwrap();
        behind.write_all(HEAD.as_bytes()).await.unwrap();
        let mut body = asked.await.unwrap().into_body();
        for event in ["data: 1\n\n", ": still here\n\n", "data: 2\n\n"] {
            say(&mut behind, event).await;
            let frame = tokio::time::timeout(LIMIT, body.frame()).await.unwrap().unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), event);
        }
        behind.write_all(b"0\r\n\r\n").await.unwrap();
        assert!(body.frame().await.is_none());
    }
}

/// who stops listening is heard, before the head and after it, whatever the revision. Nothing is
/// said in a legacy client's name: its going away cancels nothing.
#[tokio::test]
async fn a_client_that_goes_away_takes_the_request_along() {
    for version in [Version::V2026_07_28, Version::V2025_11_25] {
        let (upstream, behind) = open().await;
        let asked = tokio::spawn(async move { ask(&upstream, post(version)).await });
        let mut behind = behind.await.unwrap();
        asked.abort();
        assert!(is_gone(&mut behind).await, "{version}, before the head");

        let (upstream, behind) = open().await;
        let asked = tokio::spawn(async move { ask(&upstream, post(version)).await });
        let mut behind = behind.await.unwrap();
        behind.write_all(HEAD.as_bytes()).await.unwrap();
        let body = asked.await.unwrap().into_body();
        drop(body);
        assert!(is_gone(&mut behind).await, "{version}, after the head");
    }
}

/// The same with everything between: a client's closed socket.
#[tokio::test]
async fn a_closed_socket_is_heard_upstream() {
    let (upstream, behind) = open().await;
    let mut client = front(upstream).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut behind = behind.await.unwrap();
    behind.write_all(HEAD.as_bytes()).await.unwrap();
    say(&mut behind, "data: 1\n\n").await;
    let mut read = Vec::new();
    while !read.ends_with(b"data: 1\n\n\r\n") {
        assert!(client.read_buf(&mut read).await.unwrap() > 0);
    }
    drop(client);
    assert!(is_gone(&mut behind).await);
}

/// A server that writes more than is read has to wait: memory does not grow.
#[tokio::test]
async fn who_does_not_read_is_not_written_to() {
    let (upstream, behind) = open().await;
    let asked = tokio::spawn(async move { ask(&upstream, call()).await });
    let mut behind = behind.await.unwrap();
    behind.write_all(HEAD.as_bytes()).await.unwrap();
    let body = asked.await.unwrap().into_body();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut written = 0;
    // Sockets hold some megabytes; then nothing more is taken.
    while tokio::time::timeout(Duration::from_millis(300), behind.write_all(chunk.as_bytes()))
        .await
        .is_ok()
    {
        written += 0x10000;
        assert!(written < 64 << 20, "everything is taken");
    }
    drop(body);
}

/// An answer that breaks off does not look whole.
#[tokio::test]
async fn a_broken_stream_is_an_error() {
    let (upstream, behind) = open().await;
    let asked = tokio::spawn(async move { ask(&upstream, call()).await });
    let mut server = behind.await.unwrap();
    server.write_all(HEAD.as_bytes()).await.unwrap();
    say(&mut server, "data: 1\n\n").await;
    drop(server);
    let error = asked.await.unwrap().into_body().collect().await.unwrap_err();
    assert_eq!(error.kind(), ProxyErrorKind::Broken);
    assert_eq!(error.to_string(), "the upstream's answer broke off");

    // On the wire: no last chunk.
    let (upstream, behind) = open().await;
    let mut client = front(upstream).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut server = behind.await.unwrap();
    server.write_all(HEAD.as_bytes()).await.unwrap();
    say(&mut server, "data: 1\n\n").await;
    drop(server);
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("data: 1\n\n"), "{answer}");
    assert!(!answer.contains("\r\n0\r\n\r\n"), "{answer}");
}

/// Documents have a limit in all, however they trickle.
#[tokio::test]
async fn a_document_that_trickles_is_given_up() {
    const DOCUMENT: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                            Transfer-Encoding: chunked\r\n\r\n";
    let (upstream, mut server) = answering(DOCUMENT, |builder| {
        builder.document_timeout(Duration::from_millis(100)).silence_timeout(LIMIT)
    })
    .await;
    let trickle = tokio::spawn(async move {
        loop {
            let chunk = b"1\r\n \r\n";
            if server.write_all(chunk).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let error = tokio::time::timeout(LIMIT, upstream.collect()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ProxyErrorKind::TimedOut);
    tokio::time::timeout(LIMIT, trickle).await.expect("the server is let go").unwrap();
}

/// Streams have one for each silence, and by default none.
#[tokio::test]
async fn a_stream_may_be_long_and_where_told_so_not_silent() {
    let (mut body, mut server) =
        answering(HEAD, |builder| builder.document_timeout(Duration::from_millis(10))).await;
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        tokio::time::sleep(Duration::from_millis(50)).await;
        say(&mut server, event).await;
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), event);
    }

    let silence = Duration::from_secs(2);
    let (mut body, mut server) = answering(HEAD, |builder| builder.silence_timeout(silence)).await;
    for _ in 0..10 {
        tokio::time::sleep(silence / 8).await;
        say(&mut server, ":\n\n").await;
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), ":\n\n");
    }
    let error = tokio::time::timeout(LIMIT, body.frame()).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), ProxyErrorKind::TimedOut);
}

/// The body of an answer with this head, and the server that goes on with it.
async fn answering(
    head: &'static str,
    settings: impl Fn(HttpUpstreamBuilder) -> HttpUpstreamBuilder,
) -> (ProxyBody, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let upstream = settings(HttpUpstream::builder(&url).unwrap()).build().unwrap();
    let behind = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.set_nodelay(true).unwrap();
        read_request(&mut tcp).await.unwrap();
        tcp.write_all(head.as_bytes()).await.unwrap();
        tcp
    });
    let response = ask(&upstream, call()).await;
    (response.into_body(), behind.await.unwrap())
}
