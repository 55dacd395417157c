//! Requests as clients send them. A message that is repeated flatters every parser: they rotate.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::support::{Dice, keep};

pub const TOOLS: usize = 600;

/// The id of every request, so that one answer fits all.
pub const ID: u32 = 7;

/// The names of a catalogue of tools.
pub fn tool(n: usize) -> String {
    const VERBS: [&str; 6] = ["get", "list", "search", "create", "update", "delete"];
    const NOUNS: [&str; 5] = ["issue", "invoice", "customer", "file", "calendar_event"];
    let (verb, noun) = (VERBS[n % VERBS.len()], NOUNS[n / VERBS.len() % NOUNS.len()]);
    format!("service{}.{verb}_{noun}", n / (VERBS.len() * NOUNS.len()))
}

/// A call of about 300 bytes.
pub fn small(dice: &mut Dice) -> (String, String) {
    let name = tool(dice.below(TOOLS));
    let (id, days) = (dice.below(1_000_000), dice.below(30));
    let size = 4 + dice.below(12);
    let (city, tag) = (dice.word(size), dice.word(5));
    let exact = dice.below(2) == 0;
    let arguments =
        format!(r#"{{"customer":"{city}","days":{days},"exact":{exact},"tags":["{tag}",{id}]}}"#);
    let body = call(&name, &arguments);
    (name, body)
}

/// A call with nested arguments of at least so many bytes.
pub fn nested(bytes: usize) -> (String, String) {
    let mut dice = Dice::new(11);
    let mut rows = String::new();
    while rows.len() < bytes {
        let (a, b, c) = (dice.word(6), dice.word(9), dice.below(100_000));
        let row = format!(
            r#"{{"id":{c},"name":"{a}","open":true,"at":{{"line":{c},"text":"{b}","path":["{a}","{b}",null,-1.5e3]}}}}"#
        );
        rows.push_str(if rows.is_empty() { "" } else { "," });
        rows.push_str(&row);
    }
    (tool(1), call(&tool(1), &format!(r#"{{"rows":[{rows}]}}"#)))
}

/// A call with a text of at least so many bytes, in lines.
pub fn text(bytes: usize) -> (String, String) {
    let mut dice = Dice::new(12);
    let mut text = String::new();
    while text.len() < bytes {
        text.push_str(&dice.word(78));
        text.push_str("\\n");
    }
    (tool(2), call(&tool(2), &format!(r#"{{"content":"{text}"}}"#)))
}

pub fn call(name: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{ID},"method":"tools/call","params":{{"name":"{name}","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    )
}

/// 2 000 different small calls.
pub fn smalls() -> Vec<(String, String)> {
    let mut dice = Dice::new(13);
    (0..2_000).map(|_| small(&mut dice)).collect()
}

/// What is asked one after the other, again and again.
pub struct Rotation<T: 'static> {
    all: &'static [T],
    next: usize,
}

impl<T> Rotation<T> {
    pub fn new(all: Vec<T>) -> Self {
        Self { all: keep(all), next: 0 }
    }

    pub fn next(&mut self) -> &'static T {
        self.next = if self.next + 1 < self.all.len() { self.next + 1 } else { 0 };
        &self.all[self.next]
    }
}

// By hand: clones read the same messages.
impl<T> Clone for Rotation<T> {
    fn clone(&self) -> Self {
        Self { all: self.all, next: 0 }
    }
}

/// The request that carries a call.
pub fn request(name: &str, body: &str, token: &str) -> Request<Full<Bytes>> {
    post("tools/call", Some(name), body, token)
}

pub fn post(method: &str, name: Option<&str>, body: &str, token: &str) -> Request<Full<Bytes>> {
    let mut request = Request::post("/mcp")
        .header("host", "mcp.example.com")
        .header("user-agent", "mcp-client/1.4.2")
        .header("content-type", "application/json")
        .header("content-length", body.len())
        .header("accept", "application/json, text/event-stream")
        .header("accept-encoding", "gzip, deflate")
        .header("authorization", format!("Bearer {token}"))
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method);
    if let Some(name) = name {
        request = request.header("mcp-name", name);
    }
    request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}
