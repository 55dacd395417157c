//! What holds of the output of every command.

use std::io::Read as _;
use std::process::Stdio;
use std::sync::LazyLock;

use serde_json::Value;

use crate::common::{Folder, command, run, sample};

/// An audit trail with two records.
static TRAIL: LazyLock<Folder> = LazyLock::new(|| {
    let text = r#"{"record":"decision","ts":"2026-11-20T09:00:00.000Z","event_id":"1","method":"tools/call","target_type":"tool","target":"purge_notes","principal":{"iss":"https://id.example","sub":"5f1d2c3e-0000-4a4a-8b8b-123456789abc.0b2e6b5e-6f0c-4f0e-9a52-3b1f4f3f0c11","client_id":"ide"},"decision":"deny","reason":"policy_denied","rule_id":"never-purge"}
{"record":"gap","ts":"2026-11-20T12:00:00.000Z","event_id":"g","dropped":7}
"#;
    let odd = "evil\u{1b}[2J\u{9b}31m\u{202e}\u{200b}".replace('\u{1b}', "\\u001b");
    let digest = "0".repeat(64);
    let pins = format!(r#"{{"tools": {{"{odd}": "sha256:{digest}"}}}}"#);
    Folder::new(&[("audit.jsonl", text), ("pins.json", &pins)])
});

/// A roster with somebody whose name is long and odd, and who is blocked.
#[cfg(feature = "roster")]
static ROSTER: LazyLock<Folder> = LazyLock::new(|| {
    use std::time::Duration;

    use portcullis_roster::{Block, Person, PersonId, RosterStore as _, SqliteStore};

    let folder = Folder::new(&[("users.csv", "id\nnobody\n")]);
    let mut store = SqliteStore::open(folder.file("roster.db")).unwrap();
    let odd = "evil\u{1b}[2J\u{9b}31m\u{202e}\u{200b}";
    let subject = format!("5f1d2c3e-0000-4a4a-8b8b-123456789abc.0b2e6b5e-6f0c {odd}");
    let id = PersonId::new("https://id.example", subject);
    let mut person = Person::seen(id.clone(), Duration::from_secs(1_795_000_000));
    person.servers = vec!["notes".into(), odd.into()];
    store.record(&[person]).unwrap();
    store.block(&Block::new(id, Duration::ZERO).by("carol").note(odd)).unwrap();
    folder
});

/// Every command with a report, on the sample and on something odd.
fn commands() -> Vec<Vec<String>> {
    let policy = sample("policy.yaml");
    let alice = sample("callers/alice.json");
    let tools = sample("tools.json");
    let audit = TRAIL.file("audit.jsonl");
    let rows: &[&[&str]] = &[
        &["validate", &policy],
        &["explain", &policy, "--claims", &alice, "tools/call", "get_note"],
        &["explain", &policy, "--anonymous", "tools/call", "write_note"],
        &["explain", &policy, "--everyone", "tools/drop"],
        &["visible", &policy],
        &["visible", &policy, "--claims", &alice, "--tools", &tools],
        &["test", &sample("cases.yaml")],
        &["diff", &policy, &policy],
        &["pins", &tools, "--check", &TRAIL.file("pins.json")],
        &["audit", "report", &audit],
        &["audit", "verify", &audit],
        &["validate", "none.yaml"],
        &["explain", "none.yaml", "--everyone", "ping"],
    ];
    let rows = rows.iter().map(|row| row.iter().map(|arg| (*arg).to_owned()).collect());
    rows.chain(roster_commands()).collect()
}

#[cfg(feature = "roster")]
fn roster_commands() -> Vec<Vec<String>> {
    let (file, list) = (ROSTER.file("roster.db"), ROSTER.file("users.csv"));
    let rows: &[&[&str]] = &[
        &["roster", "list", "-d", &file],
        &["roster", "stale", "-d", &file, "--list", &list, "--since", "2020-01-01"],
        &["roster", "block", "-d", &file, "https://id.example", "eve"],
        &["roster", "unblock", "-d", &file, "https://id.example", "nobody"],
        &["roster", "list", "-d", "none.db"],
    ];
    rows.iter().map(|row| row.iter().map(|arg| (*arg).to_owned()).collect()).collect()
}

#[cfg(not(feature = "roster"))]
fn roster_commands() -> Vec<Vec<String>> {
    Vec::new()
}

fn refs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[test]
fn json_is_as_the_schema_says() {
    let schema = run(&["schema", "output"]);
    let schema = jsonschema::validator_for(&schema.json()).unwrap();
    for args in commands() {
        let mut with_json = refs(&args);
        with_json.push("--json");
        let report = run(&with_json).json();
        assert!(schema.is_valid(&report), "{args:?}: {:?}", schema.validate(&report));
        assert_eq!(report["schema"], 1, "{args:?}");
    }
}

/// What scripts and editors rely on changes only with the files that are committed.
#[test]
fn schemas_are_those_that_are_committed() {
    for (what, file) in [("output", "output.schema.json"), ("cases", "cases.schema.json")] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        // As values: other crates may make serde_json keep another order of members.
        let written = run(&["schema", what]).json();
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        let committed = serde_json::from_str::<Value>(&committed).unwrap_or_default();
        assert!(written == committed, "write `portcullis schema {what}` to {}", path.display());
    }
    let policy: Value = run(&["schema", "policy"]).json();
    assert_eq!(policy["title"], "Policy");
    let cases = run(&["schema", "cases"]).json();
    let text = std::fs::read_to_string(sample("cases.yaml")).unwrap();
    let sample: Value = serde_saphyr::from_str(&text).unwrap();
    assert!(jsonschema::is_valid(&cases, &sample));
}

