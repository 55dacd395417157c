//! A mirrored header passes exactly when it says, by a second reading of the rules, what the body says.
#![no_main]

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::BodyExt as _;
use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{Server, post, run};
use portcullis_mcp::InspectLayer;
use serde_json::json;
use tower_layer::Layer as _;
use tower_service::Service as _;

const VERSION: &str = "2026-07-28";
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"t","inputSchema":{"type":"object","properties":{"text":{"type":"string","x-mcp-header":"Text"},"count":{"type":"integer","x-mcp-header":"Count"},"flag":{"type":"boolean","x-mcp-header":"Flag"}}}}]}}"#;

/// A gate that has seen the tool `t`.
fn layer() -> InspectLayer {
    let layer = InspectLayer::new();
    let server = Server {
        content_type: "application/json",
        chunks: vec![Bytes::from_static(LIST.as_bytes())],
        ..Server::default()
    };
    let body = message("tools/list", json!({}));
    let headers = [("mcp-protocol-version", VERSION), ("mcp-method", "tools/list")];
    let request = post(body, &headers).expect("a request");
    let Ok(answer) = run(layer.layer(server).call(request));
    run(answer.into_body().collect()).expect("a list");
    layer
}

fn message(method: &str, mut params: serde_json::Value) -> Bytes {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    message.to_string().into()
}

/// What a header's value stands for: R-050, R-051, written another way.
fn meaning(value: &[u8]) -> Option<Vec<u8>> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_space(byte)).map_or(start, |at| at + 1);
    let value = &value[start..end];
    if value.iter().any(|byte| *byte != b'\t' && !(0x20..0x7f).contains(byte)) {
        return None;
    }
    if !value.starts_with(b"=?base64?") || !value.ends_with(b"?=") {
        return Some(value.to_vec());
    }
    if value.len() < 11 {
        return None;
    }
    let decoded = base64(&value[9..value.len() - 2])?;
    std::str::from_utf8(&decoded).ok().map(|text| text.as_bytes().to_vec())
}

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if text.len() % 4 != 0 {
        return None;
    }
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut bits = String::new();
    for byte in &text[..text.len() - padding] {
        let value = ALPHABET.iter().position(|letter| letter == byte)?;
        bits += &format!("{value:06b}");
    }
    let whole = bits.len() / 8 * 8;
    if bits[whole..].contains('1') || bits.len() - whole >= 6 {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(&bits[at..at + 8], 2).expect("bits");
    Some((0..whole).step_by(8).map(byte).collect())
}

/// Which argument of `t`, and its value.
#[derive(arbitrary::Arbitrary, Debug)]
enum Argument<'a> {
    None,
    Text(&'a str),
    Count(i64),
    Flag(bool),
}

fuzz_target!(|input: (&str, &[u8], Argument<'_>, &[u8], bool)| {
    thread_local!(static LAYER: InspectLayer = layer());
    let (name, mirrored, argument, repeated, with) = input;
    // The called tool is `t` wherever arguments matter.
    let name = if matches!(argument, Argument::None) { name } else { "t" };
    let Ok(mirrored) = HeaderValue::from_bytes(mirrored) else { return };
    let (arguments, header) = match argument {
        Argument::None => (json!({}), "mcp-param-other"),
        Argument::Text(text) => (json!({ "text": text }), "mcp-param-text"),
        Argument::Count(count) => (json!({ "count": count }), "mcp-param-count"),
        Argument::Flag(flag) => (json!({ "flag": flag }), "mcp-param-flag"),
    };
    let body = message("tools/call", json!({ "name": name, "arguments": arguments }));
    let headers = [("mcp-protocol-version", VERSION), ("mcp-method", "tools/call")];
    let mut request = post(body, &headers).expect("a request");
    request.headers_mut().insert("mcp-name", mirrored.clone());
    let mut repeated_means = None;
    if with {
        let Ok(value) = HeaderValue::from_bytes(repeated) else { return };
        repeated_means = meaning(value.as_bytes());
        request.headers_mut().insert(header, value);
    }
    let long = request.headers().iter().any(|(_, value)| value.len() > 8 << 10);

    let server = Server::default();
    let mut service = LAYER.with(|layer| layer.layer(server.clone()));
    let _ = run(service.call(request));
    let passed = server.got.lock().expect("no poison").is_some();

    let named = meaning(mirrored.as_bytes()).is_some_and(|text| text == name.as_bytes());
    let said = repeated_means.as_deref().and_then(|text| std::str::from_utf8(text).ok());
    let agrees = match argument {
        Argument::None => true,
        Argument::Text(text) => said == Some(text),
        Argument::Flag(flag) => said == Some(if flag { "true" } else { "false" }),
        // Beyond what a double holds exactly nothing is promised.
        Argument::Count(count) if count.unsigned_abs() > (1 << 53) - 1 => return,
        Argument::Count(count) => match said.and_then(|said| said.parse::<i64>().ok()) {
            Some(_) if said.is_some_and(|said| said.starts_with('+')) => false,
            // Other spellings of the number may pass, and others still may not.
            None if passed => said.and_then(|said| said.parse().ok()) == Some(count as f64),
            None => return,
            Some(said) => said == count,
        },
    };
    let leading = matches!(argument, Argument::Count(_))
        && said.is_some_and(|said| {
            let digits = said.trim_start_matches('-');
            said == "-0" || (digits.len() > 1 && digits.starts_with('0'))
        });
    if !leading {
        assert_eq!(passed, named && agrees && !long, "{name:?} {mirrored:?} {argument:?} {said:?}");
    }
});
