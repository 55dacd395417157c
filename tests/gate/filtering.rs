//! Random policies over random lists: what is shown is what can be called, in every form that a list
//! comes in, and wherever its bytes break.

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use portcullis::audit::MemorySink;
use portcullis::core::Buffered;
use portcullis::{Issuer, JwkSet, Policy, Portcullis, PortcullisLayer};
use portcullis_test::Mint;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _};

use crate::support::{Answer, ISSUER, RESOURCE, Upstream, modern_body};

struct Kind {
    list: &'static str,
    member: &'static str,
    key: &'static str,
    names: &'static [&'static str],
    patterns: &'static [&'static str],
    in_policy: &'static str,
}

const KINDS: [Kind; 4] = [
    Kind {
        list: "tools/list",
        member: "tools",
        key: "name",
        names: &["a", "b", "ab", "ba", "A", "aa", "", "a b", "a\u{0}", "\u{e9}", "a\u{200b}"],
        patterns: &["a", "b", "a*", "*b", "*", "A", "a*b", "aa"],
        in_policy: "tools",
    },
    Kind {
        list: "prompts/list",
        member: "prompts",
        key: "name",
        names: &["a", "b", "ab", "A", "a\\b"],
        patterns: &["a", "b", "a*", "*"],
        in_policy: "prompts",
    },
    Kind {
        list: "resources/list",
        member: "resources",
        key: "uri",
        names: &[
            "n:///a",
            "n:///b",
            "n:///a/b",
            "n:///a/../b",
            "N:///a",
            "n:///%61",
            "a",
            "n:///a?x",
        ],
        patterns: &["n:///a", "n:///*", "n:///a/**", "n:///**"],
        in_policy: "resources",
    },
    Kind {
        list: "resources/templates/list",
        member: "resourceTemplates",
        key: "uriTemplate",
        names: &["n:///{x}", "n:///a/{x}", "n:///{x}/a", "m:///{x}"],
        patterns: &["n:///{x}", "n:///*", "n:///a/**", "n:///**"],
        in_policy: "resources",
    },
];

/// How the names of a rule read in a policy file.
fn rule(number: usize) -> impl Strategy<Value = String> {
    let patterns = |kind: &'static Kind| subsequence(kind.patterns, 0..3);
    let effect = prop_oneof![3 => Just("allow"), 1 => Just("deny")];
    let who = select(vec![
        "roles: [staff]",
        "roles: [staff, writers]",
        "roles: [writers]",
        "everyone: true",
    ]);
    let more = select(vec![
        "",
        "",
        "    requires_scopes: [files:write]\n",
        "    arguments: { mode: { equals: ok } }\n",
    ]);
    let names =
        (patterns(&KINDS[0]), patterns(&KINDS[1]), patterns(&KINDS[2]), patterns(&KINDS[3]));
    (effect, who, more, names).prop_map(
        move |(effect, who, more, (tools, prompts, uris, templates))| {
            let resources = [uris, templates].concat();
            let of = |kind: &Kind, names: Vec<&str>| {
                (!names.is_empty()).then(|| format!("{}: {}", kind.in_policy, json!(names)))
            };
            let targets = [of(&KINDS[0], tools), of(&KINDS[1], prompts), of(&KINDS[2], resources)];
            let targets: Vec<_> = targets.into_iter().flatten().collect();
            let more = match (effect, more.contains("arguments")) {
                // The arguments of a call that is to succeed are those that rules allow.
                ("deny", true) => "    arguments: { mode: { equals: bad } }\n",
                ("deny", false) => "",
                _ => more,
            };
            format!(
                "  - id: r{number}\n    {who}\n    {effect}: {{ {} }}\n{more}",
                targets.join(", ")
            )
        },
    )
}

fn policy() -> impl Strategy<Value = String> {
    (rule(0), rule(1), rule(2), rule(3)).prop_map(|rules| {
        let roles = "roles:\n  staff: { groups: [staff] }\n  writers: { groups: [writers] }\n";
        format!("{roles}rules:\n{}{}{}{}", rules.0, rules.1, rules.2, rules.3)
    })
}

