use crate::common::{Folder, run, sample};

#[test]
fn what_each_audience_may_use() {
    let ran = run(&["visible", &sample("policy.yaml")]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("Who has not signed in\n"), "{}", ran.out);
    assert!(ran.out.contains("Who has the role admin\n"), "{}", ran.out);
    assert!(ran.out.lines().all(|line| line.chars().count() <= 80), "{}", ran.out);
    let report = run(&["--json", "visible", &sample("policy.yaml"), "--role", "buyer"]).json();
    assert_eq!(report["audiences"].as_array().unwrap().len(), 1);
    let access = report["audiences"][0]["access"].as_array().unwrap();
    let names: Vec<_> = access.iter().map(|access| access["target"].as_str().unwrap()).collect();
    assert_eq!(names, ["book_trip", "search"]);
    assert_eq!(access[0]["grants"][0]["rule"], "buy-a-little");
    let unknown = run(&["visible", &sample("policy.yaml"), "--role", "x"]);
    assert_eq!(unknown.code, 3, "{unknown:?}");
}

#[test]
fn what_a_caller_sees_of_a_list() {
    let (policy, tools) = (sample("policy.yaml"), sample("tools.json"));
    let alice = sample("callers/alice.json");
    let ran = run(&["visible", &policy, "--claims", &alice, "--tools", &tools]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("3 of 7 are in this caller's lists."), "{}", ran.out);
    let rows = [
        ("--role=admin", "list_notes", "allow"),
        ("--role=reader", "list_notes", "challenge"),
        ("--role=admin", "count_notes", "allow"),
        ("--role=admin", "purge_notes", "deny"),
        ("--role=admin", "write_note", "allow"),
        ("--anonymous", "search", "allow"),
        ("--anonymous", "get_note", "deny"),
    ];
    for (who, tool, decision) in rows {
        let ran = run(&["--json", "visible", &policy, who, "--tools", &tools, "--server", "notes"]);
        let report = ran.json();
        let items = report["items"].as_array().unwrap();
        let item = items.iter().find(|item| item["name"] == tool).unwrap();
        assert_eq!(item["decision"], decision, "{who} {tool}: {item}");
        assert_eq!(item["visible"], decision != "deny", "{who} {tool}");
    }
    let report = run(&["--json", "visible", &policy, "--role=admin", "--tools", &tools]).json();
    let write =
        report["items"].as_array().unwrap().iter().find(|item| item["name"] == "write_note");
    assert!(write.unwrap()["conditions"][0].as_str().unwrap().contains("under"), "{report}");
}

#[test]
fn what_a_caller_may_use_of_the_policy() {
    let (policy, alice) = (sample("policy.yaml"), sample("callers/alice.json"));
    let report = run(&["--json", "visible", &policy, "--claims", &alice]).json();
    let items = report["items"].as_array().unwrap();
    let names: Vec<_> = items.iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["get_*", "list_notes", "search", "summarize", "note:///**"], "{report}");
}

/// Who may call something by several rules, each for other arguments, reads all of them.
#[test]
fn all_rules_that_allow_it_are_named() {
    let folder = Folder::new(&[(
        "policy.yaml",
        "roles: { staff: { groups: [staff] } }\nrules:\n  \
         - { id: small, roles: [staff], allow: { tools: [pay] }, arguments: { n: { max: 100 } } }\n  \
         - { id: large, roles: [staff], allow: { tools: [pay] }, requires_scopes: [large], arguments: { n: { max: 900 } } }\n  \
         - { id: other, roles: [staff], allow: { tools: [pay] }, through: agent, arguments: { n: { max: 9000 } } }\n  \
         - { id: read, roles: [staff], allow: { tools: [read] } }\n  \
         - { id: again, everyone: true, allow: { tools: [read] } }\n",
    )]);
    let policy = folder.file("policy.yaml");
    let ran = run(&["visible", &policy, "--subject", "x", "--group", "staff"]);
    assert!(ran.out.contains("small, large"), "{}", ran.out);
    let report = run(&["--json", "visible", &policy, "--subject", "x", "--group", "staff"]).json();
    let or = |name: &str| {
        let items = report["items"].as_array().unwrap();
        items.iter().find(|item| item["name"] == name).unwrap()["or"].clone()
    };
    let large = serde_json::json!([
        { "rule": "large", "scopes": ["large"], "conditions": ["argument n is at most 900"] }
    ]);
    assert_eq!(or("pay"), large, "{report}");
    assert_eq!(or("read"), serde_json::json!([]), "{report}");
}
