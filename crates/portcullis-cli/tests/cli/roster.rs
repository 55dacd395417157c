//! `portcullis roster`, over a SQLite file; `tests/stores/run` has it over PostgreSQL too.

use std::process::Stdio;
use std::time::Duration;

use portcullis_roster::{
    Block, Person, PersonId, Postgres, PostgresStore, RosterStore, SqliteStore,
};
use portcullis_test::Cluster;

use crate::common::{Folder, Ran, command, run};

const ISSUER: &str = "https://id.example";

fn id(subject: &str) -> PersonId {
    PersonId::new(ISSUER, subject)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Alice, Bob and a client, of whom Alice came last; Mallory, who is blocked and never came.
fn fill(store: &mut dyn RosterStore) {
    let mut alice = Person::seen(id("alice"), seconds(1_795_000_000));
    alice.requests = 12;
    alice.name = Some("Alice A.".into());
    alice.groups = vec!["staff".into()];
    alice.servers = vec!["files".into(), "notes".into()];
    let mut bob = Person::seen(id("bob"), seconds(1_780_000_000));
    bob.email = Some("BOB@example.com".into());
    let mut robot =
        Person::seen(PersonId::new("https://other.example", "robot"), seconds(1_790_000_000));
    robot.client_only = true;
    store.record(&[alice, bob, robot]).unwrap();
    store
        .block(&Block::new(id("mallory"), seconds(1_794_000_000)).by("carol").note("left"))
        .unwrap();
}

fn folder() -> (Folder, String) {
    let folder = Folder::new(&[]);
    let file = folder.file("roster.db");
    fill(&mut SqliteStore::open(&file).unwrap());
    (folder, file)
}

fn subjects(ran: &Ran) -> Vec<String> {
    let people = ran.json()["people"].as_array().unwrap().clone();
    people.iter().map(|person| person["subject"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn who_was_seen_and_who_is_blocked() {
    let (_folder, file) = folder();
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("all, the last first", &[], &["alice", "robot", "bob", "mallory"]),
        ("since", &["--since", "2026-09-01"], &["alice", "robot"]),
        ("of an issuer", &["--issuer", ISSUER], &["alice", "bob", "mallory"]),
        ("blocked", &["--blocked"], &["mallory"]),
        ("nobody", &["--issuer", "https://none.example"], &[]),
    ];
    for (name, more, expected) in rows {
        let args = [&["roster", "list", "--json", "--database", &file], *more].concat();
        let ran = run(&args);
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
        assert_eq!(subjects(&ran), *expected, "{name}");
    }
    let report = run(&["roster", "list", "--json", "-d", &file]).json();
    let (alice, mallory) = (&report["people"][0], &report["people"][3]);
    assert_eq!(alice["last_seen"], "2026-11-18T11:06:40Z");
    assert_eq!((&alice["requests"], &alice["name"]), (&12.into(), &"Alice A.".into()));
    assert_eq!(alice["servers"], serde_json::json!(["files", "notes"]));
    assert!(alice.get("blocked").is_none() && mallory["last_seen"].is_null());
    let block = serde_json::json!({"since": "2026-11-06T21:20:00Z", "by": "carol", "note": "left"});
    assert_eq!(mallory["blocked"], block);

    let text = run(&["roster", "list", "-d", &file]).out;
    assert!(text.starts_with("4 people, 1 blocked\n"), "{text}");
    for words in ["Alice A.", "(alice)", "files,", "2026-11-18 11:06", "by carol:"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let csv = run(&["roster", "list", "-d", &file, "--format", "csv"]).out;
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("\"subject\",\"issuer\",\"name\""), "{csv}");
    assert!(lines[1].starts_with("\"alice\",\"https://id.example\",\"Alice A.\""), "{csv}");
    assert!(lines[3].contains("\"BOB@example.com\",\"person\",1"), "{csv}");
    assert_eq!(lines.len(), 5);
}

#[test]
fn who_has_left_and_still_comes() {
    let (_folder, file) = folder();
    let export = Folder::new(&[
        ("users.csv", "id,mail\nalice,a@example.com\n"),
        ("users.jsonl", "{\"mail\":\"bob@Example.com\"}\n"),
        ("all.csv", "id\nalice\nbob\nrobot\n"),
        ("none.csv", "id\n"),
    ]);
    let (csv, jsonl) = (export.file("users.csv"), export.file("users.jsonl"));
    let all = export.file("all.csv");
    let rows: &[(&str, &[&str], i32, &[&str])] = &[
        ("of all time", &["--list", &csv, "--since", "2020-01-01"], 1, &["bob"]),
        ("lately", &["--list", &csv, "--since", "2026-11-01"], 0, &[]),
        (
            "clients too",
            &["--list", &csv, "--since", "2020-01-01", "--clients-too"],
            1,
            &["robot", "bob"],
        ),
        (
            "by address",
            &["--list", &jsonl, "--column", "mail", "--by-email", "--since", "2020-01-01"],
            1,
            &["alice"],
        ),
        ("nobody", &["--list", &all, "--since", "2020-01-01", "--clients-too"], 0, &[]),
    ];
    for (name, more, code, expected) in rows {
        let args = [&["roster", "stale", "--json", "-d", &file], *more].concat();
        let ran = run(&args);
        assert_eq!(ran.code, *code, "{name}: {ran:?}");
        assert_eq!(subjects(&ran), *expected, "{name}");
    }
    let text = run(&["roster", "stale", "-d", &file, "--list", &csv, "--since", "2020-01-01"]).out;
    assert!(
        text.starts_with("1 person came since 2020-01-01 00:00 and is not in the export of 1:"),
        "{text}"
    );
    let text = run(&["roster", "stale", "-d", &file, "--list", &all, "--since", "2020-01-01"]).out;
    assert!(text.starts_with("Everybody who came since"), "{text}");
    for (name, list, column) in
        [("an empty one", "none.csv", "id"), ("another column", "users.csv", "sub")]
    {
        let list = export.file(list);
        let ran = run(&["roster", "stale", "-d", &file, "--list", &list, "--column", column]);
        assert_eq!(ran.code, 3, "{name}: {ran:?}");
    }
}

/// Blocks Bob and lets him in again, with these arguments for the database.
fn block_and_unblock(run: impl Fn(&[&str]) -> Ran, store: &mut dyn RosterStore) {
    let blocked = run(&["block", ISSUER, "bob", "--by", "carol", "--note", "left", "--json"]);
    assert_eq!(blocked.code, 0, "{blocked:?}");
    let report = blocked.json();
    assert_eq!((&report["known"], &report["was_blocked"]), (&true.into(), &false.into()));
    let block = store.blocks().unwrap().into_iter().find(|block| block.id == id("bob")).unwrap();
    assert_eq!((block.by.as_deref(), block.note.as_deref()), (Some("carol"), Some("left")));
    let age = portcullis_core::Clock::system().unix().saturating_sub(block.since);
    assert!(age < seconds(3600), "{age:?}");
    assert_eq!(run(&["block", ISSUER, "bob", "--json"]).json()["was_blocked"], true);

    let lifted = run(&["unblock", ISSUER, "bob"]);
    assert_eq!((lifted.code, &*lifted.out), (0, "Unblocked: bob\n"));
    assert!(store.blocks().unwrap().iter().all(|block| block.id != id("bob")));
    assert_eq!(run(&["unblock", ISSUER, "bob"]).code, 1, "there is none any more");
    let unknown = run(&["block", ISSUER, "bbo"]).out;
    assert!(unknown.contains("Nobody on the roster has this issuer and subject"), "{unknown}");
    assert_eq!(run(&["unblock", ISSUER, "bbo"]).code, 0);
}

#[test]
fn somebody_is_blocked_and_let_in_again() {
    let (_folder, file) = folder();
    let run = |args: &[&str]| run(&[&["roster"], args, &["--database", &file]].concat());
    block_and_unblock(run, &mut SqliteStore::open(&file).unwrap());
}

#[test]
fn what_cannot_be_used_is_said_and_no_password_is_shown() {
    let (folder, file) = folder();
    let other = Folder::new(&[
        (
            "other.db",
            "not a database, by far: more than a header's worth of text, all of it plain, and a little more of it still",
        ),
        ("secret", "hunter2\n"),
    ]);
    let (other, secret) = (other.file("other.db"), other.file("secret"));
    let none = folder.file("none.db");
    let rows: &[(&str, &[&str], &str)] = &[
        ("no file", &["-d", &none], "none.db: error: cannot be read"),
        ("no database", &["-d", &other], "other.db: error: cannot open the roster"),
        (
            "a file with a password",
            &["-d", &file, "--password-file", &secret],
            "neither a password",
        ),
        (
            "a password in the URL",
            &["-d", "postgresql://u:hunter2@127.0.0.1:1/x"],
            "the password is in the URL",
        ),
        (
            "a password behind it",
            &["-d", "postgres://u@127.0.0.1:1/x?password=hunter2"],
            "the password is in the URL",
        ),
        ("no TLS", &["-d", "postgresql://u@db.example.com/x?sslmode=disable"], "needs TLS"),
        (
            "nobody there",
            &["-d", "postgresql://u@127.0.0.1:1/x", "--password-file", &secret],
            "the roster fails",
        ),
    ];
    for (name, more, words) in rows {
        let ran = run(&[&["roster", "list"], *more].concat());
        assert_eq!(ran.code, 3, "{name}: {ran:?}");
        // Lines are wrapped, and paths in them may be long.
        let unspaced = |text: &str| text.split_whitespace().collect::<String>();
        assert!(unspaced(&ran.err).contains(&unspaced(words)), "{name}: {}", ran.err);
        assert!(!format!("{ran:?}").contains("hunter2"), "{name}: {ran:?}");
    }
    assert!(!std::path::Path::new(&none).exists(), "nothing is created");
    assert_eq!(run(&["roster", "list"]).code, 2);
}

#[test]
#[ignore = "tests/stores/run starts it"]
fn over_postgresql_with_a_password_from_the_environment_or_a_file() {
    let cluster = Cluster::start();
    let folder = Folder::new(&[("secret", "hunter2\nnot this\n")]);
    let url = cluster.url("postgres");
    let mut store = PostgresStore::new(Postgres::new(&url).unwrap()).unwrap();
    store.create_tables().unwrap();
    fill(&mut store);
    cluster.sql("CREATE ROLE reviewer LOGIN PASSWORD 'hunter2'");
    cluster.sql(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON portcullis_people, portcullis_blocks TO reviewer",
    );
    cluster.only_by_password("reviewer");
    let url = cluster.url("reviewer");
    let run = |args: &[&str], password: Option<&str>| {
        let mut command = command(&[&["roster"], args, &["-d", &url]].concat());
        command.env_remove("PGPASSWORD").stdin(Stdio::null());
        if let Some(password) = password {
            command.env("PGPASSWORD", password);
        }
        let output = command.output().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    };
    assert_eq!(run(&["list"], None).code, 3, "no password");
    assert_eq!(run(&["list"], Some("wrong")).code, 3);
    assert_eq!(run(&["list"], Some("hunter2")).code, 0);
    let secret = folder.file("secret");
    let ran = run(&["list", "--password-file", &secret, "--json"], Some("wrong"));
    assert_eq!(subjects(&ran), ["alice", "robot", "bob", "mallory"], "{ran:?}");
    block_and_unblock(|args| run(args, Some("hunter2")), &mut store);
}
