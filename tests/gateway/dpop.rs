//! Tokens that are bound to a key of their client.

use bytes::Bytes;
use http::Request;
use portcullis::testing::DpopKey;
use serde_json::json;

use crate::ask::{bare, bearer, list, send, with};
use crate::rig::{FILE, Folder, RESOURCE, Rig};

fn proven(token: &str, proof: &str) -> Request<Bytes> {
    with(with(list(), "authorization", &format!("DPoP {token}")), "dpop", proof)
}

#[tokio::test]
async fn a_bound_token_counts_with_its_key_and_each_proof_once() {
    let file = FILE.replace("  tokens:\n", "  tokens:\n    dpop: required\n");
    let rig = Rig::with(Folder::new(), &file).await;
    let (key, other) = (DpopKey::new(), DpopKey::new());
    let token = rig.folder.mint.token().audience(RESOURCE);
    let token = token.claim("cnf", json!({ "jkt": key.thumbprint() })).sign();
    let proof = || key.proof("POST", RESOURCE, &token);
    let used = proof();
    let rows = [
        ("with a proof", proven(&token, &used), 200),
        ("the same again", proven(&token, &used), 401),
        ("of another key", proven(&token, &other.proof("POST", RESOURCE, &token)), 401),
        (
            "for another server",
            proven(&token, &key.proof("POST", "https://a.example/", &token)),
            401,
        ),
        ("for another method", proven(&token, &key.proof("GET", RESOURCE, &token)), 401),
        ("as a bearer token", bearer(list(), &token), 401),
        ("a token that is not bound", bearer(list(), &rig.token()), 401),
    ];
    for (name, request, expected) in rows {
        assert_eq!(send(rig.address, request).await.status(), expected, "{name}");
    }
    assert!(rig.upstream.last().headers.get("dpop").is_none());

    // A gate that is built anew knows the proofs of the one before.
    rig.rewrite("dpop: required", "dpop: accepted");
    rig.reload().await;
    assert_eq!(send(rig.address, proven(&token, &used)).await.status(), 401);
    assert_eq!(send(rig.address, proven(&token, &proof())).await.status(), 200);
    assert_eq!(send(rig.address, bearer(list(), &token)).await.status(), 401, "it is bound");
    assert_eq!(send(rig.address, bearer(list(), &rig.token())).await.status(), 200);

    let path = "/.well-known/oauth-protected-resource/notes";
    let metadata = send(rig.address, bare(http::Method::GET, path)).await.json();
    assert_eq!(metadata["dpop_signing_alg_values_supported"], json!(["ES256", "EdDSA"]));
}
