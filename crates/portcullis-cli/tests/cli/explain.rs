use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::common::{Folder, run, run_with, sample};

/// `portcullis explain` of the sample policy, on a Monday morning.
fn args<'a>(policy: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["explain", policy, "--at", "2026-11-23T10:00:00+01:00"];
    args.extend(more);
    args
}

#[test]
fn verdicts() {
    let policy = sample("policy.yaml");
    let alice = sample("callers/alice.json");
    let tools = sample("tools.json");
    let rows: &[(&str, &[&str], &str, Option<&str>, i32)] = &[
        (
            "allowed",
            &["--claims", &alice, "tools/call", "get_note"],
            "allow",
            Some("read-notes"),
            0,
        ),
        (
            "scopes are missing",
            &["--issuer", "https://id.example", "--group", "staff", "tools/call", "get_x"],
            "challenge",
            Some("read-notes"),
            1,
        ),
        ("no rule", &["--subject", "eve", "tools/call", "get_x"], "deny", Some("default-deny"), 1),
        ("denied", &["--role", "admin", "tools/call", "purge_x"], "deny", Some("never-purge"), 1),
        ("anonymous", &["--anonymous", "tools/call", "search"], "allow", Some("search"), 0),
        ("everyone", &["--everyone", "tools/call", "search"], "allow", Some("search"), 0),
        ("the protocol", &["--everyone", "tools/list"], "allow", Some("protocol"), 0),
        (
            "arguments",
            &[
                "--role",
                "admin",
                "tools/call",
                "write_note",
                "--arguments",
                r#"{"path":"/srv/notes/a"}"#,
            ],
            "allow",
            Some("write-notes"),
            0,
        ),
        (
            "other arguments",
            &["--role", "admin", "tools/call", "write_note", "--arguments", r#"{"path":"/etc"}"#],
            "deny",
            Some("default-deny"),
            1,
        ),
        (
            "annotations",
            &[
                "--role",
                "admin",
                "--server",
                "notes",
                "--tools",
                &tools,
                "tools/call",
                "count_notes",
            ],
            "allow",
            Some("look-around"),
            0,
        ),
        (
            "annotations of another server",
            &["--role", "admin", "--tools", &tools, "tools/call", "count_notes"],
            "deny",
            Some("default-deny"),
            1,
        ),
        (
            "an older revision",
            &["--claims", &alice, "--mcp-version", "2025-06-18", "tools/call", "get_note"],
            "allow",
            Some("read-notes"),
            0,
        ),
        ("no such method", &["--everyone", "tools/drop"], "refused", None, 1),
    ];
    for (name, more, verdict, rule, code) in rows {
        let mut args = args(&policy, more);
        args.extend(["--json", "--exit-status"]);
        let ran = run(&args);
        assert_eq!(ran.code, *code, "{name}: {ran:?}");
        let report = ran.json();
        assert_eq!(report["verdict"], *verdict, "{name}: {report}");
        assert_eq!(report["rule"].as_str(), *rule, "{name}: {report}");
    }
}

#[test]
fn every_rule_and_the_answer_are_told() {
    let policy = sample("policy.yaml");
    let arguments = r#"{"price": 900, "currency": "EUR"}"#;
    let who = ["--subject", "bob", "--client", "travel-agent", "--claim", "department=sales"];
    let call = ["tools/call", "book_trip", "--arguments", arguments];
    let ran = run(&args(&policy, &[&who[..], &call[..]].concat()));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    for part in [
        "DENY  tools/call book_trip\n",
        "No rule allows it to this caller, in these circumstances.",
        "buyer (claim department \"sales\")",
        "agents    travel-bot",
        "no            buy-a-little",
        "no       argument price is at most 500",
        "yes      argument currency is one of \"EUR\"",
        "  HTTP 200\n",
        r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"Trips over 500 euros, and at night, are for people to book."}],"isError":true}}"#,
    ] {
        assert!(ran.out.contains(part), "{part:?} is not in\n{}", ran.out);
    }
    let hidden = run(&args(&policy, &["--json", "--subject", "eve", "tools/call", "get_x"])).json();
    assert_eq!(hidden["answer"]["status"], 200);
    let body = hidden["answer"]["body"].as_str().unwrap();
    assert_eq!(
        body,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Unknown tool: get_x"}}"#
    );
    assert_eq!(hidden["targets"][0]["rules"][0]["outcome"], "silent");
    let challenged = run(&args(
        &policy,
        &["--json", "--group", "staff", "--issuer", "https://id.example", "tools/call", "get_x"],
    ));
    let challenged = challenged.json();
    assert_eq!(challenged["answer"]["status"], 403);
    assert!(challenged["answer"]["headers"].to_string().contains("notes:read"), "{challenged}");
    assert_eq!(challenged["targets"][0]["rules"][0]["missing_scopes"][0], "notes:read");
}

