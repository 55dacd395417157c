//! A gate that keeps a roster, over real sockets.

use std::time::Duration;

use portcullis::audit::MemorySink;
use portcullis::roster::{Block, MemoryStore, PersonId, Roster};
use portcullis::{Issuer, JwkSet, Policy, Portcullis};
use portcullis_test::Mint;
use tower::Layer as _;

use crate::support::{Ask, ISSUER, RESOURCE, Upstream, h1, serve};

#[tokio::test]
async fn a_gate_counts_people_and_keeps_the_blocked_out_on_record() {
    let roster = Roster::builder(MemoryStore::new()).build().unwrap();
    let (mint, records) = (Mint::es256(ISSUER), MemorySink::new());
    let gate = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .policy(Policy::danger_permit_all())
        .audit(records.clone())
        .roster(roster.clone())
        .build()
        .unwrap();
    let upstream = Upstream::echo();
    let addr = serve(gate.layer(upstream.clone())).await;
    let of = |subject: &str| mint.token().subject(subject).sign();
    let ask = async |token: &str| h1(addr, &Ask::call("get_weather").bearer(token)).await;
    let (alice, bob) = (of("alice"), of("bob"));
    assert_eq!(ask(&alice).await.status, 200);
    assert_eq!(ask(&bob).await.status, 200);
    assert_eq!(h1(addr, &Ask::call("get_weather")).await.status, 401, "as before");

    let id = PersonId::new(ISSUER, "alice");
    roster.block(Block::new(id.clone(), Duration::ZERO).by("carol").note("left")).await.unwrap();
    let refused = ask(&alice).await;
    assert_eq!(refused.status, 403);
    assert!(!refused.headers.contains_key("www-authenticate"));
    assert_eq!(ask(&of("alice")).await.status, 403, "with another token too");
    assert_eq!(ask(&bob).await.status, 200);
    assert_eq!(upstream.count(), 3);
    let person = roster.person(id.clone()).await.unwrap().unwrap();
    assert_eq!((person.requests, person.servers), (1, vec![RESOURCE.to_owned()]));
    assert!(roster.unblock(id).await.unwrap());
    assert_eq!(ask(&alice).await.status, 200);

    assert!(gate.audit().flush().await);
    let lines = records.lines();
    let has =
        |words: &[&str]| lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
    let event = [r#""event":"person.blocked""#, r#""sub":"alice""#, "by carol: left"];
    assert!(has(&event), "{lines:#?}");
    assert!(has(&[r#""event":"person.unblocked""#, r#""about":"alice""#]), "{lines:#?}");
    let decision = [r#""record":"decision""#, r#""reason":"blocked""#, r#""sub":"alice""#];
    assert!(has(&decision), "{lines:#?}");
}
