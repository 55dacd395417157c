use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use portcullis_audit::{AuditLayer, Chaining, Event, EventKind, FileSink, SigningKey};
use serde_json::{Value, json};

use crate::common::{Folder, command, run, run_with};

/// The records of one call: its decision and, if it has one, its outcome.
fn call(
    id: u32,
    at: &str,
    who: &Value,
    tool: &str,
    decision: &str,
    outcome: Option<&str>,
) -> String {
    let (reason, rule) = match decision {
        "allow" => (Value::Null, "read"),
        "challenge" => ("insufficient_scope".into(), "read"),
        _ => ("policy_denied".into(), "no-purge"),
    };
    let mut record = json!({
        "schema": 1, "record": "decision", "ts": at, "event_id": id.to_string(),
        "request_id": id.to_string(), "method": "tools/call", "target_type": "tool", "target": tool,
        "principal": who, "decision": decision, "reason": reason, "rule_id": rule,
        "chain": "c", "seq": id, "prev": "00"
    });
    if reason == Value::Null {
        record.as_object_mut().unwrap().remove("reason");
    }
    let mut lines = format!("{record}\n");
    if let Some(result) = outcome {
        let record = json!({
            "schema": 1, "record": "outcome", "ts": at, "event_id": id.to_string(),
            "duration_ms": 20 * id, "http_status": 200, "result_type": result, "bytes_out": 100,
            "filtered_count": 0
        });
        lines.push_str(&format!("{record}\n"));
    }
    lines
}

fn person(sub: &str) -> Value {
    json!({ "iss": "https://id.example", "sub": sub, "client_id": "ide", "kind": "user" })
}

fn trail() -> String {
    let list = json!({
        "record": "decision", "ts": "2026-11-20T09:00:01.000Z", "event_id": "l", "method": "tools/list",
        "principal": person("alice"), "decision": "allow", "rule_id": "protocol"
    });
    let gap =
        json!({ "record": "gap", "ts": "2026-11-20T12:00:00.000Z", "event_id": "g", "dropped": 7 });
    let event = json!({
        "record": "event", "ts": "2026-11-20T12:00:01.000Z", "event_id": "e", "event": "policy.changed",
        "from": "a@1", "to": "a@2"
    });
    [
        call(
            1,
            "2026-11-20T09:00:00.000Z",
            &person("alice"),
            "get_note",
            "allow",
            Some("complete"),
        ),
        format!("{list}\n"),
        call(
            2,
            "2026-11-20T09:30:00.000Z",
            &person("alice"),
            "get_note",
            "allow",
            Some("is_error"),
        ),
        call(3, "2026-11-20T10:00:00.000Z", &person("bob"), "purge_notes", "deny", Some("error")),
        call(4, "2026-11-20T11:00:00.000Z", &person("bob"), "get_note", "challenge", Some("error")),
        format!("{gap}\n{event}\n"),
        call(5, "2026-11-21T08:00:00.000Z", &person("=cmd()<b>"), "a,\"b\"", "deny", None),
        "{\"torn".to_owned(),
    ]
    .concat()
}

