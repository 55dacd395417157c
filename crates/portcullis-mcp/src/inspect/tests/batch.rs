//! R-029, R-030, X-89, X-90: batches.

use super::*;

fn request(id: &str, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"name":"t"}}}}"#)
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

#[test]
fn only_the_first_revision_has_batches() {
    let config = all();
    let refused = Err((400, -32600, Reason::BatchRefused));
    let body = list(&[request("1", "tools/list")]);
    let old = session(&config, Version::V2025_03_26, "alice");
    let new = session(&config, Version::V2025_11_25, "alice");
    let header = |version| ("mcp-protocol-version", version);
    let march = header("2025-03-26");
    let rows: &[(&str, Fields<'_>, Verdict)] = &[
        ("no header", &[], Ok(Version::V2025_03_26)),
        ("03", &[march], Ok(Version::V2025_03_26)),
        ("06", &[header("2025-06-18")], refused),
        ("11", &[header("2025-11-25")], refused),
        ("26", &[header(MODERN)], refused),
        ("unknown", &[header("2099-01-01")], refused),
        ("session of 03", &[("mcp-session-id", &old)], Ok(Version::V2025_03_26)),
        ("session of 11", &[("mcp-session-id", &new)], refused),
        ("session of 11, header 03", &[("mcp-session-id", &new), march], refused),
        ("foreign session", &[("mcp-session-id", "x")], Err((404, 0, Reason::SessionUnknown))),
        ("two headers", &[march, march], Err((400, -32020, Reason::HeaderMismatch))),
    ];
    for (name, fields, expected) in rows {
        let result = run(&config, fields, &body);
        assert_eq!(verdict(&result), *expected, "{name}");
        if let Err(denial) = result {
            assert!(!denial.rpc_object().unwrap_or_default().contains("\"id\""), "{name}");
        }
    }
    for versions in [&[Version::V2026_07_28][..], &[Version::V2025_06_18]] {
        let config = super::config(versions);
        assert_eq!(verdict(&run(&config, &[], &body)), refused, "{versions:?}");
    }
}

#[test]
fn batches_that_are_refused() {
    let ok = request("1", "tools/list");
    let meta = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let response = r#"{"jsonrpc":"2.0","id":2,"result":{}}"#;
    let many =
        |n: i32| list(&(0..n).map(|i| request(&i.to_string(), "tools/list")).collect::<Vec<_>>());
    let escaped = list(&[request("\"a\"", "ping"), request(r#""\u0061""#, "ping")]);
    let batch = (400, -32600, Reason::BatchRefused);
    let rows = [
        ("empty", "[]".to_owned(), batch),
        ("nested", format!("[[{ok}]]"), batch),
        ("scalar", format!("[{ok},1]"), batch),
        ("initialize", list(&[ok.clone(), request("2", "initialize")]), batch),
        ("only initialize", list(&[request("2", "initialize")]), batch),
        ("modern element", format!("[{ok},{meta}]"), batch),
        ("mixed with a response", format!("[{ok},{response}]"), batch),
        ("equal ids", list(&[ok.clone(), request("1", "ping")]), batch),
        ("equal ids, escaped", escaped, batch),
        ("51 elements", many(51), batch),
        ("10 000 elements", many(10_000), batch),
        ("bad element", format!(r#"[{ok},{{"jsonrpc":"2.0"}}]"#), (400, -32600, Reason::BadRpc)),
        ("duplicate inside", r#"[{"a":1,"a":1}]"#.to_owned(), (400, -32600, Reason::DupKey)),
        ("byte order mark", format!("\u{FEFF}[{ok}]"), (400, -32700, Reason::BadJson)),
        ("not JSON", format!("[{ok},]"), (400, -32700, Reason::BadJson)),
        ("no session", format!("[{response}]"), (400, -32600, Reason::SessionRequired)),
    ];
    for (name, body, expected) in rows {
        assert_eq!(verdict(&run(&all(), &[], &body)), Err(expected), "{name}");
    }
    assert!(run(&all(), &[], &many(50)).is_ok());
    let distinct = list(&[request("1", "ping"), request("\"1\"", "ping")]);
    assert!(run(&all(), &[], &distinct).is_ok(), "a number is not a string");
}

#[test]
fn elements_that_cannot_be_forwarded_are_answered_here() {
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned();
    let body = list(&[
        request("1", "tools/call"),
        request("2", "admin/reset"),
        r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","method":"notifications/unheard"}"#.to_owned(),
        initialized.clone(),
    ]);
    let inspected = run(&all(), &[], &body).unwrap();
    let McpMessage::Batch(messages) = &inspected.message else { panic!() };
    assert_eq!(messages.len(), 2);
    assert_eq!(inspected.body, list(&[request("1", "tools/call"), initialized]));
    let codes: Vec<_> = inspected.refused.iter().map(Denial::rpc_code).collect();
    assert_eq!(codes, [Some(-32601), Some(-32602)]);

    let nothing = run(&all(), &[], &list(&[request("2", "admin/reset")])).unwrap();
    assert_eq!(nothing.disposition, Disposition::Accept202);
    assert_eq!(nothing.refused.len(), 1);
}

#[test]
fn an_untouched_batch_goes_on_as_received() {
    let ping = request("1", "ping");
    let body = Bytes::from(format!(" [ {ping} , {} ] ", request("2", "tools/list")));
    let inspected = inspect(&all(), &caller("alice"), &HeaderMap::new(), &body).unwrap();
    assert_eq!(inspected.body.as_ptr(), body.as_ptr());
    let McpMessage::Batch(messages) = inspected.message else { panic!() };
    let McpMessage::Request(first) = &messages[0] else { panic!() };
    assert_eq!(first.raw(), ping.as_bytes());
}

/// R-039 holds for elements too.
#[test]
fn stray_meta_is_removed_from_elements() {
    let stray = r#"{"jsonrpc":"2.0","id":2,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/clientInfo":{}}}}"#;
    let inspected = run(&all(), &[], &format!("[{},{stray}]", request("1", "ping"))).unwrap();
    let text = std::str::from_utf8(&inspected.body).unwrap();
    assert!(!text.contains("clientInfo"), "{text}");
    let McpMessage::Batch(messages) = &inspected.message else { panic!() };
    let McpMessage::Request(second) = &messages[1] else { panic!() };
    assert!(text.contains(std::str::from_utf8(second.raw()).unwrap()));
}

#[test]
fn responses_come_together_in_a_session() {
    let config = all();
    let id = session(&config, Version::V2025_03_26, "alice");
    let body = r#"[{"jsonrpc":"2.0","id":"a","result":{}},{"jsonrpc":"2.0","id":"b","error":{}}]"#;
    let caller = caller("alice");
    let asked = Questions { config: &config, caller: &caller, session: "up-1" };
    let one = body.replace("\"a\"", &asked.name("\"a\"").unwrap());
    let unasked = run(&config, &[("mcp-session-id", &id)], &one);
    assert_eq!(verdict(&unasked), Err((400, -32600, Reason::UnexpectedResponse)));
    let both = one.replace("\"b\"", &asked.name("\"b\"").unwrap());
    let inspected = run(&config, &[("mcp-session-id", &id)], &both).unwrap();
    assert_eq!(inspected.body, body);
    assert!(matches!(inspected.message, McpMessage::Batch(messages) if messages.len() == 2));
}
