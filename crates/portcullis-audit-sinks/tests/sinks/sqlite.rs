use portcullis_audit_sinks::SqliteSink;
use rusqlite::Connection;

use crate::records::{deliver, id, records};

/// Event, kind, time, subject, decision, line.
type Row = (String, String, i64, Option<String>, Option<String>, String);

#[test]
fn records_are_rows_once_and_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.db");
    let made = records(4);
    let mut sink = SqliteSink::open(&path).unwrap();
    deliver(&mut sink, &made[..2]).unwrap();
    deliver(&mut sink, &made).unwrap();
    drop(sink);
    let mut sink = SqliteSink::open(&path).unwrap();
    deliver(&mut sink, &made).unwrap();

    let reader = Connection::open(&path).unwrap();
    let mut rows = reader
        .prepare("SELECT event_id, record, ts, subject, decision, line FROM portcullis_audit ORDER BY id")
        .unwrap();
    let rows: Vec<Row> = rows
        .query_map((), |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(rows.len(), 4);
    for (row, made) in rows.iter().zip(&made) {
        assert_eq!(row.0, id(made));
        assert_eq!(row.1, made.0.kind());
        assert_eq!(row.5, made.1.trim_end());
    }
    let at = made[0].0.as_decision().unwrap().at().as_millis();
    assert_eq!(u128::try_from(rows[0].2).unwrap(), at);
    assert_eq!(rows[0].3.as_deref(), Some("al\0ice\n\"]"));
    assert_eq!(rows[0].4.as_deref(), Some("challenge"));
}

#[cfg(unix)]
#[test]
fn the_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let mut sink = SqliteSink::open(folder.path().join("audit.db")).unwrap();
    deliver(&mut sink, &records(1)).unwrap();
    let modes: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().permissions().mode() & 0o777)
        .collect();
    assert!(modes.len() >= 2 && modes.iter().all(|&mode| mode == 0o600), "{modes:?}");
}

#[test]
fn what_is_not_ours_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    std::fs::write(&text, "not a database, but long enough to be looked at as if it were one")
        .unwrap();
    assert!(SqliteSink::open(&text).is_err());
    let newer = folder.path().join("newer.db");
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(SqliteSink::open(&newer).is_err());
    let error = SqliteSink::open(folder.path().join("no\nsuch/audit.db")).unwrap_err();
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
}

#[test]
fn another_who_holds_the_file_too_long_costs_a_record_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.db");
    let mut sink = SqliteSink::open(&path).unwrap();
    let made = records(2);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = deliver(&mut sink, &made[..1]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
    other.execute_batch("ROLLBACK").unwrap();
    deliver(&mut sink, &made[1..]).unwrap();
    let rows: i64 =
        other.query_row("SELECT count(*) FROM portcullis_audit", (), |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}
