//! Requests through the layer, and what replicas tell one another.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use portcullis_core::{
    AnonymousReason, AnonymousTerms, Caller, Challenge, Clock, Principal, Reason,
    RequestFacts as _, ResponseFacts as _,
};
use portcullis_roster::{
    MemoryStore, PostgresStore, Roster, RosterEvent, RosterStore, SqliteStore, UserList,
};
use tokio::sync::mpsc;
use tower::limit::ConcurrencyLimit;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use crate::support::{block, id, seconds};

pub(crate) fn caller(subject: &str) -> Caller {
    let principal = Principal::builder("https://id.example", subject).client_id("ide").group("g");
    Caller::Verified(principal.build().into())
}

fn request(caller: Option<Caller>) -> Request<()> {
    let mut request = Request::new(());
    if let Some(caller) = caller {
        request.set_caller(caller);
    }
    request
}

/// A service that counts its calls.
fn inner(
    calls: &Arc<AtomicUsize>,
) -> impl Service<Request<()>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone
+ use<> {
    let calls = Arc::clone(calls);
    service_fn(move |_: Request<()>| {
        calls.fetch_add(1, Ordering::Relaxed);
        async { Ok(Response::new(Full::from("done"))) }
    })
}

#[tokio::test]
async fn who_is_let_in() {
    let mut store = MemoryStore::new();
    store.block(&block("mallory")).unwrap();
    let roster = Roster::builder(store).build().unwrap();
    let calls = Arc::default();
    let service = roster.layer().server("notes").layer(inner(&calls));

    let mut pass = Request::new(());
    let terms = AnonymousTerms::new(Challenge::without_metadata::<&str>([]).unwrap(), []);
    pass.set_anonymous_pass(terms.pass(Reason::NoToken));
    let anonymous = Caller::Anonymous(AnonymousReason::NoCredentials);
    let rows = [
        ("known", request(Some(caller("alice"))), 200, None),
        ("blocked", request(Some(caller("mallory"))), 403, Some(Reason::Blocked)),
        ("anonymous", request(Some(anonymous)), 200, None),
        ("on a pass", pass, 200, None),
        ("nobody signed in", request(None), 500, Some(Reason::Miswired)),
    ];
    let mut passed = 0;
    for (name, request, status, reason) in rows {
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{name}");
        assert_eq!(response.denial().map(portcullis_core::Denial::reason), reason, "{name}");
        passed += usize::from(reason.is_none());
        assert_eq!(calls.load(Ordering::Relaxed), passed, "{name}");
        if status == 403 {
            assert!(!response.headers().contains_key("www-authenticate"), "no sign-in would help");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(
                body,
                r#"{"jsonrpc":"2.0","error":{"code":-31403,"message":"Forbidden by policy"}}"#
            );
        }
    }
    let people = roster.people(None, 10).await.unwrap();
    assert_eq!(people.len(), 1, "{people:?}");
    assert_eq!((people[0].id.subject(), people[0].requests), ("alice", 1));
    assert_eq!(
        (&people[0].servers[..], &people[0].clients[..]),
        (&["notes".into()][..], &["ide".into()][..])
    );
}

