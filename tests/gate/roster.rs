//! A gate that keeps a roster, over real sockets.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use portcullis::audit::MemorySink;
use portcullis::rbac::{Rule, Server};
use portcullis::roster::{Block, MemoryStore, PersonId, Roster};
use portcullis::{AuditLayer, Issuer, JwkSet, Policy, Portcullis};
use portcullis_test::Mint;
use tokio::sync::mpsc;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::support::{Ask, ISSUER, RESOURCE, Upstream, h1, serve};

#[tokio::test]
async fn a_gate_counts_people_and_keeps_the_blocked_out_on_record() {
    let roster = Roster::builder(MemoryStore::new()).build().unwrap();
    let (mint, records) = (Mint::es256(ISSUER), MemorySink::new());
    let gate = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .policy(Policy::danger_permit_all())
        .audit(records.clone())
        .roster(roster.clone())
        .build()
        .unwrap();
    let upstream = Upstream::echo();
    let addr = serve(gate.layer(upstream.clone())).await;
    let of = |subject: &str| mint.token().subject(subject).sign();
    let ask = async |token: &str| h1(addr, &Ask::call("get_weather").bearer(token)).await;
    let (alice, bob) = (of("alice"), of("bob"));
    assert_eq!(ask(&alice).await.status, 200);
    assert_eq!(ask(&bob).await.status, 200);
    assert_eq!(h1(addr, &Ask::call("get_weather")).await.status, 401, "as before");

    let id = PersonId::new(ISSUER, "alice");
    roster.block(Block::new(id.clone(), Duration::ZERO).by("carol").note("left")).await.unwrap();
    let refused = ask(&alice).await;
    assert_eq!(refused.status, 403);
    assert!(!refused.headers.contains_key("www-authenticate"));
    assert_eq!(ask(&of("alice")).await.status, 403, "with another token too");
    assert_eq!(ask(&bob).await.status, 200);
    assert_eq!(upstream.count(), 3);
    let person = roster.person(id.clone()).await.unwrap().unwrap();
    assert_eq!((person.requests, person.servers), (1, vec![RESOURCE.to_owned()]));
    assert!(roster.unblock(id).await.unwrap());
    assert_eq!(ask(&alice).await.status, 200);

    assert!(gate.audit().flush().await);
    let lines = records.lines();
    let has =
        |words: &[&str]| lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
    let event = [r#""event":"person.blocked""#, r#""sub":"alice""#, "by carol: left"];
    assert!(has(&event), "{lines:#?}");
    assert!(has(&[r#""event":"person.unblocked""#, r#""about":"alice""#]), "{lines:#?}");
    let decision = [r#""record":"decision""#, r#""reason":"blocked""#, r#""sub":"alice""#];
    assert!(has(&decision), "{lines:#?}");
}

/// An answer whose pieces the test sends.
struct Pieces(mpsc::UnboundedReceiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

#[tokio::test]
async fn a_stream_ends_before_its_blocked_reader_gets_more_of_it() {
    let roster = Roster::builder(MemoryStore::new()).build().unwrap();
    let mint = Mint::es256(ISSUER);
    let gate = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .policy(Policy::danger_permit_all())
        .audit(MemorySink::new())
        .roster(roster.clone())
        .build()
        .unwrap();
    let (pieces, receiver) = mpsc::unbounded_channel();
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let service = gate.layer(service_fn(move |_: Request<_>| {
        let pieces = Pieces(receiver.lock().unwrap().take().unwrap());
        let response = Response::builder().header("content-type", "text/event-stream");
        async move { Ok::<_, Infallible>(response.body(pieces).unwrap()) }
    }));
    let ask = Ask::call("get_weather").bearer(&mint.token().subject("alice").sign());
    let mut request = Request::builder().method(ask.method).uri(ask.path).header("host", ask.host);
    for (name, value) in ask.headers {
        request = request.header(name, value);
    }
    let response = service.oneshot(request.body(Full::new(ask.body)).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let say = |what: &str| {
        let message = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","data":"{what}"}}}}"#
        );
        pieces.send(format!("data: {message}\n\n").into()).unwrap();
    };
    let block = async |subject: &str| {
        let id = PersonId::new(ISSUER, subject);
        roster.block(Block::new(id, Duration::ZERO)).await.unwrap();
    };
    for (what, blocked) in [("one", "bob"), ("two", "alice")] {
        say(what);
        let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(String::from_utf8_lossy(&piece).contains(what), "{piece:?}");
        block(blocked).await;
    }
    say("three");
    assert!(body.frame().await.is_none(), "nothing more of it");
}

#[test]
fn a_layer_and_sinks_beside_it_are_an_error() {
    use portcullis::audit::AuditLayer;

    let mint = Mint::es256(ISSUER);
    let layer = || AuditLayer::builder().sink(MemorySink::new()).build().unwrap();
    let builder = || {
        Portcullis::builder()
            .resource(RESOURCE)
            .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
            .policy(Policy::danger_permit_all())
    };
    let rows = [
        ("a layer", builder().audit_layer(layer()), true),
        ("the last layer", builder().audit_layer(layer()).audit_layer(layer()), true),
        ("sinks", builder().audit(MemorySink::new()).audit(MemorySink::new()), true),
        ("sinks after a layer", builder().audit_layer(layer()).audit(MemorySink::new()), false),
        ("a layer after sinks", builder().audit(MemorySink::new()).audit_layer(layer()), false),
        ("nothing after all", builder().audit_layer(layer()).danger_no_audit(), true),
    ];
    for (name, builder, good) in rows {
        let built = builder.build();
        let part = built.as_ref().err().map(portcullis::BuildError::part);
        assert_eq!(part, if good { None } else { Some("audit") }, "{name}");
    }
}

/// One name, said once: what policy, the roster and records call the server.
#[tokio::test]
async fn a_server_has_one_name() {
    let roster = Roster::builder(MemoryStore::new()).build().unwrap();
    let (mint, records) = (Mint::es256(ISSUER), MemorySink::new());
    let own = AuditLayer::builder().sink(records.clone()).resource(RESOURCE).server("unsaid");
    let policy = Policy::builder()
        .add_server(Server::new("notes"))
        .add_rule(Rule::allow("notes").everyone().servers(["notes"]).tools(["get_*"]))
        .build()
        .unwrap();
    let gate = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .policy(policy)
        .server("notes")
        .upstream("https://user:k3y@notes.internal/mcp?k3y")
        .audit_layer(own.build().unwrap())
        .roster(roster.clone())
        .build()
        .unwrap();
    let addr = serve(gate.layer(Upstream::echo())).await;
    let ask = Ask::call("get_weather").bearer(&mint.token().subject("alice").sign());
    assert_eq!(h1(addr, &ask).await.status, 200, "policy knows the server");
    let person = roster.person(PersonId::new(ISSUER, "alice")).await.unwrap().unwrap();
    assert_eq!(person.servers, ["notes"]);
    assert!(gate.audit().flush().await);
    let lines = records.lines();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines.iter().all(|line| line.contains(r#""server":"notes""#)), "{lines:#?}");
    assert!(lines[0].contains(r#""upstream":"https://notes.internal","#), "{lines:#?}");
}

/// A roster that lets nobody in is no place to send requests to.
#[cfg(feature = "telemetry")]
#[tokio::test]
async fn a_gate_that_lets_nobody_in_is_not_ready() {
    let store = MemoryStore::new();
    let roster = Roster::builder(store.clone())
        .poll_every(Duration::from_millis(100))
        .refuse_when_older_than(Duration::from_millis(200))
        .build()
        .unwrap();
    let mint = Mint::es256(ISSUER);
    let gate = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .policy(Policy::danger_permit_all())
        .audit(MemorySink::new())
        .roster(roster)
        .build()
        .unwrap();
    let telemetry = portcullis::telemetry::Telemetry::new();
    let watch = gate.watched_by(&telemetry, "notes");
    let addr = serve(watch.layer(gate.layer(Upstream::echo()))).await;
    store.fail(true);
    let until = async |ready: bool| {
        while telemetry.readiness().ready != ready {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    until(false).await;
    assert_eq!(telemetry.readiness().reasons[0].code, "blocks_too_old");
    let ask = Ask::call("get_weather").bearer(&mint.token().sign());
    assert_eq!(h1(addr, &ask).await.status, 503);
    store.fail(false);
    until(true).await;
    assert_eq!(h1(addr, &ask).await.status, 200);
}
