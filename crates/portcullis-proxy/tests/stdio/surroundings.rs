//! What a child has of ours: nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::child::builder;
use crate::client::Client;

async fn surroundings(client: &Client) -> Value {
    serde_json::from_str(&client.text("surroundings").await).unwrap()
}

#[tokio::test]
async fn a_child_has_what_it_was_given() {
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("key");
    std::fs::write(&file, "from a file\n").unwrap();
    let upstream = builder("well").env("PLAIN", "a value").env_file("KEY", &file).build().unwrap();
    let found = surroundings(&Client::modern(&upstream, "alice")).await;
    let env = found["env"].as_object().unwrap();
    let expected = [("CHILD", "well"), ("KEY", "from a file"), ("PLAIN", "a value")];
    for (name, value) in expected {
        assert_eq!(env[name], value);
    }
    // The test harness may set some for itself; what this process has, they do not.
    assert!(std::env::var("PATH").is_ok(), "there is something to keep back");
    for (name, _) in std::env::vars().filter(|(name, _)| !name.starts_with("RUST_")) {
        assert!(!env.contains_key(&name), "{name}");
    }
    assert_eq!(found["directory"], "/");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_child_has_three_pipes() {
    let own = tempfile::NamedTempFile::new().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = builder("well").build().unwrap();
    let found = surroundings(&Client::modern(&upstream, "alice")).await;
    let files: Vec<_> =
        found["files"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    assert!(!files.iter().any(|file| file.contains("socket:")), "{files:?}");
    // Its standard error leads nowhere, and one reads the folder. What this process was given open by who
    // started it is no business of ours.
    let ours = own.path().to_str().unwrap();
    assert!(!files.contains(&ours), "{files:?}");
    let given = given();
    let pipes = |file: &&&str| file.starts_with("pipe:") && !given.contains(&(**file).to_owned());
    assert_eq!(files.iter().filter(pipes).count(), 2, "{files:?}, given {given:?}");
    assert!(files.contains(&"/dev/null"), "{files:?}");
    drop(listener);
}

/// What is open here, and not to be closed when another program is executed.
#[cfg(target_os = "linux")]
fn given() -> Vec<String> {
    let kept = |fd: &str| {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
        flags.is_some_and(|flags| flags & 0o2_000_000 == 0)
    };
    let open = std::fs::read_dir("/proc/self/fd").unwrap().map(|fd| fd.unwrap());
    open.filter(|fd| kept(&fd.file_name().to_string_lossy()))
        .filter_map(|fd| std::fs::read_link(fd.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect()
}

#[tokio::test]
async fn each_person_has_a_directory() {
    let base = tempfile::tempdir().unwrap();
    let upstream = builder("well").directory_per_person(base.path()).build().unwrap();
    let alice = surroundings(&Client::modern(&upstream, "alice")).await["directory"].clone();
    let again = Client::in_session(&upstream, "alice").await;
    let bob = surroundings(&Client::modern(&upstream, "bob")).await["directory"].clone();
    assert_eq!(surroundings(&again).await["directory"], alice);
    assert_ne!(alice, bob);
    let directory = std::path::PathBuf::from(alice.as_str().unwrap());
    assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!alice.as_str().unwrap().contains("alice"));

    // One that others may look into is not used.
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    let refused = Client::legacy(&upstream, "alice").initialize().await;
    assert_eq!(refused.status, 502);
    assert!(!refused.body.contains("directory"), "{}", refused.body);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn limits_of_the_system_hold() {
    // Who is not mighty may lower limits, not raise them.
    let own = std::fs::read_to_string("/proc/self/limits").unwrap();
    let processes = own.lines().find(|line| line.starts_with("Max processes")).unwrap();
    let processes = processes.split_whitespace().nth(3).unwrap();
    let processes: u64 = processes.parse().unwrap_or(100_000);
    let upstream = builder("well")
        .max_open_files(40)
        .max_cpu_time(Duration::from_millis(6500))
        .max_memory(8 << 30)
        .max_processes(processes)
        .build()
        .unwrap();
    let found = surroundings(&Client::modern(&upstream, "alice")).await;
    let limits = found["limits"].as_str().unwrap();
    for (name, value) in [
        ("Max open files", "40"),
        ("Max cpu time", "7"),
        ("Max address space", "8589934592"),
        ("Max processes", &*processes.to_string()),
        ("Max core file size", "0"),
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let values: Vec<_> = line[name.len()..].split_whitespace().take(2).collect();
        assert_eq!(values, [value, value], "{line}");
    }
    assert_eq!(found["args"][1], json!("--exact"), "the program got its own arguments");
}
