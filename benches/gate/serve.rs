//! Services to put the gate in front of, and a client for them.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use portcullis::core::{Glance, Look, TargetKind, Text, View};
use portcullis::{Caller, Permit, ResponseFacts as _, Version};
use tower::Service;

use crate::corpus::ID;
use crate::support::now;

/// What a handler answers to a call.
pub fn answer() -> Bytes {
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":{ID},"result":{{"resultType":"complete","content":[{{"type":"text","text":"21 degrees, light wind"}}],"isError":false}}}}"#
    ))
}

/// An axum application that reads the body and answers.
pub fn bare() -> axum::Router {
    let answer = answer();
    let handler = move |_: Bytes| {
        let answer = answer.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], answer) }
    };
    axum::Router::new().route("/mcp", axum::routing::post(handler))
}

/// Sends a request and reads the answer; returns its status and its size.
pub async fn exchange<S, B, R>(mut service: S, request: Request<B>) -> (StatusCode, usize)
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: std::fmt::Debug,
    R: Body<Data = Bytes>,
    R::Error: std::fmt::Debug,
{
    let response = service.call(request).await.unwrap();
    let status = response.status();
    let mut body = std::pin::pin!(response.into_body());
    let mut size = 0;
    while let Some(frame) = body.as_mut().frame().await {
        size += frame.unwrap().into_data().map_or(0, |data| data.len());
    }
    (status, size)
}

/// As [`exchange`], and insists on success.
pub fn succeed<S, B, R>(service: S, request: Request<B>) -> usize
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: std::fmt::Debug,
    R: Body<Data = Bytes>,
    R::Error: std::fmt::Debug,
{
    let (status, size) = now(exchange(service, request));
    assert_eq!(status, StatusCode::OK);
    size
}

/// Answers with the same JSON at once, as if policy had permitted the request.
#[derive(Clone, Debug)]
pub struct Permitted {
    answer: Bytes,
    view: Arc<Everything>,
}

impl Permitted {
    pub fn new(answer: Bytes) -> Self {
        Self { answer, view: Arc::new(Everything) }
    }
}

impl<B> Service<Request<B>> for Permitted {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let mut response = Response::new(Full::new(self.answer.clone()));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        // As every server says it.
        let length = HeaderValue::from(self.answer.len());
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
        let (rule, version) = (Text::from_static("rule"), Text::from_static("version"));
        let view = Arc::clone(&self.view);
        response.set_permit(Permit::new(rule, version, view));
        ready(Ok(response))
    }
}

#[derive(Debug)]
struct Everything;

impl View for Everything {
    fn glance(&self, _: &Caller, _: Version, _: TargetKind, _: &str) -> Glance {
        Glance::Shown
    }

    fn look(&self, _: Caller, _: Version, items: Vec<(TargetKind, Text)>) -> Look {
        Box::pin(ready(vec![true; items.len()]))
    }
}