#[test]
fn a_report_counts() {
    let folder = Folder::new(&[("audit.jsonl", &trail())]);
    let file = folder.file("audit.jsonl");
    let report = run(&["--json", "audit", "report", &file]).json();
    let calls = json!({
        "calls": 5, "allowed": 2, "denied": 2, "challenged": 1, "errors": 0, "failed": 1
    });
    assert_eq!(report["calls"], calls, "{report}");
    assert_eq!((&report["missing"], &report["unreadable"]), (&json!(7), &json!(1)));
    assert_eq!(report["other_messages"], 1);
    assert_eq!(report["from"], "2026-11-20T09:00:00Z");
    let names = |table: &str, member: &str| -> Vec<String> {
        let rows = report[table].as_array().unwrap().iter();
        rows.map(|row| row[member].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("people", "person"), ["=cmd()<b>", "bob", "alice"], "by last use");
    assert_eq!(names("tools", "name"), ["get_note", "a,\"b\"", "purge_notes"], "by calls");
    assert_eq!(names("denied", "reason"), ["policy_denied", "insufficient_scope", "policy_denied"]);
    assert_eq!(report["tools"][0]["mean_ms"], 30);
    assert_eq!(report["tools"][0]["people"], 2);

    let rows: &[(&str, &[&str], u64)] = &[
        ("a person", &["--person", "alice"], 2),
        ("a client", &["--person", "ide"], 5),
        ("a tool", &["--tool", "get_*"], 3),
        ("refused", &["--denied"], 3),
        ("denied", &["--decision", "deny"], 2),
        ("a rule", &["--rule", "no-purge"], 2),
        ("from", &["--from", "2026-11-20T10:00:00Z"], 3),
        ("until", &["--until", "2026-11-20T10:00:00Z"], 2),
        ("a day", &["--from", "2026-11-21", "--until", "2026-11-22"], 1),
        ("nothing", &["--person", "carol"], 0),
    ];
    for (name, more, calls) in rows {
        let report = run(&[&["--json", "audit", "report", &file], *more].concat()).json();
        assert_eq!(report["calls"]["calls"], *calls, "{name}: {report}");
    }
    let text = run(&["audit", "report", &file]);
    for part in [
        "5 calls: 2 allowed (1 failed), 2 denied",
        "7 records are missing",
        "1 line is no record",
        "purge_notes",
    ] {
        assert!(text.out.contains(part), "{part:?} is not in\n{}", text.out);
    }
    assert!(text.out.lines().all(|line| line.chars().count() <= 80), "{}", text.out);
    let empty = run_with(&["audit", "report", "-"], "");
    assert_eq!((empty.code, empty.out.as_str()), (0, "No records.\n"));
    assert_eq!(run(&["audit", "report", "none.jsonl"]).code, 3);
}

/// One trail of two servers with a tool of the same name, and of one without a name.
#[test]
fn servers_are_told_apart() {
    let at = "2026-11-20T09:00:00.000Z";
    let named = |id: u32, member: &str, server: &str| {
        let lines = call(id, at, &person("alice"), "get_note", "allow", Some("complete"));
        lines.replacen("{", &format!("{{\"{member}\":\"{server}\","), 1)
    };
    let url = "https://mcp.example.com/wiki";
    let lines =
        named(1, "server", "notes") + &named(2, "server", "notes") + &named(3, "resource", url);
    let folder = Folder::new(&[("audit.jsonl", &lines)]);
    let file = folder.file("audit.jsonl");
    let report = run(&["--json", "audit", "report", &file]).json();
    let tools: Vec<_> = report["tools"].as_array().unwrap().iter().collect();
    let said = |row: usize| (tools[row]["server"].as_str().unwrap(), &tools[row]["calls"]);
    assert_eq!((tools.len(), said(0), said(1)), (2, ("notes", &json!(2)), (url, &json!(1))));
    for (server, calls) in [("notes", 2), ("https://*/wiki", 1), ("wiki", 0)] {
        let args = ["--json", "audit", "report", &file, "--server", server];
        assert_eq!(run(&args).json()["calls"]["calls"], calls, "{server}");
    }
    let text = run(&["audit", "report", &file]).out;
    assert!(text.contains("SERVER") && text.contains("notes"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let one = run(&["audit", "report", &file, "--server", "notes"]).out;
    assert!(!one.contains("SERVER"), "it is always the same: {one}");
    let csv = run(&["audit", "report", &file, "--format", "csv", "--by", "tools"]).out;
    assert!(csv.lines().next().unwrap().ends_with("\"server\""), "{csv}");
    let tail = run(&["audit", "tail", &file]).out;
    assert_eq!(tail.matches("get_note at notes").count(), 2, "{tail}");
    let tail = run(&["audit", "tail", &file, "--server", "https://*"]).out;
    assert_eq!(tail.lines().count(), 1, "{tail}");
}

#[test]
fn a_long_name_hides_nothing() {
    let at = "2026-11-20T09:00:00.000Z";
    let long = "x".repeat(300_000);
    let lines = call(1, at, &person(&long), &long, "deny", None)
        + &call(2, at, &person("bob"), "get_note", "allow", None);
    let folder = Folder::new(&[("audit.jsonl", &lines)]);
    let file = folder.file("audit.jsonl");
    for command in ["tail", "report"] {
        let text = run(&["audit", command, &file]).out;
        assert!(text.contains("xx…") && text.contains("bob"), "{}", text.len());
        assert!(text.lines().count() < 60, "{command}: {}", text.lines().count());
    }
    let csv = run(&["audit", "report", &file, "--format", "csv"]).out;
    assert!(csv.len() < 2000 && csv.contains("x…"), "{}", csv.len());
}

#[test]
fn a_flood_of_refusals_hides_nobody_elses() {
    let at = "2026-11-20T09:00:00.000Z";
    let mut lines: String = (0..50_000)
        .map(|id| call(id, at, &person("mallory"), &format!("made_up_{id}"), "deny", None))
        .collect();
    let later = "2026-11-20T10:00:00.000Z";
    for id in 60_000..60_003 {
        lines += &call(id, later, &person("bob"), &format!("purge_{id}"), "deny", None);
    }
    let folder = Folder::new(&[("audit.jsonl", &lines)]);
    let file = folder.file("audit.jsonl");
    let report = run(&["audit", "report", &file, "--json"]).json();
    assert_eq!(report["denied_together"], 3);
    let denied = report["denied"].as_array().unwrap();
    assert_eq!(denied.len(), 50_001);
    assert_eq!(denied[0]["name"], "(others)");
    assert_eq!((denied[0]["times"].as_u64(), &denied[0]["last"]), (Some(3), &report["until"]));
    assert!(denied[0]["person"].as_str().unwrap().contains("bob"));
    let text = run(&["audit", "report", &file]).out;
    assert!(text.contains("3 refusals are of too many kinds"), "{text}");
    assert!(text.lines().any(|line| line.contains("bob") && line.contains("(others)")), "{text}");
}

#[test]
fn spreadsheets_and_browsers_run_nothing() {
    let folder = Folder::new(&[("audit.jsonl", &trail())]);
    let (file, page) = (folder.file("audit.jsonl"), folder.file("report.html"));
    let csv = run(&["audit", "report", &file, "--format", "csv"]);
    let lines: Vec<_> = csv.out.split("\r\n").collect();
    assert!(lines[0].starts_with("\"person\",\"issuer\",\"client\",\"calls\""), "{csv:?}");
    assert!(
        lines[1].starts_with("\"'=cmd()<b>\",\"https://id.example\",\"ide\",1,0,1,"),
        "{csv:?}"
    );
    let csv = run(&["audit", "report", &file, "--format", "csv", "--by", "tools", "--top", "2"]);
    assert!(csv.out.contains("\"a,\"\"b\"\"\""), "{csv:?}");
    assert_eq!(csv.out.matches("\r\n").count(), 3);

    let ran =
        run(&["audit", "report", &file, "--format", "html", "-o", &page, "--title", "<script>"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("=cmd()&lt;b&gt;") && html.contains("<h1>&lt;script&gt;</h1>"), "{html}");
    for no in ["<script", "<b>", " style=", " on", "http-equiv=\"refresh", "src=", "href=", "url("]
    {
        assert!(!html.to_lowercase().contains(no), "{no}");
    }
    // The style is the one that the policy of the page names.
    let (_, rest) = html.split_once("<style>").unwrap();
    let (style, _) = rest.split_once("</style>").unwrap();
    use base64::Engine as _;
    let hash = portcullis_crypto::sha256(style.as_bytes());
    let hash = base64::engine::general_purpose::STANDARD.encode(hash);
    assert!(html.contains(&format!("default-src 'none'; style-src 'sha256-{hash}'")), "{hash}");
    assert_eq!(html.matches("<svg").count(), 3);
}

#[test]
fn records_are_lines_that_people_read() {
    let folder = Folder::new(&[("audit.jsonl", &trail())]);
    let file = folder.file("audit.jsonl");
    let rows: &[(&str, &[&str], &str)] = &[
        (
            "all but what is no news",
            &[],
            "2026-11-20 09:00:00 allow     alice (ide)  tools/call get_note (read)
2026-11-20 09:00:01 allow     alice (ide)  tools/list (protocol)
2026-11-20 09:30:00 allow     alice (ide)  tools/call get_note (read)
2026-11-20 09:30:00 is_error  alice (ide)  tools/call get_note (HTTP 200, 40 ms,
                    100 bytes)
2026-11-20 10:00:00 deny      bob (ide)  tools/call purge_notes (policy_denied,
                    no-purge)
2026-11-20 11:00:00 challenge bob (ide)  tools/call get_note
                    (insufficient_scope, read)
2026-11-20 12:00:00 gap       7 records are missing
2026-11-20 12:00:01 event     policy.changed  a@1 to a@2
2026-11-21 08:00:00 deny      =cmd()<b> (ide)  tools/call a,\"b\" (policy_denied,
                    no-purge)
",
        ),
        (
            "some",
            &["--person", "alice", "--tool", "get_note", "-n", "1"],
            "2026-11-20 09:30:00 is_error  alice (ide)  tools/call get_note (HTTP 200, 40 ms,
                    100 bytes)
",
        ),
        (
            "how they ended",
            &["--person", "bob", "--tool", "purge*", "--outcomes"],
            "2026-11-20 10:00:00 deny      bob (ide)  tools/call purge_notes (policy_denied,
                    no-purge)
2026-11-20 10:00:00 error     bob (ide)  tools/call purge_notes (HTTP 200, 60
                    ms, 100 bytes)
",
        ),
        ("none", &["--until", "2026-01-01"], ""),
    ];
    for (name, more, expected) in rows {
        let ran = run(&[&["audit", "tail", &file], *more].concat());
        assert_eq!(ran.out, *expected, "{name}");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{name}");
    }
    let ran = run(&["--json", "audit", "tail", &file, "--person", "bob"]);
    let records: Vec<Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 2, "{ran:?}");
    assert_eq!((&records[0]["event_id"], &records[0]["seq"]), (&json!("3"), &json!(3)));
}

