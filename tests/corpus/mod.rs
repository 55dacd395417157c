//! The corpus of attacks as requests on the wire; `attacks.txt` says how it is written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const ATTACKS: &str = include_str!("attacks.txt");
const ALLOWED: &str = "allowed_read";
const FORBIDDEN: &str = "forbidden_delete";
const REVISIONS: [(&str, &str); 4] =
    [("03", "2025-03-26"), ("06", "2025-06-18"), ("11", "2025-11-25"), ("26", "2026-07-28")];

/// A block of the file.
#[derive(Clone, Debug, Default)]
struct Block {
    title: String,
    on: String,
    each: Vec<Vec<String>>,
    line: Option<String>,
    without: Vec<String>,
    headers: Vec<String>,
    method: Option<String>,
    mirror: Option<String>,
    body: String,
    after: String,
    repeat: Option<String>,
    cut: bool,
    expect: String,
    keys: Option<String>,
    runs: bool,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Attack {
    block: Block,
    version: &'static str,
    /// One alternative of each list.
    chosen: Vec<String>,
    /// What it is, and in which revision.
    pub name: String,
    /// The methods and targets that may be executed.
    pub expect: Vec<String>,
    /// The names of the arguments, where they are told.
    pub keys: Option<Vec<String>>,
    /// Whether every server executes it.
    pub runs: bool,
    /// Whether the client says that nothing more comes.
    pub cut: bool,
}

/// All of them.
pub fn attacks() -> Vec<Attack> {
    let lines: Vec<_> = ATTACKS.lines().filter(|line| !line.starts_with('#')).collect();
    let blocks = lines.split(|line| line.is_empty()).filter(|block| !block.is_empty());
    blocks.map(block).flat_map(|block| expand(&block)).collect()
}

fn block(lines: &[&str]) -> Block {
    let (title, rest) = lines.split_first().expect("a title");
    let mut block = Block {
        title: (*title).to_owned(),
        on: "03 06 11 26".into(),
        body: "$CALL_A".into(),
        expect: "refused".into(),
        ..Block::default()
    };
    for line in rest {
        let (key, value) = line.split_once(':').unwrap_or_else(|| panic!("{title}: {line}"));
        let value = value.trim().to_owned();
        match key {
            "on" => block.on = value,
            "each" => block.each.push(value.split('|').map(|one| one.trim().to_owned()).collect()),
            "line" => block.line = Some(value),
            "without" => block.without.push(value),
            "header" => block.headers.push(value),
            "method" => block.method = Some(value),
            "mirror" => block.mirror = Some(value),
            "body" => block.body = value,
            "after" => block.after = value,
            "repeat" => block.repeat = Some(value),
            "cut" => block.cut = true,
            "expect" => block.expect = value,
            "keys" => block.keys = Some(value),
            "runs" => block.runs = true,
            _ => panic!("{title}: {key} means nothing"),
        }
    }
    block
}

fn expand(block: &Block) -> Vec<Attack> {
    let mut all = vec![Vec::new()];
    for list in &block.each {
        let with = |chosen: &[String], one: &String| [chosen, std::slice::from_ref(one)].concat();
        all = all.iter().flat_map(|so_far| list.iter().map(|one| with(so_far, one))).collect();
    }
    let revisions = REVISIONS.iter().filter(|(month, _)| block.on.contains(month));
    let mut attacks = Vec::new();
    for (month, version) in revisions {
        for (number, chosen) in all.iter().enumerate() {
            let number = if all.len() > 1 { format!(", {}", number + 1) } else { String::new() };
            let mut attack = Attack {
                block: block.clone(),
                version,
                chosen: chosen.clone(),
                name: format!("{}{number} ({month})", block.title),
                expect: Vec::new(),
                keys: None,
                runs: block.runs,
                cut: block.cut,
            };
            if block.expect != "refused" {
                let expect = attack.fill(&block.expect);
                attack.expect = expect.split(" + ").map(str::to_owned).collect();
            }
            attack.keys = block
                .keys
                .as_ref()
                .map(|keys| attack.fill(keys).split(' ').map(str::to_owned).collect());
            attacks.push(attack);
        }
    }
    attacks
}

impl Attack {
    /// The bytes to send to `host` with `token`; `agent` is the `User-Agent`.
    pub fn wire(&self, host: &str, token: &str, agent: &str) -> Vec<u8> {
        let fill = |text: &str| self.fill(text).replace("$HOST", host).replace("$TOKEN", token);
        let body = bytes(&fill(&self.block.body));
        let mut lines: Vec<(&str, String)> = vec![
            ("Host", host.to_owned()),
            ("Authorization", format!("Bearer {token}")),
            ("Content-Type", "application/json".into()),
            ("Accept", "application/json, text/event-stream".into()),
            ("User-Agent", agent.to_owned()),
            ("Connection", "close".into()),
        ];
        if self.version != "2025-03-26" {
            lines.push(("MCP-Protocol-Version", self.version.into()));
        }
        if self.version == "2026-07-28" {
            let said = |text: &Option<String>, usual: &str| fill(text.as_deref().unwrap_or(usual));
            lines.push(("Mcp-Method", said(&self.block.method, "tools/call")));
            lines.push(("Mcp-Name", said(&self.block.mirror, ALLOWED)));
        }
        lines.push(("Content-Length", body.len().to_string()));

        let mut wire = bytes(&fill(self.block.line.as_deref().unwrap_or("POST /mcp HTTP/1.1")));
        wire.extend(b"\r\n");
        for (name, value) in lines {
            let without = |other: &String| fill(other).eq_ignore_ascii_case(name);
            if !self.block.without.iter().any(without) {
                wire.extend(bytes(&format!("{name}: {value}")));
                wire.extend(b"\r\n");
            }
        }
        for header in &self.block.headers {
            wire.extend(bytes(&fill(header).replace("$LEN", &body.len().to_string())));
            wire.extend(b"\r\n");
        }
        wire.extend(b"\r\n");
        wire.extend(body);
        wire.extend(bytes(&fill(&self.block.after)));
        wire
    }

