//! No answer shows a hidden item, however it is framed and wherever its chunks break.
#![no_main]

use bytes::Bytes;
use http_body_util::BodyExt as _;
use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{Server, post, run};
use portcullis_mcp::InspectLayer;
use serde_json::Value;
use tower_layer::Layer as _;
use tower_service::Service as _;

const LIST: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

/// What the client gets when the server answers with these chunks. `None` when it breaks off.
fn answer(stream: bool, chunks: Vec<Bytes>) -> Option<Bytes> {
    thread_local!(static LAYER: InspectLayer = InspectLayer::new());
    let content_type = if stream { "text/event-stream" } else { "application/json" };
    let server = Server { content_type, chunks, ..Server::default() };
    let request = post(Bytes::from_static(LIST), &[("mcp-protocol-version", "2025-11-25")]);
    let mut service = LAYER.with(|layer| layer.layer(server));
    run(async {
        let Ok(response) = service.call(request.expect("a request")).await;
        response.into_body().collect().await.ok().map(|body| body.to_bytes())
    })
}

fuzz_target!(|input: (bool, Vec<&[u8]>)| {
    let (stream, chunks) = input;
    let whole = Bytes::from(chunks.concat());
    let body = answer(stream, chunks.into_iter().map(Bytes::copy_from_slice).collect());
    assert_eq!(body, answer(stream, vec![whole]), "it matters where the chunks break");
    let Some(body) = body else { return };
    let text = String::from_utf8_lossy(&body).replace("\r\n", "\n").replace('\r', "\n");
    let documents: Vec<String> = if stream {
        let data = |event: &str| {
            let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
            lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
        };
        text.split("\n\n").map(data).collect()
    } else {
        vec![text]
    };
    for document in documents {
        let Ok(document) = serde_json::from_str::<Value>(&document) else { continue };
        for member in ["tools", "prompts", "resources", "resourceTemplates"] {
            for item in document["result"][member].as_array().into_iter().flatten() {
                let key = ["name", "name", "uri", "uriTemplate"];
                let name = key.iter().find_map(|key| item[*key].as_str()).unwrap_or_default();
                assert!(member == "resources" || !name.contains("secret"), "{document}");
            }
        }
    }
});