#[test]
fn lists_are_filtered_as_a_gate_filters_them() {
    let policy = sample("policy.yaml");
    let tools = sample("tools.json");
    let ran = run(&args(&policy, &["--json", "--anonymous", "--tools", &tools, "tools/list"]));
    let body = ran.json()["answer"]["body"].as_str().unwrap().to_owned();
    assert!(body.contains(r#""name":"search""#) && !body.contains("get_note"), "{body}");
}

#[test]
fn a_message_is_read_as_a_gate_reads_it() {
    let policy = sample("policy.yaml");
    let call = |name| {
        format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{name}"}}}}"#)
    };
    let batch = format!("[{},{}]", call("search"), call("purge_x").replace('7', "8"));
    let rows = [
        ("one message", call("search"), "allow", "2025-11-25"),
        ("a batch", batch, "partly", "2025-03-26"),
        (
            "ambiguous",
            call("search").replace("\"name\"", "\"name\":\"x\",\"name\""),
            "refused",
            "2025-11-25",
        ),
        ("not JSON", "tools/call".to_owned(), "refused", "2025-11-25"),
    ];
    for (name, body, verdict, version) in rows {
        let ran = run_with(&args(&policy, &["--json", "--everyone", "--request", "-"]), &body);
        let report = ran.json();
        assert_eq!(report["verdict"], verdict, "{name}: {report}");
        assert_eq!(report["mcp_version"], version, "{name}");
    }
}

#[test]
fn a_token_is_decoded_and_not_shown() {
    let policy = sample("policy.yaml");
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let claims = r#"{"iss":"https://id.example","sub":"alice","scope":"notes:read","exp":1000,"groups":["0b2e6b5e-6f0c-4f0e-9a52-3b1f4f3f0c11"]}"#;
    let token = format!("{}.{}.{}", part(r#"{"alg":"ES256"}"#), part(claims), part("signature"));
    let folder = Folder::new(&[
        ("token", &format!("Bearer {token}\n")),
        ("jwe", "a.b.c.d.e"),
        ("odd", "s3cr3t"),
    ]);
    for ran in [
        run(&args(&policy, &["--token", &folder.file("token"), "tools/call", "get_note"])),
        run_with(&args(&policy, &["--token", "-", "tools/call", "get_note"]), &token),
    ] {
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.starts_with("ALLOW  "), "{ran:?}");
        assert!(ran.out.contains("The token was decoded, NOT verified."), "{ran:?}");
        assert!(ran.out.contains("expired at 1970-01-01T00:16:40Z"), "{ran:?}");
        for part in token.split('.') {
            assert!(!ran.out.contains(part) && !ran.err.contains(part), "{ran:?}");
        }
    }
    for file in ["jwe", "odd"] {
        let ran = run(&args(&policy, &["--token", &folder.file(file), "tools/call", "get_note"]));
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(!ran.err.contains("s3cr3t") && !ran.err.contains("a.b.c"), "{ran:?}");
    }
}

/// The command that README shows answers as a reader expects.
#[test]
fn the_command_in_readme_allows() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, rest) = readme.split_once("cargo run -p portcullis-cli -- ").unwrap();
    let shown = rest.split_once("```").unwrap().0.replace("\\\n", " ");
    let words: Vec<&str> = shown.split_whitespace().collect();
    let output = crate::common::command(&words).current_dir(&root).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && out.starts_with("ALLOW  tools/call get_note\n"), "{out}");
}

