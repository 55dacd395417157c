use std::fs;
use std::path::Path;
use std::sync::mpsc;

use portcullis_core::{Caller, Method, Principal, TargetKind, Version};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::Decision;

fn policy(tool: &str) -> String {
    format!("rules:\n  - id: r\n    allow: {{ tools: [{tool}] }}\n    everyone: true\n")
}

fn allows(policy: &Reloading, tool: &str) -> bool {
    let caller = Caller::Verified(Principal::builder("https://id.example", "alice").build().into());
    let query = Query::new(&caller, Version::V2026_07_28, Method::ToolsCall);
    let answer = policy.authorize(&query.on(TargetKind::Tool, tool));
    matches!(answer, Answer::Now(Decision::Allow { .. }))
}

fn watched(path: &Path) -> (Reloading, UnboundedReceiver<String>) {
    let (tell, told) = unbounded_channel();
    let policy = PolicyFile::new(path)
        .every(Duration::from_millis(5))
        .on_event(move |event| {
            let line = match event {
                PolicyEvent::Changed { from, to, changes } => {
                    assert_ne!(from.digest(), to.digest());
                    let gained = changes.access.iter().map(|change| {
                        let access = change.after.as_ref().or(change.before.as_ref()).unwrap();
                        format!(" {:?} {}", change.direction, access.target)
                    });
                    format!("changed{}", gained.collect::<String>())
                }
                PolicyEvent::Failed { error, .. } => format!("failed {error}"),
            };
            tell.send(line).unwrap();
        })
        .load()
        .unwrap();
    (policy, told)
}

async fn next(told: &mut UnboundedReceiver<String>) -> String {
    tokio::time::timeout(Duration::from_secs(60), told.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_changed_file_comes_into_force_and_a_broken_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.yaml");
    fs::write(&path, policy("a")).unwrap();
    let (policy_a, mut told) = watched(&path);
    let task = tokio::spawn(policy_a.watch());
    let first = policy_a.status();
    assert!(allows(&policy_a, "a") && !allows(&policy_a, "b"));

    fs::write(&path, policy("b")).unwrap();
    assert_eq!(next(&mut told).await, "changed Lost a Gained b");
    assert!(allows(&policy_a, "b") && !allows(&policy_a, "a"));

    fs::write(&path, "rules: [").unwrap();
    let failed = next(&mut told).await;
    assert!(failed.starts_with("failed ") && failed.contains("policy.yaml: line 1"), "{failed}");
    assert!(allows(&policy_a, "b"), "the last good one stays in force");
    let status = policy_a.status();
    assert!(status.failing.is_some());
    assert_eq!(status.loads, 2);
    assert_ne!(status.version, first.version);

    fs::remove_file(&path).unwrap();
    assert!(next(&mut told).await.ends_with("cannot be read"));
    assert!(allows(&policy_a, "b"));

    fs::write(&path, policy("c")).unwrap();
    assert_eq!(next(&mut told).await, "changed Lost b Gained c");
    assert_eq!(policy_a.status().failing, None);

    // Nobody is left to watch for.
    drop(policy_a);
    tokio::time::timeout(Duration::from_secs(60), task).await.unwrap().unwrap();
}

/// Kubernetes swaps a link to a folder; the file's own path never changes.
#[cfg(unix)]
#[tokio::test]
async fn swapped_links_are_followed() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (version, tool) in [("..v1", "a"), ("..v2", "b")] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("policy.yaml"), policy(tool)).unwrap();
    }
    symlink("..v1", at("..data")).unwrap();
    symlink("..data/policy.yaml", at("policy.yaml")).unwrap();
    let (policy, mut told) = watched(&at("policy.yaml"));
    let task = tokio::spawn(policy.watch());
    symlink("..v2", at("..new")).unwrap();
    fs::rename(at("..new"), at("..data")).unwrap();
    assert_eq!(next(&mut told).await, "changed Lost a Gained b");
    task.abort();
}

/// A file in the midst of being written is a shorter policy: perhaps one without its deny rules.
#[test]
fn what_is_still_being_written_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.yaml");
    fs::write(&path, policy("a")).unwrap();
    let loaded = PolicyFile::new(&path).load().unwrap();
    loaded.0.look();
    loaded.0.look();
    let half = policy("half");
    fs::write(&path, &half).unwrap();
    loaded.0.look();
    assert!(allows(&loaded, "a"), "seen once");
    fs::write(&path, half + "  - id: more\n    deny: { tools: [half] }\n    everyone: true\n")
        .unwrap();
    loaded.0.look();
    assert!(allows(&loaded, "a"), "another file, seen once");
    loaded.0.look();
    assert!(!allows(&loaded, "a") && !allows(&loaded, "half"));
    assert_eq!(loaded.status().loads, 2);
}

