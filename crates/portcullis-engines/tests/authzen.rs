//! AuthZEN, as a decision point over HTTP sees it.
#![cfg(feature = "authzen")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

mod point;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use point::{ISSUER, Point, Reply, alice, ask, call, json, list, verified};
use portcullis_core::{
    Actor, AnonymousReason, Arguments, Caller, Clock, Method, Principal, TargetKind, Version,
};
use portcullis_engines::{AuthZen, AuthZenBuilder, DecisionPoint};
use portcullis_rbac::{Authorizer as _, Decision, Query};
use serde_json::{Value, json as value};

fn builder(point: &Point) -> AuthZenBuilder {
    AuthZen::builder(DecisionPoint::new(&point.url).cache_for(Duration::ZERO))
}

fn yes() -> Decision {
    Decision::allow("authzen")
}

fn no() -> Decision {
    Decision::deny("authzen")
}

/// Answers both endpoints: yes to ids that start with `ok`.
fn by_name(asked: &point::Asked) -> Reply {
    let allowed = |question: &Value| {
        let id = question["resource"]["id"].as_str().unwrap();
        value!({ "decision": id.starts_with("ok"), "context": { "reason": "x" } })
    };
    match asked.path.as_str() {
        "/access/v1/evaluation" => json(allowed(&asked.body).to_string()),
        "/access/v1/evaluations" => {
            let all = asked.body["evaluations"].as_array().unwrap();
            let all: Vec<_> = all.iter().map(allowed).collect();
            json(value!({ "evaluations": all }).to_string())
        }
        path => panic!("{path}"),
    }
}

