//! What reading a request strictly costs, against parsers that read it once more or less strictly: reading alone, and
//! the whole layer.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use portcullis::mcp::{InspectLayer, Limits, measure};
use portcullis::{Caller, Principal, RequestFacts as _};
use rmcp::model::ClientJsonRpcMessage;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tower::Layer as _;

use crate::corpus::{self, Rotation};
use crate::serve::{Permitted, answer, succeed};
use crate::support::{Group, keep};

pub fn small(group: &mut Group) {
    inspection(group, &corpus::smalls(), [("T6", 4.0), ("T6", 1.7), ("T6", 12.5)]);
}

pub fn nested(group: &mut Group) {
    inspection(group, &[corpus::nested(64 << 10)], [("T7", 10.0), ("T7", 1.4), ("T7", 12.5)]);
}

pub fn text(group: &mut Group) {
    inspection(group, &[corpus::text(64 << 10)], [("T7", 1.0), ("T7", 1.1), ("T7", 1.0)]);
}

/// What policy needs, borrowed. Duplicate members go unseen.
#[derive(Deserialize)]
#[expect(dead_code, reason = "read, and not looked at")]
struct Message<'a> {
    jsonrpc: &'a str,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: &'a str,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "read, and not looked at")]
struct Params<'a> {
    name: Option<&'a str>,
    uri: Option<&'a str>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "read, and not looked at")]
struct Meta<'a> {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<&'a str>,
}

/// Ours alone reads as inspection does, with all checks, and the layer is measured both ways, over the service alone.
/// The others are parsers and nothing else.
fn inspection(group: &mut Group, calls: &[(String, String)], targets: [(&'static str, f64); 3]) {
    let bodies = Rotation::new(calls.iter().map(|(_, body)| body.clone().into_bytes()).collect());
    let alone = Permitted::new(answer());
    let bare = group.work("the service alone", {
        let (mut requests, service) = (requests(calls), alone.clone());
        move || succeed(service.clone(), requests.next().clone())
    });
    let read = group.work("read alone", {
        let (mut bodies, limits) = (bodies.clone(), Limits::default());
        move || assert!(measure::read(bodies.next(), &limits))
    });
    let layer = group.work("inspected", {
        let (mut requests, service) = (requests(calls), InspectLayer::new().layer(alone));
        move || succeed(service.clone(), requests.next().clone())
    });
    let value = group.work("serde_json Value", {
        let mut bodies = bodies.clone();
        move || serde_json::from_slice::<Value>(bodies.next()).unwrap()
    });
    let raw = group.work("serde_json, borrowed, RawValue", {
        let mut bodies = bodies.clone();
        move || {
            serde_json::from_slice::<Message<'_>>(bodies.next()).unwrap();
        }
    });
    let server = group.work("rmcp's own parse", {
        let mut bodies = bodies.clone();
        move || serde_json::from_slice::<ClientJsonRpcMessage>(bodies.next()).unwrap()
    });
    let layer = layer.over(bare);
    let parsers = [value, raw, server].into_iter().zip(targets);
    for (theirs, (target, bound)) in parsers.clone() {
        group.faster(target, read, theirs, bound);
    }
    group.allocations(targets[0].0, read, 0);
    for (theirs, (_, bound)) in parsers {
        group.faster("the layer", layer, theirs, bound);
    }
    group.allocations("the layer", layer, 0);
    let bytes: usize = calls.iter().map(|(_, body)| body.len()).sum();
    group.note(format!("{} bytes a message, {} in turn.", bytes / calls.len(), calls.len()));
}

fn requests(calls: &[(String, String)]) -> Rotation<Request<Full<Bytes>>> {
    let caller = keep(Caller::Verified(
        Principal::builder("https://id.example.com", "alice").build().into(),
    ));
    let request = |(name, body): &(String, String)| {
        let mut request = corpus::request(name, body, "x");
        request.headers_mut().remove("authorization");
        request.set_caller(caller.clone());
        request
    };
    Rotation::new(calls.iter().map(request).collect())
}
