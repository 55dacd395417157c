//! What servers learn of callers, and how callers without JWTs are known.

use std::time::{SystemTime, UNIX_EPOCH};

use portcullis_test::{FakeMcp, serve};
use serde_json::{Value, json};

use crate::ask::{bare, bearer, call, list, send, with};
use crate::rig::{FILE, Folder, RESOURCE, Rig};

#[tokio::test]
async fn a_server_can_verify_who_is_calling() {
    let folder = Folder::new();
    let key = rcgen::KeyPair::generate().unwrap();
    folder.write("identity.pem", &key.serialize_pem());
    let settings =
        "identity: { signed: { key: identity.pem, audience: \"https://notes.internal\" } }";
    let rig = Rig::with(folder, &format!("{FILE}{settings}\n")).await;
    let token = rig.folder.mint.token().audience(RESOURCE).subject("rita").sign();
    let request = with(bearer(call("read_note"), &token), "x-portcullis-assertion", "forged");
    assert_eq!(send(rig.address, request).await.status(), 200);
    let seen = rig.upstream.last();
    let values: Vec<_> = seen.headers.get_all("x-portcullis-assertion").iter().collect();
    let [assertion] = values[..] else { panic!("{values:?}") };

    // As a server does it: fetch the keys, verify with a library that is not ours.
    let path = "/.well-known/portcullis/notes/jwks.json";
    let keys: Value =
        serde_json::from_str(send(rig.address, bare(http::Method::GET, path)).await.text())
            .unwrap();
    let key = serde_json::from_value(keys["keys"][0].clone()).unwrap();
    // With the features of the whole workspace there are two, and somebody has to choose.
    let _chosen_already = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let key = jsonwebtoken::DecodingKey::from_jwk(&key).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    rules.set_audience(&["https://notes.internal"]);
    rules.set_issuer(&["https://mcp.example.com"]);
    let claims =
        jsonwebtoken::decode::<Value>(assertion.to_str().unwrap(), &key, &rules).unwrap().claims;
    assert_eq!(claims["sub_id"]["sub"], "rita");
    assert_eq!(claims["sub_id"]["iss"], crate::rig::ISSUER);
    let reply = send(rig.address, bare(http::Method::POST, path)).await;
    assert_eq!((reply.status(), reply.header("allow")), (405, "GET, HEAD"));
}

/// Tokens that say nothing themselves are asked about, with a secret that the file does not hold.
#[tokio::test]
async fn opaque_tokens_are_asked_about() {
    let folder = Folder::new();
    folder.write("secret", "  open-sesame\n");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let told = FakeMcp::answering(move |seen| {
        let good = seen.body.windows(4).any(|part| part == b"good");
        let known = json!({ "active": good, "iss": crate::rig::ISSUER, "sub": "rita", "aud": RESOURCE,
            "client_id": "app", "exp": now + 600, "token_type": "Bearer" });
        let body = if good { known } else { json!({ "active": false }) };
        portcullis_test::Answer::json(body.to_string())
    });
    let server = serve(told.clone()).await;
    let endpoint = server.url("/introspect");
    let settings = format!(
        "jwks_file: jwks.json, internal: true, introspection: {{ endpoint: \"{endpoint}\", client_id: us, client_secret: it }} }}\nsecrets: {{ it: {{ file: secret }} }}\n"
    );
    let rig = Rig::with(folder, &FILE.replace("jwks_file: jwks.json }\n", &settings)).await;
    let reply = send(rig.address, bearer(list(), "good")).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    assert_eq!(send(rig.address, bearer(list(), "bad")).await.status(), 401);
    let asked = told.last();
    // us:open-sesame
    assert_eq!(asked.headers["authorization"], "Basic dXM6b3Blbi1zZXNhbWU=");
    assert!(!rig.gateway.log.so_far().contains("open-sesame"));
}