/// R-201, R-211: circumstances that only a gate knows.
#[test]
fn where_from_and_which_task() {
    let policy = Folder::new(&[
        (
            "policy.yaml",
            "\
rules:
  - { id: office, allow: { tools: [deploy] }, everyone: true, networks: [192.0.2.0/24] }
  - { id: all, allow: { tools: [build] }, everyone: true }
",
        ),
        (
            "cases.yaml",
            "\
policy: policy.yaml
from: 192.0.2.1
cases:
  - { name: office, who: everyone, request: tools/call deploy, expect: allow, sees: [deploy] }
  - { name: home, who: everyone, from: 10.0.0.1, request: tools/call deploy, expect: deny, hides: [deploy] }
  - { name: task, who: everyone, request: tasks/result deploy, expect: allow }
  - { name: task from home, who: everyone, from: 10.0.0.1, request: tasks/get deploy, expect: deny }
",
        ),
        ("bad.yaml", "policy: policy.yaml\nfrom: home\ncases: [{ name: a, who: everyone, sees: [x] }]\n"),
    ]);
    let file = policy.file("policy.yaml");
    let rows: &[(&[&str], &str, Option<&str>)] = &[
        (&["--from", "192.0.2.7", "tools/call", "deploy"], "allow", Some("office")),
        (&["--from", "::ffff:192.0.2.7", "tools/call", "deploy"], "allow", Some("office")),
        (&["--from", "10.0.0.1", "tools/call", "deploy"], "deny", Some("default-deny")),
        (&["tools/call", "deploy"], "deny", Some("default-deny")),
        (&["tools/call", "build"], "allow", Some("all")),
        (&["tasks/get", "build"], "allow", Some("all")),
        (&["tasks/cancel", "build"], "allow", Some("all")),
        (&["tasks/result", "deploy"], "deny", Some("default-deny")),
        (&["--from", "192.0.2.7", "tasks/result", "deploy"], "allow", Some("office")),
    ];
    for (more, verdict, rule) in rows {
        let ran = run(&[&["--json", "explain", &file, "--everyone"], *more].concat());
        let report = ran.json();
        assert_eq!(
            (&report["verdict"], report["rule"].as_str()),
            (&(*verdict).into(), *rule),
            "{more:?}: {report}"
        );
        let conditions = &report["targets"][0]["rules"][0]["conditions"][0];
        if more.contains(&"deploy") {
            assert_eq!(report["targets"][0]["name"], "deploy", "{more:?}: {report}");
            assert_eq!(conditions["condition"], "from 192.0.2.0/24", "{more:?}: {report}");
            let holds = match (*verdict, more.contains(&"--from")) {
                (_, false) => serde_json::Value::Null,
                (verdict, true) => (verdict == "allow").into(),
            };
            assert_eq!(conditions["holds"], holds, "{more:?}: {report}");
        }
    }
    let unknown = run(&["--json", "explain", &file, "--everyone", "tasks/get", "nothing"]);
    let answer = unknown.json()["answer"]["body"].as_str().unwrap().to_owned();
    assert!(answer.contains("Task not found"), "as for a task of somebody else: {answer}");
    let seen = run(&["--json", "visible", &file, "--subject", "a", "--from", "192.0.2.7"]).json();
    assert_eq!(seen["items"].as_array().unwrap().len(), 2, "{seen}");
    let seen = run(&["--json", "visible", &file, "--subject", "a"]).json();
    assert_eq!(seen["items"].as_array().unwrap().len(), 1, "{seen}");
    let ran = run(&["test", &policy.file("cases.yaml")]);
    assert!(ran.out.ends_with("4 passed, 0 failed\n"), "{ran:?}");
    let ran = run(&["test", &policy.file("bad.yaml")]);
    assert!(ran.code == 3 && ran.err.contains("not an address"), "{ran:?}");
    let ran = run(&["explain", &file, "--everyone", "tasks/get"]);
    assert!(ran.code == 3 && ran.err.contains("name of the tool"), "{ran:?}");
    let other = Folder::new(&[(
        "new.yaml",
        &std::fs::read_to_string(&file).unwrap().replace("/24", "/23"),
    )]);
    let diff = run(&["diff", &file, &other.file("new.yaml")]);
    assert!(diff.out.contains("changed") && diff.out.contains("from 192.0.2.0/23"), "{diff:?}");
}

