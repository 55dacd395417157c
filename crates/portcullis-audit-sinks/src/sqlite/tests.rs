use super::*;

#[expect(dead_code, reason = "the integration tests use all of it")]
#[path = "../../tests/sinks/records.rs"]
mod records;

use records::{deliver, records};

fn count(sink: &SqliteSink) -> i64 {
    let sql = "SELECT count(*) FROM portcullis_audit";
    sink.connection.query_row(sql, (), |row| row.get(0)).unwrap()
}

/// A disk that is full, as SQLite sees it: the file may not grow.
#[test]
fn a_full_disk_is_admitted_and_forgotten_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = SqliteSink::open(folder.path().join("audit.db")).unwrap();
    let made = records(4);
    deliver(&mut sink, &made[..1]).unwrap();
    let pages: i64 =
        sink.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let limit = |sink: &SqliteSink, pages: i64| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        sink.connection.query_row(&sql, (), |row| row.get::<_, i64>(0)).unwrap();
    };
    limit(&sink, pages);
    let long = format!("{{\"x\":\"{}\"}}\n", "y".repeat(100_000));
    sink.write(&made[1].0, made[1].1.as_bytes()).unwrap();
    let error = sink.write(&made[2].0, long.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let flushed = sink.flush();
    let kept = count(&sink) == 2;
    assert_eq!(flushed.is_ok(), kept, "a flush says whether the record before is there");
    limit(&sink, 1_000_000);
    deliver(&mut sink, &made[3..]).unwrap();
    sink.flush().unwrap();
    assert!(sink.connection.is_autocommit());
}

#[test]
fn a_commit_that_fails_takes_its_records_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = SqliteSink::open(folder.path().join("audit.db")).unwrap();
    // A commit that a deferred constraint refuses leaves its transaction open.
    sink.connection
        .execute_batch(
            "PRAGMA foreign_keys = ON; CREATE TABLE parent (id INTEGER PRIMARY KEY); \
             CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
        )
        .unwrap();
    let made = records(2);
    sink.write(&made[0].0, made[0].1.as_bytes()).unwrap();
    sink.connection.execute_batch("INSERT INTO child VALUES (1)").unwrap();
    sink.flush().unwrap_err();
    assert!(sink.connection.is_autocommit(), "taken back, as was said");
    deliver(&mut sink, &made[1..]).unwrap();
    assert_eq!(count(&sink), 1);
}

#[test]
fn a_reader_does_not_stop_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.db");
    let mut sink = SqliteSink::open(&path).unwrap();
    let made = records(3);
    deliver(&mut sink, &made[..1]).unwrap();
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM portcullis_audit").unwrap();
    deliver(&mut sink, &made[1..]).unwrap();
    assert_eq!(count(&sink), 3);
}
