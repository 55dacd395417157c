use std::sync::Mutex;

use super::*;

const TOOL: &str = r#"{"name":"t","title":"T","description":"reads","inputSchema":{"type":"object","properties":{"a":{"type":"string","maxLength":10}},"required":["a"]},"outputSchema":{"type":"object"},"annotations":{"readOnlyHint":true},"_meta":{"x":1}}"#;

fn digest_of(definition: &str) -> String {
    digest::of(definition.as_bytes(), LIMITS).unwrap().to_string()
}

/// R-238: what makes another definition, and what does not.
#[test]
fn a_definition_is_what_is_read_of_it() {
    let same = [
        ("white space", TOOL.replace(':', " :\n ").replace(',', " , ")),
        (
            "another order",
            r#"{"annotations":{"readOnlyHint":true},"outputSchema":{"type":"object"},"inputSchema":{"required":["a"],"properties":{"a":{"maxLength":10,"type":"string"}},"type":"object"},"description":"reads","title":"T","name":"t"}"#.to_owned(),
        ),
        ("escapes", TOOL.replace("reads", r"r\u0065ads").replace("maxLength", r"max\u004cength")),
        ("other members", TOOL.replace(r#""x":1"#, r#""x":2"#)),
        ("icons", TOOL.replace(r#""_meta""#, r#""icons":[],"_meta""#)),
    ];
    for (name, other) in same {
        assert_eq!(digest_of(&other), digest_of(TOOL), "{name}");
    }
    let others = [
        ("name", TOOL.replace(r#""name":"t""#, r#""name":"u""#)),
        ("title", TOOL.replace(r#""T""#, r#""U""#)),
        ("description", TOOL.replace("reads", "reads and sends")),
        ("input", TOOL.replace("[\"a\"]", "[]")),
        ("deep in the input", TOOL.replace("string", "number")),
        ("a number", TOOL.replace(":10", ":10.0")),
        ("output", TOOL.replace(r#""outputSchema":{"type":"object"}"#, r#""outputSchema":{}"#)),
        ("annotations", TOOL.replace("true", "false")),
        ("no annotations", TOOL.replace(r#""annotations":{"readOnlyHint":true},"#, "")),
        ("null", TOOL.replace(r#"{"readOnlyHint":true}"#, "null")),
        ("another case", TOOL.replace(r#""_meta""#, r#""Description":"x","_meta""#)),
        (
            "moved",
            TOOL.replace(
                r#""title":"T","description":"reads""#,
                r#""title":"reads","description":"T""#,
            ),
        ),
        ("order of a list", TOOL.replace("[\"a\"]", r#"["a","b"]"#)),
    ];
    let mut seen = vec![digest_of(TOOL)];
    for (name, other) in others {
        let digest = digest_of(&other);
        assert!(!seen.contains(&digest), "{name}");
        seen.push(digest);
    }
    assert_ne!(
        digest_of(r#"{"inputSchema":["a","b"]}"#),
        digest_of(r#"{"inputSchema":["b","a"]}"#)
    );
    // Nothing that a text holds reads as structure.
    assert_ne!(
        digest_of(r#"{"description":"a\",\"name\":\"b"}"#),
        digest_of(r#"{"description":"a","name":"b"}"#)
    );
    // Fixed, because files hold it: of `{"description":"a\u000ab","name":"t"}`.
    assert_eq!(
        digest_of(r#"{"name":"t","description":"a\nb","x":0}"#),
        "sha256:9d1604875279d034c6b678027dc074bef317fcd352ed744e3343777684e0b8b4"
    );
}

#[test]
fn files_are_read_strictly() {
    let digest = digest_of(TOOL);
    let good = format!(r#"{{"tools":{{"t":"{digest}","a \"b\"\n":"{digest}"}}}}"#);
    let pins = ToolPins::from_json(&good).unwrap();
    assert_eq!(pins.pins().into_keys().collect::<Vec<_>>(), ["a \"b\"\n", "t"]);
    assert_eq!(ToolPins::from_json(&pins.to_json()).unwrap().pins(), pins.pins());
    assert!(ToolPins::from_json(r#"{"tools":{}}"#).unwrap().pins().is_empty());
    let many: Vec<_> = (0..=MAX_TOOLS).map(|n| format!(r#""{n}":"{digest}""#)).collect();
    let most = format!(r#"{{"tools":{{{}}}}}"#, many.get(1..).unwrap().join(","));
    assert_eq!(ToolPins::from_json(&most).unwrap().pins().len(), MAX_TOOLS);
    let bad = [
        ("nothing", String::new()),
        ("no tools", "{}".to_owned()),
        ("no object", format!(r#"[{good}]"#)),
        ("another member", format!(r#"{{"tools":{{"t":"{digest}"}},"x":1}}"#)),
        ("a list", format!(r#"{{"tools":["{digest}"]}}"#)),
        ("no digest", r#"{"tools":{"t":"abc"}}"#.to_owned()),
        ("a number", r#"{"tools":{"t":1}}"#.to_owned()),
        ("capitals", good.replace(&digest, &digest.to_uppercase())),
        ("too short", good.replace(&digest, digest.get(..70).unwrap())),
        ("half as long", good.replace(&digest, digest.get(..69).unwrap())),
        ("too long", good.replace(&digest, &format!("{digest}00"))),
        ("another algorithm", good.replace("sha256:", "sha512:")),
        ("twice", format!(r#"{{"tools":{{"t":"{digest}","t":"{digest}"}}}}"#)),
        ("more behind it", format!("{good} x")),
        ("too many", format!(r#"{{"tools":{{{}}}}}"#, many.join(","))),
    ];
    for (name, text) in bad {
        assert!(ToolPins::from_json(&text).is_err(), "{name}");
    }
}

#[test]
fn lists_are_approved_whole() {
    let (one, two) = (TOOL, r#"{"name":"u"}"#);
    let all = format!("[{one},{two}]");
    let expected =
        BTreeMap::from([("t".to_owned(), digest_of(one)), ("u".to_owned(), digest_of(two))]);
    for list in [
        all.clone(),
        format!(r#"{{"tools":{all},"nextCursor":"x"}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":{all}}}}}"#),
    ] {
        assert_eq!(ToolPins::of_list(list.as_bytes()).unwrap().pins(), expected, "{list}");
    }
    assert!(ToolPins::of_list(b"[]").unwrap().pins().is_empty());
    let many: Vec<_> = (0..=MAX_TOOLS).map(|n| format!(r#"{{"name":"{n}"}}"#)).collect();
    let list = |tools: &[String]| ToolPins::of_list(format!("[{}]", tools.join(",")).as_bytes());
    assert_eq!(list(many.get(1..).unwrap()).unwrap().pins().len(), MAX_TOOLS);
    assert!(list(&many).is_err());
    for bad in [
        "",
        "{}",
        "7",
        r#"{"tools":{}}"#,
        "[1]",
        "[{}]",
        r#"[{"name":1}]"#,
        "[] x",
        r#"{"result":{"prompts":[]}}"#,
        r#"[{"name":"t"},{"name":"t"}]"#,
    ] {
        assert!(ToolPins::of_list(bad.as_bytes()).is_err(), "{bad}");
    }
}

/// Pins, and what they told.
fn pinned(tools: &[&str]) -> (ToolPins, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let list = format!("[{}]", tools.join(","));
    let pins = ToolPins::of_list(list.as_bytes()).unwrap().on_event(move |event| {
        let known = event.pinned().map(|pinned| pinned == digest_of(TOOL));
        log.lock().unwrap().push(format!("{} {known:?} {}", event.tool(), event.seen()));
    });
    (pins, told)
}

fn shows(pins: &ToolPins, name: &str, definition: &str) -> bool {
    pins.may_show(name, definition.as_bytes(), LIMITS)
}

#[test]
fn a_changed_tool_is_gone_until_it_is_approved() {
    let changed = TOOL.replace("reads", "reads and sends");
    let again = TOOL.replace("reads", "sends");
    let (pins, told) = pinned(&[TOOL]);
    assert!(pins.may_call("t"), "before any list");
    assert!(shows(&pins, "t", TOOL) && pins.may_call("t"));
    assert!(told.lock().unwrap().is_empty());
    for _ in 0..2 {
        assert!(!shows(&pins, "t", &changed) && !pins.may_call("t"));
    }
    assert!(!shows(&pins.clone(), "t", &again), "clones share what was seen");
    let expected = [&changed, &again].map(|it| format!("t Some(true) {}", digest_of(it)));
    assert_eq!(*told.lock().unwrap(), expected, "each once");
    assert!(shows(&pins, "t", TOOL) && pins.may_call("t"), "as it was");

    assert!(!shows(&pins, "t", &changed));
    let approved = ToolPins::of_list(format!("[{again}]").as_bytes()).unwrap().to_json();
    pins.replace(&approved).unwrap();
    assert!(!pins.may_call("t"), "what was seen is not what was approved");
    let approved = ToolPins::of_list(format!("[{changed}]").as_bytes()).unwrap().to_json();
    pins.replace(&approved).unwrap();
    assert!(pins.may_call("t") && shows(&pins, "t", &changed) && !shows(&pins, "t", TOOL));
    pins.replace("{}").unwrap_err();
    assert!(shows(&pins, "t", &changed), "what was in force stays so");
}

#[test]
fn tools_without_a_pin() {
    let new = r#"{"name":"new"}"#;
    let (pins, told) = pinned(&[TOOL]);
    assert!(!pins.may_call("new"), "nobody approved it");
    assert!(!shows(&pins, "new", new) && !pins.may_call("new"));
    assert_eq!(*told.lock().unwrap(), [format!("new None {}", digest_of(new))]);

    let (pins, told) = pinned(&[TOOL]);
    let pins = pins.danger_trust_first_use();
    assert!(pins.may_call("new") && shows(&pins, "new", new) && pins.may_call("new"));
    assert!(told.lock().unwrap().is_empty());
    assert!(!shows(&pins, "new", r#"{"name":"new","description":"x"}"#) && !pins.may_call("new"));
    assert!(!shows(&pins, "t", r#"{"name":"t"}"#), "pinned before");
    assert_eq!(told.lock().unwrap().len(), 2);
}

#[test]
fn memory_is_bounded() {
    let (pins, told) = pinned(&[TOOL]);
    for n in 0..MAX_TOOLS + 10 {
        assert!(!shows(&pins, &n.to_string(), "{}"));
    }
    assert_eq!((pins.read().other.len(), told.lock().unwrap().len()), (MAX_TOOLS, MAX_TOOLS));
    assert!(!shows(&pins, "0", r#"{"name":"0"}"#), "what is known may change");
    assert_eq!(told.lock().unwrap().len(), MAX_TOOLS + 1);
    let (pins, _) = pinned(&[TOOL]);
    let pins = pins.danger_trust_first_use();
    for n in 1..MAX_TOOLS {
        assert!(shows(&pins, &n.to_string(), "{}"));
    }
    assert!(!shows(&pins, "more", "{}"));
    assert_eq!(pins.read().pinned.len(), MAX_TOOLS);
}
