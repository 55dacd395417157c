//! Against a PostgreSQL server of our own: `tests/stores/run` installs it.

use std::io::ErrorKind;
use std::time::Duration;

use portcullis_audit_sinks::{Postgres, PostgresSink, Retry, Tls};
use portcullis_test::Cluster;

use crate::records::{deliver, id, records};

const ROLE: &str =
    "CREATE ROLE audit_writer LOGIN; GRANT INSERT ON portcullis_audit TO audit_writer";

/// A server with the table, and a role that may do nothing but insert.
fn cluster() -> (Cluster, Postgres) {
    let cluster = Cluster::start();
    let owner = Postgres::new(&cluster.url("postgres")).unwrap();
    PostgresSink::create_table(&owner).unwrap();
    PostgresSink::create_table(&owner).unwrap();
    cluster.sql(ROLE);
    let writer = Postgres::new(&cluster.url("audit_writer")).unwrap();
    (cluster, writer)
}

fn patient() -> Retry {
    Retry::new().timeout(Duration::from_secs(10)).patience(Duration::from_secs(60))
}

#[test]
#[ignore = "tests/stores/run starts it"]
fn records_are_rows_once_and_the_role_needs_nothing_but_insert() {
    let (cluster, writer) = cluster();
    let made = records(6);
    let mut sink = PostgresSink::new(writer.clone()).unwrap();
    deliver(&mut sink, &made[..4]).unwrap();
    deliver(&mut sink, &made).unwrap();
    let mut another = PostgresSink::new(writer).unwrap();
    deliver(&mut another, &made).unwrap();

    let rows = cluster
        .sql("SELECT event_id || ' ' || record || ' ' || line FROM portcullis_audit ORDER BY id");
    let expected: Vec<String> =
        made.iter().map(|m| format!("{} {} {}", id(m), m.0.kind(), m.1.trim_end())).collect();
    assert_eq!(rows.lines().collect::<Vec<_>>(), expected, "each once, byte for byte");
    let at = made[0].0.as_decision().unwrap().at().as_millis();
    let first = "SELECT (extract(epoch FROM ts) * 1000)::bigint, issuer, client_id, decision, \
                 subject = E'al\u{fffd}ice\\n\"]' FROM portcullis_audit ORDER BY id LIMIT 1";
    assert_eq!(cluster.sql(first), format!("{at}|https://id.example|ide|challenge|t"));
}

#[test]
#[ignore = "tests/stores/run starts it"]
fn a_server_that_dies_and_comes_back_has_each_record_once() {
    let (cluster, writer) = cluster();
    let made = records(600);
    let mut sink = PostgresSink::with_retry(writer, patient()).unwrap();
    deliver(&mut sink, &made[..200]).unwrap();
    std::thread::scope(|scope| {
        // Somewhere in the middle of what follows.
        scope.spawn(|| {
            cluster.kill();
            cluster.start_again();
        });
        for group in made[200..].chunks(20) {
            deliver(&mut sink, group).unwrap();
        }
    });
    assert_eq!(
        cluster.sql("SELECT count(*), count(DISTINCT line) FROM portcullis_audit"),
        "600|600"
    );
}

#[test]
#[ignore = "tests/stores/run starts it"]
fn a_batch_whose_commit_was_not_heard_of_is_not_there_twice() {
    let (cluster, writer) = cluster();
    // The server is slow: it commits what the sink has given up, and the sink tries again.
    let retry = Retry::new().timeout(Duration::from_secs(2)).patience(Duration::from_secs(60));
    let mut sink = PostgresSink::with_retry(writer, retry).unwrap();
    let made = records(4);
    deliver(&mut sink, &made[..2]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            cluster.sql("BEGIN; LOCK TABLE portcullis_audit; SELECT pg_sleep(5); COMMIT");
        });
        while cluster.sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'") == "0"
        {
        }
        deliver(&mut sink, &made[2..]).unwrap();
    });
    assert_eq!(cluster.sql("SELECT count(*), count(DISTINCT line) FROM portcullis_audit"), "4|4");
}

#[test]
#[ignore = "tests/stores/run starts it"]
fn what_cannot_succeed_is_said_at_once() {
    let (cluster, writer) = cluster();
    let made = records(2);
    cluster.sql("REVOKE INSERT ON portcullis_audit FROM audit_writer");
    let mut sink = PostgresSink::with_retry(writer, patient()).unwrap();
    let error = deliver(&mut sink, &made[..1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(error.to_string(), "PostgreSQL answered with SQLSTATE 42501");
    cluster.sql("GRANT INSERT ON portcullis_audit TO audit_writer");
    deliver(&mut sink, &made[1..]).unwrap();

    let empty = Cluster::start();
    let mut sink =
        PostgresSink::with_retry(Postgres::new(&empty.url("postgres")).unwrap(), patient())
            .unwrap();
    assert_eq!(deliver(&mut sink, &made).unwrap_err().kind(), ErrorKind::NotFound, "no table");
    empty.kill();
    let hasty = Retry::new().patience(Duration::ZERO);
    let mut sink =
        PostgresSink::with_retry(Postgres::new(&empty.url("postgres")).unwrap(), hasty).unwrap();
    assert_eq!(deliver(&mut sink, &made).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
#[ignore = "tests/stores/run starts it"]
fn over_tls_the_server_must_be_the_right_one_and_the_password_too() {
    let certificate = || rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (right, wrong) = (certificate(), certificate());
    let cluster = Cluster::start_tls(&right.cert.pem(), &right.signing_key.serialize_pem());
    cluster.sql("CREATE ROLE owner LOGIN PASSWORD 'right'; GRANT CREATE ON SCHEMA public TO owner");
    let authority =
        |made: &rcgen::CertifiedKey<rcgen::KeyPair>| Tls::authorities(made.cert.pem()).unwrap();
    let plain = Postgres::new(&cluster.url("owner")).unwrap();
    let rows = [
        ("all is right", plain.clone().password("right").tls(authority(&right)), true),
        ("the password is wrong", plain.clone().password("wrong").tls(authority(&right)), false),
        ("the authority is another", plain.clone().password("right").tls(authority(&wrong)), false),
        ("no TLS", plain.password("right"), false),
    ];
    for (name, database, expected) in rows {
        let created = PostgresSink::create_table(&database);
        assert_eq!(created.is_ok(), expected, "{name}: {created:?}");
    }
}