#[test]
fn a_profile_reads_claims_as_its_provider_writes_them() {
    let policy = Folder::new(&[
        (
            "policy.yaml",
            "roles: { admin: { roles: [Admin] } }\nrules:\n  - { id: a, allow: { tools: [x] }, roles: [admin] }\n",
        ),
        (
            "claims.json",
            r#"{"iss":"https://kc.example/realms/a","sub":"alice","realm_access":{"roles":["Admin"]},"azp":"ide","typ":"Bearer"}"#,
        ),
    ]);
    let (file, claims) = (policy.file("policy.yaml"), policy.file("claims.json"));
    let explain = |more: &[&str]| {
        run(&[&["--json", "explain", &file, "--claims", &claims], more, &["tools/call", "x"]]
            .concat())
    };
    assert_eq!(explain(&[]).json()["verdict"], "deny");
    let profile = ["--profile", "keycloak", "--set", "issuer=https://kc.example/realms/a"];
    let report = explain(&profile).json();
    assert_eq!(report["verdict"], "allow", "{report}");
    assert_eq!(explain(&["--roles-claim", "/realm_access/roles"]).json()["verdict"], "allow");
    let unknown = explain(&["--profile", "entra"]);
    assert_eq!(unknown.code, 3);
    assert!(unknown.json()["problems"][0]["message"].as_str().unwrap().contains("entra-v2"));
}

#[test]
fn wrong_use_is_told_from_wrong_files() {
    let policy = sample("policy.yaml");
    let rows: &[(&str, &[&str], i32, &str)] = &[
        ("nobody", &["tools/call", "x"], 3, "nobody calls"),
        (
            "two callers",
            &["--anonymous", "--subject", "x", "tools/call", "x"],
            3,
            "a caller is one of",
        ),
        ("no such role", &["--role", "x", "tools/call", "x"], 3, "it has admin, buyer"),
        ("no method", &["--everyone"], 2, "METHOD"),
        ("no name", &["--everyone", "tools/call"], 3, "needs a name"),
        (
            "arguments",
            &["--everyone", "tools/call", "x", "--arguments", "[1]"],
            3,
            "not a JSON object",
        ),
        ("time", &["--everyone", "tools/call", "x", "--at", "noon"], 2, "--at"),
        (
            "a setting without a value",
            &["--everyone", "--profile", "entra-v2", "--set", "x", "tools/call", "x"],
            3,
            "is not SETTING=VALUE",
        ),
        ("a claim without a value", &["--claim", "x", "tools/call", "x"], 3, "is not CLAIM=VALUE"),
        (
            "names of claims, and no claims",
            &["--groups-claim", "g", "tools/call", "x"],
            3,
            "no claims to read",
        ),
        (
            "names of claims for somebody described",
            &["--subject", "x", "--groups-claim", "g", "tools/call", "x"],
            3,
            "are for a token or its claims",
        ),
        ("a name that nothing asks for", &["--everyone", "ping", "x"], 3, "takes no name"),
        (
            "a prompt as a task",
            &["--everyone", "prompts/get", "x", "--as-task"],
            3,
            "cannot run as a task",
        ),
        (
            "a task before there were any",
            &["--everyone", "tools/call", "x", "--as-task", "--mcp-version", "2025-06-18"],
            3,
            "has no tasks",
        ),
        ("a task of no tool", &["--everyone", "tasks/get"], 3, "the tool that the task runs"),
        ("flag", &["--everyone", "--verify"], 2, "--verify"),
    ];
    for (name, more, code, message) in rows {
        let ran = run(&args(&policy, more));
        assert_eq!(ran.code, *code, "{name}: {ran:?}");
        assert!(ran.err.contains(message), "{name}: {ran:?}");
    }
}

