use std::collections::BTreeSet;
use std::path::Path;

use super::*;

/// The rows that inspection and authorization answer for, and the attacks on them.
fn scope() -> impl Iterator<Item = String> {
    let rows =
        [1..=87, 200..=238, 430..=445].into_iter().flatten().map(|row| format!("R-{row:03}"));
    let attacks = [40..=60, 70..=97, 100..=122, 130..=155, 160..=196]
        .into_iter()
        .flatten()
        .map(|row| format!("X-{row}"));
    rows.chain(attacks)
}

#[test]
fn each_row_has_a_check() {
    let ledger = Ledger::read(&crate::root()).unwrap();
    let named: BTreeSet<_> = ledger
        .check
        .iter()
        .map(|it| &it.rows)
        .chain(ledger.exempt.iter().map(|it| &it.rows))
        .flatten()
        .collect();
    let missing: Vec<_> = scope().filter(|row| !named.contains(row)).collect();
    assert!(missing.is_empty(), "no page of tests/removals names {missing:?}");
}

#[test]
fn each_check_stands_in_one_place() {
    let root = crate::root();
    let ledger = Ledger::read(&root).unwrap();
    if let Err(wrong) = ledger.places(&root) {
        panic!("{}", wrong.join("\n\n"));
    }
}

#[test]
fn each_test_is_there() {
    let root = crate::root();
    let ledger = Ledger::read(&root).unwrap();
    let mut sources = String::new();
    for folder in ["crates", "tests"] {
        collect(&root.join(folder), &mut sources);
    }
    let mut missing = Vec::new();
    for check in &ledger.check {
        for test in check.named().unwrap() {
            let function = test.path.rsplit("::").next().unwrap();
            if !sources.contains(&format!("fn {function}(")) {
                missing.push(format!("{}: {function}", check.name));
            }
        }
    }
    assert!(missing.is_empty(), "no test is called so: {missing:#?}");
}

fn collect(folder: &Path, into: &mut String) {
    for path in sorted(folder).unwrap() {
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push_str(&read(&path).unwrap());
        }
    }
}

/// A workspace of one crate and one page.
fn workspace(source: &str, page: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let src = root.path().join("crates/gate/src");
    fs::create_dir_all(&src).unwrap();
    fs::create_dir_all(root.path().join("tests/removals")).unwrap();
    fs::write(src.join("lib.rs"), source).unwrap();
    fs::write(root.path().join("tests/removals/page.toml"), page).unwrap();
    root
}

fn check(name: &str, find: &str, with: &str) -> String {
    format!(
        "[[check]]\nname = '{name}'\nrows = []\ncrate = 'gate'\nfind = '{find}'\nwith = '{with}'\ntests = ['gate lib it']\n"
    )
}

#[test]
fn a_ledger_that_does_not_fit_is_refused() {
    const SOURCE: &str = "fn a() { if b() { c() } }\n#[cfg(test)]\nmod tests { fn t() { b() } }";
    let good = check("one", "b()", "b() || removed!()");
    let rows: [(&str, String, Option<&str>); 6] = [
        ("one", good.clone(), None),
        ("no such text", check("one", "d()", "removed!()"), Some("has no")),
        ("twice", check("one", "()", "(removed!())"), Some("not once")),
        ("no switch", check("one", "b()", "true"), Some("`with` has no")),
        ("two of a name", good.clone() + &good, Some("two checks are called")),
        (
            "two at one place",
            good + &check("two", "if b()", "if removed!()"),
            Some("change the same text"),
        ),
    ];
    for (name, page, wanted) in rows {
        let root = workspace(SOURCE, &page);
        let got = Ledger::read(root.path())
            .and_then(|it| it.places(root.path()).map(drop).map_err(|wrong| wrong.join("\n")));
        match wanted {
            None => assert_eq!(got, Ok(()), "{name}"),
            Some(words) => {
                assert!(got.as_ref().is_err_and(|why| why.contains(words)), "{name}: {got:?}");
            }
        }
    }
}

#[test]
fn a_switch_is_an_expression() {
    let root = workspace("fn a() { b() }", &check("one", "b()", "removed!() || b()"));
    let ledger = Ledger::read(root.path()).unwrap();
    let places = ledger.places(root.path()).unwrap();
    let place = places.values().flatten().next().unwrap();
    assert_eq!(place.range, 9..12);
    let text = place.text();
    assert!(
        text.starts_with("({ static REMOVED") && text.ends_with("*REMOVED }) || b()"),
        "{text}"
    );
}
