//! The dashboard and the alerts speak of metrics, labels and words that exist.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::print_stderr,
    missing_docs,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis_telemetry::{METRICS, MetricKind, Telemetry, label_words};
use serde_json::Value;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn alerts() -> Value {
    let text = std::fs::read_to_string(deploy().join("prometheus/alerts.yml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

fn dashboard() -> Value {
    let text = std::fs::read_to_string(deploy().join("grafana/portcullis.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Every query in `value`, wherever it is.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if ["expr", "definition"].contains(&name.as_str()) => {
                        found.push(text.clone());
                    }
                    value => queries(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

/// What of PromQL is needed here.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

fn tokens(query: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$' || c == ':';
        if first == '"' {
            let end = rest[1..].find('"').unwrap();
            tokens.push(Token::Text(rest[1..=end].to_owned()));
            rest = &rest[end + 2..];
        } else if word(first) {
            let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Sign(first));
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    tokens
}

/// What is wrong with a query.
fn faults(query: &str) -> Vec<String> {
    let tokens = tokens(query);
    let (mut faults, mut labels, mut grouped) = (Vec::new(), BTreeSet::new(), Vec::new());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let Token::Word(word) = token else { continue };
        if word == "by" {
            let group = tokens[at..].iter().take_while(|token| **token != Token::Sign(')'));
            grouped.extend(group.filter_map(|token| match token {
                Token::Word(label) => Some(label.clone()),
                _ => None,
            }));
        }
        if !word.starts_with("portcullis") {
            continue;
        }
        let metric = METRICS.iter().find(|metric| match metric.kind {
            MetricKind::Histogram => ["_bucket", "_sum", "_count"]
                .iter()
                .any(|end| format!("{}{end}", metric.name) == *word),
            _ => metric.name == word,
        });
        let Some(metric) = metric else {
            faults.push(format!("no metric {word}"));
            continue;
        };
        labels.extend(metric.labels.iter().copied());
        if metric.kind == MetricKind::Histogram {
            labels.insert("le");
        }
        if tokens.get(at) != Some(&Token::Sign('{')) {
            continue;
        }
        while tokens.get(at) != Some(&Token::Sign('}')) {
            at += 1;
            let Some(Token::Word(label)) = tokens.get(at) else { continue };
            if !metric.labels.contains(&label.as_str()) {
                faults.push(format!("{word} has no label {label}"));
            }
            let text = tokens[at..].iter().find_map(|token| match token {
                Token::Text(text) => Some(text.as_str()),
                _ => None,
            });
            let Some(words) = label_words(label) else { continue };
            for value in text.unwrap().split('|') {
                if !words.contains(&value) {
                    faults.push(format!("{label} is never {value:?}"));
                }
            }
        }
    }
    labels.insert("instance");
    for label in grouped {
        if !labels.contains(label.as_str()) {
            faults.push(format!("nothing to group by {label}"));
        }
    }
    faults
}

#[test]
fn faults_are_found() {
    let rows = [
        ("rate(portcullis_requests_total{outcome=\"ok\"}[5m])", ""),
        ("sum by (le) (portcullis_decision_duration_seconds_bucket)", ""),
        ("portcullis_request_total", "no metric portcullis_request_total"),
        ("portcullis_decision_duration_seconds", "no metric portcullis_decision_duration_seconds"),
        ("portcullis_ready{route=\"a\"}", "portcullis_ready has no label route"),
        ("portcullis_requests_total{outcome=~\"ok|fine\"}", "outcome is never \"fine\""),
        ("sum by (tool) (portcullis_requests_total)", "nothing to group by tool"),
    ];
    for (query, expected) in rows {
        assert_eq!(faults(query).join(", "), expected, "{query}");
    }
}

#[test]
fn the_dashboard_and_the_alerts_speak_of_what_there_is() {
    for (name, document, least) in [("alerts", alerts(), 14), ("dashboard", dashboard(), 40)] {
        let mut found = Vec::new();
        queries(&document, &mut found);
        assert!(found.len() >= least, "{name}: {} queries", found.len());
        for query in &found {
            assert_eq!(faults(query), Vec::<String>::new(), "{name}: {query}");
        }
    }
}

#[test]
fn nothing_is_measured_that_nobody_sees() {
    let mut found = Vec::new();
    queries(&dashboard(), &mut found);
    let all = found.join("\n");
    for metric in METRICS {
        assert!(all.contains(metric.name), "{} is on no panel", metric.name);
    }
}

#[test]
fn labels_that_alerts_name_are_those_of_their_query() {
    for rule in
        alerts()["groups"].as_array().unwrap().iter().flat_map(|g| g["rules"].as_array().unwrap())
    {
        let (name, expr) = (&rule["alert"], rule["expr"].as_str().unwrap());
        assert!(["critical", "warning"].contains(&rule["labels"]["severity"].as_str().unwrap()));
        for text in [&rule["annotations"]["summary"], &rule["annotations"]["description"]] {
            for label in text.as_str().unwrap().split("$labels.").skip(1) {
                let label = label.split([' ', '}']).next().unwrap();
                let grouped = expr.contains("by (");
                let known = if grouped {
                    expr.split("by (")
                        .skip(1)
                        .all(|by| by.split(')').next().unwrap().contains(label))
                } else {
                    METRICS.iter().any(|m| expr.contains(m.name) && m.labels.contains(&label))
                        || label == "instance"
                };
                assert!(known, "{name}: {label}");
            }
        }
    }
}

#[test]
fn panels_do_not_lie_on_one_another() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()));
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(x < 24 && taken.insert((x, y)), "{}", panel["title"]);
            }
        }
    }
}

/// `docs/telemetry.md` lists every metric as it is.
#[test]
fn the_manual_lists_every_metric() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/telemetry.md");
    let manual = std::fs::read_to_string(path).unwrap();
    for metric in METRICS {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = metric.kind.as_str();
        let row =
            format!("| `{}` | {kind} | {} | {} |", metric.name, labels.join(" "), metric.help);
        assert!(manual.contains(&row), "missing:\n{row}");
    }
}

/// Prometheus's own tool, where it is installed (Debian: `prometheus`): the rules load, they fire when
/// they should, and the text is good.
#[test]
fn promtool_agrees() {
    let promtool = std::env::var("PROMTOOL").unwrap_or_else(|_| "promtool".to_owned());
    if Command::new(&promtool).arg("--version").output().is_err() {
        eprintln!("NOT CHECKED: rules and metrics with promtool, which is not installed");
        return;
    }
    let folder = deploy().join("prometheus");
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]] {
        let output = Command::new(&promtool).args(arguments).current_dir(&folder).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    }
    let telemetry = Telemetry::new();
    telemetry.watch("a \"quoted\\name\n", |report: &mut portcullis_telemetry::Report| {
        report.keys(portcullis_telemetry::Keys::new("https://id.example"));
        report.policy(portcullis_telemetry::Policy::default());
        report.sink(portcullis_telemetry::AuditSink::new("0", 9));
    });
    let _layer = telemetry.layer("notes");
    let mut child = Command::new(&promtool)
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, telemetry.metrics_text().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
