//! Connections: pools, limits of time, and when a request is sent twice.

use std::time::Duration;

use portcullis_proxy::HttpUpstream;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::rig::{Behind, NOTHING_FOUND, Then, ask, call, error_of, get, read_request, told};

#[tokio::test]
async fn connections_are_kept_and_used_again() {
    let behind = Behind::always(NOTHING_FOUND).await;
    let upstream = behind.upstream();
    for _ in 0..5 {
        assert_eq!(told(ask(&upstream, call()).await).await.0, 200);
    }
    assert_eq!((behind.seen().len(), behind.connections()), (5, 1));
    let without = behind.builder().idle_timeout(Duration::ZERO).build().unwrap();
    for _ in 0..2 {
        assert_eq!(told(ask(&without, call()).await).await.0, 200);
    }
    assert_eq!(behind.connections(), 3);
}

/// The one rule of retries: what may have been received is never sent twice.
#[tokio::test]
async fn a_call_that_was_received_is_executed_once() {
    for (name, warm) in [("a new connection", false), ("a kept connection", true)] {
        let behind =
            Behind::new(
                move |number, _| {
                    if warm && number == 0 { Then::Say(NOTHING_FOUND) } else { Then::Close }
                },
            )
            .await;
        let upstream = behind.upstream();
        if warm {
            assert_eq!(told(ask(&upstream, call()).await).await.0, 200, "{name}");
        }
        let answer = told(ask(&upstream, call()).await).await;
        assert_eq!(answer, (502, error_of("Upstream error")), "{name}");
        assert_eq!(behind.seen().len(), 1 + usize::from(warm), "{name}: executed once");
    }
}

/// Opening a stream of events has no side effects.
#[tokio::test]
async fn a_listening_stream_is_asked_for_once_more() {
    const EVENTS: &str =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 3\r\n\r\n:\n\n";
    let behind =
        Behind::new(|number, _| if number == 0 { Then::Close } else { Then::Say(EVENTS) }).await;
    let mut request = get();
    request.headers_mut().insert("last-event-id", "e-7".parse().unwrap());
    assert_eq!(told(ask(&behind.upstream(), request).await).await.0, 200);
    assert_eq!(behind.seen().len(), 2);
    assert!(behind.last().contains("last-event-id: e-7"));

    let behind = Behind::new(|_, _| Then::Close).await;
    assert_eq!(ask(&behind.upstream(), get()).await.status(), 502);
    assert_eq!(behind.seen().len(), 2, "once more and not again");
}

/// A kept connection that the server has closed meanwhile: nothing was written to it.
#[tokio::test]
async fn a_stale_connection_costs_no_call() {
    const BYE: &str =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let behind = Behind::new(|_, _| Then::SayAndClose(BYE)).await;
    let upstream = behind.upstream();
    for round in 1..=20 {
        assert_eq!(told(ask(&upstream, call()).await).await.0, 200, "round {round}");
        // The server's end of the connection has to arrive: it closes right after the answer.
        while behind.connections() < round {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(behind.seen().len(), 20);
}

/// A port of which nobody else can have the number, and at which nobody answers yet.
fn closed() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/mcp", socket.local_addr().unwrap());
    (socket, url)
}

#[tokio::test]
async fn a_server_that_is_being_restarted_is_waited_for() {
    let (socket, url) = closed();
    let upstream = HttpUpstream::builder(&url)
        .unwrap()
        .connect_timeout(Duration::from_secs(30))
        .insist_on_connecting(Duration::from_secs(20))
        .build()
        .unwrap();
    let asked = tokio::spawn({
        let upstream = upstream.clone();
        async move { told(ask(&upstream, call()).await).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!asked.is_finished());
    let listener = socket.listen(16).unwrap();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.set_nodelay(true).unwrap();
        while read_request(&mut tcp).await.is_some() {
            tcp.write_all(NOTHING_FOUND.as_bytes()).await.unwrap();
        }
    });
    assert_eq!(asked.await.unwrap(), (200, "{}".to_owned()));
    assert!(upstream.is_reachable().await);
}

///
#[tokio::test]
async fn nobody_there_is_a_502() {
    let (_kept, url) = closed();
    let upstream = HttpUpstream::builder(&url)
        .unwrap()
        .insist_on_connecting(Duration::from_millis(30))
        .build()
        .unwrap();
    assert_eq!(told(ask(&upstream, call()).await).await, (502, error_of("Upstream error")));
    assert!(!upstream.is_reachable().await);
    let no_socket = HttpUpstream::builder("unix:/nonexistent/x.sock:/mcp")
        .unwrap()
        .insist_on_connecting(Duration::ZERO)
        .build()
        .unwrap();
    assert_eq!(ask(&no_socket, call()).await.status(), 502);
}

/// a limit for each part, and the request goes out once.
#[tokio::test]
async fn a_server_that_is_silent_is_a_504() {
    let behind = Behind::new(|_, _| Then::Wait).await;
    let upstream = behind.builder().answer_timeout(Duration::from_secs(1)).build().unwrap();
    assert_eq!(told(ask(&upstream, call()).await).await, (504, error_of("Upstream timed out")));
    assert_eq!(behind.seen().len(), 1);

    // TLS that never answers is a connection that takes too long.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let upstream = HttpUpstream::builder(&format!("https://localhost:{port}/mcp"))
        .unwrap()
        .tls(portcullis_proxy::Tls::authorities(made.cert.pem()).unwrap())
        .connect_timeout(Duration::from_millis(50))
        // Not by the limit for answers.
        .answer_timeout(Duration::from_secs(3600))
        .build()
        .unwrap();
    let asked = tokio::time::timeout(Duration::from_secs(60), ask(&upstream, call()));
    let answer = asked.await.expect("the limit for connections");
    assert_eq!(told(answer).await, (504, error_of("Upstream timed out")));
}

#[tokio::test]
async fn a_unix_socket_is_as_good_as_a_port() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        use tokio::io::AsyncReadExt as _;
        let (mut unix, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"\"tools/call\"}") {
            assert!(unix.read_buf(&mut read).await.unwrap() > 0);
        }
        let head = String::from_utf8(read).unwrap();
        assert!(head.starts_with("POST /deep/mcp HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("host: localhost\r\n"), "{head}");
        unix.write_all(NOTHING_FOUND.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let url = format!("unix:{}:/deep/mcp", path.display());
    let upstream = HttpUpstream::builder(&url).unwrap().build().unwrap();
    assert_eq!(told(ask(&upstream, call()).await).await.0, 200);
}
