//! A gate of which every test says what it does.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use portcullis_core::{
    Caller, Decided, Denial, Glance, HiddenAs, Look, McpMessage, McpRequest, McpRequestParts,
    Method, Permit, Principal, Reason, RequestFacts as _, ResponseFacts as _, Target, TargetKind,
    Version, View,
};
use tower::util::BoxCloneService;

pub(crate) type Answer = Response<BoxBody<Bytes, Infallible>>;

pub(crate) fn text(text: &'static str) -> Answer {
    Response::new(Full::from(text).boxed())
}

pub(crate) fn call(tool: &str) -> McpMessage {
    message(Method::ToolsCall, Some((TargetKind::Tool, tool)), r#"{"id":7}"#)
}

pub(crate) fn message(method: Method, target: Option<(TargetKind, &str)>, raw: &str) -> McpMessage {
    McpMessage::Request(request(method, target, raw))
}

fn request(method: Method, target: Option<(TargetKind, &str)>, raw: &str) -> McpRequest {
    McpRequestParts {
        version: Version::V2026_07_28,
        method,
        id: "\"request-7\"".into(),
        target: target.map(|(kind, name)| Target::new(kind, name.into())),
        more_targets: Vec::new(),
        arguments: None,
        raw: Bytes::copy_from_slice(raw.as_bytes()),
    }
    .into()
}

pub(crate) fn sign_in(request: &mut Request<()>, message: &McpMessage) {
    let alice = Principal::builder("https://id.example", "alice").build();
    request.set_caller(Caller::Verified(alice.into()));
    request.set_message(message.clone());
}

#[derive(Debug)]
struct All;

impl View for All {
    fn glance(&self, _: &Caller, _: Version, _: TargetKind, _: &str) -> Glance {
        Glance::Shown
    }

    fn look(&self, _: Caller, _: Version, _: Vec<(TargetKind, portcullis_core::Text)>) -> Look {
        Box::pin(async { Vec::new() })
    }
}

pub(crate) fn allow(request: &Request<()>, element: usize, message: &McpMessage) {
    let permit = Permit::new("read".into(), "v1".into(), Arc::new(All));
    let decided = Decided { element, message, verdict: Ok(&permit) };
    drop(request.trail().unwrap().decided(&decided));
}

/// Refuses a call of `tool` as policy does.
pub(crate) fn deny(of: &Request<()>, element: usize, tool: &str) -> Denial {
    let asked = request(Method::ToolsCall, Some((TargetKind::Tool, tool)), "{}");
    let hidden = HiddenAs::Unknown(TargetKind::Tool, tool);
    let denial = Denial::hidden(&asked, hidden, Reason::DefaultDeny);
    let message = McpMessage::Request(asked);
    let decided = Decided { element, message: &message, verdict: Err(&denial) };
    drop(of.trail().unwrap().decided(&decided));
    denial
}

pub(crate) fn refuse(denial: Denial) -> Answer {
    let mut response = Response::new(Empty::new().boxed());
    *response.status_mut() = denial.status();
    response.set_denial(denial);
    response
}

pub(crate) type Gate = BoxCloneService<Request<()>, Answer, Infallible>;

/// A gate that does with each request what `act` says.
pub(crate) fn gate(act: impl Fn(&mut Request<()>) -> Answer + Clone + Send + 'static) -> Gate {
    BoxCloneService::new(tower::service_fn(move |mut request: Request<()>| {
        let answer = act(&mut request);
        async move { Ok(answer) }
    }))
}

pub(crate) fn with_headers(headers: &[(&'static str, &str)]) -> Request<()> {
    let mut request = Request::new(());
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    *request.headers_mut() = map;
    request
}

/// The number of `series` in `text`.
pub(crate) fn number(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|number| number.parse().unwrap())
}

#[track_caller]
pub(crate) fn numbers(text: &str, rows: &[(&str, f64)]) {
    for (series, expected) in rows {
        assert_eq!(
            number(text, &format!("portcullis_{series}")),
            Some(*expected),
            "{series}\n{text}"
        );
    }
}
