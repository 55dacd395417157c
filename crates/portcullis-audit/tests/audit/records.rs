//! Which records there are, and what they say.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use portcullis_audit::{
    ArgumentValues, AuditLayer, AuditLayerBuilder, ConfigErrorKind, Event, EventKind, MemorySink,
    Record,
};
use portcullis_core::{
    AnonymousReason, Arguments, Caller, Decided, Denial, McpMessage, McpRequestParts, Method,
    NoMessage, Note, Principal, Reason, RequestFacts as _, TargetKind, Text, Version,
};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _};

use crate::common::*;

type Inside = Box<dyn FnOnce(&mut Request<()>) -> Response<Body>>;

fn inside(inside: impl FnOnce(&mut Request<()>) -> Response<Body> + 'static) -> Inside {
    Box::new(inside)
}

/// `kind[/element]:words` of each record, in order.
fn gist(records: &[Value]) -> Vec<String> {
    let word = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => format!(" {text}"),
        other => format!(" {other}"),
    };
    records
        .iter()
        .map(|record| {
            let kind = record["record"].as_str().unwrap();
            let mut gist = kind.to_owned();
            for member in ["element", "decision", "result_type", "reason", "rule_id", "error_code"]
            {
                gist += &word(&record[member]);
            }
            gist
        })
        .collect()
}

fn without_answer(denial: Denial) -> Inside {
    inside(move |_| denial.into_response())
}

