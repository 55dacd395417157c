//! The gate before a server elsewhere: whose words reach the client, and what is on record.

use portcullis::audit::MemorySink;
use portcullis::proxy::{HttpUpstream, IdentityHeaders, Secret};
use portcullis_test::Mint;
use serde_json::{Value, json};
use tower::Layer as _;

use crate::support::{Answer, Ask, ISSUER, Setup, Upstream, h1, layer, serve, wait_for};

/// R-018, R-021, R-262, R-305, X-154, X-155, X-187.
#[tokio::test]
async fn what_is_between_the_gate_and_a_server_stays_there() {
    let challenge = "Bearer resource_metadata=\"https://evil.example/prm\"";
    let good = || Answer::json(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#);
    let rows = [
        ("a result", good().with("set-cookie", "a=b").with("server", "thing"), 200, Value::Null),
        ("a challenge", Answer::status(401).with("www-authenticate", challenge), 502, json!(401)),
        ("no entry", Answer::status(403), 502, json!(403)),
        (
            "a redirect",
            Answer::status(302).with("location", "http://evil.example/"),
            502,
            json!(302),
        ),
        ("a fault", Answer::status(500).with("x-trace", "secret"), 502, json!(500)),
        ("busy", Answer::status(503).with("retry-after", "7"), 503, json!(503)),
    ];
    for (name, answer, status, upstream_status) in rows {
        let (mint, records) = (Mint::es256(ISSUER), MemorySink::new());
        let behind = Upstream::always(answer);
        let url = format!("http://{}/mcp", serve(behind.clone()).await);
        let upstream = HttpUpstream::builder(&url)
            .unwrap()
            .identity(IdentityHeaders::remote_user())
            .danger_shared_credential(http::header::AUTHORIZATION, Secret::new("Basic of-the-gate"))
            .build()
            .unwrap();
        let addr = serve(layer(Setup::default(), &mint, records.clone()).layer(upstream)).await;
        let token = mint.token().subject("rita").claim("groups", json!(["staff"])).sign();
        let ask = Ask::call("get_weather").header("cookie", "a=b").header("remote_user", "admin");
        let reply = h1(addr, &ask.bearer(&token)).await;

        assert_eq!(reply.status, status, "{name}: {reply:?}");
        for header in ["www-authenticate", "set-cookie", "location", "server", "x-trace"] {
            assert_eq!(reply.header(header), None, "{name}");
        }
        if status != 200 {
            assert_eq!((reply.code(), &reply.json()["id"]), (-32603, &json!(1)), "{name}");
        }
        assert_eq!(reply.header("retry-after"), (status == 503).then_some("7"), "{name}");

        let seen = behind.last().headers;
        assert_eq!(seen["authorization"], "Basic of-the-gate", "{name}");
        assert_eq!(seen["remote-user"], format!("{ISSUER}#rita"), "{name}");
        assert!(!seen.contains_key("cookie") && !seen.contains_key("remote_user"), "{name}");
        assert!(seen.values().all(|value| !value.as_bytes().ends_with(token.as_bytes())), "{name}");
        assert_eq!(behind.count(), 1, "{name}");

        let all = wait_for(&records, 2).await;
        let outcome = all.iter().find(|record| record["record"] == "outcome").unwrap();
        assert_eq!(outcome["upstream_status"], upstream_status, "{name}: {outcome}");
        assert_eq!(outcome["cred_source"], "shared", "{name}");
        assert!(!format!("{all:?}").contains("of-the-gate"), "{name}");
    }
}
