use crate::common::{Folder, run, sample};

#[test]
fn the_sample_repository_passes() {
    let ran = run(&["test", "--all-rules", &sample("cases.yaml")]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert!(ran.out.ends_with("14 passed, 0 failed\n"), "{}", ran.out);
    let ran = run(&["validate", "--quiet", "--deny-warnings", &sample("policy.yaml")]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// Each expectation, where it holds and where it does not.
#[test]
fn expectations_fail_when_they_should() {
    let head = "
policy: policy.yaml
at: 2026-11-23T10:00:00+01:00
callers:
  reader: { issuer: https://id.example, groups: [staff], scopes: ['notes:read'] }
cases:
  - name: the case
    ";
    let rows: &[(&str, &str)] = &[
        (
            "who: reader\n    request: tools/call get_x\n    expect: deny",
            "expected a denial, got allow, by rule read-notes",
        ),
        (
            "who: everyone\n    request: tools/call get_x\n    expect: allow",
            "expected allow, got a denial that is hidden",
        ),
        (
            "who: everyone\n    request: tools/call get_x\n    expect: explained",
            "expected a denial that is explained, got a denial that is hidden",
        ),
        (
            "who: { role: admin }\n    request: tools/call write_note\n    expect: hidden",
            "expected a denial that is hidden, got a denial that is explained",
        ),
        (
            "who: { role: buyer }\n    request: tools/call book_trip\n    expect: hidden",
            "expected a denial that is hidden, got a tool result",
        ),
        (
            "who: { role: reader }\n    request: tools/call get_x\n    expect: deny",
            "expected a denial, got a challenge, by rule read-notes",
        ),
        (
            "who: { role: reader }\n    request: tools/call get_x\n    expect: challenge\n    scopes: [a, 'notes:read']",
            "expected scopes a notes:read, got notes:read",
        ),
        (
            "who: reader\n    request: tools/call get_x\n    expect: allow\n    rule: search",
            "expected rule search, got read-notes",
        ),
        (
            "who: reader\n    request: tools/call purge_x\n    expect: deny\n    rule: none",
            "expected rule none, got never-purge",
        ),
        (
            "who: reader\n    request: tools/drop\n    expect: deny",
            "expected a denial, got refused by inspection (unknown_method)",
        ),
        (
            "who: reader\n    request: tools/call get_x\n    expect: refused",
            "expected inspection to refuse it, got allow, by rule read-notes",
        ),
        ("who: reader\n    sees: [write_note]", "the caller does not see the tool write_note"),
        ("who: reader\n    hides: [get_x]", "the caller sees the tool get_x, by rule read-notes"),
        (
            "who: reader\n    list: prompts\n    hides: [summarize]",
            "the caller sees the prompt summarize, by rule read-notes",
        ),
    ];
    let policy = std::fs::read_to_string(sample("policy.yaml")).unwrap();
    for (case, failure) in rows {
        let folder =
            Folder::new(&[("policy.yaml", &policy), ("cases.yaml", &format!("{head}{case}\n"))]);
        let ran = run(&["--json", "test", &folder.file("cases.yaml")]);
        assert_eq!(ran.code, 1, "{case}: {ran:?}");
        let report = ran.json();
        let failures = report["files"][0]["cases"][0]["failures"].as_array().unwrap();
        assert_eq!(failures, &[serde_json::Value::from(*failure)], "{case}");
        assert_eq!(report["files"][0]["cases"][0]["line"], 7, "{case}");
    }
}

#[test]
fn files_that_cannot_be_used_are_told_from_cases_that_fail() {
    let rows = [
        ("who: reader\n    expekt: allow", "unknown field `expekt`"),
        ("who: { subjekt: x }\n    sees: [x]", "unknown field `subjekt`"),
        ("who: nobody\n    sees: [x]", "there is no caller nobody"),
        ("who: everyone", "it asks nothing"),
        ("who: everyone\n    request: tools/call x", "it expects nothing"),
        ("who: everyone\n    sees: [x]\n    expect: allow", "and has none"),
        ("who: everyone\n    request: tools/call\n    expect: deny", "needs a name"),
        ("who: everyone\n    message: none.json\n    expect: deny", "cannot be read"),
        (
            "who: everyone\n    request: ping\n    message: none.json\n    expect: deny",
            "both request and message",
        ),
        ("who: everyone\n    sees: [x]\n    rule: a", "and has none"),
        ("who: everyone\n    sees: [x]\n    arguments: {}", "and has none"),
        ("who: everyone\n    sees: [x]\n    at: noon", "noon"),
        ("who: everyone\n    sees: [x]\n    from: nowhere", "is not an address"),
        ("who: { role: x }\n    sees: [x]", "has no role x"),
        ("who: { anonymous: true, subject: x }\n    sees: [x]", "a caller is one of"),
    ];
    let policy = "rules: [{ id: a, allow: { tools: [x] }, everyone: true }]";
    for (case, message) in rows {
        let cases = format!("policy: policy.yaml\ncases:\n  - name: odd\n    {case}\n");
        let folder = Folder::new(&[("policy.yaml", policy), ("cases.yaml", &cases)]);
        let ran = run(&["test", &folder.file("cases.yaml")]);
        assert_eq!(ran.code, 3, "{case}: {ran:?}");
        assert!(ran.err.replace("\n  ", " ").contains(message), "{case}: {ran:?}");
    }
}

/// What tests nothing does not pass: the cases may have been lost.
#[test]
fn a_test_of_nothing_is_an_error() {
    let policy = "rules: [{ id: a, allow: { tools: [x] }, everyone: true }]";
    let none = "policy: policy.yaml\ncases: []\n";
    let one = "policy: policy.yaml\ncases:\n  - { name: a, who: everyone, sees: [x] }\n";
    let two = format!("{one}---\n{one}");
    let files =
        [("policy.yaml", policy), ("none.yaml", none), ("one.yaml", one), ("two.yaml", &two)];
    let folder = Folder::new(&files);
    let (none, one) = (folder.file("none.yaml"), folder.file("one.yaml"));
    for (args, code, message) in [
        (&["test", &none][..], 3, "no case was run"),
        (&["test", &one, "--filter", "b"], 3, "no case was run"),
        (&["test", &folder.file("two.yaml")], 3, "more than one YAML document"),
        (&["test", &none, &one], 0, ""),
    ] {
        let ran = run(args);
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(ran.err.contains(message), "{args:?}: {ran:?}");
    }
}

/// What nobody has is hidden from everybody: that says nothing about the policy.
#[test]
fn lists_are_of_what_there_is() {
    let policy = "rules:\n  - { id: a, everyone: true, allow: { tools: [x] } }\n";
    let cases = "policy: p.yaml\ntools: tools.json\ncases:\n  \
         - { name: one, who: everyone, sees: [x], hides: [y] }\n  \
         - { name: two, who: everyone, hides: [z] }\n  \
         - { name: three, who: everyone, list: prompts, hides: [z] }\n";
    let folder = Folder::new(&[
        ("p.yaml", policy),
        ("cases.yaml", cases),
        ("tools.json", r#"{"tools":[{"name":"x"},{"name":"y"}]}"#),
    ]);
    let ran = run(&["test", &folder.file("cases.yaml")]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("tools.json has no tool z"), "{ran:?}");
    assert!(ran.out.contains("2 passed, 1 failed"), "{ran:?}");
}

#[test]
fn idle_rules_junit_and_filter() {
    let policy = "rules:
  - { id: a, allow: { tools: [x] }, everyone: true }
  - { id: b, allow: { tools: [y] }, everyone: true }";
    let cases = "cases:
  - { name: x & <y>, who: everyone, request: tools/call x, expect: allow }
  - { name: fails, who: everyone, request: tools/call z, expect: allow }
";
    let folder = Folder::new(&[("policy.yaml", policy), ("cases.yaml", cases)]);
    let (policy, cases, junit) =
        (folder.file("policy.yaml"), folder.file("cases.yaml"), folder.file("junit.xml"));
    let ran = run(&["test", &cases, "--policy", &policy, "--junit", &junit]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("no case is decided by: b"), "{ran:?}");
    let xml = std::fs::read_to_string(&junit).unwrap();
    assert!(xml.contains("name=\"x &amp; &lt;y&gt;\""), "{xml}");
    assert!(
        xml.contains("<failure message=\"expected allow, got a denial that is hidden\"/>"),
        "{xml}"
    );
    let only = ["test", &cases, "--policy", &policy, "--filter", "x &"];
    assert_eq!(run(&only).code, 0);
    let ran = run(&[&only[..], &["--all-rules"]].concat());
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(run(&["test", &cases]).code, 3, "no policy");
}
