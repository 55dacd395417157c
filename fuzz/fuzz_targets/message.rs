//! What is forwarded means to serde_json what inspection says it means.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use portcullis_core::{McpMessage, RequestFacts as _};
use portcullis_fuzz::{Server, post, run};
use portcullis_mcp::InspectLayer;
use serde_json::Value;
use tower_layer::Layer as _;
use tower_service::Service as _;

fuzz_target!(|input: (u8, &str, &str, &[u8])| {
    thread_local!(static LAYER: InspectLayer = InspectLayer::new());
    let (version, method, name, body) = input;
    let version = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"][usize::from(version % 4)];
    let mut headers = vec![("mcp-protocol-version", version)];
    if version == "2026-07-28" {
        headers.extend([("mcp-method", method), ("mcp-name", name)]);
    }
    let Some(request) = post(Bytes::copy_from_slice(body), &headers) else { return };
    let server = Server::default();
    let mut service = LAYER.with(|layer| layer.layer(server.clone()));
    let _ = run(service.call(request));

    let Some(request) = server.got.lock().expect("no poison").take() else { return };
    let forwarded: Value = serde_json::from_slice(request.body().bytes()).expect("JSON");
    let messages = match request.message().expect("inspected") {
        McpMessage::Batch(messages) => messages.to_vec(),
        message => vec![message.clone()],
    };
    let documents = match forwarded {
        Value::Array(documents) => documents,
        document => vec![document],
    };
    assert_eq!(messages.len(), documents.len());
    for (message, document) in messages.iter().zip(&documents) {
        let McpMessage::Request(message) = message else { continue };
        assert_eq!(document["method"], message.method().as_str());
        assert_eq!(document["id"].to_string(), message.id().as_str().trim());
        if let Some(target) = message.targets().next() {
            let found = document.to_string();
            assert!(found.contains(&serde_json::to_string(target.name()).expect("text")), "{found}");
        }
    }
});