/// A list as the server sends it: the items' bytes, and what they are called.
fn items(kind: &'static Kind) -> impl Strategy<Value = Vec<(String, Option<&'static str>)>> {
    let odd = select(vec![
        "null",
        "7",
        "[]",
        r#"{"no":"key"}"#,
        r#"{"name":5,"uri":null,"uriTemplate":[]}"#,
    ]);
    let named = (select(kind.names), any::<bool>(), 0..4_u8).prop_map(|(name, escape, more)| {
        let mut text = json!(name).to_string();
        if escape && let Some(first) = name.chars().next().filter(char::is_ascii_alphabetic) {
            text = text.replacen(first, &format!("\\u{:04X}", u32::from(first)), 1);
        }
        let key = kind.key;
        let item = match more {
            0 => format!(r#"{{"{key}":{text}}}"#),
            1 => format!(r#"{{ "title" : "x" , "{key}" : {text} }}"#),
            2 => format!(r#"{{"n":1.50e0,"{key}":{text},"inner":{{"{key}":"a"}}}}"#),
            _ => format!(
                r#"{{"{key}":{text},"inputSchema":{{"type":"object"}},"x":["\ud83d\ude00"]}}"#
            ),
        };
        (item, Some(name))
    });
    prop::collection::vec(
        prop_oneof![8 => named, 1 => odd.prop_map(|item| (item.to_owned(), None))],
        0..8,
    )
}

/// How an answer comes.
#[derive(Clone, Debug)]
struct Form {
    version: &'static str,
    stream: bool,
    batch: bool,
    newline: &'static str,
    breaks: Vec<Index>,
}

fn form() -> impl Strategy<Value = Form> {
    let version = select(vec!["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]);
    let newline = select(vec!["\n", "\r", "\r\n"]);
    let breaks = prop::collection::vec(any::<Index>(), 0..6);
    (version, any::<bool>(), any::<bool>(), newline, breaks).prop_map(
        |(version, stream, batch, newline, breaks)| Form {
            version,
            stream,
            batch: batch && version == "2025-03-26",
            newline,
            breaks,
        },
    )
}

impl Form {
    fn answer(&self, document: &str) -> Answer {
        let text = match self.stream {
            false => document.to_owned(),
            true => {
                let n = self.newline;
                let note = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
                // Several lines of data are one document.
                let document =
                    document.replacen(",\"result\"", &format!(",{n}data: \"result\""), 1);
                format!(
                    ": hi{n}{n}data: {note}{n}{n}id: 7{n}retry: 5{n}event: message{n}data:{document}{n}{n}"
                )
            }
        };
        let mut answer =
            if self.stream { Answer::sse([text.clone()]) } else { Answer::json(text.clone()) };
        let mut at: Vec<_> = self.breaks.iter().map(|index| index.index(text.len())).collect();
        at.sort_unstable();
        at.push(text.len());
        let mut from = 0;
        answer.chunks = at
            .into_iter()
            .map(|to| {
                Bytes::copy_from_slice(&text.as_bytes()[std::mem::replace(&mut from, to)..to])
            })
            .collect();
        answer
    }
}

struct Rig {
    runtime: tokio::runtime::Runtime,
    gate: PortcullisLayer<Policy>,
    token: String,
}

impl Rig {
    fn new(mint: &Mint, policy: Policy) -> Self {
        let gate = Portcullis::builder()
            .policy(policy)
            .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
            .resource(RESOURCE)
            .scope("mcp:read")
            .audit(MemorySink::new())
            .build()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let token = mint.token().claim("groups", json!(["staff"])).scope("mcp:read").sign();
        Self { runtime, gate, token }
    }

    /// What the client gets, and whether the server was asked.
    fn ask(
        &self,
        version: &str,
        body: String,
        mirrored: Option<(&str, &str)>,
        answer: Answer,
    ) -> (u16, Bytes, bool) {
        let upstream = Upstream::always(answer);
        let mut request = Request::post("/mcp")
            .header("host", "mcp.example.com")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", version)
            .header("authorization", format!("Bearer {}", self.token));
        if version == "2026-07-28" {
            let (method, name) = mirrored.unwrap();
            let name = if name.bytes().all(|byte| byte.is_ascii_graphic()) && !name.is_empty() {
                name.to_owned()
            } else {
                use base64::Engine as _;
                format!("=?base64?{}?=", base64::engine::general_purpose::STANDARD.encode(name))
            };
            request = request.header("mcp-method", method).header("mcp-name", name);
        }
        let request = request.body(Buffered::new(Bytes::from(body))).unwrap();
        let service = self.gate.layer(upstream.clone());
        self.runtime.block_on(async {
            let response = service.oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (status, body, upstream.count() > 0)
        })
    }

    /// Whether the caller can use it: at once, or after getting a scope.
    fn can_use(&self, kind: &Kind, version: &str, name: &str) -> bool {
        let (method, target) = match kind.member {
            "tools" => ("tools/call", json!({"name": name, "arguments": {"mode": "ok"}})),
            "prompts" => ("prompts/get", json!({"name": name, "arguments": {"mode": "ok"}})),
            "resources" => ("resources/read", json!({"uri": name})),
            _ => (
                "completion/complete",
                json!({"ref": {"type": "ref/resource", "uri": name}, "argument": {"name": "x", "value": ""}}),
            ),
        };
        let params = target.to_string();
        let inner = &params[1..params.len() - 1];
        let body = match version {
            "2026-07-28" => modern_body("1", method, &format!("{inner},")),
            _ => format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#),
        };
        let answer = Answer::json(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        let (status, _, asked) = self.ask(version, body, Some((method, name)), answer);
        asked || status == 403
    }

    fn list(&self, kind: &Kind, form: &Form, answer: Answer) -> (u16, Bytes) {
        let body = match form.version {
            "2026-07-28" => modern_body("1", kind.list, ""),
            _ => format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, kind.list),
        };
        let body = if form.batch { format!("[{body}]") } else { body };
        let (status, body, _) = self.ask(form.version, body, Some((kind.list, "x")), answer);
        (status, body)
    }
}

/// The messages of an answer.
fn messages(body: &[u8], form: &Form) -> Vec<Value> {
    let text = std::str::from_utf8(body).unwrap();
    let documents: Vec<String> = if form.stream {
        let text = lines(body);
        let data = |event: &str| {
            let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
            lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
        };
        text.split("\n\n").map(data).filter(|data| !data.is_empty()).collect()
    } else {
        vec![text.to_owned()]
    };
    let read = |document: &String| match serde_json::from_str(document).unwrap() {
        Value::Array(messages) => messages,
        message => vec![message],
    };
    documents.iter().flat_map(read).collect()
}

/// The same with one way to end lines.
fn lines(body: &[u8]) -> String {
    std::str::from_utf8(body).unwrap().replace("\r\n", "\n").replace('\r', "\n")
}

#[test]
fn what_is_shown_is_what_can_be_used() {
    let mint = Mint::es256(ISSUER);
    let counts = std::cell::Cell::new((0, 0));
    let lists = (items(&KINDS[0]), items(&KINDS[1]), items(&KINDS[2]), items(&KINDS[3]));
    let config =
        ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&(policy(), lists, form(), 0..4_usize), |(policy, lists, form, which)| {
        // Some rules contradict each other, and are told so.
        let Ok(read) = Policy::from_yaml(&policy) else { return Ok(()) };
        let rig = Rig::new(&mint, read);
        let kind = &KINDS[which];
        let list = vec![lists.0, lists.1, lists.2, lists.3].swap_remove(which);
        let all: Vec<_> = list.iter().map(|(item, _)| item.as_str()).collect();
        let document = format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"_meta":{{"x":1.50}},"{}":[{}],"nextCursor":"","other":[1]}}}}"#,
            kind.member,
            all.join(" , ")
        );
        let document = if form.batch { format!("[{document}]") } else { document };
        let (status, body) = rig.list(kind, &form, form.answer(&document));
        prop_assert_eq!(status, 200, "{}: {:?}", policy, body);

        let usable = list.iter().filter(|(_, name)| name.is_some_and(|name| rig.can_use(kind, form.version, name)));
        let usable: Vec<Value> = usable.map(|(item, _)| serde_json::from_str(item).unwrap()).collect();
        let messages = messages(&body, &form);
        prop_assert_eq!(messages.len(), if form.stream { 2 } else { 1 });
        let result = &messages.last().unwrap()["result"];
        prop_assert_eq!(result[kind.member].as_array().unwrap(), &usable, "{}\n{}", policy, document);
        prop_assert_eq!(&result["nextCursor"], "");
        prop_assert_eq!(&result["other"], &json!([1]));
        // Read as it was written: other crates may make serde_json keep the zero.
        prop_assert_eq!(&result["_meta"], &serde_json::from_str::<Value>(r#"{"x":1.50}"#).unwrap());
        let (shown, hidden) = counts.get();
        counts.set((shown + usable.len(), hidden + list.len() - usable.len()));

        // Nothing depends on where the chunks break, but how lines end: an event whose last CR ends a chunk
        // does not wait to see whether LF follows.
        let whole = Form { breaks: Vec::new(), ..form.clone() };
        let whole = rig.list(kind, &whole, whole.answer(&document)).1;
        prop_assert_eq!(lines(&whole), lines(&body));
        Ok(())
    });
    outcome.unwrap();
    let (shown, hidden) = counts.get();
    assert!(shown > 50 && hidden > 50, "{shown} shown and {hidden} hidden: this says little");
}