/// A line at a time, as soon as it is there, whatever becomes of the file.
#[test]
fn files_are_followed_when_they_are_rotated() {
    let at = "2026-11-20T09:00:00.000Z";
    let one = |id, tool| call(id, at, &person("alice"), tool, "allow", None);
    let folder = Folder::new(&[("audit.jsonl", &one(1, "first"))]);
    let (path, rotated) = (folder.path("audit.jsonl"), folder.path("audit.000001.jsonl"));
    for named in [folder.file("audit.jsonl"), folder.file("")] {
        std::fs::write(&path, one(1, "first")).unwrap();
        let _ = std::fs::remove_file(&rotated);
        let mut command = command(&["audit", "tail", "--follow", &named]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = || lines.next().unwrap().unwrap();
        assert!(next().contains("tools/call first"));
        let mut append = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        let second = one(2, "second");
        append.write_all(&second.as_bytes()[..30]).unwrap();
        append.write_all(&second.as_bytes()[30..]).unwrap();
        assert!(next().contains("tools/call second"), "{named}");
        std::fs::rename(&path, &rotated).unwrap();
        // What is written to the old file after it was renamed is not lost.
        append.write_all(one(3, "third").as_bytes()).unwrap();
        std::fs::write(&path, one(4, "fourth")).unwrap();
        let mut both = [next(), next()];
        both.sort();
        assert!(
            both[0].contains("tools/call fourth") && both[1].contains("tools/call third"),
            "{both:?}"
        );
        // Emptied, to go on in it.
        std::fs::write(&path, "").unwrap();
        let mut shorter = call(6, at, &person("al"), "x", "allow", None);
        std::fs::write(&path, std::mem::take(&mut shorter)).unwrap();
        assert!(next().contains("tools/call x"), "{named}");
        // Nobody reads any more: it ends by itself.
        drop(lines);
        let mut append = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        let status = loop {
            append.write_all(one(5, "fifth").as_bytes()).unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            std::thread::yield_now();
        };
        assert_eq!(status.code(), Some(0));
    }
}

const KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const PUBLIC: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const OTHER: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}"#;

