use crate::common::{Folder, run, run_with, sample};

#[test]
fn what_is_enforced_is_said() {
    let ran = run(&["validate", &sample("policy.yaml")]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    let said = unspaced(&ran.out);
    for part in [
        "valid",
        "version  example@",
        "group staff, only from issuer https://id.example",
        "read-notes",
        "allow   tools list_notes, get_*; prompts summarize;",
        "scopes  notes:read",
        "if      argument price is at most 500",
        "deny    tools purge_*",
    ] {
        assert!(said.contains(&unspaced(part)), "{part:?} is not in\n{}", ran.out);
    }
    let text = std::fs::read_to_string(sample("policy.yaml")).unwrap();
    let number = text.lines().position(|line| line.contains("id: never-purge")).unwrap() + 1;
    assert!(said.contains(&format!("policy.yaml:{number}deny")), "{}", ran.out);
    let quiet = run(&["validate", "--quiet", &sample("policy.yaml")]);
    assert_eq!((quiet.code, quiet.out.as_str()), (0, ""));
}

/// Where lines are wrapped depends on how long the path of this checkout is.
fn unspaced(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn an_error_names_its_place_and_shows_it() {
    let folder = Folder::new(&[
        (
            "bad.yaml",
            "groups: { staff: x }\nroles:\n  reader: { groups: [stff] }\nrules: [{ id: a, allow: { tools: [x] }, roles: [reader] }]\n",
        ),
        ("bad.toml", "rules = [{ id = 'a', allow = { tools = ['x'] }, rolse = ['x'] }]\n"),
        ("good.json", r#"{"rules":[{"id":"a","allow":{"tools":["x"]},"everyone":true}]}"#),
    ]);
    let ran = run(&["validate", &folder.file("bad.yaml")]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let lines: Vec<_> = ran.out.lines().collect();
    let place = format!("{}:3:11:", folder.file("bad.yaml"));
    assert_eq!(
        unspaced(&lines[..lines.len() - 2].concat()),
        unspaced(&format!("{place} error: the role reader names the unknown group stff"))
    );
    assert_eq!(lines[lines.len() - 2], "    3 |   reader: { groups: [stff] }");
    assert_eq!(lines[lines.len() - 1], "      |           ^");

    let all = ["bad.toml", "good.json", "none.yaml"].map(|name| folder.file(name));
    let args: Vec<&str> =
        ["--json", "validate"].into_iter().chain(all.iter().map(String::as_str)).collect();
    let ran = run(&args);
    assert_eq!(ran.code, 1);
    let report = ran.json();
    assert_eq!((&report["schema"], &report["ok"]), (&1.into(), &false.into()));
    let problem = |policy: usize| &report["policies"][policy]["problems"][0];
    assert!(problem(0)["message"].as_str().unwrap().contains("rolse"), "{report}");
    assert_eq!(problem(0)["line"], 1);
    assert_eq!(report["policies"][1]["valid"], true);
    assert_eq!(report["policies"][1]["enforces"]["rules"][0]["id"], "a");
    assert!(problem(2)["message"].as_str().unwrap().starts_with("cannot be read: "), "{report}");
    assert_eq!(problem(2)["file"], folder.file("none.yaml"));
}

#[test]
fn text_in_another_encoding_is_told_by_place() {
    let folder = Folder::new(&[]);
    let file = folder.file("policy.yaml");
    std::fs::write(&file, b"roles:\n  \xc3\xa4\xe4: { groups: [x] }\n").unwrap();
    let report = run(&["--json", "validate", &file]).json();
    let problem = &report["policies"][0]["problems"][0];
    assert_eq!(problem["message"], "is not UTF-8 text");
    assert_eq!((&problem["line"], &problem["column"]), (&2.into(), &4.into()));
}

#[test]
fn warnings_are_told_and_can_fail() {
    let policy = "roles:\n  spare: { groups: [x] }\nrules:\n  - id: a\n    allow: { tools: [x] }\n    everyone: true\n";
    let ran = run_with(&["validate", "-"], policy);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.starts_with("standard input:2:10: warning: the role spare is used by no rule\n"),
        "{ran:?}"
    );
    assert!(ran.out.contains("valid, with 1 warning"), "{ran:?}");
    let ran = run_with(&["--json", "validate", "--deny-warnings", "-"], policy);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["policies"][0]["problems"][0]["severity"], "warning");
}

/// A denial of a misspelled name denies nothing; a list of what there is shows it.
#[test]
fn names_that_no_server_has_are_told() {
    let folder = Folder::new(&[
        (
            "policy.yaml",
            "roles: { r: { groups: [x] } }\nrules:\n  \
             - { id: all, roles: [r], allow: { tools: [\"*\"], prompts: [tell] } }\n  \
             - { id: never, everyone: true, deny: { tools: [delet_note, \"purge_*\", \"x_*_y\"], prompts: [tel] } }\n",
        ),
        ("notes.json", r#"{"tools":[{"name":"delete_note"},{"name":"x_1_y"}]}"#),
        ("others.json", r#"{"tools":[{"name":"purge_all"}]}"#),
        ("prompts.json", r#"{"prompts":[{"name":"tell"}]}"#),
    ]);
    let (policy, notes) = (folder.file("policy.yaml"), folder.file("notes.json"));
    let others = folder.file("others.json");
    let ran = run(&["validate", "-q", &policy]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    let messages = |args: &[&str]| -> Vec<String> {
        let report = run(&[&["--json", "validate", &policy], args].concat()).json();
        let problems = report["policies"][0]["problems"].as_array().unwrap().clone();
        problems.iter().map(|problem| problem["message"].as_str().unwrap().to_owned()).collect()
    };
    let misspelled = "rule never: no server has the tool delet_note";
    assert_eq!(messages(&["--tools", &notes, "--tools", &others]), [misspelled]);
    assert_eq!(
        messages(&["--tools", &notes]),
        [misspelled, "rule never: no server has the tool purge_*"]
    );
    assert_eq!(
        messages(&["--tools", &folder.file("prompts.json")]),
        ["rule never: no server has the prompt tel"]
    );
    let ran = run(&["validate", "-q", "--deny-warnings", &policy, "--tools", &notes]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("policy.yaml:4:11: warning: rule never"), "{ran:?}");
    assert_eq!(run(&["validate", &policy, "--tools", &policy]).code, 3);
}
