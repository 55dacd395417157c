use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::list::{LISTS, list};
use super::*;
use crate::fakes::eyes;

mod edges;
mod surface;

const LIMITS: JsonLimits = JsonLimits { depth: 64, values: u32::MAX };

const LEGACY: Facets<'_> = Facets {
    task: TaskNews::None,
    no_tasks: false,
    completion: None,
    no_completions: false,
    limits: LIMITS,
    modern: false,
    cacheable: false,
    ttl: Ttl { cap: Duration::ZERO, until: None },
    contents: false,
    discover: None,
    listen: None,
    links: false,
    no_instructions: false,
    no_idle_features: false,
    tool_uis: false,
    sampling_tools: false,
    pins: None,
    catalogue: None,
    tasks: None,
};

const MODERN: Facets<'_> = Facets {
    modern: true,
    cacheable: true,
    ttl: Ttl { cap: Duration::from_secs(45), until: None },
    ..LEGACY
};

/// What is sent in the place of `source`: `None` for `source` itself.
fn filtered(facets: Facets<'_>, source: &str) -> Result<Option<String>, Violation> {
    let eyes = eyes(Version::V2025_11_25);
    let mut judge = Judge::new(&eyes, None, true);
    let document = document(source.as_bytes(), facets, &mut judge)?;
    let Document::One(message) = document else { panic!("a batch") };
    Ok(message.edited.map(|edited| String::from_utf8(edited).unwrap()))
}

/// A response with this result.
fn answer(result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)
}

fn assert_filtered(name: &str, facets: Facets<'_>, result: &str, expected: Option<&str>) {
    let sent = filtered(facets, &answer(result)).unwrap();
    assert_eq!(sent, expected.map(answer), "{name}");
}

