//! Who uses the servers, and who is blocked.

#[cfg(feature = "roster")]
use portcullis::roster::{Block, PersonId, Roster, SqliteStore};
#[cfg(feature = "roster")]
use rustix::process::Signal;

use crate::rig::{FILE, Folder};

/// With the feature: people are seen, and a block by another process is in force for the next request.
#[cfg(feature = "roster")]
#[tokio::test]
async fn somebody_who_is_blocked_is_refused_and_the_others_are_not() {
    use crate::ask::{bearer, list, send};
    use crate::rig::{ISSUER, PATIENCE, RESOURCE, Rig};

    let mut rig =
        Rig::with(Folder::new(), &format!("{FILE}roster: {{ sqlite: people.db }}\n")).await;
    let token = |who: &str| {
        rig.folder.mint.token().audience(RESOURCE).claim("sub", serde_json::json!(who)).sign()
    };
    let (alice, bob) = (token("alice"), token("bob"));
    for token in [&alice, &bob] {
        assert_eq!(send(rig.address, bearer(list(), token)).await.status(), 200);
    }
    let store = SqliteStore::open(rig.folder.path("people.db")).unwrap();
    let beside = Roster::builder(store).build().unwrap();
    let alices = PersonId::new(ISSUER, "alice");
    beside.block(Block::new(alices.clone(), std::time::Duration::ZERO).by("carol")).await.unwrap();
    let refused = async {
        while send(rig.address, bearer(list(), &alice)).await.status() != 403 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("within seconds");
    assert_eq!(send(rig.address, bearer(list(), &bob)).await.status(), 200);
    assert!(rig.folder.read("audit.jsonl").contains("\"reason\":\"blocked\""));

    // What was counted is written at the end.
    rig.gateway.signal(Signal::TERM);
    assert!(rig.gateway.ended().await.success());
    let known = beside.person(alices).await.unwrap().expect("she was seen");
    assert_eq!(known.servers, ["notes"]);
    assert!(known.requests >= 2, "{}", known.requests);
}

/// Without the feature: a file that wants a roster is refused, not served without one.
#[cfg(not(feature = "roster"))]
#[tokio::test]
async fn a_program_without_a_roster_says_so() {
    let folder = Folder::new();
    folder.write("gateway.yaml", &format!("{FILE}roster: {{ sqlite: people.db }}\n"));
    let (good, told) = crate::faults::check(&folder, "gateway.yaml").await;
    assert!(!good && told.contains("built without the roster"), "{told}");
}
