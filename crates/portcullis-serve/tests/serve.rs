//! The server, over sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use portcullis_serve::{Listener, Remote, RequestBody, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tower::service_fn;

const PATIENCE: Duration = Duration::from_secs(3600);
const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

async fn listener() -> (Listener, SocketAddr) {
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(listener.to_string(), format!("http://{address}"));
    (listener, address)
}

/// Answers with what it knows of the other end.
async fn who(request: Request<RequestBody>) -> Result<Response<String>, Infallible> {
    let (parts, body) = request.into_parts();
    let length = body.collect().await.unwrap().to_bytes().len();
    let address = Remote::address_of(&parts);
    Ok(Response::new(match Remote::of(&parts) {
        Some(Remote::Address(from)) => format!("{length} bytes from {from}, {address:?}"),
        Some(Remote::UnixSocket) => format!("{length} bytes from here, {address:?}"),
        _ => "nowhere".to_owned(),
    }))
}

async fn asked(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) -> String {
    let request = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn requests_know_where_they_come_from() {
    let (listener, address) = listener().await;
    let server = Server::new();
    tokio::spawn(server.serve(listener, service_fn(who)));
    let stream = TcpStream::connect(address).await.unwrap();
    let from = stream.local_addr().unwrap();
    let answer = asked(stream).await;
    assert!(answer.ends_with(&format!("3 bytes from {from}, Some(127.0.0.1)")), "{answer}");

    let (parts, ()) = Request::new(()).into_parts();
    assert_eq!(Remote::of(&parts), None);
}

#[cfg(unix)]
#[tokio::test]
async fn sockets_are_replaced_only_where_nobody_listens() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let server = Server::new();
    drop(Listener::unix(&path, 0o600).unwrap());
    assert!(path.exists(), "left behind");
    let listener = Listener::unix(&path, 0o640).unwrap();
    assert_eq!(listener.to_string(), path.display().to_string());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    tokio::spawn(server.serve(listener, service_fn(who)));
    let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let answer = asked(stream).await;
    assert!(answer.ends_with("3 bytes from here, None"), "{answer}");
    Listener::unix(&path, 0o600).unwrap_err();

    let file = folder.path().join("file");
    std::fs::write(&file, "kept").unwrap();
    Listener::unix(&file, 0o600).unwrap_err();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");
}

/// By a clock that runs ahead as soon as nothing happens.
#[tokio::test(start_paused = true)]
async fn nobody_holds_a_connection_for_nothing() {
    let (listener, address) = listener().await;
    let server = Server::new();
    tokio::spawn(server.serve(listener, service_fn(who)));
    let head = |fields: usize| {
        let fields: String = (0..fields).map(|n| format!("x-{n}: y\r\n")).collect();
        format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n")
    };
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "y".repeat(70 * 1024));
    let rows = [
        ("silence", String::new(), ""),
        ("half a head", "GET / HTTP/1.1\r\nhost:".into(), ""),
        ("the preface of HTTP/2, and nothing", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), "\0"),
        ("silence after an answer", GET.into(), "HTTP/1.1 200"),
        ("half a head after an answer", format!("{GET}GET / HTTP"), "HTTP/1.1 200"),
        ("too many fields", head(120), "HTTP/1.1 431"),
        ("as many as there may be", head(90), "HTTP/1.1 200"),
        ("too long a head", long, "HTTP/1.1 431"),
    ];
    for (name, sent, expected) in rows {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // One that is closed before all is sent is what this is about.
        let _ = stream.write_all(sent.as_bytes()).await;
        let mut answer = Vec::new();
        let closed = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(closed.is_ok(), "{name}: open after an hour, {answer}");
        assert!(answer.starts_with(expected), "{name}: {answer}");
    }
}

#[tokio::test]
async fn what_is_under_way_at_the_end_is_finished() {
    let (listener, address) = listener().await;
    let server = Arc::new(Server::new());
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, waits) = (Arc::clone(&asked), Arc::clone(&go));
    let service = service_fn(move |_: Request<RequestBody>| {
        let (told, waits) = (Arc::clone(&told), Arc::clone(&waits));
        async move {
            told.notify_one();
            waits.notified().await;
            Ok::<_, Infallible>(Response::new("finished".to_owned()))
        }
    });
    let listening = tokio::spawn(server.serve(listener, service));
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(GET.as_bytes()).await.unwrap();
    asked.notified().await;
    server.stop();
    listening.await.unwrap();
    TcpStream::connect(address).await.unwrap_err();
    let waiting = Arc::clone(&server);
    let stopped = tokio::spawn(async move { waiting.stopped().await });
    tokio::task::yield_now().await;
    assert!(!stopped.is_finished(), "a request is under way");
    go.notify_one();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("finished"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    stopped.await.unwrap();
}

#[tokio::test]
async fn those_beyond_the_most_wait_whatever_the_listener() {
    let server = Server::new().max_connections(1.try_into().unwrap());
    let (first, here) = listener().await;
    let (second, there) = listener().await;
    tokio::spawn(server.serve(first, service_fn(who)));
    let mut lasts = TcpStream::connect(here).await.unwrap();
    lasts.write_all(GET.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    lasts.read_exact(&mut head).await.unwrap();
    tokio::spawn(server.serve(second, service_fn(who)));
    let mut waits =
        tokio::spawn(async move { asked(TcpStream::connect(there).await.unwrap()).await });
    assert!(timeout(Duration::from_millis(100), &mut waits).await.is_err());
    drop(lasts);
    let answer = timeout(Duration::from_secs(60), waits).await.unwrap().unwrap();
    assert!(answer.contains("200 OK"), "{answer}");
}