/// R-217.
#[tokio::test]
async fn one_question() {
    let point = Point::new(by_name).await;
    let settings = DecisionPoint::new(format!("{}/", point.url)).bearer_token("s3cret");
    let authzen = AuthZen::builder(settings).build().unwrap();
    let caller = verified(
        Principal::builder(ISSUER, "alice")
            .client_id("console")
            .tenant("acme")
            .scopes(vec!["a".into()])
            .groups(vec!["staff".into()])
            .groups_unknown()
            .roles(vec!["admin".into()])
            .actors(vec![Actor::new(None, "agent")])
            .claims(serde_json::from_str(r#"{"acr":"high","auth_time":7,"email":"x"}"#).unwrap())
            .build(),
    );
    assert_eq!(ask(&authzen, &call(&caller, "ok").of_server("notes")).await, yes());
    assert_eq!(ask(&authzen, &call(&caller, "other")).await, no());
    let asked = point.asked();
    let expected = value!({
        "subject": {
            "type": "user",
            "id": "https://id.example.com|alice",
            "properties": {
                "iss": ISSUER, "sub": "alice", "scopes": ["a"], "groups": ["staff"],
                "groups_unknown": true, "roles": ["admin"], "client_id": "console",
                "tenant": "acme", "acr": "high", "auth_time": 7,
                "act": [{ "iss": null, "sub": "agent" }],
            },
        },
        "action": { "name": "tools/call" },
        "resource": { "type": "mcp_tool", "id": "ok", "properties": { "server": "notes" } },
        "context": { "mcp_version": "2026-07-28" },
    });
    assert_eq!(asked[0].body, expected);
    assert_eq!(asked[0].path, "/access/v1/evaluation");
    let header = |n: usize, name: &str| asked[n].headers[name].to_str().unwrap().to_owned();
    assert_eq!(header(0, "authorization"), "Bearer s3cret");
    assert_eq!(header(0, "content-type"), "application/json");
    assert_ne!(header(0, "x-request-id"), header(1, "x-request-id"));
    assert_eq!(authzen.version().as_str(), "authzen");
}

/// R-216.
#[tokio::test]
async fn calls_as_tasks() {
    let point = Point::new(|asked| {
        json(value!({ "decision": asked.body["action"]["name"] == "tools/call" }).to_string())
    })
    .await;
    let caller = verified(alice());
    let (both, silent) = (builder(&point).decide_tasks(), builder(&point));
    for (authzen, decides) in [(both.build().unwrap(), true), (silent.build().unwrap(), false)] {
        assert_eq!(authzen.decides_tasks(), decides);
        assert_eq!(ask(&authzen, &call(&caller, "t")).await, yes());
        let as_task = ask(&authzen, &call(&caller, "t").as_task()).await;
        assert_eq!(as_task, if decides { no() } else { yes() });
    }
    let names: Vec<_> =
        point.asked().iter().map(|asked| asked.body["action"]["name"].clone()).collect();
    assert_eq!(names, ["tools/call", "tasks/create", "tools/call", "tools/call"]);
    let resource = &point.asked()[1].body["resource"];
    assert_eq!(*resource, value!({ "type": "mcp_tool", "id": "t" }));
}

#[tokio::test]
async fn what_a_question_is_about() {
    let point = Point::new(by_name).await;
    let authzen = builder(&point).bare_subjects_of(ISSUER).build().unwrap();
    let (person, job) =
        (verified(alice()), verified(Principal::builder(ISSUER, "job").client_only().build()));
    let query = |caller, method| Query::new(caller, Version::V2025_06_18, method);
    let rows = [
        (call(&person, "t"), "user", "alice", "tools/call", "mcp_tool", "t"),
        (
            query(&job, Method::PromptsGet).on(TargetKind::Prompt, "p"),
            "client",
            "job",
            "prompts/get",
            "mcp_prompt",
            "p",
        ),
        (
            query(&person, Method::ResourcesRead).on(TargetKind::Resource, "note:///a"),
            "user",
            "alice",
            "resources/read",
            "mcp_resource",
            "note:///a",
        ),
        (
            query(&person, Method::CompletionComplete)
                .on(TargetKind::ResourceTemplate, "note:///{id}"),
            "user",
            "alice",
            "completion/complete",
            "mcp_resource_template",
            "note:///{id}",
        ),
        (
            query(&person, Method::LoggingSetLevel),
            "user",
            "alice",
            "logging/setLevel",
            "mcp_server",
            "server",
        ),
    ];
    for (query, kind, id, action, resource, target) in rows {
        ask(&authzen, &query).await;
        let body = point.asked().pop().unwrap().body;
        assert_eq!(body["subject"]["type"], kind);
        assert_eq!(body["subject"]["id"], id);
        assert_eq!(body["action"]["name"], action);
        assert_eq!(body["resource"], value!({ "type": resource, "id": target }));
    }
}

#[tokio::test]
async fn nobody_is_asked_about_whom_it_cannot_know() {
    let point = Point::new(|_| json(r#"{"decision":true}"#)).await;
    let authzen = builder(&point).bare_subjects_of(ISSUER).build().unwrap();
    let anonymous = Caller::Anonymous(AnonymousReason::NoCredentials);
    let stranger = verified(Principal::builder("https://other.example", "alice").build());
    let known = verified(alice());
    let task = Query::new(&known, Version::V2025_11_25, Method::TasksGet).on(TargetKind::Task, "1");
    for query in [call(&anonymous, "ok"), call(&stranger, "ok"), task] {
        assert_eq!(ask(&authzen, &query).await, Decision::default_deny());
        assert_eq!(authzen.authorize_list(&[query]).await, [Decision::default_deny()]);
    }
    assert_eq!(point.count(), 0);
}

/// R-217.
#[tokio::test]
async fn a_list_takes_few_requests() {
    let point = Point::new(by_name).await;
    let caller = verified(alice());
    let tools: Vec<_> =
        (0..120).map(|n| if n % 3 == 0 { format!("ok{n}") } else { format!("no{n}") }).collect();
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    let expected: Vec<_> = (0..120).map(|n| if n % 3 == 0 { yes() } else { no() }).collect();
    for (batch, requests) in [(50, 3), (1000, 1), (0, 120)] {
        let before = point.count();
        let authzen = builder(&point).batch_size(batch).build().unwrap();
        assert_eq!(list(&authzen, &caller, &tools).await, expected, "{batch}");
        assert_eq!(point.count() - before, requests, "{batch}");
    }
    let first = &point.asked()[0].body;
    assert_eq!(first["options"], value!({ "evaluations_semantic": "execute_all" }));
    assert_eq!(first["subject"]["id"], "https://id.example.com|alice");
    let one = value!({
        "action": { "name": "tools/call" },
        "resource": { "type": "mcp_tool", "id": "ok0" },
        "context": { "mcp_version": "2026-07-28" },
    });
    assert_eq!(first["evaluations"][0], one);
}

/// However long a list is, calls of others get their turn, and nothing of the list is lost.
#[tokio::test]
async fn a_long_list_leaves_room_for_calls() {
    for batch in [0, 2] {
        let point = Point::held(by_name).await;
        let settings =
            DecisionPoint::new(&point.url).max_in_flight(4).timeout(Duration::from_secs(30));
        let authzen = AuthZen::builder(settings).batch_size(batch).build().unwrap();
        let tools: Vec<String> = (0..300).map(|n| format!("ok{n}")).collect();
        let listing = {
            let authzen = authzen.clone();
            tokio::spawn(async move {
                let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
                list(&authzen, &verified(alice()), &tools).await
            })
        };
        point.wait_for(2).await;
        let calling = {
            let authzen = authzen.clone();
            tokio::spawn(async move {
                let caller = verified(Principal::builder(ISSUER, "bob").build());
                ask(&authzen, &call(&caller, "ok call")).await
            })
        };
        point.wait_for(3).await;
        let last = point.asked().pop().unwrap();
        assert_eq!(last.body["resource"]["id"], "ok call", "half of the places are for calls");
        point.release();
        assert_eq!(calling.await.unwrap(), yes());
        assert_eq!(listing.await.unwrap(), vec![yes(); 300], "{batch}: more than may wait");
    }
}

/// A question asked after all was forgotten does not get the answer to one asked before.
#[tokio::test]
async fn forgetting_counts_for_questions_under_way() {
    let point = Point::held(by_name).await;
    let authzen = AuthZen::builder(DecisionPoint::new(&point.url)).build().unwrap();
    let asking = || {
        let authzen = authzen.clone();
        tokio::spawn(async move { ask(&authzen, &call(&verified(alice()), "ok")).await })
    };
    let first = asking();
    point.wait_for(1).await;
    authzen.forget();
    let second = asking();
    point.wait_for(2).await;
    point.release();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (yes(), yes()));
    assert_eq!(ask(&authzen, &call(&verified(alice()), "ok")).await, yes());
    assert_eq!(point.count(), 2, "the later answer is remembered");
}

/// What is visible is callable: the question of a list is that of a call (R-203).
#[tokio::test]
async fn a_list_and_a_call_share_their_answers() {
    let point = Point::new(by_name).await;
    let authzen = AuthZen::builder(DecisionPoint::new(&point.url)).build().unwrap();
    let caller = verified(alice());
    assert_eq!(list(&authzen, &caller, &["ok", "no"]).await, [yes(), no()]);
    assert_eq!(ask(&authzen, &call(&caller, "ok")).await, yes());
    assert_eq!(ask(&authzen, &call(&caller, "no")).await, no());
    assert_eq!(list(&authzen, &caller, &["no", "ok"]).await, [no(), yes()]);
    assert_eq!(point.count(), 1);
}

#[tokio::test]
async fn arguments_are_sent_when_asked_for() {
    let point = Point::new(by_name).await;
    let authzen = builder(&point).send_argument("path").send_argument("absent").build().unwrap();
    let caller = verified(alice());
    let arguments = Arguments::new(Bytes::from_static(br#"{"path":["a",1.5],"secret":"s"}"#));
    ask(&authzen, &call(&caller, "ok").with_arguments(&arguments)).await;
    ask(&authzen, &call(&caller, "ok")).await;
    ask(&authzen, &call(&caller, "ok").in_a_list()).await;
    let contexts: Vec<_> =
        point.asked().iter().map(|asked| asked.body["context"].clone()).collect();
    let context = |arguments: Value, listing: bool| value!({ "mcp_version": "2026-07-28", "arguments": arguments, "listing": listing });
    let expected = [
        context(value!({ "path": ["a", 1.5] }), false),
        context(value!({}), false),
        context(value!({}), true),
    ];
    assert_eq!(contexts, expected);
    let broken = Arguments::new(Bytes::from_static(b"[]"));
    let decision = ask(&authzen, &call(&caller, "ok").with_arguments(&broken)).await;
    assert_eq!(decision, Decision::default_deny());
}

#[tokio::test]
async fn an_argument_that_passes_for_one_that_is_sent_is_a_denial() {
    let point = Point::new(by_name).await;
    let authzen = builder(&point).send_argument("path").build().unwrap();
    let caller = verified(alice());
    let rows = [
        (r#"{"path":"/docs/a","paths":"/b"}"#, yes(), 1),
        (r#"{"path":"/docs/a","Path":"/etc/shadow"}"#, Decision::default_deny(), 1),
        (r#"{"Path":"/etc/shadow"}"#, Decision::default_deny(), 1),
        (r#"{"path":"/docs/a","__proto__":{"path":"/etc"}}"#, Decision::default_deny(), 1),
        (r#"{"other":1}"#, yes(), 2),
    ];
    for (arguments, expected, asked) in rows {
        let sent = Arguments::new(Bytes::from_static(arguments.as_bytes()));
        let decision = ask(&authzen, &call(&caller, "ok").with_arguments(&sent)).await;
        assert_eq!((decision, point.count()), (expected, asked), "{arguments}");
    }
    let none = builder(&point).build().unwrap();
    let sent = Arguments::new(Bytes::from_static(br#"{"Path":1}"#));
    assert_eq!(ask(&none, &call(&caller, "ok").with_arguments(&sent)).await, yes());
}

/// R-217.
#[tokio::test]
async fn whatever_goes_wrong_is_a_denial() {
    let body = |status, kind: &str, body: &str| Reply {
        status,
        headers: vec![("content-type", kind.into())],
        body: body.into(),
    };
    let ok = r#"{"decision":true}"#;
    let mut encoded = json(ok);
    encoded.headers.push(("content-encoding", "br".into()));
    let mut moved = body(307, "application/json", ok);
    moved.headers.push(("location", "/access/v1/other".into()));
    let rows = [
        ("an error of the decision point", body(500, "application/json", ok)),
        ("our credential is refused", body(401, "application/json", ok)),
        ("created", body(201, "application/json", ok)),
        ("moved", moved),
        ("a page", body(200, "text/html", ok)),
        ("compressed", encoded),
        ("nothing", json("")),
        ("garbage", json("{")),
        ("two documents", json(format!("{ok}{ok}"))),
        ("a string", json(r#"{"decision":"true"}"#)),
        ("a number", json(r#"{"decision":1}"#)),
        ("null", json(r#"{"decision":null}"#)),
        ("no decision", json(r#"{"allowed":true}"#)),
        ("another case", json(r#"{"Decision":true}"#)),
        ("two decisions", json(r#"{"decision":false,"decision":true}"#)),
        ("an answer to many", json(r#"{"evaluations":[{"decision":true}]}"#)),
        ("too large", json(format!("{}{ok}", " ".repeat(1024 * 1024)))),
    ];
    for (name, reply) in rows {
        let point = Point::new(move |_| reply.clone()).await;
        let authzen = AuthZen::builder(DecisionPoint::new(&point.url)).build().unwrap();
        let caller = verified(alice());
        for _ in 0..2 {
            let decision = ask(&authzen, &call(&caller, "ok")).await;
            assert_eq!(decision, Decision::unavailable(), "{name}");
        }
        assert_eq!(point.count(), 2, "{name}: errors are not remembered, moves not followed");
    }
}

#[tokio::test]
async fn whatever_goes_wrong_with_a_list_hides_it() {
    let one = r#"{"decision":true}"#;
    let rows = [
        ("too few", format!(r#"{{"evaluations":[{one}]}}"#)),
        ("too many", format!(r#"{{"evaluations":[{one},{one},{one}]}}"#)),
        ("none", r#"{"evaluations":[]}"#.into()),
        ("one without a decision", format!(r#"{{"evaluations":[{one},{{}}]}}"#)),
        ("one of another type", format!(r#"{{"evaluations":[{one},{{"decision":1}}]}}"#)),
        ("null", format!(r#"{{"evaluations":[{one},null]}}"#)),
        ("two arrays", format!(r#"{{"evaluations":[],"evaluations":[{one},{one}]}}"#)),
        ("an object", format!(r#"{{"evaluations":{{"0":{one},"1":{one}}}}}"#)),
        ("an answer to one", one.into()),
        ("garbage", "yes".into()),
    ];
    for (name, reply) in rows {
        let point = Point::new(move |_| json(reply.clone())).await;
        let authzen = builder(&point).build().unwrap();
        let decisions = list(&authzen, &verified(alice()), &["ok1", "ok2"]).await;
        assert_eq!(decisions, [Decision::unavailable(), Decision::unavailable()], "{name}");
    }
}

#[tokio::test]
async fn one_request_that_fails_hides_only_its_part() {
    let point = Point::new(|asked| {
        let first = asked.body["evaluations"][0]["resource"]["id"] == "ok2";
        if first {
            Reply { status: 503, headers: vec![], body: String::new() }
        } else {
            by_name(asked)
        }
    })
    .await;
    let authzen = builder(&point).batch_size(2).build().unwrap();
    let decisions = list(&authzen, &verified(alice()), &["ok0", "no1", "ok2", "ok3", "ok4"]).await;
    let gone = Decision::unavailable;
    assert_eq!(decisions, [yes(), no(), gone(), gone(), yes()]);
}

#[tokio::test]
async fn no_answer_in_time_and_no_connection_are_denials() {
    let silent = Point::held(by_name).await;
    let nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for url in [&silent.url, &nobody] {
        let settings = DecisionPoint::new(url).timeout(Duration::from_millis(50));
        let authzen = AuthZen::builder(settings).build().unwrap();
        let caller = verified(alice());
        assert_eq!(ask(&authzen, &call(&caller, "ok")).await, Decision::unavailable());
        assert_eq!(list(&authzen, &caller, &["ok"]).await, [Decision::unavailable()]);
    }
}

#[tokio::test]
async fn answers_are_remembered_for_a_while() {
    let point = Point::new(by_name).await;
    let (clock, hand) = Clock::manual(1_000);
    let settings = DecisionPoint::new(&point.url).clock(clock);
    let authzen = AuthZen::builder(settings).build().unwrap();
    let caller = verified(alice());
    let same = verified(Principal::builder(ISSUER, "alice").client_id("x").build());
    let ending =
        verified(Principal::builder(ISSUER, "bob").expires_at(Duration::from_secs(1_004)).build());
    let mut asked = 0;
    let mut step = async |name: &str, caller: &Caller, tool: &str, requests: usize| {
        let expected = if tool == "ok" { yes() } else { no() };
        assert_eq!(ask(&authzen, &call(caller, tool)).await, expected, "{name}");
        asked += requests;
        assert_eq!(point.count(), asked, "{name}");
    };
    step("first", &caller, "ok", 1).await;
    step("again", &caller, "ok", 0).await;
    step("a denial", &caller, "no", 1).await;
    step("a denial again", &caller, "no", 0).await;
    step("another token of the same caller", &same, "ok", 1).await;
    step("a token that ends soon", &ending, "ok", 1).await;
    hand.advance(Duration::from_millis(4_000));
    step("it has ended", &ending, "ok", 1).await;
    step("it has ended, again", &ending, "ok", 1).await;
    step("almost over", &caller, "ok", 0).await;
    hand.advance(Duration::from_millis(1_000));
    step("over", &caller, "ok", 1).await;
    step("a denial is over", &caller, "no", 1).await;
    authzen.forget();
    step("forgotten", &caller, "ok", 1).await;
}

/// An answer is as old as its question, however long it was on its way (R-219).
#[tokio::test]
async fn answers_count_from_when_they_were_asked_for() {
    for together in [false, true] {
        let point = Point::held(by_name).await;
        let (clock, hand) = Clock::manual(1_000);
        let settings = DecisionPoint::new(&point.url).clock(clock).timeout(Duration::from_secs(30));
        let authzen = AuthZen::builder(settings).build().unwrap();
        let first = {
            let authzen = authzen.clone();
            tokio::spawn(async move {
                let caller = verified(alice());
                match together {
                    true => list(&authzen, &caller, &["ok", "no"]).await,
                    false => vec![ask(&authzen, &call(&caller, "ok")).await],
                }
            })
        };
        point.wait_for(1).await;
        hand.advance(Duration::from_secs(4));
        point.release();
        assert_eq!(first.await.unwrap()[0], yes());
        let caller = verified(alice());
        assert_eq!(ask(&authzen, &call(&caller, "ok")).await, yes());
        assert_eq!(point.count(), 1, "{together}: remembered");
        hand.advance(Duration::from_secs(1));
        assert_eq!(ask(&authzen, &call(&caller, "ok")).await, yes());
        assert_eq!(point.count(), 2, "{together}: over");
    }
}

/// What all was forgotten during is forgotten too, of a list as of a call.
#[tokio::test]
async fn a_list_under_way_is_forgotten() {
    let point = Point::held(by_name).await;
    let authzen = AuthZen::builder(DecisionPoint::new(&point.url)).build().unwrap();
    let first = {
        let authzen = authzen.clone();
        tokio::spawn(async move { list(&authzen, &verified(alice()), &["ok", "no"]).await })
    };
    point.wait_for(1).await;
    authzen.forget();
    point.release();
    assert_eq!(first.await.unwrap(), [yes(), no()]);
    assert_eq!(ask(&authzen, &call(&verified(alice()), "ok")).await, yes());
    assert_eq!(point.count(), 2);
}

#[tokio::test]
async fn equal_questions_are_asked_once() {
    let point = Point::held(by_name).await;
    let authzen = builder(&point).build().unwrap();
    let start = |tool: &'static str| {
        let authzen = authzen.clone();
        tokio::spawn(async move { ask(&authzen, &call(&verified(alice()), tool)).await })
    };
    let first = start("ok");
    point.wait_for(1).await;
    let more: Vec<_> = (0..10).map(|_| start("ok")).collect();
    let other = start("no");
    point.wait_for(2).await;
    // Whoever asked first may go away.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    point.release();
    for one in more {
        assert_eq!(one.await.unwrap(), yes());
    }
    assert_eq!(other.await.unwrap(), no());
    assert_eq!(point.count(), 2);
    assert_eq!(start("ok").await.unwrap(), yes());
    assert_eq!(point.count(), 3, "nothing was to be remembered");
}

#[tokio::test]
async fn questions_under_way_are_limited() {
    let point = Point::held(by_name).await;
    let settings = DecisionPoint::new(&point.url).max_in_flight(1).cache_for(Duration::ZERO);
    let authzen = AuthZen::builder(settings).build().unwrap();
    let open = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let (authzen, open) = (authzen.clone(), Arc::clone(&open));
            tokio::spawn(async move {
                open.fetch_add(1, Ordering::Relaxed);
                ask(&authzen, &call(&verified(alice()), &format!("ok{n}"))).await
            })
        })
        .collect();
    while open.load(Ordering::Relaxed) < 8 {
        tokio::task::yield_now().await;
    }
    point.wait_for(1).await;
    let caller = verified(alice());
    assert_eq!(ask(&authzen, &call(&caller, "ok8")).await, Decision::unavailable());
    assert_eq!(point.count(), 1, "one at a time");
    point.release();
    for task in tasks {
        assert_eq!(task.await.unwrap(), yes());
    }
    assert_eq!(ask(&authzen, &call(&caller, "ok8")).await, yes());
}

#[test]
fn settings_that_cannot_be_honoured() {
    let point = || DecisionPoint::new("https://pdp.example.com");
    let seconds = Duration::from_secs;
    let rows = [
        ("as it is", point(), true),
        ("no scheme", DecisionPoint::new("pdp.example.com"), false),
        ("plain", DecisionPoint::new("http://pdp.example.com"), false),
        ("plain, told so", DecisionPoint::new("http://pdp.example.com").danger_plain_http(), true),
        ("no time", point().timeout(Duration::ZERO), false),
        ("30 seconds", point().timeout(seconds(30)), true),
        ("31 seconds", point().timeout(seconds(31)), false),
        ("60 seconds", point().cache_for(seconds(60)), true),
        ("61 seconds", point().cache_for(seconds(61)), false),
        ("none at once", point().max_in_flight(0), false),
        ("an empty credential", point().bearer_token(""), false),
        ("two lines", point().bearer_token("a\r\nb: c"), false),
    ];
    for (name, point, expected) in rows {
        let built = AuthZen::builder(point).build();
        assert_eq!(built.is_ok(), expected, "{name}: {:?}", built.err());
    }
    assert!(AuthZen::builder(point()).batch_size(1001).build().is_err());
    assert!(AuthZen::builder(point()).name("").build().is_err());
    assert!(AuthZen::builder(point()).paths("a b", "c").build().is_err());
}

#[test]
fn the_credential_is_never_shown() {
    let builder = AuthZen::builder(DecisionPoint::new("https://a.example").bearer_token("s3cret"));
    assert!(!format!("{builder:?}").contains("s3cret"));
    assert!(!format!("{:?}", builder.build().unwrap()).contains("s3cret"));
    let refused = AuthZen::builder(DecisionPoint::new("https://a.example").bearer_token("s3 cret"));
    assert!(!format!("{:?}", refused.build().unwrap_err()).contains("s3"));
}

#[tokio::test]
async fn endpoints_are_discovered() {
    type Metadata = fn(&str) -> Value;
    let rows: [(&str, Metadata, bool, &str); 10] = [
        (
            "both",
            |me| value!({ "policy_decision_point": format!("{me}/pdp"), "access_evaluation_endpoint": format!("{me}/one"), "access_evaluations_endpoint": format!("{me}/many"), "x": 1 }),
            true,
            "/many",
        ),
        (
            "one",
            |me| value!({ "policy_decision_point": format!("{me}/pdp"), "access_evaluation_endpoint": format!("{me}/one") }),
            true,
            "/one",
        ),
        (
            "another point",
            |me| value!({ "policy_decision_point": format!("{me}/other"), "access_evaluation_endpoint": format!("{me}/one") }),
            false,
            "",
        ),
        (
            "a slash more",
            |me| value!({ "policy_decision_point": format!("{me}/pdp/"), "access_evaluation_endpoint": format!("{me}/one") }),
            false,
            "",
        ),
        ("no point", |me| value!({ "access_evaluation_endpoint": format!("{me}/one") }), false, ""),
        ("no endpoint", |me| value!({ "policy_decision_point": format!("{me}/pdp") }), false, ""),
        (
            "an endpoint elsewhere",
            |me| value!({ "policy_decision_point": format!("{me}/pdp"), "access_evaluation_endpoint": "http://127.0.0.1:1/one" }),
            false,
            "",
        ),
        (
            "the other one elsewhere",
            |me| value!({ "policy_decision_point": format!("{me}/pdp"), "access_evaluation_endpoint": format!("{me}/one"), "access_evaluations_endpoint": "https://evil.example/many" }),
            false,
            "",
        ),
        (
            "no URL",
            |me| value!({ "policy_decision_point": format!("{me}/pdp"), "access_evaluation_endpoint": "/one" }),
            false,
            "",
        ),
        ("not an object", |_| value!([]), false, ""),
    ];
    for (name, metadata, usable, lists) in rows {
        let point = Point::new(move |asked| {
            let me = format!("http://{}", asked.headers["host"].to_str().unwrap());
            match asked.path.as_str() {
                "/.well-known/authzen-configuration/pdp" => json(metadata(&me).to_string()),
                "/one" => json(r#"{"decision":true}"#),
                "/many" => json(r#"{"evaluations":[{"decision":true},{"decision":true}]}"#),
                path => panic!("{path}"),
            }
        })
        .await;
        let settings = DecisionPoint::new(format!("{}/pdp", point.url)).bearer_token("s3cret");
        let built = AuthZen::builder(settings).discover().await;
        assert_eq!(built.is_ok(), usable, "{name}: {built:?}");
        let Ok(authzen) = built else { continue };
        let caller = verified(alice());
        assert_eq!(ask(&authzen, &call(&caller, "x")).await, yes(), "{name}");
        assert_eq!(list(&authzen, &caller, &["a", "b"]).await, [yes(), yes()], "{name}");
        let asked = point.asked();
        assert_eq!(asked[1].path, "/one", "{name}");
        assert_eq!(asked[2].path, lists, "{name}");
        assert!(asked.iter().all(|asked| asked.headers["authorization"] == "Bearer s3cret"));
    }
}

#[tokio::test]
async fn metadata_that_cannot_be_read_are_an_error() {
    let reply = |status, content_type: &str, body: &str| Reply {
        status,
        headers: vec![("content-type", content_type.to_owned())],
        body: body.to_owned(),
    };
    let rows = [
        ("status", reply(404, "application/json", "{}")),
        ("redirect", Reply { headers: vec![("location", "/x".into())], ..reply(302, "", "") }),
        ("content type", reply(200, "text/html", "{}")),
        ("not JSON", reply(200, "application/json", "{")),
    ];
    for (name, reply) in rows {
        let point = Point::new(move |_| reply.clone()).await;
        assert!(builder(&point).discover().await.is_err(), "{name}");
    }
    let silent = Point::held(|_| json("{}")).await;
    let settings = DecisionPoint::new(&silent.url).timeout(Duration::from_millis(20));
    assert!(AuthZen::builder(settings).discover().await.is_err(), "no answer");
}
