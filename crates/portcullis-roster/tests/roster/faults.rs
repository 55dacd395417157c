//! Stores that work in part, and what comes between two looks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_core::Reason;
use portcullis_roster::{Block, MemoryStore, Person, PersonId, Roster, RosterEvent, RosterStore};

use crate::requests::{caller, events};
use crate::support::{block, id};

type Before = Box<dyn FnMut() -> io::Result<()> + Send>;

/// Does something before it stores sightings, and before it says who is blocked.
struct Odd {
    store: MemoryStore,
    record: Before,
    blocks: Before,
}

impl Odd {
    fn new(store: &MemoryStore) -> Self {
        Self { store: store.clone(), record: Box::new(|| Ok(())), blocks: Box::new(|| Ok(())) }
    }
}

impl RosterStore for Odd {
    fn record(&mut self, seen: &[Person]) -> io::Result<()> {
        (self.record)()?;
        self.store.record(seen)
    }

    fn person(&mut self, id: &PersonId) -> io::Result<Option<Person>> {
        self.store.person(id)
    }

    fn people(&mut self, after: Option<&PersonId>, limit: usize) -> io::Result<Vec<Person>> {
        self.store.people(after, limit)
    }

    fn forget(&mut self, id: &PersonId) -> io::Result<bool> {
        self.store.forget(id)
    }

    fn prune(&mut self, before: Duration) -> io::Result<u64> {
        self.store.prune(before)
    }

    fn block(&mut self, block: &Block) -> io::Result<()> {
        self.store.block(block)
    }

    fn unblock(&mut self, id: &PersonId) -> io::Result<bool> {
        self.store.unblock(id)
    }

    fn blocks(&mut self) -> io::Result<Vec<Block>> {
        (self.blocks)()?;
        self.store.blocks()
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The event, unless it does not come.
async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), event).await.expect("it never comes")
}

#[tokio::test]
async fn a_store_that_takes_no_sightings_is_still_asked_who_is_blocked() {
    for (name, delay) in [("at once", 0), ("after longer than it is left alone", 150)] {
        let store = MemoryStore::new();
        let mut odd = Odd::new(&store);
        let room = Arc::new(AtomicBool::new(false));
        let has_room = Arc::clone(&room);
        odd.record = Box::new(move || {
            if has_room.load(Ordering::Relaxed) {
                return Ok(());
            }
            std::thread::sleep(ms(delay));
            Err(io::ErrorKind::StorageFull.into())
        });
        let (builder, mut events) =
            events(Roster::builder(odd).poll_every(ms(200)).flush_every(ms(100)));
        let roster = builder.build().unwrap();
        roster.admit(&caller("alice"), None).unwrap();
        let failed = soon(events.recv()).await;
        assert!(matches!(failed, Some(RosterEvent::StoreFailed(_))), "{name}: {failed:?}");
        for subject in ["alice", "bob"] {
            store.clone().block(&block(subject)).unwrap();
            let blocked = soon(events.recv()).await;
            let expected =
                matches!(&blocked, Some(RosterEvent::Blocked(b)) if *b == block(subject));
            assert!(expected, "{name}: {blocked:?}");
            let denial = roster.admit(&caller(subject), None).unwrap_err();
            assert_eq!(denial.reason(), Reason::Blocked, "{name}");
            assert!(roster.status().failing, "{name}: nothing is stored");
        }
        room.store(true, Ordering::Relaxed);
        let recovered = soon(events.recv()).await;
        assert!(matches!(recovered, Some(RosterEvent::StoreRecovered)), "{name}: {recovered:?}");
    }
}

