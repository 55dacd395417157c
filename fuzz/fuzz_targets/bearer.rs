//! Whatever stands in `Authorization` and the query: an answer, and never the service.
#![no_main]

use http::{HeaderValue, Request};
use libfuzzer_sys::fuzz_target;
use portcullis_core::Buffered;
use portcullis_fuzz::{Server, challenge, run, verifier};
use portcullis_jwt::JwtLayer;
use tower_layer::Layer as _;
use tower_service::Service as _;

fuzz_target!(|input: (Vec<&[u8]>, &str)| {
    thread_local!(static LAYER: JwtLayer = JwtLayer::new(verifier(), challenge()));
    let (lines, query) = input;
    let Ok(mut request) = Request::post(format!("/mcp?{query}")).body(Buffered::empty()) else {
        return;
    };
    for line in lines {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            request.headers_mut().append("authorization", value);
        }
    }
    let server = Server::default();
    let mut service = LAYER.with(|layer| layer.layer(server.clone()));
    let Ok(response) = run(service.call(request));
    assert!(matches!(response.status().as_u16(), 400 | 401), "{}", response.status());
    assert!(response.headers().contains_key("www-authenticate"));
    assert!(server.got.lock().expect("no poison").is_none());
});
