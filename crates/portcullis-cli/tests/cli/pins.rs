//! `portcullis pins`.

use serde_json::{Value, json};

use crate::common::{Folder, run, run_with};

const ONE: &str = r#"{"name":"a","inputSchema":{"properties":{"n":{"maximum":1.50}}}}"#;
const TWO: &str = r#"{"name":"b","description":"reads"}"#;

fn folder() -> Folder {
    let message = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{ONE}]}}}}"#);
    let again = ONE.replace(r#"{"name":"a","#, r#"{ "title" : "A\u001b[2J", "name":"a","#);
    Folder::new(&[
        ("one.json", &message),
        ("two.json", &format!(r#"{{"tools":[{TWO}]}}"#)),
        ("both.json", &format!("[{TWO}, {ONE}]")),
        ("spelt.json", &format!("[{ONE}]").replace("1.50", "1.5")),
        ("other.json", &format!(r#"[{again},{{"name":"new \u001b[31m"}}]"#)),
        ("bad.json", "[{}]"),
    ])
}

#[test]
fn pins_are_written_and_compared() {
    let folder = folder();
    let pages = run(&["pins", &folder.file("one.json"), &folder.file("two.json")]);
    let both = run(&["pins", &folder.file("both.json")]);
    assert_eq!((pages.code, &pages.out), (0, &both.out), "{pages:?}");
    let pins = both.json();
    let tools: Vec<_> = pins["tools"].as_object().unwrap().keys().collect();
    assert_eq!(tools, ["a", "b"]);
    assert_ne!(
        run(&["pins", &folder.file("spelt.json")]).json()["tools"]["a"],
        pins["tools"]["a"],
        "numbers count as they are written"
    );
    std::fs::write(folder.path("pins.json"), &both.out).unwrap();

    let check = |list: &str, more: &[&str]| {
        let (list, pins) = (folder.file(list), folder.file("pins.json"));
        run(&[&["pins", &list, "--check", &pins], more].concat())
    };
    let same = check("both.json", &[]);
    assert_eq!((same.code, &*same.out), (0, "as pinned: 2 tools\n"));
    assert_eq!(check("both.json", &["--json"]).json()["same"], true);
    let other = check("other.json", &[]);
    assert_eq!(other.code, 1, "{other:?}");
    for said in ["a has another definition", "b is pinned and not listed", "has no pin"] {
        assert!(other.out.contains(said), "{other:?}");
    }
    assert!(!other.out.contains('\u{1b}'), "{other:?}");
    let report = check("other.json", &["--json"]).json();
    let changes: Vec<_> =
        report["changes"].as_array().unwrap().iter().map(|change| &change["change"]).collect();
    assert_eq!(changes, ["changed", "missing", "new"]);
    assert_eq!(report["changes"][0]["pinned"], pins["tools"]["a"]);
    assert_eq!((&report["same"], &report["changes"][2]["pinned"]), (&json!(false), &Value::Null));
}

#[test]
fn what_is_no_list_is_refused() {
    let folder = folder();
    let (one, both, bad) =
        (folder.file("one.json"), folder.file("both.json"), folder.file("bad.json"));
    for (name, args, says) in [
        ("no name", &["pins", &bad][..], "a tool has no name"),
        ("twice", &["pins", &both, &one], "lists \"a\" a second time"),
        ("no pins", &["pins", &one, "--check", &both], "not JSON as it should be"),
        ("no file", &["pins", "none.json"], "cannot be read"),
    ] {
        let ran = run(args);
        assert_eq!((ran.code, &*ran.out), (3, ""), "{name}: {ran:?}");
        assert!(ran.err.replace('\n', " ").contains(says), "{name}: {ran:?}");
    }
    assert_eq!(run(&["pins"]).code, 2);
    assert_eq!(run_with(&["pins", "-"], "[]").json(), json!({"tools": {}}));
}