#[test]
fn on_demand() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.yaml");
    assert!(PolicyFile::new(&path).load().is_err(), "no start without a policy");
    fs::write(&path, "rules: [").unwrap();
    assert!(PolicyFile::new(&path).load().is_err());
    fs::write(&path, policy("a")).unwrap();
    let (tell, told) = mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let loaded = PolicyFile::new(&path)
        .on_event(move |event| tell.lock().unwrap().send(format!("{event:?}")).unwrap())
        .load()
        .unwrap();
    assert!(!loaded.reload().unwrap(), "the same content is no change");
    fs::write(&path, policy("a") + "# a comment\n").unwrap();
    assert!(!loaded.reload().unwrap(), "nor is a comment");
    fs::write(&path, policy("b")).unwrap();
    assert!(loaded.reload().unwrap());
    assert!(allows(&loaded, "b"));
    fs::write(&path, "rulez: []").unwrap();
    assert!(loaded.reload().is_err() && loaded.reload().is_err());
    assert!(allows(&loaded, "b"));
    assert_eq!(loaded.status().failures, 1, "counted once, as told");
    let standing = loaded.standing();
    assert_eq!(standing.tools, ["b"], "of the policy in force");
    assert_eq!((standing.loads, standing.failures), (2, 1));
    assert!(standing.failing.is_some() && standing.loaded_at.is_some());
    let events: Vec<String> = told.try_iter().collect();
    assert_eq!(events.len(), 2, "one change, and one failure told once: {events:?}");
    let clone = loaded.clone();
    assert_eq!(clone.current().version(), loaded.version());
    assert!(!loaded.decides_tasks());
    let tasks = "  - { id: t, allow: { tools: [b], methods: [tasks/create] }, everyone: true }\n";
    fs::write(&path, policy("b") + tasks).unwrap();
    assert!(loaded.reload().unwrap() && loaded.decides_tasks());
}

/// A policy that was read again has the clock of the one before.
#[test]
fn all_versions_go_by_one_clock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.yaml");
    let until = "    valid: { until: 1970-01-01T00:20:00Z }\n";
    fs::write(&path, policy("a") + until).unwrap();
    let (clock, hand) = Clock::manual(1_000);
    let loaded = PolicyFile::new(&path).clock(clock).load().unwrap();
    assert!(allows(&loaded, "a"));
    fs::write(&path, policy("b") + until).unwrap();
    assert!(loaded.reload().unwrap());
    assert_eq!(loaded.status().loaded_at, Duration::from_secs(1_000));
    assert!(allows(&loaded, "b"));
    hand.advance(Duration::from_secs(200));
    assert!(!allows(&loaded, "b"), "over");
    fs::write(&path, policy("c")).unwrap();
    assert!(loaded.reload().unwrap());
    assert_eq!(loaded.status().loaded_at, Duration::from_secs(1_200));
}

#[test]
fn a_failure_is_as_old_as_its_first_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.yaml");
    fs::write(&path, policy("a")).unwrap();
    let (clock, hand) = Clock::manual(1_000);
    let loaded = PolicyFile::new(&path).clock(clock).load().unwrap();
    let since = || loaded.status().failing.map(|(since, _)| since.as_secs());
    fs::write(&path, "rules: [").unwrap();
    assert!(loaded.reload().is_err());
    hand.advance(Duration::from_secs(5));
    fs::remove_file(&path).unwrap();
    assert!(loaded.reload().is_err());
    assert_eq!(since(), Some(1_000), "another error, and of no use all along");
    assert_eq!(loaded.standing().failing, Some(Duration::from_secs(1_000)));
    assert_eq!(loaded.status().failures, 2);
    fs::write(&path, policy("a")).unwrap();
    assert!(!loaded.reload().unwrap());
    assert_eq!(since(), None);
    fs::remove_file(&path).unwrap();
    assert!(loaded.reload().is_err());
    assert_eq!(since(), Some(1_005), "a new failure");
}

#[test]
fn looking_without_a_pause_is_not_possible() {
    assert_eq!(PolicyFile::new("x").every(Duration::ZERO).every, Duration::from_millis(1));
    assert_eq!(PolicyFile::new("x").every(Duration::from_secs(9)).every, Duration::from_secs(9));
}
