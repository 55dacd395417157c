//! OpenFGA, as a server over HTTP sees it.
#![cfg(feature = "openfga")]
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

use std::time::Duration;

use point::{Asked, ISSUER, Point, Reply, alice, ask, call, json, list, verified};
use portcullis_core::{AnonymousReason, Caller, Clock, Method, Principal, TargetKind, Version};
use portcullis_engines::{DecisionPoint, OpenFga, OpenFgaBuilder};
use portcullis_rbac::{Authorizer as _, Decision, Query};
use serde_json::{Map, Value, json as value};

const STORE: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const MODEL: &str = "01BX5ZZKBKACTAV9WEVGEMMVRZ";

fn builder(point: &Point) -> OpenFgaBuilder {
    OpenFga::builder(DecisionPoint::new(&point.url).cache_for(Duration::ZERO), STORE, MODEL)
}

fn yes() -> Decision {
    Decision::allow("openfga")
}

fn no() -> Decision {
    Decision::deny("openfga")
}

/// Answers both endpoints: yes to objects with `ok` in them, the last first.
fn by_name(asked: &Asked) -> Reply {
    let allowed = |check: &Value| check["tuple_key"]["object"].as_str().unwrap().contains("ok");
    let path = asked.path.strip_prefix(&format!("/stores/{STORE}/")).unwrap();
    match path {
        "check" => json(value!({ "allowed": allowed(&asked.body), "resolution": "" }).to_string()),
        "batch-check" => {
            let checks = asked.body["checks"].as_array().unwrap().iter().rev();
            let result: Map<String, Value> = checks
                .map(|check| {
                    let id = check["correlation_id"].as_str().unwrap();
                    (id.to_owned(), value!({ "allowed": allowed(check) }))
                })
                .collect();
            json(value!({ "result": result }).to_string())
        }
        path => panic!("{path}"),
    }
}

#[tokio::test]
async fn one_question() {
    let point = Point::new(by_name).await;
    let fga = builder(&point).groups("group", "member").build().unwrap();
    let caller = verified(Principal::builder(ISSUER, "alice").group("it admins").build());
    assert_eq!(ask(&fga, &call(&caller, "ok").of_server("a/b")).await, yes());
    assert_eq!(ask(&fga, &call(&caller, "other")).await, no());
    let user = "user:https%3A//id.example.com|alice";
    let expected = value!({
        "tuple_key": { "user": user, "relation": "can_call", "object": "tool:a%2Fb/ok" },
        "contextual_tuples": { "tuple_keys": [{
            "user": user,
            "relation": "member",
            "object": "group:https%3A//id.example.com|it%20admins",
        }] },
        "authorization_model_id": MODEL,
        "consistency": "MINIMIZE_LATENCY",
    });
    assert_eq!(point.asked()[0].body, expected);
    assert_eq!(fga.version().as_str(), format!("openfga@{MODEL}"));
}

/// R-216.
#[tokio::test]
async fn calls_as_tasks() {
    let point = Point::new(|asked| {
        let allowed = asked.body["tuple_key"]["relation"] == "can_call";
        json(value!({ "allowed": allowed }).to_string())
    })
    .await;
    let caller = verified(alice());
    let (both, silent) = (builder(&point).decide_tasks("can_begin"), builder(&point));
    for (fga, decides) in [(both.build().unwrap(), true), (silent.build().unwrap(), false)] {
        assert_eq!(fga.decides_tasks(), decides);
        assert_eq!(ask(&fga, &call(&caller, "t")).await, yes());
        let as_task = ask(&fga, &call(&caller, "t").as_task()).await;
        assert_eq!(as_task, if decides { no() } else { yes() });
    }
    let key = |n: usize| point.asked()[n].body["tuple_key"].clone();
    let relations: Vec<_> = (0..4).map(|n| key(n)["relation"].clone()).collect();
    assert_eq!(relations, ["can_call", "can_begin", "can_call", "can_call"]);
    assert_eq!(key(1)["object"], key(0)["object"]);
    assert!(builder(&point).decide_tasks("a b").build().is_err(), "no relation");
}

