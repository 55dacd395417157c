//! What is forwarded means to any JSON parser what policy saw (R-033).

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use jiter::JsonValue;
use portcullis::RequestFacts as _;
use portcullis::audit::MemorySink;
use portcullis::core::{Buffered, McpMessage};
use portcullis_test::Mint;
use proptest::prelude::*;
use tower::{Layer as _, Service};

use crate::readers;
use crate::support::{ISSUER, Setup, layer};

/// What policy saw, beside the bytes that were forwarded.
#[derive(Clone, Debug)]
struct Forwarded {
    method: String,
    id: String,
    target: Option<String>,
    body: Bytes,
}

#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Option<Forwarded>>>);

impl Service<Request<Buffered>> for Capture {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Buffered>) -> Self::Future {
        if let Some(McpMessage::Request(message)) = request.message() {
            *self.0.lock().unwrap() = Some(Forwarded {
                method: message.method().as_str().to_owned(),
                id: message.id().as_str().to_owned(),
                target: message.targets().next().map(|target| target.name().to_owned()),
                body: request.body().bytes().clone(),
            });
        }
        let mut response = Response::new(Empty::new());
        *response.status_mut() = http::StatusCode::ACCEPTED;
        ready(Ok(response))
    }
}

/// Pieces that parsers have disagreed about.
fn piece() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        8 => Just(r#""get_weather""#.to_owned()),
        8 => Just(r#""delete_user""#.to_owned()),
        4 => Just(r#""get\u005fweather""#.to_owned()),
        1 => Just(r#""get_weather\u0000""#.to_owned()),
        1 => Just(r#""\ud83d\ude00""#.to_owned()),
        1 => Just(r#""\ud800""#.to_owned()),
        1 => Just("1.0".to_owned()),
        1 => Just("null".to_owned()),
    ];
    let key = prop_oneof![
        8 => Just(r#""name""#.to_owned()),
        1 => Just(r#""Name""#.to_owned()),
        4 => Just(r#""n\u0061me""#.to_owned()),
        4 => Just(r#""tool""#.to_owned()),
        1 => Just(r#""uri""#.to_owned()),
        1 => Just(r#""$serde_json::private::RawValue""#.to_owned()),
        1 => Just(r#""__proto__""#.to_owned()),
        1 => Just("\"argument\u{17f}\"".to_owned()),
        1 => Just(r#""\u004eame""#.to_owned()),
    ];
    (key, name).prop_map(|(key, name)| format!("{key}:{name}"))
}

fn document() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![
        8 => Just("tools/call"),
        2 => Just("prompts/get"),
        2 => Just("tools\\/call"),
        1 => Just("resources/read"),
        1 => Just("Tools/Call"),
    ];
    let space = prop_oneof![8 => Just(""), 4 => Just(" "), 4 => Just("\n\t"), 1 => Just("\u{feff}"), 1 => Just("\u{a0}")];
    let id = prop_oneof![
        8 => Just("1"), 8 => Just(r#""a""#), 1 => Just("1.0"), 1 => Just("-0"), 1 => Just("1e400"), 1 => Just("01"),
        4 => Just("9007199254740993"), 1 => Just("null"),
    ];
    let pieces = prop::collection::vec(piece(), 1..3);
    let tail = prop_oneof![16 => Just(""), 1 => Just("{}"), 1 => Just("\0"), 1 => Just(","), 1 => Just("//x"), 8 => Just("\n ")];
    (method, space, id, pieces, tail, prop::option::weighted(0.2, any::<(prop::sample::Index, u8)>())).prop_map(
        |(method, space, id, pieces, tail, flip)| {
            let text = format!(
                r#"{space}{{"jsonrpc":"2.0",{space}"id":{id},"method":"{method}","params":{{{}}}}}{tail}"#,
                pieces.join(",")
            );
            let mut bytes = text.into_bytes();
            if let Some((index, byte)) = flip {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    )
}

fn forwarded(
    runtime: &tokio::runtime::Runtime,
    gate: &mut (impl Service<Request<Buffered>, Error = Infallible> + Clone),
    capture: &Capture,
    token: &str,
    body: &[u8],
) -> Option<Forwarded> {
    *capture.0.lock().unwrap() = None;
    let request = Request::post("/mcp")
        .header("host", "mcp.example.com")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-11-25")
        .header("authorization", format!("Bearer {token}"))
        .body(Buffered::new(Bytes::copy_from_slice(body)))
        .unwrap();
    runtime.block_on(async {
        std::future::poll_fn(|cx| gate.poll_ready(cx)).await.unwrap();
        drop(gate.call(request).await);
    });
    capture.0.lock().unwrap().take()
}

/// The member of an object, refusing documents in which it stands twice.
fn member<'a, 'j>(object: &'a JsonValue<'j>, name: &str) -> Option<&'a JsonValue<'j>> {
    let JsonValue::Object(members) = object else { panic!("an object: {object:?}") };
    let mut found = members.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
    let value = found.next();
    assert!(found.next().is_none(), "{name} stands twice");
    value
}

fn text<'a>(value: &'a JsonValue<'_>) -> &'a str {
    let JsonValue::Str(text) = value else { panic!("a string: {value:?}") };
    text
}

#[test]
fn parsers_agree_with_policy() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    let mint = Mint::es256(ISSUER);
    let capture = Capture::default();
    let gate = layer(Setup::default(), &mint, MemorySink::new()).layer(capture.clone());
    let token = mint.token().claim("groups", serde_json::json!(["staff", "writers"])).sign();

    let passed = std::cell::Cell::new(0);
    let config =
        ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&document(), |sent| {
            let Some(seen) = forwarded(&runtime, &mut gate.clone(), &capture, &token, &sent) else {
                return Ok(());
            };
            passed.set(passed.get() + 1);
            prop_assert_eq!(
                &seen.body[..],
                &sent[..],
                "the bytes forwarded are the bytes received"
            );

            let first: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
            let key = if seen.method == "resources/read" { "uri" } else { "name" };
            let target = seen.target.as_deref();
            prop_assert_eq!(first["method"].as_str(), Some(seen.method.as_str()));
            prop_assert_eq!(first["params"][key].as_str(), target);

            let second = JsonValue::parse(&seen.body, false).unwrap();
            prop_assert_eq!(text(member(&second, "method").unwrap()), seen.method.as_str());
            let params = member(&second, "params").unwrap();
            prop_assert_eq!(member(params, key).map(text), target);

            for reader in [readers::serde, readers::first_wins, readers::go] {
                let calls = reader(&seen.body).expect("a document that others read");
                prop_assert!(calls.len() <= 1);
                let read = calls.first().map(|call| (call.method.as_str(), call.target.as_str()));
                prop_assert_eq!(read, target.map(|target| (seen.method.as_str(), target)));
            }

            let raw: std::collections::BTreeMap<&str, &serde_json::value::RawValue> =
                serde_json::from_slice(&seen.body).unwrap();
            prop_assert_eq!(raw["id"].get(), seen.id.as_str(), "the id is the token that was sent");
            Ok(())
        })
        .unwrap();
    assert!(passed.get() > 200, "only {} documents passed: the property says little", passed.get());
}
