use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::encode::tests::{decision, outcome};
use crate::record::Decision;

/// Reads a line as the format's own description says: the head's fields, and the extension's pairs.
fn parse(line: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let mut fields = vec![String::new()];
    let mut rest = line.chars();
    while fields.len() <= 7 {
        match rest.next().expect("seven bars") {
            '\\' => fields.last_mut().unwrap().push(rest.next().unwrap()),
            '|' => fields.push(String::new()),
            other => fields.last_mut().unwrap().push(other),
        }
    }
    fields.pop();
    let extension: Vec<char> = rest.collect();
    // A key is the word before each `=` that is not escaped.
    let signs: Vec<usize> = (0..extension.len())
        .filter(|&at| {
            let escapes = extension[..at].iter().rev().take_while(|&&it| it == '\\').count();
            extension[at] == '=' && escapes % 2 == 0
        })
        .collect();
    let mut pairs = BTreeMap::new();
    for (index, &sign) in signs.iter().enumerate() {
        let begins = extension[..sign].iter().rposition(|&it| it == ' ').map_or(0, |it| it + 1);
        let key: String = extension[begins..sign].iter().collect();
        let end = signs.get(index + 1).map_or(extension.len(), |&next| {
            extension[..next].iter().rposition(|&it| it == ' ').unwrap()
        });
        let mut value = String::new();
        let mut inside = extension[sign + 1..end].iter();
        while let Some(&character) = inside.next() {
            match character {
                '\\' => match inside.next().unwrap() {
                    'n' => value.push('\n'),
                    'r' => value.push('\r'),
                    other => value.push(*other),
                },
                other => value.push(other),
            }
        }
        assert!(pairs.insert(key, value).is_none(), "a key twice: {line}");
    }
    (fields, pairs)
}

fn line(record: &Record) -> String {
    let mut line = Vec::new();
    encode(record, &mut line).unwrap();
    let line = String::from_utf8(line).unwrap();
    assert_eq!(line.find('\n'), Some(line.len() - 1), "one line: {line:?}");
    line.trim_end_matches('\n').to_owned()
}

fn with(change: impl FnOnce(&mut Decision)) -> Record {
    let mut decision = decision();
    change(&mut decision);
    Record::Decision(decision)
}

#[test]
fn a_decision_is_what_collectors_expect() {
    let (fields, pairs) = parse(&line(&with(|_| ())));
    let version = env!("CARGO_PKG_VERSION");
    let expected =
        ["CEF:0", "portcullis", "portcullis", version, "decision:deny", "MCP request: deny", "5"];
    assert_eq!(fields, expected);
    for (key, value) in [
        ("rt", "1795000000120"),
        ("suser", "alice"),
        ("sntdom", "https://id.example"),
        ("src", "2001:db8::1"),
        ("reason", "default_deny"),
        ("requestMethod", "tools/call"),
        ("destinationServiceName", "write_file"),
        ("cs1", "no-writes"),
        ("cs1Label", "rule_id"),
        ("flexString1", "notes"),
        ("flexString1Label", "server"),
        ("flexString2", "https://notes.internal:8443"),
        ("flexString2Label", "upstream"),
        ("cn2", "200"),
        ("cn2Label", "http_status"),
    ] {
        assert_eq!(pairs.get(key).map(String::as_str), Some(value), "{key}");
    }
    let (fields, pairs) = parse(&line(&Record::Outcome(outcome())));
    assert_eq!(fields[4], "outcome:is_error");
    assert_eq!(pairs["cn1"], "880");
    assert_eq!(pairs["flexString1"], "notes");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_can_forge_a_field(text in r#"[ -~\n\r|=\\\u{202e}\u{85}é]{0,60}"#) {
        let record = with(|it| {
            it.target = it.texts.push(&text);
            it.rule_id = it.texts.push(&text);
        });
        let (fields, pairs) = parse(&line(&record));
        prop_assert_eq!(fields.len(), 7);
        let shown: String = text
            .chars()
            .map(|c| match c {
                '\u{202e}' => "\\u202e".to_owned(),
                '\u{85}' => "\\u0085".to_owned(),
                other => other.to_string(),
            })
            .collect();
        prop_assert_eq!(pairs.get("cs1"), Some(&shown));
        prop_assert_eq!(pairs.get("destinationServiceName"), Some(&shown));
        prop_assert_eq!(pairs.len(), parse(&line(&with(|_| ()))).1.len(), "no more fields");
    }
}

#[test]
fn fields_of_the_head_are_escaped() {
    let mut text = String::new();
    push_field(&mut text, "a|b\\c\nd\u{202e}e");
    assert_eq!(text, "a\\|b\\\\c d e");
}
