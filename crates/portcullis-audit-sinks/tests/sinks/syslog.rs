use std::io::{ErrorKind, Read as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use portcullis_audit_sinks::{Retry, Syslog, Tls};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::records::{deliver, id, records};

fn retry() -> Retry {
    Retry::new().timeout(Duration::from_secs(5)).patience(Duration::from_secs(30))
}

/// The messages in `bytes`, which are framed by their length.
pub(crate) fn messages(mut bytes: &[u8]) -> Vec<String> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|&byte| byte == b' ').unwrap();
        let length: usize = str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let message = &bytes[space + 1..space + 1 + length];
        messages.push(String::from_utf8(message.to_vec()).unwrap());
        bytes = &bytes[space + 1 + length..];
    }
    messages
}

/// Reads one connection until `count` messages have come, then closes it.
fn take(listener: TcpListener, count: usize) -> Receiver<(Vec<String>, TcpListener)> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        while bytes.windows(11).filter(|w| w == b"[portcullis").count() < count
            || !bytes.ends_with(b"}")
        {
            let read = tcp.read(&mut piece).unwrap();
            assert!(read > 0, "the sender hung up");
            bytes.extend_from_slice(&piece[..read]);
        }
        drop(tcp);
        sender.send((messages(&bytes), listener)).unwrap();
    });
    receiver
}

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn a_connection_that_broke_is_made_anew_and_what_was_sent_lately_is_sent_again() {
    let (listener, port) = listen();
    let sink = Syslog::local_tcp("127.0.0.1", port).hostname("gate").retry(retry());
    let mut sink = sink.build().unwrap();
    let made = records(4);

    let taken = take(listener, 2);
    deliver(&mut sink, &made[..2]).unwrap();
    let (first, listener) = taken.recv().unwrap();
    let line = made[0].1.trim_end();
    assert!(first[0].ends_with(&format!("] {line}")), "{}", first[0]);
    assert!(first[0].contains(&format!("event_id=\"{}\"", id(&made[0]))));
    assert!(
        first[0].contains(" gate portcullis ") && first[0].contains(" decision [portcullis@32473 ")
    );
    assert!(first[0].contains("sub=\"al\u{fffd}ice\u{fffd}\\\"\\]\""), "{}", first[0]);

    // The collector has hung up: what it may not have read comes again, before what is new.
    let taken = take(listener, 4);
    deliver(&mut sink, &made[2..]).unwrap();
    let (second, _) = taken.recv().unwrap();
    assert_eq!(second[..2], first[..]);
    assert!(second[2].contains(&id(&made[2])) && second[3].contains(&id(&made[3])));
}

#[test]
fn a_collector_that_reads_nothing_is_given_up() {
    let (listener, port) = listen();
    let retry = Retry::new()
        .timeout(Duration::from_millis(200))
        .patience(Duration::ZERO)
        .batch_bytes(32 * 1024 * 1024);
    let mut sink = Syslog::local_tcp("localhost", port).retry(retry).build().unwrap();
    // More than the buffers of both ends hold.
    let (record, _) = &records(1)[0];
    let long = format!("{}\n", "x".repeat(16 * 1024 * 1024));
    portcullis_audit::Sink::write(&mut sink, record, long.as_bytes()).unwrap();
    let error = portcullis_audit::Sink::flush(&mut sink).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    drop(listener);
    assert_eq!(deliver(&mut sink, &records(1)).unwrap_err().kind(), ErrorKind::NotConnected);
}

/// A certificate for localhost, as PEM, and the server's settings.
fn server() -> (String, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.unwrap())
        .unwrap();
    (made.cert.pem(), Arc::new(config))
}

#[test]
fn over_tls_the_collector_must_be_the_right_one() {
    let (pem, config) = server();
    let (other, _) = server();
    for (name, pem, expected) in [("the right one", pem, true), ("another", other, false)] {
        let (listener, port) = listen();
        let config = Arc::clone(&config);
        let collector = thread::spawn(move || {
            let (tcp, _) = listener.accept().unwrap();
            let session = ServerConnection::new(config).unwrap();
            let mut stream: StreamOwned<_, TcpStream> = StreamOwned::new(session, tcp);
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            bytes
        });
        let retry = Retry::new().patience(Duration::ZERO);
        let sink = Syslog::tls("localhost", port).trust(Tls::authorities(&pem).unwrap());
        let mut sink = sink.retry(retry).build().unwrap();
        let made = records(2);
        assert_eq!(deliver(&mut sink, &made).is_ok(), expected, "{name}");
        drop(sink);
        let bytes = collector.join().unwrap();
        assert_eq!(messages(&bytes).len(), if expected { 2 } else { 0 }, "{name}");
    }
}

#[test]
fn settings_that_cannot_be_honoured_are_errors() {
    assert!(Syslog::local_tcp("logs.example.com", 514).build().is_err(), "not in the clear");
    assert!(Syslog::danger_plain_tcp("logs.example.com", 514).build().is_ok());
    assert!(Syslog::tls("logs.example.com", 6514).facility(24).build().is_err());
    assert!(Syslog::tls("", 6514).build().is_err());
    assert!(Syslog::local_tcp("127.0.0.1", 514).app_name("a b").build().is_err());
}
