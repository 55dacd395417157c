//! What answers which path, and how long.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};
use portcullis_serve::{EndsWith, RequestBody};
use tokio::sync::watch;
use tower::{BoxError, ServiceExt as _};

use crate::gate::{Body, Gated};

/// How far a server has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// It is in force.
    Open,
    /// It is not: streams that wait for something to happen end, calls go on.
    Ending,
    /// Everything ends.
    Over,
}

/// All paths of the gateway.
#[derive(Default)]
pub struct Routes {
    pub gates: HashMap<String, (Gated, watch::Receiver<Stage>)>,
    /// Documents in JSON that anybody may read.
    pub documents: HashMap<String, Bytes>,
}

impl Routes {
    /// The answer to a request.
    pub async fn answer(self: Arc<Self>, request: Request<RequestBody>) -> Response<Body> {
        let path = request.uri().path();
        let Some((gate, mut stage)) = self.gates.get(path).cloned() else {
            return match self.documents.get(path) {
                Some(document) => json(request.method(), document.clone()),
                None => plain(StatusCode::NOT_FOUND),
            };
        };
        // Requests under way keep no routes that are not in force.
        drop(self);
        let until = if waits(&request) { Stage::Ending } else { Stage::Over };
        let response = match gate.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let media = response.headers().get(CONTENT_TYPE);
        if !media.is_some_and(|it| it.as_bytes().starts_with(b"text/event-stream")) {
            return response;
        }
        // A server without anybody to end it is one that was ended.
        let end = async move { drop(stage.wait_for(|stage| *stage >= until).await) };
        response.map(|body| EndsWith::new(body, end).boxed_unsync())
    }
}

/// Whether nothing is under way in an answer: it lasts until somebody ends it.
fn waits<B>(request: &Request<B>) -> bool {
    let listens = |method: &HeaderValue| method == "subscriptions/listen";
    request.method() == Method::GET || request.headers().get("mcp-method").is_some_and(listens)
}

fn json(method: &Method, document: Bytes) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let mut response = Response::new(Full::new(document).map_err(never).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().map_err(never).boxed_unsync());
    *response.status_mut() = status;
    response
}

fn never(never: Infallible) -> BoxError {
    match never {}
}