/// No error, no answer: nobody would know but for the age of the list.
#[tokio::test]
async fn a_store_that_hangs_is_failing() {
    let mut odd = Odd::new(&MemoryStore::new());
    let hangs = Arc::new(AtomicBool::new(false));
    let hung = Arc::clone(&hangs);
    odd.blocks = Box::new(move || {
        while hung.load(Ordering::Relaxed) {
            std::thread::park_timeout(ms(5));
        }
        Ok(())
    });
    let roster = Roster::builder(odd).poll_every(ms(100)).build().unwrap();
    assert!(!roster.status().refusing);
    hangs.store(true, Ordering::Relaxed);
    let said = |failing: bool| {
        let roster = roster.clone();
        async move {
            while roster.status().failing != failing {
                tokio::task::yield_now().await;
            }
        }
    };
    soon(said(true)).await;
    let status = roster.status();
    assert!(status.blocks_age > ms(500) && !status.refusing, "{status:?}");
    assert!(roster.admit(&caller("alice"), None).is_ok(), "the last list stays in force");
    hangs.store(false, Ordering::Relaxed);
    soon(said(false)).await;
}

#[tokio::test]
async fn a_block_between_admission_and_the_watch_is_noticed() {
    let roster = Roster::builder(MemoryStore::new()).build().unwrap();
    roster.admit(&caller("alice"), None).unwrap();
    roster.block(block("alice")).await.unwrap();
    let mut watch = roster.watch(&caller("alice")).unwrap();
    assert!(watch.is_blocked());
    let mut watch = roster.watch(&caller("bob")).unwrap();
    assert!(!watch.is_blocked());
    roster.block(block("bob")).await.unwrap();
    assert!(watch.is_blocked() && roster.unblock(id("bob")).await.unwrap());
    assert!(!watch.is_blocked());
}

#[tokio::test]
async fn a_hook_that_panics_stops_nothing() {
    let store = MemoryStore::new();
    let builder = Roster::builder(store.clone()).poll_every(ms(100));
    let builder = builder.on_event(|_| panic!("a hook of somebody's"));
    let (builder, mut events) = events(builder);
    let roster = builder.build().unwrap();
    for subject in ["alice", "bob"] {
        store.clone().block(&block(subject)).unwrap();
        let blocked = soon(events.recv()).await;
        let expected = matches!(&blocked, Some(RosterEvent::Blocked(b)) if *b == block(subject));
        assert!(expected, "{blocked:?}");
        assert!(roster.admit(&caller(subject), None).is_err());
        assert!(!roster.status().failing);
    }
}

#[tokio::test]
async fn a_store_that_panics_has_failed_and_is_asked_again() {
    let store = MemoryStore::new();
    let mut odd = Odd::new(&store);
    let broken = Arc::new(AtomicBool::new(false));
    let [record, blocks] = [(); 2].map(|()| {
        let broken = Arc::clone(&broken);
        move || {
            assert!(!broken.load(Ordering::Relaxed), "a store of somebody's");
            Ok(())
        }
    });
    odd.record = Box::new(record);
    odd.blocks = Box::new(blocks);
    let builder = Roster::builder(odd).poll_every(ms(100)).flush_every(ms(100));
    let (builder, mut events) = events(builder);
    let roster = builder.build().unwrap();
    broken.store(true, Ordering::Relaxed);
    let failed = soon(events.recv()).await;
    assert!(matches!(failed, Some(RosterEvent::StoreFailed(_))), "{failed:?}");
    assert!(roster.status().failing);
    roster.admit(&caller("alice"), None).unwrap();
    roster.flush().await.unwrap_err();
    store.clone().block(&block("bob")).unwrap();
    broken.store(false, Ordering::Relaxed);
    let (mut recovered, mut blocked) = (false, false);
    while !(recovered && blocked) {
        match soon(events.recv()).await {
            Some(RosterEvent::StoreRecovered) => recovered = true,
            Some(RosterEvent::Blocked(_)) => blocked = true,
            other => panic!("{other:?}"),
        }
    }
    roster.flush().await.unwrap();
    let alice = store.clone().person(&id("alice")).unwrap().unwrap();
    assert_eq!(alice.requests, 1, "nobody is lost");
}