/// A chained file of a few events, its writer ended in order.
fn chained(folder: &Folder) -> String {
    let file = folder.path("audit.jsonl");
    let signer = SigningKey::parse(KEY).unwrap();
    let sink = FileSink::builder(&file).chaining(Chaining::signed(signer)).open().unwrap();
    let layer = AuditLayer::builder().sink(sink).build().unwrap();
    for number in 0..5 {
        assert!(layer.log().record(Event::new(EventKind::Other).about(format!("event {number}"))));
    }
    drop(layer);
    std::fs::read_to_string(&file).unwrap()
}

#[test]
fn what_is_intact_and_what_is_not_is_told() {
    let folder = Folder::new(&[("key.json", PUBLIC), ("other.json", OTHER)]);
    let text = chained(&folder);
    let (file, key, other) =
        (folder.file("audit.jsonl"), folder.file("key.json"), folder.file("other.json"));
    let ran = run(&["audit", "verify", &file, "--key", &key]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("INTACT  "), "{}", ran.out);
    assert!(ran.out.contains("its writer ended in order\n"), "{}", ran.out);
    assert!(ran.out.contains("Whole chains after the last one would not be missed"), "{}", ran.out);
    let whole = run(&["--json", "audit", "verify", &folder.file(""), "--key", &key]).json();
    assert_eq!(
        (&whole["intact"], &whole["chains"][0]["end"]),
        (&json!(true), &json!("clean")),
        "{whole}"
    );
    assert_eq!(whole["chains"][0]["unsigned"], 0);
    let ran = run(&["audit", "verify", &file]);
    assert!(ran.code == 0 && ran.out.starts_with("CONSISTENT  "), "{ran:?}");
    assert!(ran.out.contains("no signature was checked"), "{}", ran.out);
    let last = text.lines().last().unwrap();
    std::fs::write(folder.path("anchors"), format!("{last}\n")).unwrap();
    let anchors = folder.file("anchors");
    let ran = run(&["audit", "verify", &file, "--key", &key, "--expect", &anchors]);
    assert!(ran.code == 0 && !ran.out.contains("--expect"), "{ran:?}");
    assert_eq!(run(&["audit", "verify", &file, "--key", &key, "--ended"]).code, 0, "it has ended");
    // Anchors of months are larger than what is read whole.
    std::fs::write(folder.path("many"), format!("{}{last}\n", "\n".repeat(17 << 20))).unwrap();
    let many = folder.file("many");
    let ran = run(&["audit", "verify", &file, "--key", &key, "--expect", &many]);
    assert!(ran.code == 0, "{ran:?}");
    std::fs::write(folder.path("long"), "x".repeat(2 << 20)).unwrap();
    let long = folder.file("long");
    let ran = run(&["audit", "verify", &file, "--key", &key, "--expect", &long]);
    assert!(ran.code == 3 && ran.err.contains("more than 1 MiB"), "{ran:?}");

    let lines: Vec<&str> = text.lines().collect();
    let line = |number: usize| {
        lines.iter().position(|line| line.contains(&format!("event {number}"))).unwrap()
    };
    let without = |gone: &dyn Fn(usize) -> bool| -> String {
        let kept = lines.iter().enumerate().filter(|(at, _)| !gone(*at));
        kept.map(|(_, line)| format!("{line}\n")).collect()
    };
    let swapped = {
        let mut lines = lines.clone();
        lines.swap(line(1), line(2));
        lines.join("\n") + "\n"
    };
    let rows: &[(&str, String, &[&str], &str)] = &[
        ("changed", text.replace("event 2", "event 9"), &[], "changed"),
        ("removed", without(&|at| at == line(2)), &[], "missing"),
        ("out of order", swapped, &[], "reordered"),
        ("put in", format!("{text}{{\"record\":\"gap\"}}\n"), &[], "unchained"),
        ("the start cut off", without(&|at| at == 0), &[], "missing"),
        ("an unfinished line", format!("{text}{{\"rec"), &[], "torn"),
        (
            "the end cut off",
            without(&|at| at >= lines.len() - 1),
            &["--expect", &anchors],
            "anchor_missing",
        ),
        (
            "the end cut off, of a writer that was stopped",
            without(&|at| at >= lines.len() - 1),
            &["--ended"],
            "no_end",
        ),
        ("no chain", "{\"record\":\"gap\"}\n".to_owned(), &[], "unchained"),
        ("nothing", String::new(), &[], ""),
    ];
    for (name, text, more, kind) in rows {
        std::fs::write(&file, text).unwrap();
        let args = [&["--json", "audit", "verify", &file, "--key", &key], *more].concat();
        let ran = run(&args);
        let report = ran.json();
        let found = |list: &str| {
            report[list].as_array().unwrap().iter().any(|found| found["kind"] == *kind)
        };
        if *kind == "torn" {
            assert!(found("notes") && ran.code == 0, "{name}: {report}");
            assert_eq!(run(&[&args[..], &["--deny-notes"]].concat()).code, 1, "{name}");
            continue;
        }
        assert_eq!(ran.code, 1, "{name}: {report}");
        assert!(found("findings") || kind.is_empty(), "{name}: {report}");
        let shown = run(&[&["audit", "verify", &file, "--key", &key], *more].concat());
        assert!(shown.out.starts_with("NO"), "{name}: {}", shown.out);
        assert!(!shown.out.contains(":0:"), "{name}: {}", shown.out);
        assert!(shown.out.lines().all(|line| line.chars().count() <= 80), "{}", shown.out);
        let shown = run(&["audit", "verify", &file, "--key", &key]);
        assert!(shown.out.lines().all(|line| line.chars().count() <= 80), "{}", shown.out);
        assert_eq!(shown.out.contains("chain has no end"), !more.is_empty(), "{name}: {shown:?}");
        assert!(!shown.out.starts_with("INTACT") || !more.is_empty(), "{name}: {shown:?}");
    }
    std::fs::write(&file, &text).unwrap();
    let ran = run(&["--json", "audit", "verify", &file, "--key", &other]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!ran.json()["unknown_keys"].as_array().unwrap().is_empty());
    assert_eq!(run(&["audit", "verify", &file, "--key", &file]).code, 3, "no key");
    assert_eq!(
        run(&["audit", "verify", &file, "--expect", &anchors]).code,
        2,
        "no key to check with"
    );
    assert_eq!(run(&["audit", "verify", "none.jsonl"]).code, 3);
}

