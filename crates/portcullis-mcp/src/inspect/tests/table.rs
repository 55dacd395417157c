//! Table 1.4 and the mirrored headers.

use super::*;

#[derive(Clone, Copy)]
enum Body {
    Absent,
    Is(&'static str),
    /// Something that is not a string.
    Number,
}

fn body(method: &str, version: Body) -> String {
    let mut params = json!({"protocolVersion": "2025-11-25", "name": "t"});
    match version {
        Body::Absent => {}
        Body::Is(version) => {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": version,
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        Body::Number => {
            params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": 20_260_728});
        }
    }
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

type Row<'a> = (&'a str, &'a InspectConfig, &'a [&'a str], Body, &'a str, Verdict);

/// R-036: one row or more for each of table 1.4, in its order.
/// R-037: versions are what they are, letter by letter.
#[test]
fn eras() {
    use Body::{Absent, Is, Number};
    const OLD: &str = "2025-06-18";
    const NEW: &str = "2027-01-01";
    let mismatch = Err((400, -32020, Reason::HeaderMismatch));
    let unsupported = Err((400, -32022, Reason::BadVersion));
    let meta = Err((400, -32602, Reason::BadMeta));
    let modern = Ok(Version::V2026_07_28);
    let both = all();
    let new_only = modern_only();
    let old_only = config(&[Version::V2025_11_25, Version::V2025_06_18, Version::V2025_03_26]);
    let no_march = config(&[Version::V2026_07_28, Version::V2025_06_18]);
    let (list, begin) = ("tools/list", "initialize");
    let rows: &[Row<'_>] = &[
        ("two lines", &both, &[MODERN, MODERN], Is(MODERN), list, mismatch),
        ("two lines, legacy", &both, &[OLD, OLD], Absent, list, mismatch),
        ("two lines, initialize", &both, &[OLD, OLD], Absent, begin, mismatch),
        ("comma", &both, &["2026-07-28,2026-07-28"], Is(MODERN), list, mismatch),
        ("comma, legacy", &both, &["2025-06-18, 2025-06-18"], Absent, list, mismatch),
        ("equal", &both, &[MODERN], Is(MODERN), list, modern),
        ("equal, modern only", &new_only, &[MODERN], Is(MODERN), list, modern),
        ("modern, other body", &both, &[MODERN], Is(OLD), list, mismatch),
        ("legacy, other body", &both, &[OLD], Is(MODERN), list, mismatch),
        ("unknown, other body", &both, &[NEW], Is(MODERN), list, mismatch),
        ("legacy, body no string", &both, &[OLD], Number, list, mismatch),
        ("unknown, body no string", &both, &[NEW], Number, list, mismatch),
        ("no header, body", &both, &[], Is(MODERN), list, mismatch),
        ("no header, legacy body", &both, &[], Is(OLD), list, mismatch),
        ("no header, body no string", &both, &[], Number, list, mismatch),
        ("no header, body, initialize", &both, &[], Is(MODERN), begin, mismatch),
        ("modern, no body", &both, &[MODERN], Absent, list, meta),
        ("modern, body no string", &both, &[MODERN], Number, list, meta),
        ("modern, no body, not enabled", &old_only, &[MODERN], Absent, list, meta),
        ("modern, initialize", &both, &[MODERN], Absent, begin, mismatch),
        ("modern, initialize, modern only", &new_only, &[MODERN], Absent, begin, unsupported),
        ("unknown, equal", &both, &[NEW], Is(NEW), list, unsupported),
        ("not enabled, equal", &old_only, &[MODERN], Is(MODERN), list, unsupported),
        ("legacy", &both, &[OLD], Absent, list, Ok(Version::V2025_06_18)),
        ("legacy 03", &both, &["2025-03-26"], Absent, list, Ok(Version::V2025_03_26)),
        ("legacy, modern only", &new_only, &[OLD], Absent, list, unsupported),
        ("legacy, not enabled", &no_march, &["2025-11-25"], Absent, list, unsupported),
        ("unknown", &both, &[NEW], Absent, list, unsupported),
        ("unknown, initialize", &both, &[NEW], Absent, begin, unsupported),
        ("not a date", &both, &["2026-7-28"], Absent, list, unsupported),
        ("draft", &both, &["DRAFT-2026-v1"], Absent, list, unsupported),
        ("2024", &both, &["2024-11-05"], Absent, list, unsupported),
        ("empty", &both, &[""], Absent, list, unsupported),
        ("not ASCII", &both, &["2025-06-18é"], Absent, list, mismatch),
        ("space in the body", &both, &[MODERN], Is("2026-07-28 "), list, mismatch),
        ("initialize", &both, &[], Absent, begin, Ok(Version::V2025_11_25)),
        ("initialize, header", &both, &[OLD], Absent, begin, Ok(Version::V2025_11_25)),
        ("initialize, modern only", &new_only, &[], Absent, begin, unsupported),
        ("nothing", &both, &[], Absent, list, Ok(Version::V2025_03_26)),
        ("nothing, modern only", &new_only, &[], Absent, list, mismatch),
        ("nothing, 03 not enabled", &no_march, &[], Absent, list, unsupported),
        ("legacy equal", &both, &[OLD], Is(OLD), list, unsupported),
        ("legacy equal, initialize", &both, &[OLD], Is(OLD), begin, unsupported),
    ];
    for (name, config, lines, version, method, expected) in rows {
        let mut fields: Vec<_> = lines.iter().map(|line| ("mcp-protocol-version", *line)).collect();
        fields.push(("mcp-method", method));
        let result = run(config, &fields, &body(method, *version));
        assert_eq!(verdict(&result), *expected, "{name}");
        if let Err(denial) = result {
            assert!(denial.rpc_object().unwrap().contains("\"id\":1"), "R-046: {name}");
        }
    }
}

/// R-040, R-042: what the answer lists.
#[test]
fn unsupported_versions_are_told_the_supported_ones() {
    let long = "9".repeat(80);
    let object = |config: &InspectConfig, header: &str, body: &str| {
        let denial = run(config, &[("mcp-protocol-version", header)], body).unwrap_err();
        serde_json::from_str::<Value>(denial.rpc_object().unwrap()).unwrap()
    };
    let answer = object(&all(), &long, &body("tools/list", Body::Absent));
    assert_eq!(answer["error"]["data"]["requested"].as_str().unwrap().len(), 64);
    let versions = json!(["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"]);
    assert_eq!(answer["error"]["data"]["supported"], versions);

    let answer = object(&modern_only(), "2025-11-25", &body("initialize", Body::Absent));
    assert_eq!(answer["error"]["data"]["supported"], json!([MODERN]));
    assert_eq!(answer["error"]["data"]["requested"], "2025-11-25");
    assert!(answer["error"]["message"].as_str().unwrap().contains(MODERN));
}

/// R-043: methods that the modern era removed.
#[test]
fn removed_methods_are_unknown() {
    let removed = [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/result",
        "tasks/list",
    ];
    for method in removed {
        let result = run_modern(method, json!({"uri": "x", "taskId": "x"}));
        assert_eq!(verdict(&result), Err((404, -32601, Reason::UnknownMethod)), "{method}");
    }
}

/// R-038, X-92.
#[test]
fn modern_requests_must_say_what_they_are() {
    const V: &str = "io.modelcontextprotocol/protocolVersion";
    const C: &str = "io.modelcontextprotocol/clientCapabilities";
    let rows = [
        ("no capabilities", json!({V: MODERN}), C),
        ("capabilities array", json!({V: MODERN, C: []}), C),
        ("capabilities null", json!({V: MODERN, C: null}), C),
        ("no version", json!({C: {}}), V),
        ("version number", json!({V: 1, C: {}}), V),
        ("version null", json!({V: null, C: {}}), V),
        ("array", json!([]), V),
        ("string", json!("x"), V),
    ];
    for (name, meta, missing) in rows {
        let params = json!({"_meta": meta});
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": params});
        let fields = [("mcp-protocol-version", MODERN), ("mcp-method", "tools/list")];
        let denial = run(&all(), &fields, &body.to_string()).unwrap_err();
        let expected = format!(
            r#"{{"jsonrpc":"2.0","id":7,"error":{{"code":-32602,"message":"Invalid params: missing _meta field {missing}"}}}}"#
        );
        assert_eq!(denial.rpc_object(), Some(expected.as_str()), "{name}");
        assert_eq!(denial.reason(), Reason::BadMeta);
    }
}

/// R-048, R-049, R-052, X-100 to X-115, X-121.
/// R-049 to R-051.
#[test]
fn mirrored_headers() {
    let sentinel = "=?base64?c2FmZQ==?=";
    let twice = "=?base64?PT9iYXNlNjQ/YzJGbVpRPT0/PQ==?=";
    let utf8 = "=?utf-8?B?c2FmZQ==?=";
    let capitals = "=?BASE64?c2FmZQ==?=";
    // Name of the row, body name, values of `Mcp-Name`, accepted.
    let names: &[(&str, &str, &[&str], bool)] = &[
        ("right", "t", &["t"], true),
        ("X-100", "danger", &["safe"], false),
        ("other letter case", "danger", &["Danger"], false),
        ("X-102 twice", "t", &["t", "t"], false),
        ("X-102 two", "t", &["t", "u"], false),
        ("X-102 joined", "t", &["t, t"], false),
        ("X-103", "t", &[], false),
        ("X-104", "danger", &["=?base64?ZGFuZ2Vy?="], true),
        ("X-105", "danger", &[sentinel], false),
        ("X-106", sentinel, &[sentinel], false),
        ("X-106 encoded", sentinel, &[twice], true),
        ("X-112", "safe", &[twice], false),
        ("X-107", "safe", &[capitals], false),
        ("X-107 literal", capitals, &[capitals], true),
        ("X-108", "=?base64?abc", &["=?base64?abc"], true),
        ("X-108 end", "abc?=", &["abc?="], true),
        ("X-108 overlap", "=?base64?=", &["=?base64?="], false),
        ("X-109", "safe", &["=?base64?c2FmZQ?="], false),
        ("X-110", "\u{FFFD}", &["=?base64?/w==?="], false),
        ("X-111", "", &["=?base64??="], true),
        ("X-111 other", "x", &["=?base64??="], false),
        ("X-113", utf8, &[utf8], true),
        ("X-114", "safe", &["  safe \t"], true),
        ("X-114 in the body", " safe", &[" safe"], false),
        ("X-115", "é", &["é"], false),
        ("encoded", "é", &["=?base64?w6k=?="], true),
    ];
    let refused = Err((400, -32020, Reason::HeaderMismatch));
    for (method, member) in
        [("tools/call", "name"), ("prompts/get", "name"), ("resources/read", "uri")]
    {
        for (name, target, values, accepted) in names {
            let (_, body) = modern(method, json!({member: target}));
            let mut fields = vec![("mcp-protocol-version", MODERN), ("mcp-method", method)];
            fields.extend(values.iter().map(|value| ("mcp-name", *value)));
            let result = run(&all(), &fields, &body);
            let expected = if *accepted { Ok(Version::V2026_07_28) } else { refused };
            assert_eq!(verdict(&result), expected, "{method}: {name}");
            if let Err(denial) = result {
                let text = denial.rpc_object().unwrap();
                assert!(text.contains("\"id\":1"), "{name}");
                assert!(!text.contains("danger") && !text.contains("safe"), "{name}: not echoed");
            }
        }
    }

    let name = ("mcp-name", "t");
    let call = ("mcp-method", "tools/call");
    let others: &[(&str, Fields<'_>, bool)] = &[
        ("X-101", &[("mcp-method", "tools/list"), name], false),
        ("capitals", &[("mcp-method", "Tools/Call"), name], false),
        ("X-102 methods", &[call, call, name], false),
        ("X-102 different", &[call, ("mcp-method", "tools/list"), name], false),
        ("X-102 spelling", &[call, ("Mcp-Method", "tools/call"), name], false),
        ("X-102 joined", &[("mcp-method", "tools/list, tools/call"), name], false),
        ("X-103 method", &[name], false),
        ("X-103 all", &[], false),
        ("encoded method", &[("mcp-method", "=?base64?dG9vbHMvY2FsbA==?="), name], false),
        ("params", &[call, name, ("mcp-param-a", "1"), ("mcp-param-b", "1")], true),
        ("params twice", &[call, name, ("mcp-param-a", "1"), ("mcp-param-a", "1")], false),
    ];
    for (row, fields, accepted) in others {
        let (_, body) = modern("tools/call", json!({"name": "t"}));
        let mut fields = fields.to_vec();
        fields.push(("mcp-protocol-version", MODERN));
        let expected = if *accepted { Ok(Version::V2026_07_28) } else { refused };
        assert_eq!(verdict(&run(&all(), &fields, &body)), expected, "{row}");
    }
}

/// X-94, X-121: only the header of the method's own target counts.
#[test]
fn headers_of_other_targets_steer_nothing() {
    let version = ("mcp-protocol-version", MODERN);
    let fields = |method: &'static str| [version, ("mcp-method", method), ("mcp-name", "other")];
    let (_, body) = modern("resources/read", json!({"uri": "u:1", "name": "other"}));
    let refused = Err((400, -32020, Reason::HeaderMismatch));
    assert_eq!(verdict(&run(&all(), &fields("resources/read"), &body)), refused);

    let reference = json!({"ref": {"type": "ref/prompt", "name": "p"}});
    let (_, body) = modern("completion/complete", reference);
    let found = targets(run(&all(), &fields("completion/complete"), &body));
    assert_eq!(found, [(TargetKind::Prompt, "p".to_owned())]);

    // Unknown is said after the comparison (requirements 0.3).
    let (_, body) = modern("admin/reset", json!({}));
    assert_eq!(verdict(&run(&all(), &[version], &body)), refused);
    let unused_twice =
        [version, ("mcp-method", "tools/list"), ("mcp-name", "a"), ("mcp-name", "a")];
    let (_, body) = modern("tools/list", json!({}));
    assert_eq!(verdict(&run(&all(), &unused_twice, &body)), refused, "R-017");
}

#[test]
fn notifications_may_leave_the_method_out() {
    let body = json!({"jsonrpc": "2.0", "method": "notifications/cancelled"}).to_string();
    let version = ("mcp-protocol-version", MODERN);
    assert!(run(&all(), &[version], &body).is_ok());
    assert!(run(&all(), &[version, ("mcp-method", "notifications/cancelled")], &body).is_ok());
    let refused = Err((400, -32020, Reason::HeaderMismatch));
    assert_eq!(verdict(&run(&all(), &[version, ("mcp-method", "tools/call")], &body)), refused);
}

/// X-165: ids and tokens of requests mean something in a session only.
#[test]
fn what_is_about_a_request_needs_a_session() {
    let config = all();
    let session = session(&config, Version::V2025_03_26, "alice");
    let inside = [("mcp-session-id", &*session)];
    for (method, alone) in [
        ("notifications/cancelled", Disposition::Accept202),
        ("notifications/progress", Disposition::Accept202),
        ("notifications/initialized", Disposition::Forward),
    ] {
        let one = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"requestId":1}}}}"#);
        for body in [&one, &format!("[{one}]")] {
            let disposition = |fields| run(&config, fields, body).unwrap().disposition;
            assert_eq!(disposition(&[]), alone, "{body}");
            assert_eq!(disposition(&inside), Disposition::Forward, "{body}");
        }
    }
    // What is rewritten on the way is no other message.
    let meta = r#"{"io.modelcontextprotocol/logLevel":"debug"}"#;
    let stray = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"_meta":{meta}}}}}"#
    );
    for body in [stray.clone(), format!("[{stray}]")] {
        let inspected = run(&config, &[], &body).unwrap();
        assert_eq!(inspected.disposition, Disposition::Accept202, "{body}");
    }
    let kept = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let batch = format!(r#"[{kept},{{"jsonrpc":"2.0","method":"notifications/cancelled"}}]"#);
    assert_eq!(run(&config, &[], &batch).unwrap().body, format!("[{kept}]"));
}

/// X-120: legacy requests have no mirrors, so they decide nothing.
#[test]
fn legacy_requests_ignore_mirrors() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"danger"}}"#;
    let fields = [("mcp-name", "safe"), ("mcp-method", "x"), ("mcp-method", "y")];
    assert_eq!(targets(run(&all(), &fields, body)), [(TargetKind::Tool, "danger".to_owned())]);
}

/// Also of messages that need no `_meta`: a version that is not enabled is not spoken.
#[test]
fn a_notification_of_a_version_that_is_not_enabled() {
    let body = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let fields = [("mcp-protocol-version", MODERN)];
    let old_only = config(&[Version::V2025_11_25]);
    let refused = Err((400, -32022, Reason::BadVersion));
    assert_eq!(verdict(&run(&old_only, &fields, body)), refused);
    assert_eq!(verdict(&run(&all(), &fields, body)), Ok(Version::V2026_07_28));
}
