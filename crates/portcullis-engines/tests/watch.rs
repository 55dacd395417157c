//! Policies of a file that changes.
#![cfg(feature = "policies")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_core::{Clock, Text};
use portcullis_engines::{ConfigError, Watched, WatchedEvent, WatchedFile};
use portcullis_rbac::{Answer, Authorizer, Decision, Never, Policy, Query};

/// Allows all; its version is the text.
struct Simple(Text);

impl Authorizer for Simple {
    type Later = Never;

    fn authorize(&self, _: &Query<'_>) -> Answer<Never> {
        Answer::Now(Decision::allow(self.0.clone()))
    }

    fn version(&self) -> Text {
        self.0.clone()
    }
}

/// A text that starts with `bad` is an error; the error is one that this crate makes.
fn build(text: &str) -> Result<Simple, ConfigError> {
    if text.starts_with("bad") {
        return Err(error());
    }
    Ok(Simple(Text::from(text)))
}

fn error() -> ConfigError {
    WatchedFile::new("/nowhere", build).load().err().unwrap()
}

/// Replaces the file in one step, as those who watch wish.
fn put(path: &Path, text: &str) {
    let aside = path.with_extension("aside");
    fs::write(&aside, text).unwrap();
    fs::rename(aside, path).unwrap();
}

type Told = Arc<Mutex<Vec<String>>>;

fn watched(path: &Path) -> (Watched<Simple>, Told, portcullis_core::ManualClock) {
    let told = Told::default();
    let log = Arc::clone(&told);
    let (clock, hand) = Clock::manual(1_000);
    let file = WatchedFile::new(path, build).every(Duration::from_secs(2)).clock(clock);
    let file = file.on_event(move |event| {
        log.lock().unwrap().push(match event {
            WatchedEvent::Changed { from, to } => format!("{from} > {to}"),
            WatchedEvent::Failed { in_force, .. } => format!("{in_force} stays"),
            _ => "?".into(),
        });
    });
    (file.load().unwrap(), told, hand)
}

#[test]
fn reloading_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policies");
    fs::write(&path, "one").unwrap();
    let (watched, told, hand) = watched(&path);
    assert_eq!(watched.version(), "one");
    assert!(!watched.reload().unwrap(), "the same");

    hand.advance(Duration::from_secs(5));
    fs::write(&path, "two").unwrap();
    assert!(watched.reload().unwrap());
    let status = watched.status();
    assert_eq!((status.version.as_str(), status.loads), ("two", 2));
    assert_eq!((status.loaded_at, status.failing), (Duration::from_secs(1_005), None));

    fs::write(&path, "bad").unwrap();
    assert!(watched.reload().is_err());
    assert!(watched.reload().is_err());
    let status = watched.status();
    assert_eq!(status.version.as_str(), "two", "what can be used stays in force");
    assert_eq!(status.failing.unwrap().0, Duration::from_secs(1_005));
    let standing = watched.standing();
    assert_eq!((standing.loads, standing.failures), (2, 1), "once for each error");
    assert_eq!(standing.failing, Some(Duration::from_secs(1_005)));

    fs::remove_file(&path).unwrap();
    assert!(watched.reload().is_err());
    fs::write(&path, "two").unwrap();
    assert!(!watched.reload().unwrap());
    assert_eq!(watched.status().failing, None, "it is back");
    // The second error is another one.
    assert_eq!(*told.lock().unwrap(), ["one > two", "two stays", "two stays"]);
}

#[test]
fn a_bad_file_is_no_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policies");
    assert!(WatchedFile::new(&path, build).load().is_err(), "no file");
    fs::write(&path, "bad").unwrap();
    assert!(WatchedFile::new(&path, build).load().is_err());
    fs::write(&path, [0xff]).unwrap();
    assert!(WatchedFile::new(&path, build).load().is_err(), "not text");
}

#[tokio::test]
async fn watching() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policies");
    fs::write(&path, "one").unwrap();
    let file = WatchedFile::new(&path, build).every(Duration::from_millis(1));
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let file = file.on_event(move |event| {
        let _ = sender.send(format!("{event:?}").starts_with("Changed"));
    });
    let watched = file.load().unwrap();
    let watching = tokio::spawn(watched.watch());
    put(&path, "two");
    assert_eq!(receiver.recv().await, Some(true));
    assert_eq!(watched.version(), "two");
    put(&path, "bad");
    assert_eq!(receiver.recv().await, Some(false));
    put(&path, "three");
    assert_eq!(receiver.recv().await, Some(true));
    assert_eq!(watched.version(), "three");
    drop(watched);
    watching.await.unwrap();
}

#[test]
fn clones_and_hints() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policies");
    fs::write(&path, "x").unwrap();
    let watched = WatchedFile::new(&path, |_| Ok(Policy::danger_permit_all())).load().unwrap();
    assert!(!watched.clone().wants_hints());
    assert_eq!(watched.current().version(), watched.version());
    assert!(format!("{watched:?}").contains("permit-all"));
}