/// A browser that is installed here, if one is.
fn browser() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        let version = std::process::Command::new(name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    })
}

/// What a browser has to say about a page, with a picture of it.
fn console(browser: &str, folder: &Folder, page: &str, dark: bool) -> (String, Vec<u8>) {
    let picture = folder.path("page.png");
    // The path of a socket in it has room for about a hundred bytes, whatever folder tests are given.
    let short = std::path::Path::new("/tmp");
    let place = if short.is_dir() { short.to_owned() } else { std::env::temp_dir() };
    let profile = tempfile::tempdir_in(&place).unwrap();
    let _ = std::fs::remove_file(&picture);
    let mut command = std::process::Command::new(browser);
    command
        .env("TMPDIR", &place)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .args(["--enable-logging=stderr", "--window-size=1200,900"])
        .arg(format!("--blink-settings=preferredColorScheme={}", i32::from(!dark)))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!("file://{page}"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let console: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
    (console.join("\n"), std::fs::read(picture).unwrap_or_default())
}

/// The page keeps its own rules, in a real browser, and these rules stop what is put in.
#[test]
fn a_browser_shows_the_page_and_runs_nothing() {
    let Some(browser) = browser() else {
        println!("NOT CHECKED: no chromium is installed");
        return;
    };
    let folder = Folder::new(&[("audit.jsonl", &trail())]);
    let (file, page) = (folder.file("audit.jsonl"), folder.file("report.html"));
    assert_eq!(run(&["audit", "report", &file, "--format", "html", "-o", &page]).code, 0);
    let (complaints, light) = console(browser, &folder, &page, false);
    assert_eq!(complaints, "", "the page as it is");
    let (_, dark) = console(browser, &folder, &page, true);
    assert!(light.len() > 10_000 && dark.len() > 10_000, "{} {}", light.len(), dark.len());
    assert_ne!(light, dark);

    let html = std::fs::read_to_string(&page).unwrap();
    for (name, put_in) in [
        ("a script", "<script>console.log('run')</script>"),
        ("a style", "<style>body { display: none }</style>"),
        ("a picture", "<img src=\"https://example.com/x.png\">"),
    ] {
        std::fs::write(&page, html.replace("</main>", &format!("{put_in}</main>"))).unwrap();
        let (complaints, _) = console(browser, &folder, &page, false);
        assert!(complaints.contains("Content Security Policy"), "{name}: {complaints}");
        assert!(!complaints.contains("\"run\""), "{name}: {complaints}");
    }
}