#[tokio::test]
async fn what_a_question_is_about() {
    let point = Point::new(by_name).await;
    let fga = builder(&point)
        .bare_subjects_of(ISSUER)
        .higher_consistency()
        .target(TargetKind::Prompt, "template", "user")
        .build()
        .unwrap();
    let person = verified(alice());
    let job = verified(Principal::builder(ISSUER, "*").client_only().build());
    let query = |caller, method| Query::new(caller, Version::V2025_06_18, method);
    let rows = [
        (call(&person, "*"), "user:alice", "can_call", "tool:%2A"),
        (
            query(&job, Method::PromptsGet).on(TargetKind::Prompt, "p"),
            "client:%2A",
            "user",
            "template:p",
        ),
        (
            query(&person, Method::ResourcesRead).on(TargetKind::Resource, "note:///a#b"),
            "user:alice",
            "can_read",
            "resource:note%3A///a%23b",
        ),
        (
            query(&person, Method::CompletionComplete).on(TargetKind::ResourceTemplate, "n:{id}"),
            "user:alice",
            "can_read",
            "resource_template:n%3A%7Bid%7D",
        ),
        (
            query(&person, Method::LoggingSetLevel).of_server("notes"),
            "user:alice",
            "can_use",
            "server:notes",
        ),
    ];
    for (query, user, relation, object) in rows {
        ask(&fga, &query).await;
        let body = point.asked().pop().unwrap().body;
        let tuple = value!({ "user": user, "relation": relation, "object": object });
        assert_eq!(body["tuple_key"], tuple);
        assert_eq!(body["consistency"], "HIGHER_CONSISTENCY");
        assert!(body.get("contextual_tuples").is_none());
    }
}

#[tokio::test]
async fn nobody_is_asked_about_whom_it_cannot_know() {
    let point = Point::new(|_| json(r#"{"allowed":true}"#)).await;
    let fga = builder(&point).bare_subjects_of(ISSUER).groups("group", "member").build().unwrap();
    let principal = || Principal::builder(ISSUER, "alice");
    let many = (0..101).map(|n| n.to_string()).collect();
    let callers = [
        ("anonymous", Caller::Anonymous(AnonymousReason::NoCredentials)),
        ("a stranger", verified(Principal::builder("https://b.example", "alice").build())),
        ("no name", verified(Principal::builder(ISSUER, "").build())),
        ("a long name", verified(Principal::builder(ISSUER, "a".repeat(508)).build())),
        ("groups unknown", verified(principal().groups_unknown().build())),
        ("too many groups", verified(principal().groups(many).build())),
        ("a nameless group", verified(principal().group("").build())),
        ("a long group", verified(principal().group("g".repeat(251)).build())),
    ];
    for (name, caller) in &callers {
        assert_eq!(ask(&fga, &call(caller, "ok")).await, Decision::default_deny(), "{name}");
        assert_eq!(list(&fga, caller, &["ok"]).await, [Decision::default_deny()], "{name}");
    }
    let known = verified(alice());
    let task = Query::new(&known, Version::V2025_11_25, Method::TasksGet);
    let long = "t".repeat(252);
    let queries = [
        ("a task", task.on(TargetKind::Task, "1")),
        ("no server", Query::new(&known, Version::V2025_11_25, Method::LoggingSetLevel)),
        ("no tool", call(&known, "")),
        ("a long tool", call(&known, &long)),
    ];
    for (name, query) in queries {
        assert_eq!(ask(&fga, &query).await, Decision::default_deny(), "{name}");
    }
    assert_eq!(point.count(), 0);
    let caller =
        verified(Principal::builder(ISSUER, "a".repeat(507)).group("g".repeat(250)).build());
    assert_eq!(
        ask(&fga, &call(&caller, long.strip_prefix("t").unwrap())).await,
        yes(),
        "just short enough"
    );
}

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
        let fga = builder(&point).batch_size(batch).build().unwrap();
        assert_eq!(list(&fga, &caller, &tools).await, expected, "{batch}");
        assert_eq!(point.count() - before, requests, "{batch}");
    }
    let first = &point.asked()[0].body;
    assert_eq!(first["authorization_model_id"], MODEL);
    let one = value!({
        "tuple_key": {
            "user": "user:https%3A//id.example.com|alice",
            "relation": "can_call",
            "object": "tool:ok0",
        },
        "correlation_id": "0",
    });
    assert_eq!(first["checks"][0], one);
}

