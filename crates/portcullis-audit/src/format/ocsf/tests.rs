use portcullis_core::{Caller, Challenge, Clock, Denial, Principal};
use serde_json::Value;

use super::*;
use crate::encode::tests::{decision, outcome};
use crate::record::{Decision, Gap, Suppressed};
use crate::{Event as Happening, EventKind};

fn shape() -> Value {
    serde_json::from_str(include_str!("../../../tests/schema/ocsf-1.8.0.json")).unwrap()
}

/// What is wrong with an event, by the published attributes of its class.
fn faults(value: &Value, attributes: &Value, path: &str) -> Vec<String> {
    let shape = shape();
    let members = value.as_object().unwrap();
    let known = attributes["attributes"].as_object().unwrap();
    let mut faults = Vec::new();
    for (name, rule) in known {
        if rule["requirement"] == "required" && !members.contains_key(name) {
            faults.push(format!("{path}{name} is required"));
        }
    }
    if let Some(names) = attributes["at_least_one"].as_array()
        && !names.iter().any(|name| members.contains_key(name.as_str().unwrap()))
    {
        faults.push(format!("{path}: one of {names:?} is required"));
    }
    for (name, value) in members {
        let path = format!("{path}{name}");
        let Some(rule) = known.get(name) else {
            faults.push(format!("{path} is unknown"));
            continue;
        };
        let values = match (rule["array"] == true, value) {
            (true, Value::Array(items)) => items.clone(),
            (true, _) => {
                faults.push(format!("{path} is no array"));
                continue;
            }
            (false, value) => vec![value.clone()],
        };
        for value in values {
            let fits = match rule["type"].as_str().unwrap() {
                "string" => value.is_string(),
                "integer" => value.is_i64() || value.is_u64(),
                "boolean" => value.is_boolean(),
                "number" => value.is_number(),
                "any" => true,
                _ if name == "unmapped" => value.is_object(),
                object => {
                    let object = &shape["objects"][object];
                    if value.is_object() && object.is_object() {
                        faults.extend(super::tests::faults(&value, object, &format!("{path}.")));
                        true
                    } else {
                        false
                    }
                }
            };
            if !fits {
                faults.push(format!("{path} has another type than {}: {value}", rule["type"]));
            }
            if let Some(allowed) = rule["enum"].as_array()
                && !allowed.contains(&value)
            {
                faults.push(format!("{path} has no such value: {value}"));
            }
        }
    }
    faults
}

fn event(record: &Record) -> Value {
    let mut line = Vec::new();
    encode(record, &mut line).unwrap();
    let text = String::from_utf8(line).unwrap();
    assert_eq!(text.find('\n'), Some(text.len() - 1), "one line");
    let value: Value = serde_json::from_str(&text).unwrap();
    let class = value["class_uid"].to_string();
    let found = faults(&value, &shape()["classes"][&class], "");
    assert!(found.is_empty(), "{found:?} in {text}");
    assert_eq!(
        value["type_uid"],
        value["class_uid"].as_u64().unwrap() * 100 + value["activity_id"].as_u64().unwrap()
    );
    assert!(text.trim_end().ends_with("}}"), "`unmapped` is last: {text}");
    value
}

fn with(change: impl FnOnce(&mut Decision)) -> Record {
    let mut decision = decision();
    change(&mut decision);
    Record::Decision(decision)
}

#[test]
fn every_record_has_the_published_shape() {
    let event_id = crate::id::Ids::new().unwrap().next(&Clock::manual(0).0);
    let at = std::time::Duration::from_secs(1_795_000_000);
    let rows = [
        ("decision", with(|_| ())),
        ("no address", with(|it| it.source_ip = None)),
        ("nobody", with(|it| it.caller = None)),
        ("nothing asked", with(|it| (it.method, it.target) = (None, Default::default()))),
        (
            "anonymous",
            with(|it| {
                it.caller =
                    Some(Caller::Anonymous(portcullis_core::AnonymousReason::NoCredentials));
                it.verdict = Verdict::Allow;
            }),
        ),
        ("outcome", Record::Outcome(outcome())),
        ("gap", Record::Gap(Gap { at, event_id, since: Some(at), dropped: 7 })),
        ("suppressed", Record::Suppressed(Suppressed { at, event_id, count: 7 })),
        (
            "event",
            Record::Event(
                Happening::new(EventKind::PolicyChanged)
                    .from("v1")
                    .to("v2")
                    .by(&Principal::builder("i", "s").client_id("c").build()),
            ),
        ),
        ("event of nobody", Record::Event(Happening::new(EventKind::Started))),
    ];
    for (name, record) in rows {
        let event = event(&record);
        assert_eq!(event["metadata"]["version"], "1.8.0", "{name}");
    }
}