#[tokio::test]
async fn the_service_that_was_ready_is_called() {
    let roster = Roster::builder(MemoryStore::new()).build().unwrap();
    let limited = ConcurrencyLimit::new(inner(&Arc::default()), 1);
    let mut service = roster.layer().layer(limited);
    for _ in 0..3 {
        let response = service.ready().await.unwrap().call(request(Some(caller("alice")))).await;
        assert_eq!(response.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_block_is_in_force_at_once_and_ends_what_is_under_way() {
    let (clock, _) = Clock::manual(1000);
    let roster = Roster::builder(MemoryStore::new()).clock(clock).build().unwrap();
    let (frames, receiver) = mpsc::unbounded_channel::<Result<Frame<Bytes>, Infallible>>();
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let service = roster.layer().layer(service_fn(move |_: Request<()>| {
        let mut receiver = receiver.lock().unwrap().take().unwrap();
        let stream = futures(move |cx| receiver.poll_recv(cx));
        async move { Ok::<_, Infallible>(Response::new(StreamBody::new(stream))) }
    }));
    let mut body = service.oneshot(request(Some(caller("alice")))).await.unwrap().into_body();
    frames.send(Ok(Frame::data("one".into()))).unwrap();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");

    roster.block(block("bob")).await.unwrap();
    frames.send(Ok(Frame::data("two".into()))).unwrap();
    assert!(body.frame().await.is_some(), "somebody else's block");
    roster.block(block("alice")).await.unwrap();
    let service = roster.layer().layer(inner(&Arc::default()));
    let status =
        async |name| service.clone().oneshot(request(Some(caller(name)))).await.unwrap().status();
    assert_eq!(status("alice").await, 403);
    frames.send(Ok(Frame::data("three".into()))).unwrap();
    assert!(body.frame().await.is_none(), "nothing more of it");

    assert!(roster.unblock(id("alice")).await.unwrap());
    assert!(!roster.unblock(id("alice")).await.unwrap());
    assert_eq!(status("alice").await, 200);
    assert_eq!(roster.person(id("alice")).await.unwrap().unwrap().last_seen, seconds(1000));
}

/// A stream of a function that is polled.
fn futures<T>(
    poll: impl FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<T>> + Unpin,
) -> impl futures_core::Stream<Item = T> {
    struct Polled<F>(F);
    impl<T, F> futures_core::Stream for Polled<F>
    where
        F: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<T>> + Unpin,
    {
        type Item = T;

        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<T>> {
            (self.0)(cx)
        }
    }
    Polled(poll)
}

/// Events of a roster, one after the other.
pub(crate) fn events(
    builder: portcullis_roster::RosterBuilder,
) -> (portcullis_roster::RosterBuilder, mpsc::UnboundedReceiver<RosterEvent>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let builder = builder.on_event(move |event| drop(sender.send(event.clone())));
    (builder, receiver)
}

#[tokio::test]
async fn a_store_that_fails_leaves_the_last_list_in_force_and_loses_nobody() {
    let store = MemoryStore::new();
    store.clone().block(&block("mallory")).unwrap();
    let (builder, mut events) = events(Roster::builder(store.clone()));
    let builder = builder.poll_every(Duration::from_millis(100));
    let roster = builder.flush_every(Duration::from_millis(100)).build().unwrap();
    assert!(matches!(events.recv().await, Some(RosterEvent::Blocked(b)) if b == block("mallory")));

    store.fail(true);
    assert!(matches!(events.recv().await, Some(RosterEvent::StoreFailed(_))));
    let (mallory, alice) = (caller("mallory"), caller("alice"));
    assert_eq!(roster.admit(&mallory, None).unwrap_err().reason(), Reason::Blocked);
    roster.admit(&alice, None).unwrap();
    roster.flush().await.unwrap_err();
    roster.admit(&alice, None).unwrap();
    roster.block(block("eve")).await.unwrap_err();
    assert!(roster.admit(&caller("eve"), None).is_ok(), "nothing has changed");
    assert!(roster.status().failing);

    store.fail(false);
    assert!(matches!(events.recv().await, Some(RosterEvent::StoreRecovered)));
    assert_eq!(roster.person(id("alice")).await.unwrap().unwrap().requests, 2);
    assert!(!roster.status().failing);
    store.clone().unblock(&id("mallory")).unwrap();
    assert!(
        matches!(events.recv().await, Some(RosterEvent::Unblocked(who)) if who == id("mallory"))
    );
    roster.admit(&mallory, None).unwrap();
}

#[tokio::test]
async fn where_it_was_told_to_it_refuses_everybody_when_the_list_is_old() {
    let store = MemoryStore::new();
    let builder = Roster::builder(store.clone()).poll_every(Duration::from_millis(100));
    let builder = builder.refuse_when_older_than(Duration::from_millis(200));
    let (builder, mut events) = events(builder);
    let roster = builder.build().unwrap();
    store.fail(true);
    assert!(matches!(events.recv().await, Some(RosterEvent::StoreFailed(_))));
    let refused = async {
        loop {
            match roster.admit(&caller("alice"), None) {
                Err(denial) => break denial,
                Ok(()) => tokio::task::yield_now().await,
            }
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(60), refused).await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.reason()), (503, Reason::RosterUnavailable));
    assert!(roster.status().blocks_age > Duration::from_millis(200));
    assert!(roster.status().refusing);
    let anonymous = Caller::Anonymous(AnonymousReason::NoCredentials);
    assert!(roster.admit(&anonymous, None).is_ok());
    store.fail(false);
    assert!(matches!(events.recv().await, Some(RosterEvent::StoreRecovered)));
    while roster.admit(&caller("alice"), None).is_err() {
        tokio::task::yield_now().await;
    }
    while roster.status().refusing {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_roster_that_cannot_be_read_does_not_start() {
    let store = MemoryStore::new();
    store.fail(true);
    let error = Roster::builder(store).build().unwrap_err();
    assert_eq!(error.to_string(), "the roster cannot be read");
    let rows = [
        Roster::builder(MemoryStore::new()).poll_every(Duration::ZERO),
        Roster::builder(MemoryStore::new()).poll_every(Duration::from_secs(61)),
        Roster::builder(MemoryStore::new()).flush_every(Duration::ZERO),
        Roster::builder(MemoryStore::new()).capacity(0),
        Roster::builder(MemoryStore::new()).refuse_when_older_than(Duration::from_secs(3)),
    ];
    for (index, builder) in rows.into_iter().enumerate() {
        assert!(builder.build().is_err(), "row {index}");
    }
}

#[tokio::test]
async fn memory_is_bounded_and_what_had_no_room_is_counted() {
    let store = MemoryStore::new();
    let builder = Roster::builder(store.clone()).capacity(2).poll_every(Duration::from_secs(60));
    let roster = builder.flush_every(Duration::from_secs(3600)).build().unwrap();
    store.fail(true);
    for subject in ["a", "b", "c", "a"] {
        roster.admit(&caller(subject), None).unwrap();
    }
    roster.flush().await.unwrap_err();
    for subject in ["d", "a"] {
        roster.admit(&caller(subject), None).unwrap();
    }
    roster.flush().await.unwrap_err();
    store.fail(false);
    roster.flush().await.unwrap();
    let people = roster.people(None, 10).await.unwrap();
    let stored: u64 = people.iter().map(|person| person.requests).sum();
    assert!(people.len() <= 2, "{people:?}");
    assert_eq!(stored + roster.status().lost, 6);
}

#[tokio::test]
async fn the_end_stores_what_was_seen() {
    let store = MemoryStore::new();
    let roster = Roster::builder(store.clone()).build().unwrap();
    let service = roster.layer().layer(inner(&Arc::default()));
    drop(service.oneshot(request(Some(caller("alice")))).await.unwrap());
    drop(roster);
    assert_eq!(store.clone().person(&id("alice")).unwrap().unwrap().requests, 1);
}

#[tokio::test]
async fn the_review_names_who_has_left() {
    let roster = Roster::builder(MemoryStore::new()).build().unwrap();
    for subject in ["alice", "bob"] {
        roster.admit(&caller(subject), None).unwrap();
    }
    let list = UserList::from_csv("sub\nalice\n", "sub").unwrap();
    let stale = roster.stale(list, Duration::ZERO).await.unwrap();
    assert_eq!(stale.iter().map(|person| person.id.subject()).collect::<Vec<_>>(), ["bob"]);
    assert!(roster.forget(id("bob")).await.unwrap());
    assert_eq!(roster.prune(seconds(u64::from(u32::MAX) * 2)).await.unwrap(), 1);
}

/// Two processes with one store: what one is told, the other hears of.
async fn replicas(one: impl RosterStore, other: impl RosterStore) {
    let quick = Duration::from_millis(100);
    let one = Roster::builder(one).poll_every(quick).build().unwrap();
    let (builder, mut events) = events(Roster::builder(other).poll_every(quick));
    let other = builder.build().unwrap();
    other.admit(&caller("alice"), None).unwrap();
    one.block(block("alice").by("carol")).await.unwrap();
    assert!(
        matches!(events.recv().await, Some(RosterEvent::Blocked(b)) if b.by.as_deref() == Some("carol"))
    );
    assert_eq!(other.admit(&caller("alice"), None).unwrap_err().reason(), Reason::Blocked);
    assert_eq!(other.blocks().await.unwrap(), one.blocks().await.unwrap());
    one.admit(&caller("bob"), None).unwrap();
    other.admit(&caller("bob"), None).unwrap();
    other.flush().await.unwrap();
    assert_eq!(one.person(id("bob")).await.unwrap().unwrap().requests, 2);
    assert!(other.unblock(id("alice")).await.unwrap());
    while one.admit(&caller("alice"), None).is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await; // Another process tells nobody here.
    }
}

#[tokio::test]
async fn replicas_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteStore::open(folder.path().join("roster.db")).unwrap();
    replicas(open(), open()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "tests/stores/run starts it"]
async fn replicas_share_a_database() {
    // Administration blocks: not inside the runtime.
    let started = std::thread::spawn(crate::stores::cluster).join();
    let (cluster, gate) = started.unwrap();
    let store = || PostgresStore::new(gate.clone()).unwrap();
    replicas(store(), store()).await;

    let (builder, mut events) =
        events(Roster::builder(store()).poll_every(Duration::from_millis(100)));
    let roster = builder.build().unwrap();
    cluster.kill();
    assert!(matches!(events.recv().await, Some(RosterEvent::StoreFailed(_))));
    roster.admit(&caller("dave"), None).unwrap();
    roster.flush().await.unwrap_err();
    cluster.start_again();
    assert!(matches!(events.recv().await, Some(RosterEvent::StoreRecovered)));
    assert_eq!(roster.person(id("dave")).await.unwrap().unwrap().requests, 1);
}