#[tokio::test]
async fn a_list_and_a_call_share_their_answers() {
    let point = Point::new(by_name).await;
    let fga = OpenFga::builder(DecisionPoint::new(&point.url), STORE, MODEL).build().unwrap();
    let caller = verified(alice());
    assert_eq!(list(&fga, &caller, &["ok", "no"]).await, [yes(), no()]);
    assert_eq!(ask(&fga, &call(&caller, "ok")).await, yes());
    assert_eq!(ask(&fga, &call(&caller, "no")).await, no());
    assert_eq!(point.count(), 1);
    fga.forget();
    assert_eq!(ask(&fga, &call(&caller, "ok")).await, yes());
    assert_eq!(point.count(), 2);
}

#[tokio::test]
async fn whatever_is_not_a_yes_is_a_denial() {
    let gone = Decision::unavailable;
    let rows = [
        ("nothing", "{}", gone()),
        ("a string", r#"{"allowed":"true"}"#, gone()),
        ("null", r#"{"allowed":null}"#, gone()),
        ("twice", r#"{"allowed":false,"allowed":true}"#, gone()),
        ("of a list", r#"{"result":{"0":{"allowed":true}}}"#, gone()),
        ("of AuthZEN", r#"{"decision":true}"#, gone()),
        ("no", r#"{"allowed":false}"#, no()),
        ("yes", r#"{"allowed":true,"resolution":""}"#, yes()),
    ];
    for (name, reply, expected) in rows {
        let point = Point::new(move |_| json(reply)).await;
        let fga = builder(&point).build().unwrap();
        assert_eq!(ask(&fga, &call(&verified(alice()), "ok")).await, expected, "{name}");
    }
    let rows = [
        ("nothing", "{}", [gone(), gone()]),
        ("none", r#"{"result":{}}"#, [gone(), gone()]),
        ("an array", r#"{"result":[{"allowed":true},{"allowed":true}]}"#, [gone(), gone()]),
        ("a part", r#"{"result":{"1":{"allowed":true}}}"#, [gone(), yes()]),
        (
            "other numbers",
            r#"{"result":{"00":{"allowed":true},"2":{"allowed":true}}}"#,
            [gone(), gone()],
        ),
        (
            "an error of one",
            r#"{"result":{"0":{"allowed":true,"error":{"input_error":"x"}},"1":{"allowed":true}}}"#,
            [gone(), yes()],
        ),
        ("an empty one", r#"{"result":{"0":{},"1":{"allowed":false}}}"#, [gone(), no()]),
        (
            "another type",
            r#"{"result":{"0":{"allowed":1},"1":{"allowed":true}}}"#,
            [gone(), gone()],
        ),
    ];
    for (name, reply, expected) in rows {
        let point = Point::new(move |_| json(reply)).await;
        let fga = builder(&point).build().unwrap();
        assert_eq!(list(&fga, &verified(alice()), &["ok1", "ok2"]).await, expected, "{name}");
    }
    let point = Point::new(|_| Reply { status: 400, ..json(r#"{"allowed":true}"#) }).await;
    let fga = builder(&point).build().unwrap();
    assert_eq!(ask(&fga, &call(&verified(alice()), "ok")).await, gone(), "a status");
}

/// Answers `ListObjects` with the tools that start with `ok`, `most` of them; and checks as usual.
fn with_lists(most: usize) -> impl Fn(&point::Asked) -> Reply + Send + Sync + 'static {
    move |asked| {
        if !asked.path.ends_with("/list-objects") {
            return by_name(asked);
        }
        let objects: Vec<_> = (0..200).step_by(10).map(|n| format!("tool:ok{n}")).collect();
        let objects: Vec<_> = objects.into_iter().chain(["tool:ok-elsewhere".into()]).collect();
        json(value!({ "objects": objects[..objects.len().min(most)] }).to_string())
    }
}

/// 200 tools, of which each tenth is allowed.
fn many() -> (Vec<String>, Vec<Decision>) {
    let allowed = |n: &usize| n.is_multiple_of(10);
    let name = |n| if allowed(&n) { format!("ok{n}") } else { format!("no{n}") };
    let decision = |n| if allowed(&n) { yes() } else { no() };
    ((0..200).map(name).collect(), (0..200).map(decision).collect())
}

/// What a list shows is what can be called, whether the server cuts its answer or not (R-203).
#[tokio::test]
async fn long_lists_are_asked_for_at_once() {
    let caller = verified(Principal::builder(ISSUER, "alice").group("staff").build());
    let (tools, expected) = many();
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    let three = Duration::from_secs(3);
    // What the server cuts at, what we think it does, the size of batches; the requests of each kind.
    let rows = [
        ("a whole answer", 1000, 1000, 50, (1, 0, 0)),
        ("no limit", 1000, 0, 50, (1, 0, 0)),
        ("cut: what is missing is checked", 10, 10, 50, (1, 4, 0)),
        ("nearly cut", 21, 22, 50, (1, 0, 0)),
        ("just cut", 21, 21, 50, (1, 4, 0)),
        ("without batches", 10, 10, 0, (1, 0, 190)),
        ("one batch is enough", 1000, 1000, 200, (0, 1, 0)),
    ];
    for (name, cut, most, batch, requests) in rows {
        let point = Point::new(with_lists(cut)).await;
        let fga = builder(&point).groups("group", "member").batch_size(batch);
        let fga = fga.list_objects(most, three).build().unwrap();
        assert_eq!(list(&fga, &caller, &tools).await, expected, "{name}");
        let count = |path: &str| point.asked().iter().filter(|a| a.path.ends_with(path)).count();
        assert_eq!(
            (count("/list-objects"), count("/batch-check"), count("/check")),
            requests,
            "{name}"
        );
    }
    let point = Point::new(with_lists(1000)).await;
    let fga = builder(&point).groups("group", "member").list_objects(1000, three).build().unwrap();
    list(&fga, &caller, &tools).await;
    let user = "user:https%3A//id.example.com|alice";
    let expected = value!({
        "type": "tool",
        "relation": "can_call",
        "user": user,
        "contextual_tuples": { "tuple_keys": [{
            "user": user,
            "relation": "member",
            "object": "group:https%3A//id.example.com|staff",
        }] },
        "authorization_model_id": MODEL,
        "consistency": "MINIMIZE_LATENCY",
    });
    let asked = &point.asked()[0];
    assert_eq!(asked.path, format!("/stores/{STORE}/list-objects"));
    assert_eq!(asked.body, expected);
}

/// A server with a lower limit than we were told shows less in lists; it takes no call away.
#[tokio::test]
async fn a_cut_answer_that_nobody_notices_hides_and_does_not_deny() {
    let point = Point::new(with_lists(10)).await;
    let fga = OpenFga::builder(DecisionPoint::new(&point.url), STORE, MODEL);
    let fga = fga.list_objects(1000, Duration::from_secs(3)).build().unwrap();
    let caller = verified(alice());
    let (tools, _) = many();
    let names: Vec<&str> = tools.iter().map(String::as_str).collect();
    let shown = list(&fga, &caller, &names).await;
    assert_eq!(shown[90], yes());
    assert_eq!(point.count(), 1);
    assert_eq!(ask(&fga, &call(&caller, "ok90")).await, yes());
    assert_eq!(point.count(), 1, "a yes is remembered");
    assert_eq!(shown[100], no());
    assert_eq!(ask(&fga, &call(&caller, "ok100")).await, yes(), "a no of a list is not");
}

/// What a cut answer leaves open is asked about even where lists have one place only.
#[tokio::test]
async fn a_cut_answer_leaves_its_place() {
    let point = Point::new(with_lists(10)).await;
    let settings = DecisionPoint::new(&point.url).max_in_flight(1).timeout(Duration::from_secs(20));
    let fga = OpenFga::builder(settings, STORE, MODEL);
    let fga = fga.list_objects(10, Duration::ZERO).build().unwrap();
    let (tools, expected) = many();
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    assert_eq!(list(&fga, &verified(alice()), &tools).await, expected);
}

/// An answer is as old as its question (R-219), and forgotten with it.
#[tokio::test]
async fn a_listing_is_as_old_as_its_question() {
    for forgets in [false, true] {
        let point = Point::held(with_lists(1000)).await;
        let (clock, hand) = Clock::manual(1_000);
        let settings = DecisionPoint::new(&point.url).clock(clock).timeout(Duration::from_secs(30));
        let fga = OpenFga::builder(settings, STORE, MODEL);
        let fga = fga.list_objects(1000, Duration::ZERO).build().unwrap();
        let listing = {
            let (fga, (tools, _)) = (fga.clone(), many());
            tokio::spawn(async move {
                let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
                list(&fga, &verified(alice()), &tools).await
            })
        };
        point.wait_for(1).await;
        hand.advance(Duration::from_secs(4));
        if forgets {
            fga.forget();
        }
        point.release();
        assert_eq!(listing.await.unwrap(), many().1);
        let caller = verified(alice());
        let rest = usize::from(forgets);
        assert_eq!(ask(&fga, &call(&caller, "ok0")).await, yes());
        assert_eq!(point.count(), 1 + rest, "{forgets}");
        hand.advance(Duration::from_secs(1));
        assert_eq!(ask(&fga, &call(&caller, "ok10")).await, yes());
        assert_eq!(point.count(), 2 + rest, "{forgets}: over");
    }
}

#[tokio::test]
async fn a_listing_that_is_none_hides_all() {
    let caller = verified(alice());
    let (tools, _) = many();
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    let replies = [
        ("nothing", json("{}")),
        ("a map", json(r#"{"objects":{"tool:ok0":true}}"#)),
        ("twice", json(r#"{"objects":[],"objects":["tool:ok0"]}"#)),
        ("a check", json(r#"{"allowed":true}"#)),
        ("too large", json(format!(r#"{{"objects":["{}"]}}"#, "x".repeat(1024 * 1024)))),
        ("a status", Reply { status: 500, ..json(r#"{"objects":["tool:ok0"]}"#) }),
    ];
    for (name, reply) in replies {
        let point = Point::new(move |_| reply.clone()).await;
        let fga = builder(&point).list_objects(1000, Duration::from_secs(3)).build().unwrap();
        assert_eq!(list(&fga, &caller, &tools).await, vec![Decision::unavailable(); 200], "{name}");
        assert_eq!(point.count(), 1, "{name}");
    }
}

/// Only lists may be answered so: a call, and a call in a batch, are checked.
#[tokio::test]
async fn calls_are_checked_even_together() {
    let point = Point::new(with_lists(1000)).await;
    let fga = builder(&point).batch_size(1).list_objects(1000, Duration::from_secs(3));
    let fga = fga.build().unwrap();
    let caller = verified(alice());
    let calls = ["ok0", "no", "ok9"].map(|tool| call(&caller, tool));
    assert_eq!(fga.authorize_list(&calls).await, [yes(), no(), yes()]);
    assert!(point.asked().iter().all(|asked| asked.path.ends_with("/batch-check")));
    // Different kinds and callers share no listing.
    let bob = verified(Principal::builder(ISSUER, "bob").build());
    let prompt = Query::new(&caller, Version::V2026_07_28, Method::PromptsGet);
    let mixed = [
        call(&caller, "ok0").in_a_list(),
        call(&caller, "ok10").in_a_list(),
        call(&bob, "ok0").in_a_list(),
        prompt.on(TargetKind::Prompt, "ok").in_a_list(),
    ];
    let before = point.count();
    assert_eq!(fga.authorize_list(&mixed).await, [yes(), yes(), yes(), yes()]);
    let asked = point.asked();
    let listings = asked[before..].iter().filter(|a| a.path.ends_with("/list-objects"));
    assert_eq!((listings.count(), asked.len() - before), (1, 3));
}

#[test]
fn settings_that_cannot_be_honoured() {
    let point = || DecisionPoint::new("https://fga.example.com");
    let on = |store: &str, model: &str| OpenFga::builder(point(), store, model);
    let rows = [
        ("as it is", on(STORE, MODEL), true),
        ("no store", on("", MODEL), false),
        ("a path for a store", on("../x", MODEL), false),
        ("no model", on(STORE, ""), false),
        ("quotes in the model", on(STORE, "a\",\"b"), false),
        ("no relation", on(STORE, MODEL).target(TargetKind::Tool, "tool", ""), false),
        ("a set for a type", on(STORE, MODEL).groups("group:x", "member"), false),
        ("a relation too long", on(STORE, MODEL).groups("group", "m".repeat(51)), false),
        ("too many", on(STORE, MODEL).batch_size(1001), false),
        ("a list", on(STORE, MODEL).list_objects(1000, Duration::from_millis(2001)), true),
        ("a list without end", on(STORE, MODEL).list_objects(0, Duration::ZERO), true),
        ("a cut unseen", on(STORE, MODEL).list_objects(1000, Duration::from_secs(2)), false),
        ("plain", OpenFga::builder(DecisionPoint::new("http://a.example"), STORE, MODEL), false),
    ];
    for (name, builder, expected) in rows {
        let built = builder.build();
        assert_eq!(built.is_ok(), expected, "{name}: {:?}", built.err());
    }
}