#[test]
fn every_kind_of_list_is_filtered_by_its_shape() {
    for (list, key) in [
        ("tools", "name"),
        ("prompts", "name"),
        ("resources", "uri"),
        ("resourceTemplates", "uriTemplate"),
    ] {
        let sent =
            format!(r#"{{"{list}":[{{"{key}":"a"}},{{"{key}":"secret"}},{{"{key}":"b"}}]}}"#);
        let kept = format!(r#"{{"{list}":[{{"{key}":"a"}},{{"{key}":"b"}}]}}"#);
        assert_filtered(list, LEGACY, &sent, Some(&kept));
    }
    // Of tasks nobody here knows whose they are (R-211).
    assert_filtered("tasks", LEGACY, r#"{"tasks":[{"taskId":"a"}]}"#, Some(r#"{"tasks":[]}"#));
}

#[test]
fn what_is_kept_keeps_its_bytes() {
    let a = r#"{"name":"a","n":1.50e+3,"z":1,"a":"\u0041"}"#;
    let b = r#"{ "x" : [ 1 ] , "name" : "b" }"#;
    let s = r#"{"name":"secret"}"#;
    let e = r#"{"name":"\u0073ecret"}"#;
    let cases = [
        ("nothing hidden", format!(r#"{{"tools":[{a}, {b}]}}"#), None),
        ("first", format!("{{\"tools\":[{s},{a}]}}"), Some(format!("{{\"tools\":[{a}]}}"))),
        ("last", format!("{{\"tools\":[{a},{s}]}}"), Some(format!("{{\"tools\":[{a}]}}"))),
        ("all", format!("{{\"tools\":[{s},{s}]}}"), Some("{\"tools\":[]}".into())),
        (
            "between, with white space",
            format!("{{\"tools\": [ {a} , {s} , {e} , {b} ] }}"),
            Some(format!("{{\"tools\": [ {a} ,{b} ] }}")),
        ),
        (
            "alternating",
            format!("{{\"tools\":[{s},{a},{s},{b},{s}]}}"),
            Some(format!("{{\"tools\":[{a},{b}]}}")),
        ),
        ("a name in escapes", format!("{{\"tools\":[{e}]}}"), Some("{\"tools\":[]}".into())),
        (
            "a key in escapes",
            format!("{{\"t\\u006fols\":[{s}]}}"),
            Some("{\"t\\u006fols\":[]}".into()),
        ),
        (
            "other members (R-222)",
            format!(r#"{{"nextCursor":"","tools":[{s}],"_meta":{{"k":1.0}},"x":[{s}]}}"#),
            Some(format!(r#"{{"nextCursor":"","tools":[],"_meta":{{"k":1.0}},"x":[{s}]}}"#)),
        ),
        (
            "two lists",
            format!("{{\"prompts\":[{s}],\"tools\":[{s},{a}]}}"),
            Some(format!("{{\"prompts\":[],\"tools\":[{a}]}}")),
        ),
    ];
    for (name, sent, kept) in cases {
        assert_filtered(name, LEGACY, &sent, kept.as_deref());
    }
}

#[test]
fn what_has_no_name_is_dropped() {
    // R-223.
    for (name, item) in [
        ("null", "null"),
        ("another key", r#"{"Name":"x"}"#),
        ("both keys", r#"{"name":"x","NAME":"secret"}"#),
        ("both keys, escaped", r#"{"name":"x","N\u0041ME":"secret"}"#),
        ("a key with NUL", r#"{"name":"x","name\u0000":"secret"}"#),
        ("a number for a name", r#"{"name":1}"#),
        ("a string", r#""name""#),
        ("a list", r#"[{"name":"x"}]"#),
        ("nothing", "{}"),
    ] {
        let sent = format!(r#"{{"tools":[{item},{{"name":"a"}}]}}"#);
        assert_filtered(name, LEGACY, &sent, Some(r#"{"tools":[{"name":"a"}]}"#));
    }
}

#[test]
fn only_results_have_lists_at_their_root() {
    let tools = r#"[{"name":"secret"}]"#;
    let structured = format!(r#"{{"content":[],"structuredContent":{{"tools":{tools}}}}}"#);
    assert_filtered("structured content", LEGACY, &structured, None);
    let capabilities = r#"{"capabilities":{"tools":{"listChanged":true}}}"#;
    assert_filtered("capabilities", LEGACY, capabilities, None);
}

#[test]
fn contents_are_filtered_where_a_resource_was_read() {
    let sent = r#"{"contents":[{"uri":"file:///a","text":""},{"uri":"file:///secret"}]}"#;
    let kept = r#"{"contents":[{"uri":"file:///a","text":""}]}"#;
    assert_filtered("read", Facets { contents: true, ..LEGACY }, sent, Some(kept));
    assert_filtered("not read", LEGACY, sent, None);
}

#[test]
fn caching_hints_are_the_callers_own() {
    // R-224, R-225; recipe 4.16.
    let list = r#""tools":[{"name":"a"}]"#;
    let private = r#""cacheScope":"private""#;
    let cases = [
        (
            "clamped",
            format!(r#"{{{list},"ttlMs":300000,"cacheScope":"public"}}"#),
            Some(format!(r#"{{{list},"ttlMs":45000,{private}}}"#)),
        ),
        ("good already", format!(r#"{{{list},"ttlMs":45000,{private}}}"#), None),
        ("absent", format!("{{{list}}}"), Some(format!(r#"{{{list},"ttlMs":0,{private}}}"#))),
        (
            "one absent",
            format!(r#"{{{list},"ttlMs":1}}"#),
            Some(format!(r#"{{{list},"ttlMs":1,{private}}}"#)),
        ),
        ("an empty result", "{ }".into(), Some(format!(r#"{{"ttlMs":0,{private} }}"#))),
        (
            "negative",
            format!(r#"{{{list},{private},"ttlMs":-1}}"#),
            Some(format!(r#"{{{list},{private},"ttlMs":0}}"#)),
        ),
        (
            "huge",
            format!(r#"{{{list},{private},"ttlMs":99999999999999999999}}"#),
            Some(format!(r#"{{{list},{private},"ttlMs":0}}"#)),
        ),
        (
            "of the wrong type",
            format!(r#"{{{list},"cacheScope":null,"ttlMs":"1"}}"#),
            Some(format!(r#"{{{list},{private},"ttlMs":0}}"#)),
        ),
        (
            "complete",
            format!(r#"{{"resultType":"complete",{list}}}"#),
            Some(format!(r#"{{"resultType":"complete",{list},"ttlMs":0,{private}}}"#)),
        ),
        ("not complete", r#"{"resultType":"input_required"}"#.into(), None),
    ];
    for (name, sent, kept) in cases {
        assert_filtered(name, MODERN, &sent, kept.as_deref());
    }
    let unasked = Facets { cacheable: false, ..MODERN };
    assert_filtered("an opaque method", unasked, "{}", None);
    let listed = format!(r#"{{{list},"ttlMs":0,{private}}}"#);
    assert_filtered("a list nobody asked for", unasked, &format!("{{{list}}}"), Some(&listed));
}

#[test]
fn discovery_offers_what_the_gate_speaks() {
    let enabled = [Version::V2026_07_28];
    let facets = Facets { discover: Some(&enabled), cacheable: false, ..MODERN };
    let sent = r#"{"supportedVersions":["2099-01-01","2026-07-28","2025-11-25"]}"#;
    assert_filtered("discover", facets, sent, Some(r#"{"supportedVersions":["2026-07-28"]}"#));
    let none = answer(r#"{"supportedVersions":["2099-01-01"]}"#);
    assert_eq!(filtered(facets, &none), Err(Violation::new(Reason::BadVersion)), "never none");
}

#[test]
fn errors_do_not_list_what_there_is() {
    // X-138.
    let sent = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"m","data":{"tools":[{"name":"secret"}],"k":1}}}"#;
    let kept =
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"m","data":{"tools":[],"k":1}}}"#;
    assert_eq!(filtered(LEGACY, sent).unwrap().as_deref(), Some(kept));
}

#[test]
fn notifications_do_not_list_either() {
    let sent = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"tools":[{"name":"secret"}],"data":1}}"#;
    let kept =
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"tools":[],"data":1}}"#;
    assert_eq!(filtered(LEGACY, sent).unwrap().as_deref(), Some(kept));
    for odd in [r#"{"a":{"name":"secret"}}"#, r#""secret""#] {
        let sent = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"tools":{odd}}}}}"#
        );
        assert!(filtered(LEGACY, &sent).is_err(), "{odd}");
    }
}

#[test]
fn updates_are_for_those_who_may_read() {
    // R-210, X-147.
    let passes = |params: &str| {
        let source =
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated"{params}}}"#);
        let eyes = eyes(Version::V2025_11_25);
        let mut judge = Judge::new(&eyes, None, false);
        let Document::One(message) = document(source.as_bytes(), LEGACY, &mut judge).unwrap()
        else {
            panic!("a batch")
        };
        let Shape::Notification { passes, .. } = message.shape else { panic!("{source}") };
        passes
    };
    assert!(passes(r#","params":{"uri":"file:///a"}"#));
    // Members of another type than theirs say nothing, and take nothing away.
    assert!(passes(r#","params":{"_meta":1,"notifications":[],"uri":"file:///a"}"#));
    assert!(!passes(r#","params":{"_meta":1,"notifications":[],"uri":"file:///secret"}"#));
    assert!(!passes(r#","params":{"uri":"file:///secret"}"#));
    assert!(!passes(r#","params":{"uri":1}"#));
    assert!(!passes(r#","params":{}"#));
    assert!(!passes(""));
}

#[test]
fn what_is_ambiguous_is_withheld() {
    // R-073, X-144, X-145.
    let cases = [
        (
            "two lists of one name",
            answer(r#"{"tools":[],"tools":[{"name":"secret"}]}"#),
            Reason::DupKey,
        ),
        ("the same in escapes", answer(r#"{"tools":[],"t\u006fols":[]}"#), Reason::DupKey),
        (
            "two names of one item",
            answer(r#"{"tools":[{"name":"a","name":"secret"}]}"#),
            Reason::DupKey,
        ),
        ("another letter case", answer(r#"{"Tools":[{"name":"secret"}]}"#), Reason::DupKey),
        ("a NUL", answer(r#"{"tools\u0000":[{"name":"secret"}]}"#), Reason::DupKey),
        ("an object for a list", answer(r#"{"tools":{"a":{"name":"secret"}}}"#), Reason::BadRpc),
        ("null for a list", answer(r#"{"tools":null}"#), Reason::BadRpc),
        ("a list for a result", answer("[]"), Reason::BadRpc),
        ("a result in capitals", r#"{"jsonrpc":"2.0","id":1,"RESULT":{}}"#.into(), Reason::DupKey),
        (
            "result and error",
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1}}"#.into(),
            Reason::BadRpc,
        ),
        (
            "result and method",
            r#"{"jsonrpc":"2.0","id":1,"method":"x","result":{}}"#.into(),
            Reason::BadRpc,
        ),
        (
            "result and params",
            r#"{"jsonrpc":"2.0","id":1,"params":{},"result":{}}"#.into(),
            Reason::BadRpc,
        ),
        ("nothing", r#"{"jsonrpc":"2.0","id":1}"#.into(), Reason::BadRpc),
        ("no version", r#"{"id":1,"result":{}}"#.into(), Reason::BadRpc),
        ("another version", r#"{"jsonrpc":"1.0","id":1,"result":{}}"#.into(), Reason::BadRpc),
        (
            "an id of another type",
            r#"{"jsonrpc":"2.0","id":true,"result":{}}"#.into(),
            Reason::BadRpc,
        ),
        (
            "an error without a code",
            r#"{"jsonrpc":"2.0","id":1,"error":{}}"#.into(),
            Reason::BadRpc,
        ),
        (
            "a null request id",
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#.into(),
            Reason::BadRpc,
        ),
        ("a string", r#""x""#.into(), Reason::BadRpc),
        ("more than one document", "{}{}".into(), Reason::BadRpc),
        ("data behind the document", format!("{}x", answer("{}")), Reason::BadJson),
        ("nothing at all", String::new(), Reason::BadJson),
        (
            "too deep",
            answer(&format!("{{\"x\":{}{}}}", "[".repeat(70), "]".repeat(70))),
            Reason::BadJson,
        ),
    ];
    for (name, source, reason) in cases {
        assert_eq!(filtered(LEGACY, &source), Err(Violation::new(reason)), "{name}");
    }
}

#[test]
fn ids_are_compared_with_their_type() {
    let is = |id: &str, raw: &str| {
        let mut scanner = Scanner::new(id.as_bytes(), LIMITS).unwrap();
        Id::read(&mut scanner).unwrap().is(raw)
    };
    assert!(is("1", "1"));
    assert!(is(r#""a""#, r#""a""#));
    assert!(is(r#""\u0061""#, r#""a""#) && is(r#""a""#, r#""\u0061""#));
    assert!(is("9007199254740993", "9007199254740993"));
    for (id, raw) in
        [("1", r#""1""#), (r#""1""#, "1"), ("1.0", "1"), ("0", r#""""#), ("null", "null")]
    {
        assert!(!is(id, raw), "{id} {raw}");
    }
}

/// The same filter over a parsed document.
fn reference(document: &Value) -> Value {
    let mut document = document.clone();
    for name in LISTS.iter() {
        let (_, key) = list(name).unwrap();
        if let Some(items) = document.pointer_mut(&format!("/result/{name}")) {
            items.as_array_mut().unwrap().retain(|item| {
                item.get(key).and_then(Value::as_str).is_some_and(|name| !name.contains("secret"))
            });
        }
    }
    document
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        "[a-z\"\\\\\u{0}-\u{1f}é日]{0,6}".prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z]{1,4}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn item(key: &'static str) -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["a", "b", "secret", "a secret", "日本"]);
    prop_oneof![
        4 => (name, value()).prop_map(move |(name, other)| json!({ key: name, "other": other })),
        1 => value(),
    ]
}

proptest! {
    #[test]
    fn agrees_with_the_reference(
        tools in prop::option::of(prop::collection::vec(item("name"), 0..6)),
        resources in prop::option::of(prop::collection::vec(item("uri"), 0..6)),
        other in value(),
        pretty in any::<bool>(),
    ) {
        let mut result = json!({ "aaa": other, "nextCursor": "x", "zzz": other });
        if let Some(tools) = tools {
            result["tools"] = tools.into();
        }
        if let Some(resources) = resources {
            result["resources"] = resources.into();
        }
        let document = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
        let source = if pretty {
            serde_json::to_string_pretty(&document).unwrap()
        } else {
            document.to_string()
        };
        let sent = filtered(LEGACY, &source).unwrap();
        let expected = reference(&document);
        prop_assert_eq!(sent.is_none(), expected == document, "a copy only when something goes");
        let sent = sent.unwrap_or(source);
        prop_assert_eq!(serde_json::from_str::<Value>(&sent).unwrap(), expected);
    }
}

/// Notes what it is told.
#[derive(Debug, Default)]
struct Attentive(std::sync::Mutex<Vec<(String, portcullis_core::ToolHints)>>);

impl portcullis_core::View for Attentive {
    fn glance(
        &self,
        _: &portcullis_core::Caller,
        _: Version,
        _: portcullis_core::TargetKind,
        name: &str,
    ) -> portcullis_core::Glance {
        // What is asked about has been told just before.
        let told = self.0.lock().unwrap().last().is_some_and(|(last, _)| last == name);
        if told { portcullis_core::Glance::Shown } else { portcullis_core::Glance::Hidden }
    }

    fn notice(&self, name: &str, hints: portcullis_core::ToolHints) {
        self.0.lock().unwrap().push((name.to_owned(), hints));
    }

    fn notices(&self) -> bool {
        true
    }

    fn look(
        &self,
        _: portcullis_core::Caller,
        _: Version,
        _: Vec<(portcullis_core::TargetKind, portcullis_core::Text)>,
    ) -> portcullis_core::Look {
        Box::pin(async { Vec::new() })
    }
}

#[test]
fn policy_hears_of_annotations() {
    let view = std::sync::Arc::new(Attentive::default());
    let eyes = crate::judge::Eyes {
        caller: crate::fakes::anonymous(),
        version: Version::V2025_11_25,
        view: Some(std::sync::Arc::clone(&view) as _),
    };
    let source = answer(
        r#"{"tools":[
            {"name":"a","annotations":{"readOnlyHint":true,"title":"x","openWorldHint":false,"idempotentHint":true}},
            {"annotations":{"read\u004fnlyHint":true,"destructiveHint":"no"},"name":"b\u0021"},
            {"name":"c","annotations":null},
            {"name":"d","Annotations":{"readOnlyHint":true}},
            {"annotations":{"readOnlyHint":true}}
        ],"resources":[{"uri":"r","annotations":{"readOnlyHint":true}}]}"#,
    );
    let mut judge = Judge::new(&eyes, None, false);
    document(source.as_bytes(), LEGACY, &mut judge).unwrap();
    let told = view.0.lock().unwrap();
    let told: Vec<_> = told
        .iter()
        .inspect(|(name, h)| assert_eq!(h.idempotent, (name == "a").then_some(true), "{name}"))
        .map(|(name, h)| (name.as_str(), h.read_only, h.destructive, h.open_world))
        .collect();
    assert_eq!(
        told,
        [
            ("a", Some(true), None, Some(false)),
            ("b!", Some(true), None, None),
            ("c", None, None, None),
            ("d", None, None, None),
        ]
    );
}

const CHECKED: Facets<'_> = Facets { links: true, ..LEGACY };

#[test]
fn links_in_tool_results() {
    let text = r#"{"type":"text","text":"secret","uri":"secret"}"#;
    let link = |uri: &str| format!(r#"{{"type":"resource_link","uri":"{uri}","name":"n"}}"#);
    let embedded =
        |uri: &str| format!(r#"{{"type":"resource","resource":{{"uri":"{uri}","text":"t"}}}}"#);
    let content = |items: &[&str]| {
        format!(r#"{{"content":[{}],"structuredContent":{{"a":1.0}}}}"#, items.join(","))
    };
    let (open, open_too) = (link("file:///a"), embedded("file:///b"));
    let rows = [
        ("a link", link("file:///secret")),
        ("an escaped link", link(r"file:///s\u0065cret")),
        ("an embedded resource", embedded("file:///secret")),
        ("a link without a URI", r#"{"type":"resource_link"}"#.to_owned()),
        (
            "a resource with the URI outside",
            r#"{"type":"resource","uri":"a","resource":{}}"#.into(),
        ),
        ("no object", "1".to_owned()),
    ];
    for (name, hidden) in rows {
        let sent = content(&[text, &hidden, &open, &hidden, &open_too]);
        let kept = content(&[text, &open, &open_too]);
        assert_filtered(name, CHECKED, &sent, Some(&kept));
        assert_filtered(name, LEGACY, &sent, None);
    }
    assert_filtered("all open", CHECKED, &content(&[text, &open, &open_too]), None);
    assert_eq!(filtered(CHECKED, &answer(r#"{"content":{}}"#)), Err(BAD_RPC));
}

#[test]
fn links_in_prompts() {
    let message = |content: &str| format!(r#"{{"role":"user","content":{content}}}"#);
    let text = message(r#"{"type":"text","text":"secret"}"#);
    let secret = r#"{"type":"resource","resource":{"uri":"secret"}}"#;
    let open = message(r#"{"type":"resource","resource":{"uri":"a"}}"#);
    for hidden in
        [message(secret), message(&format!(r#"[{{"type":"text"}},{secret}]"#)), "1".into()]
    {
        let sent = format!(r#"{{"messages":[{text},{hidden},{open}]}}"#);
        let kept = format!(r#"{{"messages":[{text},{open}]}}"#);
        assert_filtered(&hidden, CHECKED, &sent, Some(&kept));
        assert_filtered(&hidden, LEGACY, &sent, None);
    }
}