    /// The text with everything put in that does not depend on who is asked.
    fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if text.contains("$R")
            && let Some(repeat) = &self.block.repeat
        {
            let (times, what) = repeat.split_once(' ').expect("a number and a text");
            let times: usize = times.parse().expect("a number");
            let all: String = (0..times).map(|n| what.replace("$N", &n.to_string())).collect();
            text = text.replace("$R", &all);
        }
        let first = self.chosen.first().map_or("", String::as_str);
        if text.contains("$NEST") {
            text = text.replace("$NEST", &nest(first));
        }
        if text.contains("$URI") {
            text = text.replace("$URI", &mirrored(first));
        }
        // The last first: it may name the others.
        for (index, chosen) in self.chosen.iter().enumerate().rev() {
            for (part, value) in chosen.split(',').enumerate() {
                text = text.replace(&format!("${}[{part}]", index + 1), value);
            }
            text = text.replace(&format!("${}", index + 1), chosen);
        }
        let meta = match self.version {
            "2026-07-28" => {
                r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#
            }
            _ => r#""_meta":{}"#,
        };
        let call = |tool: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"a":1}},{meta}}}}}"#
            )
        };
        let calls = [("A", call(ALLOWED)), ("F", call(FORBIDDEN))];
        for (name, call) in calls {
            text = text.replace(&format!("$CALL_{name}"), &call);
            text = text.replace(&format!("$HEX_{name}"), &format!("{:x}", call.len()));
            text = text.replace(&format!("$LEN_{name}"), &call.len().to_string());
        }
        text.replace("$META", meta)
            .replace("$VERSION", self.version)
            .replace("$A", ALLOWED)
            .replace("$F", FORBIDDEN)
    }
}

/// `65,[,]` is that deep.
fn nest(text: &str) -> String {
    let mut parts = text.split(',');
    let mut part = || parts.next().expect("a depth and two ends");
    let (depth, open, close) = (part(), part(), part());
    let depth = depth.parse().expect("a depth");
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

/// A JSON string's inside as a header says it.
fn mirrored(inside: &str) -> String {
    let json = bytes(&format!("\"{inside}\""));
    let text: String = serde_json::from_slice(&json).unwrap_or_default();
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if plain { text } else { format!("=?base64?{}?=", STANDARD.encode(text)) }
}

/// The text with `<XX>` as bytes.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        bytes.extend(before.as_bytes());
        let hex = after.get(..2).filter(|_| after.as_bytes().get(2) == Some(&b'>'));
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(b'<');
                rest = after;
            }
        }
    }
    bytes.extend(rest.as_bytes());
    bytes
}
