//! What the builder lets users change about inspection.

use portcullis::{Issuer, JwkSet, Portcullis};
use portcullis_test::Mint;
use serde_json::json;
use tower::Layer as _;

use crate::support::{Answer, Ask, ISSUER, RESOURCE, Upstream, h1, serve};

#[tokio::test]
async fn inspection_is_the_users_to_change() {
    let mint = Mint::es256(ISSUER);
    let about = json!({"jsonrpc": "2.0", "id": 1, "result": {
        "supportedVersions": ["2026-07-28"], "capabilities": {}, "instructions": "Ask delete_user",
    }});
    for (hide, said) in [(false, json!("Ask delete_user")), (true, json!(""))] {
        let upstream = Upstream::always(Answer::json(about.to_string()));
        let gate = Portcullis::builder()
            .resource(RESOURCE)
            .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
            .danger_permit_all()
            .inspection(move |layer| if hide { layer.hide_instructions() } else { layer })
            .danger_no_audit()
            .build()
            .unwrap();
        let addr = serve(gate.layer(upstream)).await;
        let ask = Ask::modern("server/discover", "", None).bearer(&mint.token().sign());
        assert_eq!(h1(addr, &ask).await.json()["result"]["instructions"], said);
    }
}
