//! What every store does.

use portcullis_roster::{
    MemoryStore, Person, PersonId, Postgres, PostgresStore, RosterStore, SqliteStore, Tls,
    UserList, stale,
};
use portcullis_test::Cluster;

use crate::support::{block, id, seconds, seen, words};

/// Every promise of the trait.
fn keeps_its_promises(store: &mut dyn RosterStore) {
    sightings_are_merged(store);
    people_come_in_order(store);
    people_are_forgotten(store);
    blocks_are_kept_apart(store);
    odd_names_are_names(store);
}

fn sightings_are_merged(store: &mut dyn RosterStore) {
    assert_eq!(store.person(&id("alice")).unwrap(), None);
    store.record(&[]).unwrap();
    let mut first = seen("alice", 100);
    first.name = Some("Alice".into());
    first.email = Some("alice@example.com".into());
    first.groups = words(&["a", "b"]);
    first.roles = words(&["reader"]);
    first.clients = words(&["ide", "zed"]);
    first.servers = words(&["notes"]);
    let mut expected = first.clone();
    // Later, earlier, at the same time: as `merge` says, each.
    let mut later = seen("alice", 300);
    later.first_seen = seconds(200);
    later.requests = 41;
    later.clients = words(&["Über", "cli", "ide"]);
    later.servers = words(&["files"]);
    let mut earlier = seen("alice", 50);
    earlier.groups = words(&["old"]);
    earlier.client_only = true;
    let mut same = seen("alice", 300);
    same.groups = words(&["new"]);
    let mut many = seen("alice", 299);
    many.clients = (0..200).map(|number| format!("m{number:03}")).collect();
    let mut countless = seen("alice", 300);
    countless.requests = u64::try_from(i64::MAX).unwrap();
    for person in [&first, &later, &earlier, &same, &many, &countless] {
        store.record(&[(*person).clone(), seen("bob", 10)]).unwrap();
    }
    for person in [&later, &earlier, &same, &many, &countless] {
        expected.merge(person);
    }
    expected.requests = expected.requests.min(u64::try_from(i64::MAX).unwrap());
    let mut alice = store.person(&id("alice")).unwrap().unwrap();
    alice.requests = alice.requests.min(u64::try_from(i64::MAX).unwrap());
    assert_eq!(alice, expected);
    assert_eq!(alice.clients.len(), 128);
    assert_eq!(store.person(&id("bob")).unwrap().unwrap().requests, 6);
    for subject in ["alice", "bob"] {
        assert!(store.forget(&id(subject)).unwrap());
    }
}

fn people_come_in_order(store: &mut dyn RosterStore) {
    // Byte by byte, whatever a database's own order of letters.
    let names = ["", "B", "Z", "a", "b", "é", "𝄞"];
    let mut people: Vec<Person> = names.iter().map(|name| seen(name, 10)).collect();
    people.push(Person::seen(PersonId::new("https://a.example", "z"), seconds(10)));
    people.push(Person::seen(PersonId::new("https://z.example", "a"), seconds(10)));
    store.record(&people).unwrap();
    people.sort_by(|one, two| one.id.cmp(&two.id));

    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = store.people(after.as_ref(), 2).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        assert!(page.len() <= 2);
        read.extend(page);
    }
    assert_eq!(read, people);
    assert!(store.people(None, 0).unwrap().is_empty());

    let list = UserList::from_json_lines("\"a\"\n\"b\"\n", "id").unwrap();
    let gone = stale(store, &list.issuer("https://id.example"), seconds(5)).unwrap();
    assert_eq!(gone.len(), 5);
    assert_eq!(store.prune(seconds(11)).unwrap(), 9);
}

fn people_are_forgotten(store: &mut dyn RosterStore) {
    store.record(&[seen("old", 100), seen("new", 200), seen("alice", 300)]).unwrap();
    assert_eq!(store.prune(seconds(200)).unwrap(), 1);
    assert_eq!(store.prune(seconds(200)).unwrap(), 0);
    assert!(store.forget(&id("alice")).unwrap());
    assert!(!store.forget(&id("alice")).unwrap());
    assert_eq!(store.people(None, 10).unwrap(), [seen("new", 200)]);
    assert_eq!(store.prune(seconds(1000)).unwrap(), 1);
}

fn blocks_are_kept_apart(store: &mut dyn RosterStore) {
    assert!(store.blocks().unwrap().is_empty());
    let first = block("mallory").by("carol").note("left the company");
    store.block(&first).unwrap();
    store.block(&block("eve")).unwrap();
    assert_eq!(store.blocks().unwrap(), [block("eve"), first]);
    store.block(&block("mallory").note("for good")).unwrap();
    assert_eq!(store.blocks().unwrap()[1], block("mallory").note("for good"));
    store.record(&[seen("mallory", 5)]).unwrap();
    assert!(store.forget(&id("mallory")).unwrap());
    assert_eq!(store.blocks().unwrap().len(), 2, "a block outlives what is known");
    assert!(store.unblock(&id("mallory")).unwrap());
    assert!(!store.unblock(&id("mallory")).unwrap());
    assert!(store.unblock(&id("eve")).unwrap());
    assert!(store.blocks().unwrap().is_empty());
}

