//! What a look at the file does; `tests/watch.rs` tests the rest from outside.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use portcullis_core::ManualClock;
use portcullis_rbac::{Decision, Never};

use super::*;

/// Its version is the text.
struct Simple(Text);

impl Authorizer for Simple {
    type Later = Never;

    fn authorize(&self, _: &Query<'_>) -> Answer<Never> {
        Answer::Now(Decision::default_deny())
    }

    fn version(&self) -> Text {
        self.0.clone()
    }

    fn wants_hints(&self) -> bool {
        self.0 == "hints"
    }

    fn decides_tasks(&self) -> bool {
        self.0 == "hints"
    }

    fn offers(&self, _: &Query<'_>, kind: TargetKind) -> bool {
        self.0 == "hints" && kind == TargetKind::Tool
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

/// A file, and the policies that it holds.
struct Rig {
    folder: tempfile::TempDir,
    watched: Watched<Simple>,
    builds: Arc<AtomicUsize>,
    told: Arc<Mutex<Vec<String>>>,
    hand: ManualClock,
}

impl Rig {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policies");
        fs::write(&path, text).unwrap();
        let (clock, hand) = Clock::manual(1_000);
        let (builds, told) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let (count, log) = (Arc::clone(&builds), Arc::clone(&told));
        let build = move |text: &str| {
            count.fetch_add(1, Ordering::Relaxed);
            if text.starts_with("bad") {
                return Err(ConfigError::new(text));
            }
            Ok(Simple(text.into()))
        };
        let file = WatchedFile::new(path, build).clock(clock).on_event(move |event| {
            let log: &Mutex<Vec<String>> = &log;
            locked(log).push(match event {
                WatchedEvent::Changed { from, to } => format!("{from} > {to}"),
                WatchedEvent::Failed { error, .. } if error.to_string().starts_with("bad") => {
                    error.to_string()
                }
                WatchedEvent::Failed { .. } => "unread".into(),
            });
        });
        Self { folder, watched: file.load().unwrap(), builds, told, hand }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("policies")
    }

    /// The version in force after a look at a file with this text; `None` is no file.
    fn look(&self, text: impl Into<Option<&'static str>>) -> String {
        match text.into() {
            Some(text) => fs::write(self.path(), text).unwrap(),
            None => fs::remove_file(self.path()).unwrap(),
        }
        self.watched.0.look();
        self.watched.version().to_string()
    }

    fn failing(&self) -> Option<(u64, String)> {
        self.watched.status().failing.map(|(since, error)| (since.as_secs(), error))
    }
}

/// A file in the midst of being written may lack the policies that forbid something.
#[test]
fn what_is_still_being_written_is_not_used() {
    let rig = Rig::new("one");
    let rows = [
        ("tw", "one"),
        ("two", "one"),
        ("two", "two"),
        ("three", "two"),
        // Back to what is in force: the other text starts anew.
        ("two", "two"),
        ("three", "two"),
        ("three", "three"),
    ];
    for (number, (text, expected)) in rows.into_iter().enumerate() {
        assert_eq!(rig.look(text), expected, "{number}");
    }
    assert_eq!(rig.watched.status().loads, 3);
    assert_eq!(rig.builds.load(Ordering::Relaxed), 3, "nothing is built twice");
}

#[test]
fn a_file_that_goes_and_comes_back() {
    let rig = Rig::new("one");
    assert_eq!(rig.look("two"), "one");
    assert_eq!(rig.look(None), "one");
    assert_eq!(rig.failing().unwrap().0, 1_000);
    assert_eq!(rig.look("two"), "one", "seen once since it is back");
    assert_eq!(rig.look("two"), "two");
    assert_eq!(rig.failing(), None);

    rig.look(None);
    assert_eq!(rig.look("two"), "two");
    assert_eq!(rig.failing(), None, "it is as it was");
    assert_eq!(rig.watched.status().loads, 2);

    fs::remove_file(rig.path()).unwrap();
    assert!(rig.watched.reload().is_err());
    rig.look("two");
    assert_eq!(rig.failing(), None, "also where it was missed on demand");
    assert_eq!(*locked(&rig.told), ["unread", "one > two", "unread", "unread"]);
}

#[test]
fn a_failure_lasts_until_the_file_can_be_used() {
    let rig = Rig::new("one");
    rig.look("bad one");
    rig.look("bad one");
    assert_eq!(rig.failing(), Some((1_000, "bad one".into())));
    let builds = rig.builds.load(Ordering::Relaxed);
    rig.look("bad one");
    assert_eq!(rig.builds.load(Ordering::Relaxed), builds, "it is known to be bad");

    rig.hand.advance(Duration::from_secs(5));
    rig.look(None);
    let (since, error) = rig.failing().unwrap();
    assert_eq!(since, 1_000, "it has not been of use since");
    assert_ne!(error, "bad one");
    rig.look("bad one");
    assert_eq!(rig.failing(), Some((1_000, "bad one".into())), "as bad as it was");
    assert_eq!(rig.watched.standing().failures, 3);

    rig.hand.advance(Duration::from_secs(5));
    rig.look("one");
    assert_eq!(rig.look("one"), "one");
    assert_eq!(rig.failing(), None);
    let standing = rig.watched.standing();
    assert_eq!((standing.loads, standing.failures), (1, 3), "the same policies as before");
    assert_eq!(standing.loaded_at, Some(Duration::from_secs(1_000)));
    rig.look("two");
    rig.look("two");
    assert_eq!(rig.watched.standing().loaded_at, Some(Duration::from_secs(1_010)));
    assert_eq!(*locked(&rig.told), ["bad one", "unread", "bad one", "one > two"]);
}

#[test]
fn what_is_in_force_says_whether_it_wants_hints() {
    let rig = Rig::new("one");
    let caller =
        portcullis_core::Caller::Anonymous(portcullis_core::AnonymousReason::NoCredentials);
    let query = Query::new(
        &caller,
        portcullis_core::Version::V2025_11_25,
        portcullis_core::Method::ToolsCall,
    );
    let offers = |kind| rig.watched.offers(&query, kind);
    assert!(!rig.watched.wants_hints() && !offers(TargetKind::Tool));
    assert!(!rig.watched.decides_tasks());
    rig.look("hints");
    rig.look("hints");
    assert!(rig.watched.wants_hints() && rig.watched.decides_tasks());
    assert!(offers(TargetKind::Tool) && !offers(TargetKind::Prompt));
}

/// A file that could not be read when somebody asked for it is looked at anew, though it says what it said.
#[test]
fn what_was_asked_for_in_vain_is_looked_for() {
    let rig = Rig::new("one");
    fs::remove_file(rig.path()).unwrap();
    assert!(rig.watched.reload().is_err());
    assert!(rig.watched.status().failing.is_some());
    assert_eq!(rig.look("one"), "one");
    let status = rig.watched.status();
    assert_eq!((status.failing, status.loads), (None, 1));
}

#[test]
fn a_file_has_a_largest_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policies");
    let build = |text: &str| Ok(Simple(text.len().to_string().into()));
    let file = fs::File::create(&path).unwrap();
    file.set_len(MAX_FILE).unwrap();
    let watched = WatchedFile::new(&path, build).load().unwrap();
    assert_eq!(watched.version(), MAX_FILE.to_string().as_str());
    file.set_len(MAX_FILE + 1).unwrap();
    assert!(watched.reload().is_err());
    assert!(WatchedFile::new(&path, build).load().is_err());
}

/// Time stands still: the first look is at once, and there is a second one.
#[tokio::test(start_paused = true)]
async fn looking_without_a_pause_is_not_possible() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policies");
    fs::write(&path, "one").unwrap();
    let build = |text: &str| Ok(Simple(text.into()));
    let watched = WatchedFile::new(&path, build).every(Duration::ZERO).load().unwrap();
    assert_eq!(watched.0.every(), Duration::from_millis(1));
    let watching = tokio::spawn(watched.watch());
    drop(watched);
    watching.await.unwrap();
}