#[tokio::test]
async fn one_decision_and_one_outcome_each() {
    let anonymous = || Caller::Anonymous(AnonymousReason::NoCredentials);
    let rows: Vec<(&str, Inside, &[&str])> = vec![
        (
            "allowed call",
            inside(|request| {
                sign_in(request, &call("read"));
                let _ = allow(request, 0, &call("read"));
                ok("{}")
            }),
            &["decision allow r1", "outcome complete"],
        ),
        (
            "refused by policy",
            inside(|request| {
                sign_in(request, &call("purge"));
                deny(request, 0, &call("purge")).into_response()
            }),
            &["decision deny default_deny default -32602", "outcome error -32602"],
        ),
        (
            "refused with a tool result",
            inside(|request| {
                sign_in(request, &call("purge"));
                let portcullis_core::McpMessage::Request(asked) = call("purge") else { panic!() };
                let denial = Denial::tool_result(&asked, Reason::PolicyDenied);
                let message = call("purge");
                let verdict = Err(&denial);
                let decided = portcullis_core::Decided { element: 0, message: &message, verdict };
                let _ = request.trail().unwrap().decided(&decided);
                denial.into_response()
            }),
            &["decision deny policy_denied", "outcome is_error"],
        ),
        (
            "no token",
            without_answer(Denial::no_token(&challenge())),
            &["decision challenge no_token", "outcome error"],
        ),
        (
            "bad token",
            without_answer(Denial::invalid_token(&challenge(), Reason::Expired)),
            &["decision challenge expired", "outcome error"],
        ),
        (
            "bad origin",
            without_answer(Denial::origin()),
            &["decision deny bad_origin -32600", "outcome error -32600"],
        ),
        (
            "keys out of reach",
            without_answer(Denial::keys_unavailable(Duration::from_secs(5))),
            &["decision error jwks_unavailable", "outcome error"],
        ),
        (
            "malformed, after sign-in",
            inside(|request| {
                request.set_caller(alice());
                Denial::parse_error().into_response()
            }),
            &["decision deny bad_json -32700", "outcome error -32700"],
        ),
        (
            "miswired",
            inside(|request| {
                request.set_caller(alice());
                Denial::miswired("a test").into_response()
            }),
            &["decision error miswired -32603", "outcome error -32603"],
        ),
        ("public metadata", inside(|_| ok("{}")), &[]),
        (
            "dropped notification",
            inside(|request| {
                sign_in(request, &notification());
                Response::builder().status(202).body(Body::own(Bytes::new())).unwrap()
            }),
            &["decision undecided", "outcome complete"],
        ),
        (
            "no policy layer",
            inside(|request| {
                request.set_caller(alice());
                ok("{}")
            }),
            &["decision undecided", "outcome complete"],
        ),
        (
            "anonymous and let in",
            inside(move |request| {
                request.set_caller(anonymous());
                ok("{}")
            }),
            &["decision undecided", "outcome complete"],
        ),
        (
            "allowed, then the service breaks the protocol",
            inside(|request| {
                sign_in(request, &call("read"));
                let _ = allow(request, 0, &call("read"));
                request.trail().unwrap().note(Note::Violation(Reason::UpstreamError));
                Denial::upstream(None).into_response()
            }),
            &["decision allow r1", "outcome error upstream_error -32603"],
        ),
        (
            "allowed, but not on record",
            inside(|request| {
                sign_in(request, &call("read"));
                let _ = allow(request, 0, &call("read"));
                Denial::audit_unavailable(None).into_response()
            }),
            &["decision allow r1", "outcome error audit_unavailable -32603"],
        ),
        (
            "tool error",
            inside(|request| {
                sign_in(request, &call("read"));
                let _ = allow(request, 0, &call("read"));
                request.trail().unwrap().note(Note::ToolError);
                ok("{}")
            }),
            &["decision allow r1", "outcome is_error"],
        ),
        (
            "rpc error",
            inside(|request| {
                sign_in(request, &call("read"));
                let _ = allow(request, 0, &call("read"));
                request.trail().unwrap().note(Note::RpcError { code: -32000 });
                ok("{}")
            }),
            &["decision allow r1", "outcome error -32000"],
        ),
        (
            "stream of server messages",
            inside(|request| {
                sign_in(request, &stream());
                let _ = allow(request, 0, &stream());
                ok("data: {}\n\n")
            }),
            &["decision allow r1", "outcome stream"],
        ),
        (
            "two layers decide",
            inside(|request| {
                sign_in(request, &call("read"));
                let _ = allow(request, 0, &call("read"));
                let _ = allow(request, 0, &call("read"));
                ok("{}")
            }),
            &["decision allow r1", "outcome complete"],
        ),
        (
            "batch: one allowed, one refused, one dropped",
            inside(|request| {
                let messages = vec![call("read"), call("purge"), notification()];
                sign_in(request, &batch(messages.clone()));
                let _ = allow(request, 0, &messages[0]);
                deny(request, 1, &messages[1]);
                request.trail().unwrap().note(Note::RpcError { code: -32000 });
                ok("[]")
            }),
            &[
                "decision 0 allow r1",
                "decision 1 deny default_deny default -32602",
                "decision 2 undecided",
                "outcome error -32000",
                "outcome error -32602",
                "outcome complete",
            ],
        ),
        (
            "batch: notes that name their element",
            inside(|request| {
                let messages = vec![call("read"), call("list")];
                sign_in(request, &batch(messages.clone()));
                let _ = allow(request, 0, &messages[0]);
                let _ = allow(request, 1, &messages[1]);
                request.trail().unwrap().note_for(1, Note::RpcError { code: -32000 });
                ok("[]")
            }),
            &[
                "decision 0 allow r1",
                "decision 1 allow r1",
                "outcome complete",
                "outcome error -32000",
            ],
        ),
        (
            "batch: refused as a whole",
            inside(|request| {
                sign_in(request, &batch(vec![call("read"), call("list")]));
                Denial::invalid_request(Reason::BatchRefused).into_response()
            }),
            &[
                "decision 0 deny batch_refused -32600",
                "decision 1 deny batch_refused -32600",
                "outcome error -32600",
                "outcome error -32600",
            ],
        ),
    ];
    for (name, inside, expected) in rows {
        let audited = audit(|builder| builder);
        audited.send(inside).await;
        let records = audited.records().await;
        assert_eq!(gist(&records), expected, "{name}");

        let ids = |kind: &str| -> Vec<&str> {
            let of_kind = records.iter().filter(|record| record["record"] == kind);
            of_kind.map(|record| record["event_id"].as_str().unwrap()).collect()
        };
        assert_eq!(ids("decision"), ids("outcome"), "{name}: linked");
    }
}

