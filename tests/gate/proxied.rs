//! The gate before a server elsewhere: whose words reach the client, and what is on record.

use portcullis::audit::MemorySink;
use portcullis::proxy::{HttpUpstream, IdentityHeaders, Secret};
use portcullis_test::Mint;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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

/// A server on a socket that sends `head` and `body`, and is gone.
async fn gone_after(head: &'static str, body: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let mut request = [0; 8192];
            let _some = stream.read(&mut request).await.unwrap();
            let chunk = format!("{:x}\r\n{body}\r\n", body.len());
            let _sent = stream.write_all(format!("{head}\r\n{chunk}").as_bytes()).await;
        }
    });
    url
}

/// R-086: a server that dies in the midst of an answer. What has come is never taken for all there is.
#[tokio::test]
async fn a_server_that_dies_in_the_midst_of_its_answer() {
    const EVENTS: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n";
    const JSON: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n";
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
    let whole = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
    for (name, head, sent, status, count) in [
        ("events", EVENTS, format!("data: {progress}\n\n"), 200, 2),
        ("an event cut off", EVENTS, format!("data: {progress}\n\ndata: {whole}"), 200, 2),
        ("JSON that looks whole", JSON, whole.to_owned(), 502, 1),
        ("JSON cut off", JSON, whole[..20].to_owned(), 502, 1),
    ] {
        let (mint, records) = (Mint::es256(ISSUER), MemorySink::new());
        let upstream =
            HttpUpstream::builder(&gone_after(head, sent).await).unwrap().build().unwrap();
        let addr = serve(layer(Setup::default(), &mint, records.clone()).layer(upstream)).await;
        let token = mint.token().claim("groups", json!(["staff"])).sign();
        // The answer can be read to its end: the connection does not break.
        let reply = h1(addr, &Ask::call("get_weather").bearer(&token)).await;
        assert_eq!(reply.status, status, "{name}: {reply:?}");
        let messages = if status == 200 { reply.messages() } else { vec![reply.json()] };
        assert_eq!(messages.len(), count, "{name}: {reply:?}");
        let last = messages.last().unwrap();
        assert_eq!((&last["id"], &last["error"]["code"]), (&json!(1), &json!(-32603)), "{name}");
    }
}
