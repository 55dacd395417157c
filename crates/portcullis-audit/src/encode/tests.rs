use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use portcullis_core::{
    Actor, Arguments, Caller, Clock, CredentialSource, Method, Principal, Reason, TokenInfo,
    ValueKind, Version,
};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::copied::Budget;
use crate::escape::is_deceptive;
use crate::id::Ids;
use crate::keyed::Digests;
use crate::record::{Decision, KeptArguments, Private, ResultType, ServerInfo, Verdict};
use crate::site::Site;
use crate::text::{FIELD_MAX, Pack, Span, clip};
use crate::token::TokenDigest;
use crate::who::Who;
use crate::{ArgumentValues, EventId};

fn id() -> EventId {
    Ids::new().unwrap().next(&Clock::manual(1_795_000_000).0)
}

fn line(record: &Record) -> String {
    let mut line = Vec::new();
    encode(record, &mut line).unwrap();
    let line = String::from_utf8(line).unwrap();
    assert_eq!(line.find('\n'), Some(line.len() - 1), "one line: {line:?}");
    line.trim_end().to_owned()
}

/// What is read of a line, written again.
fn again(line: &str) -> Value {
    let entry: crate::Entry = serde_json::from_str(line).unwrap();
    serde_json::to_value(entry).unwrap()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

const ARGUMENTS: &[u8] = br#"{"path":"/etc/hosts","mode":7}"#;
const MESSAGE: &[u8] = br#"{"params":{"clientInfo":{"name":"ide","version":"2"}}}"#;

fn private() -> Private {
    Private {
        digests: Digests::new(&[7; 32]).unwrap(),
        argument_digests: true,
        values: ArgumentValues::new().allow("write_file", ["/path"]),
    }
}

/// A record with every member there is.
pub(crate) fn decision() -> Decision {
    let principal = Principal::builder("https://id.example", "alice")
        .client_id("ide")
        .scopes(vec!["mcp:read".into(), "mcp:write".into()])
        .role("admin")
        .method("bearer")
        .actors(vec![Actor::new(Some("https://agents.example".into()), "bot")])
        .expires_at(Duration::from_secs(1_795_000_600))
        .token(TokenInfo {
            id: Some("t-1".into()),
            algorithm: Some("ES256"),
            key_id: Some("k1".into()),
        })
        .build();
    let mut texts = Pack::new();
    let mut argument_keys = [Span::default(); Arguments::MAX_KEYS];
    argument_keys[0] = texts.push("path");
    argument_keys[1] = texts.push("mode");
    let mut argument_kinds = [ValueKind::Null; Arguments::MAX_KEYS];
    argument_kinds[0] = ValueKind::String;
    argument_kinds[1] = ValueKind::Number;
    let budget = Budget::default();
    let event_id = id();
    Decision {
        at: Duration::from_millis(1_795_000_000_120),
        event_id,
        request_id: event_id,
        gate_trace_id: Some([0xab; 16]),
        element: Some(0),
        site: site(),
        transport: "streamable_http",
        version: Some(Version::V2026_07_28),
        method: Some(Method::ToolsCall),
        target_type: Some("tool"),
        caller: Some(Caller::Verified(Arc::new(principal))),
        digest: Some(TokenDigest::of(&http::HeaderValue::from_static("Bearer abc")).unwrap()),
        verdict: Verdict::Deny,
        reason: Some(Reason::DefaultDeny),
        http_status: Some(StatusCode::OK),
        error_code: Some(-32602),
        source_ip: Some("2001:db8::1".parse().unwrap()),
        argument_count: Some(2),
        argument_bytes: 31,
        argument_kinds,
        arguments: Some(KeptArguments::Whole(budget.copy(ARGUMENTS, 1000).unwrap())),
        message: Some(budget.copy(MESSAGE, 1000).unwrap()),
        private: Some(Arc::new(private())),
        session: texts.push("s-1"),
        jsonrpc_id: texts.push("\"a-1\""),
        target: texts.push("write_file"),
        more_targets: vec![texts.push("other")],
        rule_id: texts.push("no-writes"),
        policy_version: texts.push("v7"),
        argument_keys,
        user_agent: texts.push("agent/1.0"),
        traceparent: texts.push("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        texts,
        screened: std::sync::OnceLock::new(),
    }
}

fn site() -> Arc<Site> {
    let mut site = Site::default();
    site.set_resource("https://mcp.example.com/mcp").unwrap();
    site.set_server("notes").unwrap();
    site.set_upstream("https://notes.internal:8443/mcp?key=k3y").unwrap();
    site.shared()
}

pub(crate) fn outcome() -> Outcome {
    Outcome {
        at: Duration::from_millis(1_795_000_001_000),
        event_id: id(),
        site: site(),
        duration: Duration::from_micros(880_999),
        http_status: Some(StatusCode::OK),
        result_type: ResultType::IsError,
        error_code: Some(-32603),
        reason: Some(Reason::UpstreamError),
        hook: Some("redact".into()),
        upstream_status: Some(StatusCode::BAD_GATEWAY),
        cred_source: Some(CredentialSource::Shared),
        bytes_in: Some(120),
        bytes_out: 300,
        filtered_count: 2,
        filtered: vec!["purge".into(), "drop_table".into()],
        server_info: Some(Box::new(ServerInfo {
            name: Some("notes-server".into()),
            version: Some("1.2".into()),
        })),
        redacted: Vec::new(),
        truncated: true,
    }
}

#[test]
fn a_decision_is_exactly_this() {
    let decision = decision();
    let id = decision.event_id;
    let session = private().digests.of("session", b"s-1");
    let digest = private().digests.of("arguments", ARGUMENTS);
    assert_eq!(
        line(&Record::Decision(decision)),
        format!(
            "{{\"schema\":1,\"record\":\"decision\",\"ts\":\"2026-11-18T11:06:40.120Z\",\
             \"event_id\":\"{id}\",\"request_id\":\"{id}\",\
             \"gate_trace_id\":\"abababababababababababababababab\",\"element\":0,\
             \"resource\":\"https://mcp.example.com/mcp\",\"server\":\"notes\",\
             \"upstream\":\"https://notes.internal:8443\",\
             \"transport\":\"streamable_http\",\"mcp_version\":\"2026-07-28\",\
             \"era\":\"modern\",\"session_hash\":\"{session}\",\
             \"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"jsonrpc_id\":\"\\\"a-1\\\"\",\"method\":\"tools/call\",\
             \"target_type\":\"tool\",\"target\":\"write_file\",\"more_targets\":[\"other\"],\
             \"argument_keys\":[\"path\",\"mode\"],\
             \"argument_types\":[\"string\",\"number\"],\"argument_count\":2,\
             \"argument_bytes\":31,\"argument_digest\":\"{digest}\",\
             \"argument_values\":{{\"/path\":{{\"value\":\"/etc/hosts\"}}}},\
             \"principal\":{{\"iss\":\"https://id.example\",\"sub\":\"alice\",\
             \"client_id\":\"ide\",\"auth\":\"bearer\",\"kind\":\"user\",\
             \"act\":[{{\"iss\":\"https://agents.example\",\"sub\":\"bot\"}}]}},\
             \"scopes\":[\"mcp:read\",\"mcp:write\"],\"roles\":[\"admin\"],\
             \"token\":{{\"jti\":\"t-1\",\"sha256\":\"ba7816bf8f01\",\"alg\":\"ES256\",\
             \"kid\":\"k1\",\"exp\":1795000600}},\"decision\":\"deny\",\
             \"reason\":\"default_deny\",\"rule_id\":\"no-writes\",\"policy_version\":\"v7\",\
             \"http_status\":200,\"error_code\":-32602,\"source_ip\":\"2001:db8::1\",\
             \"unverified_user_agent\":\"agent/1.0\",\
             \"unverified_traceparent\":\
             \"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\",\
             \"unverified_client_name\":\"ide\",\"unverified_client_version\":\"2\"}}"
        )
    );
}

#[test]
fn what_is_read_is_what_was_written() {
    let event_id = id();
    let at = Duration::from_millis(1_795_000_000_120);
    let alice = Principal::builder("https://id.example", "alice").client_id("ide").build();
    let event = crate::Event::new(crate::EventKind::ScopesAsked)
        .about("tools/call x")
        .from("a")
        .to("x".repeat(2000))
        .reason(Reason::PolicyDenied)
        .detail("d")
        .count(7)
        .by(&alice);
    let since = Some(at);
    let start = crate::Start {
        at,
        event_id,
        continues: Some(crate::chain::Left {
            chain: event_id.to_string(),
            seq: 7,
            hash: [0; 32],
            clean: true,
        }),
        torn: 5,
        part: Some(2),
        key: Some("k".into()),
        checkpoint_records: Some(10),
        checkpoint_seconds: Some(10),
    };
    let checkpoint = crate::Checkpoint {
        at,
        event_id,
        occasion: crate::Occasion::Time,
        key: Some("k".into()),
        previous_key: Some("j".into()),
    };
    let rows = [
        Record::Decision(decision()),
        Record::Outcome(outcome()),
        Record::Gap(Gap { at, event_id, since, dropped: 3 }),
        Record::Suppressed(Suppressed { at, event_id, count: 3 }),
        Record::Event(event),
        Record::Chain(start),
        Record::Checkpoint(checkpoint),
    ];
    let schema: Value = serde_json::from_str(include_str!("../../audit.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for record in rows {
        let line = line(&record);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(again(&line), value, "{}", record.kind());
        let errors: Vec<_> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", record.kind());
    }
}

#[test]
fn an_outcome_is_exactly_this() {
    let outcome = outcome();
    let id = outcome.event_id;
    assert_eq!(
        line(&Record::Outcome(outcome)),
        format!(
            "{{\"schema\":1,\"record\":\"outcome\",\"ts\":\"2026-11-18T11:06:41.000Z\",\
             \"event_id\":\"{id}\",\"server\":\"notes\",\"duration_ms\":880,\"http_status\":200,\
             \"result_type\":\"is_error\",\"error_code\":-32603,\"reason\":\"upstream_error\",\
             \"hook\":\"redact\",\"upstream_status\":502,\"cred_source\":\"shared\",\"bytes_in\":120,\
             \"bytes_out\":300,\"filtered_count\":2,\
             \"filtered\":[\"purge\",\"drop_table\"],\
             \"unverified_server_name\":\"notes-server\",\
             \"unverified_server_version\":\"1.2\",\"truncated\":true}}"
        )
    );
}

#[test]
fn what_a_server_calls_itself_is_no_place_for_a_secret() {
    let token = ["ghp_", "0123456789abcdefghij0123"].concat();
    let info = ServerInfo { name: Some(token.clone()), version: Some("1\u{202e}\n".into()) };
    let outcome = Outcome { server_info: Some(Box::new(info)), redacted: vec!["jwt"], ..outcome() };
    let line = line(&Record::Outcome(outcome));
    assert!(!line.contains(&token), "{line}");
    assert!(line.contains(r#""unverified_server_version":"1\u202e\n""#), "{line}");
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["unverified_server_name"], "(redacted)");
    assert_eq!(value["redacted"], serde_json::json!(["github_token", "jwt"]));
}

#[test]
fn summaries_are_exactly_this() {
    let (at, event_id) = (Duration::from_secs(1_795_000_000), id());
    let rows = [
        (Record::Gap(Gap { at, event_id, since: None, dropped: 3 }), "gap", "dropped", 3),
        (Record::Suppressed(Suppressed { at, event_id, count: 9 }), "suppressed", "count", 9),
    ];
    for (record, kind, member, count) in rows {
        assert_eq!(
            line(&record),
            format!(
                "{{\"schema\":1,\"record\":\"{kind}\",\"ts\":\"2026-11-18T11:06:40.000Z\",\
                 \"event_id\":\"{event_id}\",\"{member}\":{count}}}"
            )
        );
    }
}

/// The table in the crate docs is the schema: every member is in it, and nothing else is.
#[test]
fn the_documented_members_are_the_members() {
    let docs: Vec<&str> = include_str!("../lib.rs").lines().collect();
    let documented = |kind: &str| -> BTreeSet<String> {
        let row = docs.iter().find(|row| row.starts_with(&format!("//! | `{kind}` |"))).unwrap();
        let words = row.split('`').skip(3).step_by(2).map(str::to_owned);
        words.chain(["schema", "record", "ts", "event_id"].map(str::to_owned)).collect()
    };

    let mut record = decision();
    record.texts.push(&"x".repeat(2000));
    let secret = record.texts.push(&["ghp_", "0123456789abcdefghij0123"].concat());
    record.more_targets = vec![secret];
    let value = serde_json::to_value(Record::Decision(record)).unwrap();
    let mut found = keys(&value);
    found.extend(keys(&value["principal"]));
    found.extend(keys(&value["token"]));
    // Words of the table that are values.
    let values = ["user", "client", "anonymous", "streamable_http", "stdio"];
    found.extend(values.map(str::to_owned));
    assert_eq!(found, documented("decision"));

    let redacted = Outcome { redacted: vec!["jwt"], ..outcome() };
    let value = serde_json::to_value(Record::Outcome(redacted)).unwrap();
    assert_eq!(keys(&value), documented("outcome"));

    let mut event = crate::Event::new(crate::EventKind::Other)
        .about("a".repeat(2000))
        .from("b")
        .to("c")
        .reason(Reason::PolicyDenied)
        .detail("d")
        .count(7)
        .by(&Principal::builder("i", "s").build());
    event.site = Some(site());
    let value = serde_json::to_value(Record::Event(event)).unwrap();
    let mut found = keys(&value);
    found.insert("EventKind".to_owned()); // A word of the table that is none of the members.
    assert_eq!(found, documented("event"));
}

#[test]
fn callers_without_a_person_are_marked() {
    let client = Principal::builder("i", "s").client_only().build();
    let rows = [
        (Caller::Verified(client.into()), r#"{"iss":"i","sub":"s","kind":"client"}"#),
        (
            Caller::Anonymous(portcullis_core::AnonymousReason::NoCredentials),
            r#"{"kind":"anonymous"}"#,
        ),
    ];
    for (caller, expected) in rows {
        assert_eq!(serde_json::to_string(&Who(&caller)).unwrap(), expected);
    }
}

/// R-068: what a client says of its trace is kept as text, and is a trace only where it is one.
#[test]
fn traces_that_are_malformed_are_none() {
    let id = "0af7651916cd43dd8448eb211c80319c";
    let rows = [
        ("a trace", format!("00-{id}-b7ad6b7169203331-01"), true),
        ("a later version", format!("cc-{id}-b7ad6b7169203331-01-more"), true),
        ("nothing", String::new(), false),
        ("only an id", id.to_owned(), false),
        ("no version", format!("-{id}-b7ad6b7169203331-01"), false),
        ("too short", format!("00-{}-b7ad6b7169203331-01", id.trim_start_matches('0')), false),
        ("too long", format!("00-{id}0-b7ad6b7169203331-01"), false),
        ("capitals", format!("00-{}-b7ad6b7169203331-01", id.to_uppercase()), false),
        ("zeros", format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), false),
        ("markup", format!("00-{}-b7ad6b7169203331-01", "<script>".repeat(4)), false),
        ("no parent", format!("00-{id}"), false),
        ("a parent of zeros", format!("00-{id}-{}-01", "0".repeat(16)), false),
        ("no flags", format!("00-{id}-b7ad6b7169203331"), false),
        ("more than this version has", format!("00-{id}-b7ad6b7169203331-01-more"), false),
        ("no version at all", format!("ff-{id}-b7ad6b7169203331-01"), false),
    ];
    for (name, said, is_one) in rows {
        let mut record = decision();
        record.traceparent = record.texts.push(&said);
        let value: Value = serde_json::from_str(&line(&Record::Decision(record))).unwrap();
        assert_eq!(
            value.get("trace_id").map(|id| id.as_str().unwrap()),
            is_one.then_some(id),
            "{name}"
        );
        assert_eq!(value["unverified_traceparent"], said.as_str(), "{name}");
    }
}

/// R-068: without a header the message says it, where its revision has that.
#[test]
fn messages_name_their_trace() {
    let other = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let message = |said: &str| {
        let message = format!(r#"{{"params":{{"_meta":{{"traceparent":"{said}"}}}}}}"#);
        Some(Budget::default().copy(message.as_bytes(), 1000).unwrap())
    };
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let legacy = Some(Version::V2025_11_25);
    let modern = Some(Version::V2026_07_28);
    let own = "0af7651916cd43dd8448eb211c80319c";
    let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (name, version, header, said, expected) in [
        ("without a header", modern, None, other, Some((id, other))),
        ("the header wins", modern, Some(header), other, Some((own, header))),
        ("not valid", modern, None, "00-<script>", None),
        ("an older revision", legacy, None, other, None),
    ] {
        let mut record = decision();
        record.version = version;
        record.message = message(said);
        record.traceparent = header.map_or_else(Span::default, |it| record.texts.push(it));
        let value: Value = serde_json::from_str(&line(&Record::Decision(record))).unwrap();
        let said = |name: &str| value.get(name).map(|said| said.as_str().unwrap());
        let trace = said("trace_id").zip(said("unverified_traceparent"));
        assert_eq!(trace, expected, "{name}");
    }
}

#[test]
fn a_record_cannot_be_forged_from_inside() {
    let mut record = decision();
    record.target = record.texts.push("x\n{\"decision\":\"allow\"}\r\u{2028}\u{2029}\u{85}");
    record.user_agent = record.texts.push("\u{1b}[2J\u{202e}\u{2066}evil\u{200b}\u{7f}\u{e0041}é");
    let line = line(&Record::Decision(record));
    assert!(
        line.contains(r#""target":"x\n{\"decision\":\"allow\"}\r\u2028\u2029\u0085""#),
        "{line}"
    );
    let agent = r#"\u001b[2J\u202e\u2066evil\u200b\u007f\udb40\udc41é"#;
    assert!(line.contains(agent), "{line}");
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["decision"], "deny");
}

#[test]
fn long_claims_are_cut_and_said_to_be() {
    let long = || "s".repeat(2000);
    let many = || (0..500).map(|n| format!("scope:{n}")).collect::<Vec<_>>();
    let principal = || Principal::builder("https://id.example", "alice");
    let token = TokenInfo { id: Some(long()), ..TokenInfo::default() };
    let rows = [
        ("nothing", principal(), false),
        ("issuer", Principal::builder(long(), "alice"), true),
        ("subject", Principal::builder("https://id.example", long()), true),
        ("client", principal().client_id(long()), true),
        ("scopes", principal().scopes(many()), true),
        ("one scope", principal().scope(long()), true),
        ("roles", principal().roles(many()), true),
        ("token id", principal().token(token), true),
        ("actor", principal().actors(vec![Actor::new(None, long())]), true),
        ("actors", principal().actors(vec![Actor::new(None, "bot".repeat(100)); 9]), true),
    ];
    for (name, principal, cut) in rows {
        let mut record = decision();
        record.caller = Some(Caller::Verified(Arc::new(principal.build())));
        let line = line(&Record::Decision(record));
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value.get("truncated").is_some(), cut, "{name}");
        assert!(line.len() < 4 * FIELD_MAX, "{name}: {} bytes", line.len());
    }
}

proptest! {
    #[test]
    fn whatever_a_client_sends_is_one_line_that_says_the_same(text in "\\PC*|.*") {
        let mut record = decision();
        record.target = record.texts.push(&text);
        let line = line(&Record::Decision(record));
        prop_assert!(!line.chars().any(|it| it.is_control() || is_deceptive(it)), "{line:?}");
        let value: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(value["target"].as_str(), Some(clip(&text)));
    }
}