#[test]
fn pages_are_80_columns_wide_and_plain_unless_told() {
    for args in commands() {
        let ran = run(&refs(&args));
        let text = format!("{}{}", ran.out, ran.err);
        assert!(!text.contains('\u{1b}'), "{args:?}: {text:?}");
        // Bodies are shown as they are sent; one long word is not broken there.
        for line in text.lines().filter(|line| !line.starts_with("  {")) {
            assert!(line.chars().count() <= 80, "{args:?}: {line}");
            assert!(!line.ends_with(' '), "{args:?}: {line:?}");
        }
    }
}

#[test]
fn colour_is_for_those_who_want_it() {
    let policy = sample("policy.yaml");
    let rows: &[(&str, &[&str], &[(&str, &str)], bool)] = &[
        ("no terminal", &[], &[], false),
        ("asked for", &["--color", "always"], &[], true),
        ("forced", &[], &[("CLICOLOR_FORCE", "1")], true),
        ("not wanted", &[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        ("refused", &["--color=never"], &[("CLICOLOR_FORCE", "1")], false),
        ("asked for all the same", &["--color=always"], &[("NO_COLOR", "1")], true),
        ("never in JSON", &["--color=always", "--json"], &[], false),
    ];
    for (name, more, env, colour) in rows {
        let mut command = command(&[&["validate", &policy], *more].concat());
        let output = command.envs(env.iter().copied()).output().unwrap();
        assert_eq!(output.stdout.contains(&0x1b), *colour, "{name}");
    }
}

/// JSON in ASCII: YAML wants other characters escaped.
fn ascii(json: &Value) -> String {
    let escape =
        |c: char| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", c as u32) };
    json.to_string().chars().map(escape).collect()
}

/// Names come from files that anybody may have written.
#[test]
fn names_cannot_steer_a_terminal() {
    let odd = "evil\u{1b}[2J\u{9b}31m\u{202e}\u{200b}";
    let json = serde_json::json!({
        "roles": { "evil\u{202e}\u{200b}": { "groups": [odd] } },
        "rules": [{ "id": "a", "description": odd, "allow": { "tools": [odd] }, "everyone": true }]
    });
    let claims = serde_json::json!({ "sub": odd, "iss": odd, "scope": "a", "groups": [odd] });
    let cases = serde_json::json!({ "cases": [{ "name": odd, "who": "everyone", "sees": [odd] }] });
    let record = serde_json::json!({
        "record": "decision", "ts": "2026-11-20T09:00:00.000Z", "event_id": odd, "method": odd,
        "target_type": odd, "target": odd, "principal": { "sub": odd, "iss": odd, "client_id": odd },
        "decision": "deny", "reason": odd, "rule_id": odd
    });
    let folder = Folder::new(&[
        ("policy.json", &ascii(&json)),
        ("claims.json", &claims.to_string()),
        ("cases.json", &ascii(&cases)),
        ("audit.jsonl", &format!("{record}\n")),
    ]);
    let (policy, claims) = (folder.file("policy.json"), folder.file("claims.json"));
    let audit = folder.file("audit.jsonl");
    let rows: &[&[&str]] = &[
        &["audit", "tail", &audit],
        &["audit", "report", &audit],
        &["audit", "report", &audit, "--format", "csv"],
        &["audit", "report", &audit, "--format", "html"],
        &["validate", &policy],
        &["explain", &policy, "--claims", &claims, "tools/call", odd],
        &["explain", &policy, "--subject", odd, "tools/call", odd],
        &["explain", &policy, "--role", odd, "tools/call", "x"],
        &["visible", &policy],
        &["visible", &policy, "--claims", &claims],
        &["diff", &policy, &sample("policy.yaml")],
        &["test", &folder.file("cases.json"), "--policy", &policy],
        &["validate", odd],
    ];
    let roster = roster_commands();
    let roster = roster.iter().take(2).map(|args| refs(args));
    for args in rows.iter().map(|args| args.to_vec()).chain(roster) {
        for json in [false, true] {
            let mut args = args.clone();
            if json {
                args.push("--json");
            }
            let ran = run(&args);
            for text in [&ran.out, &ran.err] {
                for c in ['\u{1b}', '\u{9b}', '\u{202e}', '\u{200b}'] {
                    assert!(!text.contains(c), "{args:?}: {text:?}");
                }
            }
            assert!(format!("{}{}", ran.out, ran.err).contains("evil"), "{args:?}: {ran:?}");
        }
    }
}

#[test]
fn a_reader_that_has_heard_enough_hears_no_complaint() {
    // More than a pipe holds.
    let rules: String = (0..4000)
        .map(|n| {
            format!("  - {{ id: rule-{n}, allow: {{ tools: [tool_{n}] }}, everyone: true }}\n")
        })
        .collect();
    let folder = Folder::new(&[("policy.yaml", &format!("rules:\n{rules}"))]);
    let mut command = command(&["validate", &folder.file("policy.yaml")]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut start = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn help_completions_and_manual() {
    let help = run(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.out.contains("Exit codes:"), "{}", help.out);
    for name in ["validate", "explain", "visible", "test", "diff"] {
        assert!(help.out.contains(name));
        let page = run(&["man", name]);
        assert!(page.out.contains(&format!("portcullis\\-{name}")), "{}", page.out);
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = run(&["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("explain"), "{shell}");
        assert_eq!(ran.out, run(&["--json", "completions", shell]).out, "{shell}");
    }
    assert_eq!(run(&["man", "none"]).code, 3);
    assert_eq!(run(&[]).code, 2);
}