#[tokio::test]
async fn what_the_records_of_a_call_say() {
    let audited = audit(|builder| {
        builder
            .resource("https://mcp.example.com/mcp")
            .peer(|parts| parts.headers.contains_key("x").then(|| IpAddr::from([192, 0, 2, 1])))
    });
    let mut request = request();
    request.headers_mut().insert("x", "1".parse().unwrap());
    let hand = audited.hand.clone();
    audited
        .send_request(request, move |request| {
            sign_in(request, &call("read"));
            let _ = allow(request, 0, &call("read"));
            hand.advance(Duration::from_millis(1_250));
            ok(r#"{"ok":true}"#)
        })
        .await;

    let records = audited.records().await;
    let [decision, outcome] = records.as_slice() else { panic!("{records:?}") };
    let mut decision = decision.clone();
    let id = decision["event_id"].clone();
    decision["event_id"].take();
    decision["request_id"].take();
    assert_eq!(
        decision,
        json!({
            "schema": 1, "record": "decision", "ts": "2026-11-18T11:06:40.000Z",
            "event_id": null, "request_id": null,
            "resource": "https://mcp.example.com/mcp",
            "transport": "streamable_http",
            "mcp_version": "2025-11-25", "era": "legacy",
            "trace_id": "0af7651916cd43dd8448eb211c80319c", "jsonrpc_id": "7",
            "method": "tools/call", "target_type": "tool", "target": "read",
            "argument_keys": ["path", "mode"], "argument_types": ["string", "string"],
            "argument_count": 2, "argument_bytes": 65,
            "principal": {"iss": "https://id.example", "sub": "alice", "kind": "user"},
            "scopes": ["mcp:read"], "roles": [],
            "token": {"jti": "t-1", "alg": "ES256"},
            "decision": "allow", "rule_id": "r1", "policy_version": "v7",
            "source_ip": "192.0.2.1",
            "unverified_user_agent": "agent/1.0",
            "unverified_traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        })
    );
    let portcullis_core::McpMessage::Request(asked) = call("read") else { panic!() };
    assert_eq!(
        *outcome,
        json!({
            "schema": 1, "record": "outcome", "ts": "2026-11-18T11:06:41.250Z", "event_id": id,
            "duration_ms": 1250, "http_status": 200, "result_type": "complete",
            "bytes_in": asked.raw().len(), "bytes_out": 11, "filtered_count": 0,
        })
    );
}

#[tokio::test]
async fn filtered_items_are_counted_and_named_only_on_demand() {
    for named in [false, true] {
        let audited = audit(|builder| if named { builder.filtered_names() } else { builder });
        audited
            .send(|request| {
                let list = message(Method::ToolsList, None);
                sign_in(request, &list);
                let _ = allow(request, 0, &list);
                for name in ["purge", "drop_table"] {
                    let note = Note::Hidden { kind: TargetKind::Tool, name };
                    request.trail().unwrap().note(note);
                }
                ok("{}")
            })
            .await;
        let records = audited.records().await;
        assert_eq!(records[1]["filtered_count"], 2);
        let names = named.then(|| json!(["purge", "drop_table"]));
        assert_eq!(records[1].get("filtered"), names.as_ref());
    }
}

#[tokio::test]
async fn a_token_without_an_id_is_named_by_its_digest() {
    let nameless = || Caller::Verified(Principal::builder("i", "s").build().into());
    let rows: [(&str, Inside, Option<&str>); 3] = [
        (
            "no jti",
            inside(move |request| {
                request.set_caller(nameless());
                // The sign-in layer takes the header away.
                request.headers_mut().remove("authorization");
                ok("{}")
            }),
            Some("981a819e974c"),
        ),
        (
            "refused",
            without_answer(Denial::invalid_token(&challenge(), Reason::BadSig)),
            Some("981a819e974c"),
        ),
        (
            "jti",
            inside(|request| {
                request.set_caller(alice());
                ok("{}")
            }),
            None,
        ),
    ];
    for (name, inside, expected) in rows {
        let audited = audit(|builder| builder);
        audited.send(inside).await;
        let records = audited.records().await;
        assert_eq!(records[0]["token"]["sha256"].as_str(), expected, "{name}");
    }
}

/// The id that an answer may name is the id of the record.
#[tokio::test]
async fn a_promised_id_is_kept() {
    let audited = audit(|builder| builder);
    let (tell, told) = std::sync::mpsc::channel();
    audited
        .send(move |request| {
            sign_in(request, &call("purge"));
            let trail = request.trail().unwrap().clone();
            let promised = trail.decision_id(0).unwrap();
            assert_eq!(trail.decision_id(0).unwrap(), promised, "before");
            let denial = deny(request, 0, &call("purge"));
            assert_eq!(trail.decision_id(0).unwrap(), promised, "after");
            tell.send(promised.to_string()).unwrap();
            denial.into_response()
        })
        .await;
    assert_eq!(audited.records().await[0]["event_id"], told.recv().unwrap());
}

/// R-142, R-264, R-265: whatever happens, no token and no argument value is in a record.
#[tokio::test]
async fn no_token_and_no_argument_value_is_recorded() {
    let audited = audit(|builder| builder.filtered_names());
    audited
        .send(|request| {
            sign_in(request, &call("read"));
            let _ = allow(request, 0, &call("read"));
            let shown = format!("{:?} {:?}", request.trail(), audited.layer);
            assert!(!shown.contains(TOKEN), "{shown}");
            ok(SECRET)
        })
        .await;
    audited.send(without_answer(Denial::invalid_token(&challenge(), Reason::BadSig))).await;
    audited
        .send(|request| {
            sign_in(request, &call("purge"));
            deny(request, 0, &call("purge")).into_response()
        })
        .await;
    audited.layer.flush().await;
    let lines = audited.sink.lines();
    assert_eq!(lines.len(), 6);
    let debug = format!("{:?}", audited.sink.records());
    let part = TOKEN.split('.').nth(1).unwrap();
    for secret in [TOKEN, part, SECRET] {
        assert!(!lines.concat().contains(secret), "{secret} in {lines:#?}");
        assert!(!debug.contains(secret), "{secret} in {debug}");
    }
}

/// X-189.
#[tokio::test]
async fn client_text_cannot_forge_a_record() {
    let audited = audit(|builder| builder);
    let mut request = request();
    let agent = http::HeaderValue::from_bytes(b"a\x1b[2J\xe2\x80\xae\xff").err();
    assert!(agent.is_some(), "HTTP itself refuses an escape");
    let agent = http::HeaderValue::from_bytes(b"a\tb\xe2\x80\xae\xff").unwrap();
    request.headers_mut().insert("user-agent", agent);
    let tool = "x\n{\"decision\":\"allow\"}\u{2028}";
    audited
        .send_request(request, |request| {
            sign_in(request, &call(tool));
            deny(request, 0, &call(tool)).into_response()
        })
        .await;
    audited.layer.flush().await;
    let lines = audited.sink.lines();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains(r#""target":"x\n{\"decision\":\"allow\"}\u2028""#), "{}", lines[0]);
    assert!(lines[0].contains(r#""unverified_user_agent":"a\tb\u202e"#), "{}", lines[0]);
    let record: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(record["decision"], "deny");
    assert_eq!(record["target"], tool);
}

#[tokio::test]
async fn long_client_text_is_cut() {
    let audited = audit(|builder| builder);
    let tool = "t".repeat(5000);
    audited
        .send(|request| {
            sign_in(request, &call(&tool));
            deny(request, 0, &call(&tool)).into_response()
        })
        .await;
    let records = audited.records().await;
    assert_eq!(records[0]["target"], "t".repeat(1024));
    assert_eq!(records[0]["truncated"], true);
}

/// R-271: a flood of bad tokens leaves a bounded number of lines, and its size.
#[tokio::test]
async fn unauthenticated_failures_are_sampled() {
    let audited = audit(|builder| builder.unauthenticated_limit(10, 50));
    let refuse = || without_answer(Denial::invalid_token(&challenge(), Reason::BadSig));
    for _ in 0..10_000 {
        audited.send(refuse()).await;
    }
    // Those who signed in are recorded all the same.
    audited
        .send(|request| {
            sign_in(request, &call("purge"));
            deny(request, 0, &call("purge")).into_response()
        })
        .await;
    let records = audited.records().await;
    let of_kind = |kind: &str| records.iter().filter(|it| it["record"] == kind).count();
    assert_eq!(of_kind("decision"), 51);
    assert_eq!(of_kind("outcome"), 51);
    let counted: u64 = records.iter().filter_map(|record| record["count"].as_u64()).sum();
    assert_eq!(counted, 9_950);
    assert!(of_kind("suppressed") < 60, "at most one a second");
    assert_eq!(audited.layer.lost(), 0);

    audited.hand.advance(Duration::from_secs(1));
    for _ in 0..20 {
        audited.send(refuse()).await;
    }
    let more = audited.records().await.split_off(records.len());
    assert_eq!(gist(&more).iter().filter(|gist| gist.starts_with("decision")).count(), 10);
}

/// Records outlive the request and must not keep its memory.
#[tokio::test]
async fn no_record_shares_memory_with_the_request() {
    let audited = audit(|builder| builder);
    let body = Bytes::from(br#"{"id":7,"name":"read"}"#.to_vec());
    let message = {
        let text = |range| portcullis_core::Text::slice_of(&body, range).unwrap();
        portcullis_core::McpMessage::Request(
            portcullis_core::McpRequestParts {
                version: portcullis_core::Version::V2025_11_25,
                method: Method::ToolsCall,
                id: text(6..7),
                target: Some(portcullis_core::Target::new(TargetKind::Tool, text(16..20))),
                more_targets: Vec::new(),
                arguments: Some(portcullis_core::Arguments::new(body.clone())),
                raw: body.clone(),
            }
            .into(),
        )
    };
    let response = audited
        .respond(request(), |request| {
            sign_in(request, &message);
            let _ = allow(request, 0, &message);
            request.clear_message();
            drop(message);
            assert!(body.is_unique(), "while the tool runs");
            Response::new(Body::inner(Full::new(Bytes::from_static(b"{}"))))
        })
        .await;
    audited.layer.flush().await;
    assert_eq!(audited.sink.records().len(), 1);
    assert!(body.is_unique(), "while the answer is sent and the record kept");
    drop(response);
}

#[tokio::test]
async fn what_must_not_be_recorded_is_named_by_a_keyed_digest() {
    let with_session = || {
        let mut request = request();
        request.headers_mut().insert("mcp-session-id", "s-secret-1".parse().unwrap());
        request
    };
    let run = |set: fn(AuditLayerBuilder) -> AuditLayerBuilder| async move {
        let audited = audit(set);
        for _ in 0..2 {
            audited
                .send_request(with_session(), |request| {
                    sign_in(request, &call("read"));
                    let _ = allow(request, 0, &call("read"));
                    ok("{}")
                })
                .await;
        }
        let records = audited.records().await;
        assert!(!format!("{records:?}").contains("s-secret-1"));
        let decisions: Vec<_> =
            records.into_iter().filter(|it| it["record"] == "decision").collect();
        assert_eq!(decisions[0]["session_hash"], decisions[1]["session_hash"], "one session");
        decisions[0].clone()
    };
    let plain = run(|builder| builder).await;
    assert_eq!(plain["argument_digest"], Value::Null, "off by default");
    let keyed = run(|builder| builder.digest_key(&[7; 32]).argument_digests()).await;
    let again = run(|builder| builder.digest_key(&[7; 32]).argument_digests()).await;
    let other = run(|builder| builder.digest_key(&[8; 32]).argument_digests()).await;
    for member in ["session_hash", "argument_digest"] {
        assert_eq!(keyed[member], again[member], "{member}");
        assert_ne!(keyed[member], other[member], "{member}");
        assert_eq!(keyed[member].as_str().unwrap().len(), 32, "{member}");
    }
    assert_ne!(plain["session_hash"], keyed["session_hash"]);
    assert_eq!(
        AuditLayer::builder()
            .sink(MemorySink::new())
            .digest_key(b"short")
            .build()
            .unwrap_err()
            .kind(),
        ConfigErrorKind::Key
    );
}

#[tokio::test]
async fn secrets_in_names_are_not_recorded() {
    let audited = audit(|builder| builder.filtered_names());
    let token = ["ghp_", "0123456789abcdefghij0123"].concat();
    let uri = format!("postgres://app:hunter2@db/notes?token={token}");
    let json = format!(r#"{{"{token}":1,"path":2}}"#);
    let mut arguments = portcullis_core::Arguments::new(Bytes::from(json));
    arguments.push_key(2..2 + token.len());
    arguments.push_key(2 + token.len() + 5..2 + token.len() + 9);
    let target = |kind, name: &str| portcullis_core::Target::new(kind, name.into());
    let parts = |method, of, more, arguments| {
        McpMessage::Request(
            portcullis_core::McpRequestParts {
                version: portcullis_core::Version::V2025_11_25,
                method,
                id: format!("\"{token}\"").into(),
                target: Some(of),
                more_targets: more,
                arguments,
                raw: Bytes::from_static(b"{}"),
            }
            .into(),
        )
    };
    let messages = [
        parts(
            Method::ResourcesRead,
            target(TargetKind::Resource, &uri),
            vec![target(TargetKind::Resource, &uri)],
            None,
        ),
        parts(Method::ToolsCall, target(TargetKind::Tool, &token), Vec::new(), Some(arguments)),
    ];
    for message in messages {
        let mut request = request();
        request.headers_mut().insert("user-agent", format!("x {token}").parse().unwrap());
        let inside = |request: &mut Request<()>| {
            sign_in(request, &message);
            let _ = allow(request, 0, &message);
            let hidden = Note::Hidden { kind: TargetKind::Resource, name: &uri };
            request.trail().unwrap().note(hidden);
            ok("{}")
        };
        audited.send_request(request, inside).await;
    }
    let records = audited.records().await;
    let all = audited.sink.lines().concat();
    assert!(!all.contains("hunter2") && !all.contains(&token), "{all}");
    assert_eq!(records[0]["target"], "postgres://(redacted)@db/notes?(redacted)");
    assert_eq!(
        records[0]["redacted"],
        json!(["url_password", "url_password", "github_token", "github_token"])
    );
    assert_eq!(records[1]["filtered"], json!(["postgres://(redacted)@db/notes?(redacted)"]));
    assert_eq!(records[1]["redacted"], json!(["url_password"]));
    assert_eq!(records[2]["target"], "(redacted)");
    assert_eq!(records[2]["argument_keys"], json!(["(redacted)", "path"]));
    let records = audited.sink.records();
    let decisions: Vec<_> = records.iter().filter_map(Record::as_decision).collect();
    assert_eq!(decisions[0].target(), Some("postgres://(redacted)@db/notes?(redacted)"));
    assert_eq!(decisions[1].argument_keys().collect::<Vec<_>>(), ["(redacted)", "path"]);
}

#[tokio::test]
async fn argument_values_are_recorded_where_a_rule_names_them() {
    let values =
        || ArgumentValues::new().allow("read", ["/mode", "/absent"]).allow("other", ["/path"]);
    let audited = audit(|builder| builder.argument_values(values()));
    for tool in ["read", "write"] {
        audited
            .send(|request| {
                sign_in(request, &call(tool));
                let _ = allow(request, 0, &call(tool));
                ok("{}")
            })
            .await;
    }
    let records = audited.records().await;
    assert_eq!(records[0]["argument_values"], json!({"/mode": {"value": SECRET}}));
    assert_eq!(records[2]["target"], "write");
    assert_eq!(records[2]["argument_values"], Value::Null);

    let audited = audit(|builder| builder.argument_values(values().max_bytes(7)));
    let big =
        message_with(&format!(r#"{{"path":"{}","mode":"secret=hunter2"}}"#, "x".repeat(70_000)));
    for message in [message_with(r#"{"mode":"secret=hunter2"}"#), big] {
        audited
            .send(|request| {
                sign_in(request, &message);
                let _ = allow(request, 0, &message);
                ok("{}")
            })
            .await;
    }
    let records = audited.records().await;
    assert_eq!(records[0]["argument_values"], json!({"/mode": {"redacted": "password"}}));
    assert_eq!(records[2]["argument_values"], Value::Null, "too large to look into");
    assert_eq!(records[2]["truncated"], true);

    let wrong = ArgumentValues::new().allow("read", ["mode"]);
    let built = AuditLayer::builder().sink(MemorySink::new()).argument_values(wrong).build();
    assert_eq!(built.unwrap_err().kind(), ConfigErrorKind::Setting);
}

/// A call of `read` with these arguments.
fn message_with(arguments: &str) -> McpMessage {
    let McpMessage::Request(request) = call("read") else { panic!() };
    let arguments = Arguments::new(Bytes::from(arguments.to_owned()));
    McpMessage::Request(
        McpRequestParts {
            version: request.version(),
            method: request.method(),
            id: request.id().clone(),
            target: request.targets().next().cloned(),
            more_targets: Vec::new(),
            arguments: Some(arguments),
            raw: Bytes::from_static(b"{}"),
        }
        .into(),
    )
}

#[tokio::test]
async fn what_a_client_says_of_itself_is_unverified() {
    let audited = audit(AuditLayerBuilder::stdio);
    let raw = r#"{"id":1,"params":{"clientInfo":{"name":"evil\n{\"decision\":\"allow\"}","version":"9"}}}"#;
    let initialize = McpMessage::Request(
        McpRequestParts {
            version: Version::V2025_11_25,
            method: Method::Initialize,
            id: Text::from_static("1"),
            target: None,
            more_targets: Vec::new(),
            arguments: None,
            raw: Bytes::from_static(raw.as_bytes()),
        }
        .into(),
    );
    audited
        .send(|request| {
            sign_in(request, &initialize);
            let _ = allow(request, 0, &initialize);
            ok("{}")
        })
        .await;
    let record = &audited.records().await[0];
    assert_eq!(record["transport"], "stdio");
    assert_eq!(record["unverified_client_name"], "evil\n{\"decision\":\"allow\"}");
    assert_eq!(record["unverified_client_version"], "9");
    assert_eq!(record["decision"], "allow");
}

#[tokio::test]
async fn an_answer_that_asks_for_input_is_named() {
    let audited = audit(|builder| builder);
    audited
        .send(|request| {
            sign_in(request, &call("read"));
            let _ = allow(request, 0, &call("read"));
            request.trail().unwrap().note(Note::InputRequired);
            request.trail().unwrap().note(Note::UpstreamStatus(http::StatusCode::BAD_GATEWAY));
            ok("{}")
        })
        .await;
    let record = &audited.records().await[1];
    assert_eq!(record["result_type"], "input_required");
    assert_eq!(record["upstream_status"], 502);
}

#[tokio::test]
async fn scopes_that_are_asked_for_and_come_are_a_pair() {
    let audited = audit(|builder| builder);
    let lacking = |request: &mut Request<()>, tool: &str, caller: Caller| {
        request.set_caller(caller);
        request.set_message(call(tool));
        let scopes = vec!["mcp:read".to_owned()];
        let denial = Denial::insufficient_scope(&challenge(), &Text::from_static("7"), scopes);
        let message = call(tool);
        let decided = Decided { element: 0, message: &message, verdict: Err(&denial) };
        let _ = request.trail().unwrap().decided(&decided);
        denial.into_response()
    };
    let granted = |request: &mut Request<()>, tool: &str, caller: Caller| {
        request.set_caller(caller);
        request.set_message(call(tool));
        let _ = allow(request, 0, &call(tool));
        ok("{}")
    };
    let bob = || Caller::Verified(Principal::builder("https://id.example", "bob").build().into());
    audited.send(|request| granted(request, "read", alice())).await; // Never asked: no event.
    audited.send(|request| lacking(request, "read", alice())).await;
    audited.send(|request| granted(request, "write", alice())).await; // Another operation.
    audited.send(|request| granted(request, "read", bob())).await; // Somebody else.
    audited.send(|request| granted(request, "read", alice())).await;
    audited.send(|request| granted(request, "read", alice())).await; // Only once.
    let events: Vec<_> =
        audited.records().await.into_iter().filter(|it| it["record"] == "event").collect();
    let gist: Vec<_> = events.iter().map(|it| (&it["event"], &it["about"], &it["to"])).collect();
    let (asked, came, about, scope) = (
        json!("scopes.asked"),
        json!("scopes.granted"),
        json!("tools/call read"),
        json!("mcp:read"),
    );
    assert_eq!(gist, [(&asked, &about, &scope), (&came, &about, &scope)]);
    assert!(events.iter().all(|it| it["principal"]["sub"] == "alice"));
}

#[tokio::test]
async fn sessions_that_end_and_streams_that_resume_are_events() {
    let audited = audit(|builder| builder.digest_key(&[7; 32]));
    let send = |method: &'static str, what: McpMessage, status: u16| {
        let mut request = Request::builder().method(method).body(()).unwrap();
        request.headers_mut().insert("mcp-session-id", "s-1".parse().unwrap());
        request.headers_mut().insert("last-event-id", "event-nine".parse().unwrap());
        audited.send_request(request, move |request| {
            sign_in(request, &what);
            let mut response = ok("");
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            response
        })
    };
    let end = || McpMessage::NoMessage(NoMessage::EndSession(Version::V2025_11_25));
    send("DELETE", end(), 404).await;
    send("DELETE", end(), 204).await;
    send("GET", stream(), 405).await;
    send("GET", stream(), 200).await;
    send("POST", call("read"), 200).await;
    let records = audited.records().await;
    let events: Vec<_> = records.iter().filter(|it| it["record"] == "event").collect();
    let kinds: Vec<_> = events.iter().map(|it| it["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["session.ended", "stream.resumed"]);
    let ended = records.iter().find(|it| it["target_type"] == "session").unwrap();
    assert_eq!(events[0]["about"], ended["session_hash"], "found by the session's digest");
    assert!(!format!("{records:?}").contains("event-nine"));
    let allowed = records.iter().filter(|it| it["decision"] == "allow").count();
    assert_eq!(allowed, 0, "nothing was called (R-275)");
}

#[tokio::test]
async fn a_clock_that_jumps_is_an_event() {
    let audited = audit(|builder| builder);
    // The second flush begins after the writer first looked at the clock.
    assert!(audited.layer.flush().await && audited.layer.flush().await);
    audited.hand.jump(-6_000);
    let _ = audited.sink.next().await;
    let records = audited.records().await;
    assert_eq!(records[0]["event"], "clock.jumped");
    assert_eq!(records[0]["count"], 6_000);
    assert_eq!(records[0]["from"], "2026-11-18T11:06:40.000Z");
    assert_eq!(records[0]["to"], "2026-11-18T11:06:34.000Z");
}

#[tokio::test]
async fn events_go_to_every_sink_and_start_and_stop_are_among_them() {
    let second = MemorySink::new();
    let audited = audit(|builder| {
        builder.sink(second.clone()).lifecycle_events().resource("https://mcp.example.com/mcp")
    });
    let log = audited.layer.log();
    assert!(
        log.record(Event::new(EventKind::PolicyChanged).from("v1").to("v2").about("policy.yaml"))
    );
    let records = audited.records().await;
    assert_eq!(records[1]["from"], "v1");
    assert_eq!(records[1]["resource"], "https://mcp.example.com/mcp");
    drop(audited.layer);
    assert!(!log.record(Event::new(EventKind::Other)), "there is nobody left to tell");
    assert!(!AuditLayer::danger_off().log().record(Event::new(EventKind::Other)));
    let kinds = |sink: &MemorySink| -> Vec<String> {
        let lines = sink.lines();
        lines.iter().map(|line| valid(line)["event"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(&audited.sink), ["audit.started", "policy.changed", "audit.stopped"]);
    assert_eq!(kinds(&second), kinds(&audited.sink));
}

/// Several gates of one process, one trail: each record names the resource that it is about.
#[tokio::test]
async fn one_trail_for_several_resources() {
    let audited = audit(|builder| builder.resource("https://mcp.example.com/first"));
    let other = "https://mcp.example.com/second";
    let second = audited.layer.for_resource(other).unwrap();
    assert!(second.log().record(Event::new(EventKind::Other)));
    assert!(audited.layer.log().record(Event::new(EventKind::Other)));
    let service = second.layer(tower::service_fn(async |mut request: Request<()>| {
        sign_in(&mut request, &call("read"));
        let _ = allow(&request, 0, &call("read"));
        Ok::<_, std::convert::Infallible>(ok("{}"))
    }));
    drop(service.oneshot(request()).await.unwrap());
    let records = audited.records().await;
    let resources: Vec<_> =
        records.iter().filter_map(|record| record["resource"].as_str()).collect();
    assert_eq!(resources, [other, "https://mcp.example.com/first", other]);
    assert!(audited.layer.for_resource(&"x".repeat(1025)).is_err());
}

/// The server's name is on decisions, outcomes and events, and what is behind it on decisions.
#[tokio::test]
async fn one_trail_for_several_servers() {
    let audited = audit(|builder| {
        builder
            .resource("https://mcp.example.com/first")
            .server("first")
            .upstream("https://user:k3y@first.internal/mcp?k3y")
    });
    let second = audited.layer.for_server("second").unwrap();
    let second = second.for_upstream("unix:/run/second.sock:/k3y").unwrap();
    let service = tower::service_fn(async |mut request: Request<()>| {
        sign_in(&mut request, &call("read"));
        let _ = allow(&request, 0, &call("read"));
        let note = Note::ServerInfo { name: Some("n\u{1b}"), version: Some(&"1".repeat(2000)) };
        request.trail().unwrap().note(note);
        Ok::<_, std::convert::Infallible>(ok("{}"))
    });
    drop(audited.layer.layer(service).oneshot(request()).await.unwrap());
    drop(second.layer(service).oneshot(request()).await.unwrap());
    assert!(second.log().record(Event::new(EventKind::Other)));
    let records = audited.records().await;
    let said = |member: &str| -> Vec<Option<String>> {
        records.iter().map(|it| it[member].as_str().map(str::to_owned)).collect()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(said("server"), ["first", "first", "second", "second", "second"].map(some));
    let behind = [some("https://first.internal"), None, some("unix:/run/second.sock"), None, None];
    assert_eq!(said("upstream"), behind);
    let resource = some("https://mcp.example.com/first");
    let resources = [resource.clone(), None, resource.clone(), None, resource];
    assert_eq!(said("resource"), resources, "it stays");
    assert_eq!(records[1]["unverified_server_name"], "n\u{1b}");
    assert_eq!(records[1]["unverified_server_version"], "1".repeat(1024));
    assert_eq!(records[1]["truncated"], true);
    assert!(audited.layer.for_server(&"x".repeat(1025)).is_err());
    assert!(audited.layer.for_upstream(&"x".repeat(1025)).is_err());
}
