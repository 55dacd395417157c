//! What the fuzz targets share: callers, views, and services that are ready at once.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use portcullis_core::{
    Buffered, Caller, Challenge, Glance, Look, Permit, Principal, RequestFacts as _,
    ResponseFacts as _, TargetKind, Text, Version, View,
};
use portcullis_jwt::{Issuer, JwkSet, Verifier};
use tower_service::Service;

/// A key that signs nothing here: no fuzzer finds its other half.
const JWKS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"k","use":"sig","alg":"ES256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

/// A verifier of one issuer with one key.
pub fn verifier() -> Verifier {
    let keys = JwkSet::from_json(JWKS).expect("the example key of RFC 7517");
    Verifier::builder("https://mcp.example.com/mcp")
        .issuer(Issuer::new("https://auth.example.com").keys(keys))
        .build()
        .expect("a verifier")
}

/// A challenge with a base scope.
pub fn challenge() -> Challenge {
    Challenge::new("https://mcp.example.com/.well-known/oauth-protected-resource/mcp", ["mcp:read"])
        .expect("a challenge")
}

/// Alice.
pub fn caller() -> Caller {
    named("alice")
}

/// Whoever it is.
pub fn named(subject: &str) -> Caller {
    Caller::Verified(Arc::new(Principal::builder("https://auth.example.com", subject).build()))
}

/// Shows every name but those that contain `secret`.
#[derive(Debug)]
pub struct NoSecrets;

impl View for NoSecrets {
    fn glance(&self, _: &Caller, _: Version, _: TargetKind, name: &str) -> Glance {
        if name.contains("secret") { Glance::Hidden } else { Glance::Shown }
    }

    fn look(&self, _: Caller, _: Version, _: Vec<(TargetKind, Text)>) -> Look {
        Box::pin(ready(Vec::new()))
    }
}

/// A service that keeps the last request it got and answers what it was told to.
#[derive(Clone, Default)]
pub struct Server {
    pub got: Arc<Mutex<Option<Request<Buffered>>>>,
    pub content_type: &'static str,
    pub chunks: Vec<Bytes>,
    /// The session that its answers begin.
    pub session: Option<&'static str>,
}

/// A body of given chunks.
pub struct Chunks(std::vec::IntoIter<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|chunk| Ok(http_body::Frame::data(chunk))))
    }
}

impl Service<Request<Buffered>> for Server {
    type Response = Response<Chunks>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Buffered>) -> Self::Future {
        *self.got.lock().expect("no poison") = Some(request);
        let mut response = Response::new(Chunks(self.chunks.clone().into_iter()));
        if self.content_type.is_empty() {
            *response.status_mut() = http::StatusCode::ACCEPTED;
        } else {
            let value = http::HeaderValue::from_static(self.content_type);
            response.headers_mut().insert(http::header::CONTENT_TYPE, value);
        }
        if let Some(id) = self.session {
            response.headers_mut().insert("mcp-session-id", http::HeaderValue::from_static(id));
        }
        let view = Arc::new(NoSecrets);
        let (rule, version) = (Text::from_static("r"), Text::from_static("v"));
        response.set_permit(Permit::new(rule, version, view));
        ready(Ok(response))
    }
}

/// Runs a future that may arm timers but never really waits.
pub fn run<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// A `POST` of `body` by Alice.
pub fn post(body: Bytes, headers: &[(&str, &str)]) -> Option<Request<Buffered>> {
    let mut request = Request::post("/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Buffered::new(body)).ok()?;
    request.set_caller(caller());
    Some(request)
}