/// R-216: the right to call a tool as a task, in every command that shows rights.
#[test]
fn calls_as_tasks() {
    const OLD: &str = "
roles: { batch: { groups: [batch] }, staff: { groups: [staff] } }
rules:
  - { id: call, allow: { tools: [report] }, roles: [batch, staff] }
";
    let new = format!(
        "{OLD}  - {{ id: long, allow: {{ tools: [report], methods: [tasks/create] }}, roles: [batch] }}\n"
    );
    let cases = "
policy: new.yaml
cases:
  - { name: batch, who: { role: batch }, request: tools/call report, as_task: true, expect: allow, rule: call }
  - { name: staff, who: { role: staff }, request: tools/call report, as_task: true, expect: hidden, rule: none }
  - { name: none, who: { role: staff }, request: tools/call report, expect: allow }
";
    let folder = Folder::new(&[("old.yaml", OLD), ("new.yaml", &new), ("cases.yaml", cases)]);
    let policy = folder.file("new.yaml");
    let ask = |role: &str, more: &[&str]| {
        let mut args = vec!["explain", "--json", &policy, "--role", role];
        args.extend(["tools/call", "report", "--as-task"]);
        args.extend(more);
        run(&args).json()
    };
    let said = ask("staff", &[]);
    assert_eq!((&said["verdict"], &said["mcp_version"]), (&"deny".into(), &"2025-11-25".into()));
    assert_eq!(said["targets"][0]["decision"], "allow");
    assert_eq!(said["targets"][1]["as_task"], true);
    assert_eq!(said["targets"][1]["decision"], "deny");
    assert_eq!(said["targets"][1]["rules"][0]["id"], "long");
    assert!(said["answer"]["body"].as_str().unwrap().contains("-32601"), "{said}");
    assert_eq!(ask("batch", &[])["verdict"], "allow");
    let modern = ask("staff", &["--mcp-version", "2026-07-28"]);
    assert_eq!(modern["verdict"], "allow");
    assert_eq!(modern["targets"][1]["decision"], "deny", "it runs, and not as a task");
    let told = run(&[
        "explain",
        &policy,
        "--role",
        "staff",
        "tools/call",
        "report",
        "--as-task",
        "--mcp-version",
        "2026-07-28",
    ]);
    assert!(told.out.contains("It does not run as a task"), "{}", told.out);
    assert!(told.out.contains("Rules about report as a task"), "{}", told.out);
    for wrong in [
        &["tools/list", "--as-task"][..],
        &["tools/call", "report", "--as-task", "--mcp-version", "2025-06-18"],
    ] {
        let mut args = vec!["explain", policy.as_str(), "--role", "staff"];
        args.extend(wrong);
        assert_eq!(run(&args).code, 3, "{wrong:?}");
    }
    let cases = folder.file("cases.yaml");
    let ran = run(&["test", &cases]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(run(&["test", &cases, "--policy", &folder.file("old.yaml")]).code == 1);
    let diff = run(&["diff", &folder.file("old.yaml"), &policy]);
    assert!(
        diff.out.contains("calls run as tasks only where a rule allows tasks/create"),
        "{}",
        diff.out
    );
    let shown = run(&["validate", &policy]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.out.contains("tasks/create"), "{}", shown.out);
    let visible = run(&["visible", &policy, "--role", "batch"]);
    assert_eq!(visible.code, 0, "{visible:?}");
}