#[test]
fn a_decision_and_its_outcome_are_api_activity() {
    let allowed = event(&with(|it| it.verdict = Verdict::Allow));
    assert_eq!((&allowed["class_uid"], &allowed["status_id"]), (&json!(6003), &json!(1)));
    assert_eq!(allowed["api"]["operation"], "tools/call");
    assert_eq!(allowed["actor"]["user"]["uid"], "alice");
    assert_eq!(allowed["actor"]["user"]["domain"], "https://id.example");
    assert_eq!(allowed["resources"], json!([{"name": "write_file", "type": "tool"}]));
    assert_eq!(allowed["src_endpoint"]["ip"], "2001:db8::1");
    assert_eq!(allowed["api"]["service"], json!({"name": "notes"}));
    let far_side = json!({"name": "https://notes.internal:8443", "svc_name": "notes"});
    assert_eq!(allowed["dst_endpoint"], far_side);
    assert_eq!(allowed["time"], 1_795_000_000_120_u64);
    assert_eq!(allowed["unmapped"]["policy_version"], "v7");
    assert_eq!(allowed["unmapped"]["record"], "decision");

    let denied = event(&with(|it| it.verdict = Verdict::Deny));
    assert_eq!((&denied["status_id"], &denied["status_code"]), (&json!(2), &json!("default_deny")));
    let outcome = event(&Record::Outcome(outcome()));
    assert_eq!(outcome["duration"], 880);
    assert_eq!(outcome["api"]["service"], json!({"name": "notes"}));
    assert_eq!(outcome["api"]["operation"], "outcome");
}

#[test]
fn a_refusal_of_somebody_unknown_is_authentication() {
    let challenge = Challenge::without_metadata::<&str>([]).unwrap();
    let denial = Denial::no_token(&challenge);
    let refused = event(&with(|it| {
        it.caller = None;
        it.verdict = crate::classify::verdict(&denial);
        it.reason = Some(denial.reason());
    }));
    assert_eq!((&refused["class_uid"], &refused["activity_id"]), (&json!(3002), &json!(1)));
    assert_eq!((&refused["status_id"], &refused["status_code"]), (&json!(2), &json!("no_token")));
    assert_eq!(refused["service"]["name"], "notes");
    let nameless = event(&with(|it| {
        it.caller = None;
        it.verdict = Verdict::Challenge;
        it.site = Default::default();
    }));
    assert_eq!(nameless["service"]["name"], "streamable_http");
}

#[test]
fn a_chain_runs_through_its_lines() {
    let link = crate::chain::trailer::Link {
        chain: crate::id::Ids::new().unwrap().next(&Clock::manual(0).0),
        seq: 7,
        prev: [9; 32],
    };
    let (mut line, mut chained) = (Vec::new(), Vec::new());
    encode(&with(|_| ()), &mut line).unwrap();
    crate::chain::trailer::append(&line, &link, &mut chained).unwrap();
    let text = std::str::from_utf8(&chained).unwrap().trim_end();
    assert_eq!(crate::chain::trailer::read(text.as_bytes()).unwrap().seq, 7);
    let value: Value = serde_json::from_str(text).unwrap();
    assert_eq!(faults(&value, &shape()["classes"]["6003"], ""), Vec::<String>::new());
    assert_eq!(value["unmapped"]["seq"], 7);
}

#[test]
fn the_check_would_see_what_is_wrong() {
    let mut value = event(&with(|_| ()));
    value["severity_id"] = json!(42);
    value["made_up"] = json!(1);
    value["actor"]["user"]["uid"] = json!(7);
    value.as_object_mut().unwrap().remove("api");
    assert_eq!(faults(&value, &shape()["classes"]["6003"], "").len(), 4);
}
