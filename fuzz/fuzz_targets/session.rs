//! A session id opens for whom it was made and as it was made, and in no other way.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use portcullis_core::RequestFacts as _;
use portcullis_fuzz::{Server, named, post, run};
use portcullis_mcp::{InspectLayer, SessionKeys};
use tower_layer::Layer as _;
use tower_service::Service as _;

const INITIALIZE: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"f","version":"1"}}}"#;
const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"f","version":"1"}}}"#;
const PING: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

static KEYS: LazyLock<SessionKeys> = LazyLock::new(|| SessionKeys::new(&[7; 32]));
/// An id of Alice's.
static ID: LazyLock<String> = LazyLock::new(|| {
    let server = Server {
        content_type: "application/json",
        chunks: vec![Bytes::from_static(INITIALIZED)],
        session: Some("upstream-id"),
        ..Server::default()
    };
    let request = post(Bytes::from_static(INITIALIZE), &[]).expect("a request");
    let Ok(answer) = run(layer().layer(server).call(request));
    let id = answer.headers().get("mcp-session-id").expect("a session");
    id.to_str().expect("ASCII").to_owned()
});

fn layer() -> InspectLayer {
    InspectLayer::new().resource("https://mcp.example.com/mcp").session_keys(KEYS.clone())
}

/// What is sent in place of the id.
#[derive(arbitrary::Arbitrary, Debug)]
enum Sent<'a> {
    Changed(Vec<(u16, u8)>),
    Cut(u16, u16),
    With(&'a [u8], &'a [u8]),
    Other(&'a [u8]),
}

impl Sent<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut id = ID.clone().into_bytes();
        let length = id.len();
        match self {
            Self::Changed(changes) => {
                for (at, byte) in changes {
                    id[usize::from(*at) % length] = *byte;
                }
                id
            }
            Self::Cut(from, to) => {
                let (from, to) =
                    (usize::from(*from) % (length + 1), usize::from(*to) % (length + 1));
                id.drain(from.min(to)..from.max(to));
                id
            }
            Self::With(before, after) => [before, id.as_slice(), after].concat(),
            Self::Other(bytes) => bytes.to_vec(),
        }
    }
}

fuzz_target!(|input: (Sent<'_>, bool, bool)| {
    let (sent, other_caller, twice) = input;
    let Ok(value) = HeaderValue::from_bytes(&sent.bytes()) else { return };
    let mut request = post(Bytes::from_static(PING), &[]).expect("a request");
    if other_caller {
        request.set_caller(named("mallory"));
    }
    let same = value.as_bytes() == ID.as_bytes();
    request.headers_mut().append("mcp-session-id", value);
    if twice {
        request.headers_mut().append("mcp-session-id", HeaderValue::from_str(&ID).expect("an id"));
    }
    let long = request.headers().iter().any(|(_, value)| value.len() > 8 << 10);
    let server = Server::default();
    let Ok(answer) = run(layer().layer(server.clone()).call(request));
    let got = server.got.lock().expect("no poison").take();
    assert_eq!(got.is_some(), same && !other_caller && !twice, "{sent:?}");
    match got {
        Some(got) => assert_eq!(got.headers()["mcp-session-id"], "upstream-id"),
        None => assert_eq!(answer.status(), if long { 431 } else { 404 }, "{sent:?}"),
    }
});