fn odd_names_are_names(store: &mut dyn RosterStore) {
    for odd in ["'; DROP TABLE portcullis_people; --", "a\"b\\c", "line\nbreak", "{a,b}", "%_"] {
        let mut person = seen(odd, 10);
        person.groups = words(&[odd, "NULL", ""]);
        store.record(std::slice::from_ref(&person)).unwrap();
        assert_eq!(store.person(&id(odd)).unwrap(), Some(person));
        store.block(&block(odd).note(odd)).unwrap();
        assert_eq!(store.blocks().unwrap(), [block(odd).note(odd)]);
        assert!(store.unblock(&id(odd)).unwrap() && store.forget(&id(odd)).unwrap());
    }
}

#[test]
fn memory() {
    keeps_its_promises(&mut MemoryStore::new());
}

#[test]
fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roster.db");
    let mut store = SqliteStore::open(&path).unwrap();
    keeps_its_promises(&mut store);
    // Another process, or a command line, sees the same; so does the next start.
    let mut other = SqliteStore::open(&path).unwrap();
    store.record(&[seen("alice", 1)]).unwrap();
    other.record(&[seen("alice", 2)]).unwrap();
    other.block(&block("alice")).unwrap();
    assert_eq!(store.person(&id("alice")).unwrap().unwrap().requests, 2);
    assert_eq!(store.blocks().unwrap(), [block("alice")]);
    drop((store, other));
    assert_eq!(SqliteStore::open(&path).unwrap().blocks().unwrap(), [block("alice")]);
}

#[cfg(unix)]
#[test]
fn a_sqlite_file_is_its_owners_alone_and_ours() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(folder.path().join("roster.db")).unwrap();
    store.record(&[seen("alice", 1)]).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let text = folder.path().join("text");
    std::fs::write(&text, "not a database, but long enough to be looked at as if it were").unwrap();
    assert!(SqliteStore::open(text).is_err());
    assert!(SqliteStore::open(folder.path().join("no/such/roster.db")).is_err());
}

/// A server with the tables, and a role with the rights that the docs name.
pub(crate) fn cluster() -> (Cluster, Postgres) {
    let cluster = Cluster::start();
    let owner = Postgres::new(&cluster.url("postgres")).unwrap();
    let mut owner = PostgresStore::new(owner).unwrap();
    owner.create_tables().unwrap();
    owner.create_tables().unwrap();
    cluster.sql(
        "CREATE ROLE gate LOGIN; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON portcullis_people, portcullis_blocks TO gate",
    );
    let gate = Postgres::new(&cluster.url("gate")).unwrap();
    (cluster, gate)
}

#[test]
#[ignore = "tests/stores/run starts it"]
fn postgres() {
    let (cluster, gate) = cluster();
    let mut store = PostgresStore::new(gate.clone()).unwrap();
    keeps_its_promises(&mut store);

    // Replicas that store the same people at the same time lose nothing, and do not wait in a circle.
    let people: Vec<_> = (0..200).map(|number| format!("p{number}")).collect();
    std::thread::scope(|scope| {
        for replica in 0..4 {
            let (gate, mut people) = (gate.clone(), people.clone());
            scope.spawn(move || {
                let mut store = PostgresStore::new(gate).unwrap();
                if replica % 2 == 0 {
                    people.reverse();
                }
                for round in 0..5 {
                    let seen: Vec<_> = people.iter().map(|name| seen(name, round)).collect();
                    store.record(&seen).unwrap();
                }
            });
        }
    });
    assert_eq!(
        cluster.sql("SELECT count(*), min(requests), max(requests) FROM portcullis_people"),
        "200|20|20"
    );

    // A server that dies fails the call under way, and the next finds the new one.
    cluster.kill();
    store.blocks().unwrap_err();
    cluster.start_again();
    store.block(&block("alice")).unwrap();
    assert_eq!(store.blocks().unwrap(), [block("alice")]);
}

#[test]
#[ignore = "tests/stores/run starts it"]
fn a_postgres_that_does_not_answer_is_given_up() {
    let (cluster, gate) = cluster();
    let mut store =
        PostgresStore::new(gate).unwrap().timeout(std::time::Duration::from_millis(300));
    store.blocks().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            cluster.sql("BEGIN; LOCK TABLE portcullis_blocks; SELECT pg_sleep(3); COMMIT")
        });
        while cluster.sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'") == "0"
        {
        }
        assert_eq!(store.blocks().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    });
    store.blocks().unwrap();
    assert!(
        PostgresStore::new(
            Postgres::new("postgresql://gate@db.example.com/x").unwrap().tls(Tls::platform())
        )
        .is_ok()
    );
}
