//! The whole gate around an axum handler, against the handler.

use std::io;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use portcullis::audit::{AuditLayer, Record, Sink};
use portcullis::rbac::{Role, Rule};
use portcullis::{Issuer, JwkSet, Policy, Portcullis, PortcullisLayer};
use portcullis_test::Mint;
use serde_json::json;
use tower::Layer as _;

use crate::corpus::{self, Rotation, TOOLS, tool};
use crate::serve::{self, bare, exchange, succeed};
use crate::support::{self, Group, now};

const RESOURCE: &str = "https://mcp.example.com/mcp";
const ISSUER: &str = "https://id.example.com";

/// Audit records are encoded, and go nowhere.
pub struct Nowhere;

impl Sink for Nowhere {
    fn write(&mut self, _: &Record, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A gate whose policy has 100 rules about 600 tools.
pub fn gate(mint: &Mint, audit: AuditLayer) -> PortcullisLayer<Policy> {
    let mut policy = Policy::builder();
    for role in 0..5 {
        let name = format!("role-{role}");
        policy = policy.add_role(Role::new(&name).group(format!("group-{role:02}-abc")));
    }
    for rule in 0..100 {
        let tools = (0..TOOLS).skip(rule).step_by(100).map(tool);
        policy = policy.add_rule(
            Rule::allow(format!("rule-{rule}")).tools(tools).roles([format!("role-{}", rule % 5)]),
        );
    }
    Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .policy(policy.build().unwrap())
        .audit_layer(audit)
        .build()
        .unwrap()
}

pub fn mint() -> Mint {
    Mint::rs256(ISSUER)
}

/// An RS256 token of about 1.1 KB.
pub fn token(mint: &Mint) -> String {
    let groups: Vec<_> = (0..20).map(|n| format!("group-{n:02}-abc")).collect();
    mint.token().scope("mcp:read notes:write").claim("groups", json!(groups)).sign()
}

pub fn requests(mint: &Mint) -> Rotation<Request<Full<Bytes>>> {
    let token = token(mint);
    let requests = corpus::smalls().into_iter();
    Rotation::new(requests.map(|(name, body)| corpus::request(&name, &body, &token)).collect())
}

/// Audit in which nothing waits for the sink, so that what is timed is this thread's own work.
pub fn unwaited() -> AuditLayer {
    AuditLayer::builder().sink(Nowhere).danger_fail_open().build().unwrap()
}

pub fn one_by_one(group: &mut Group) {
    let mint = mint();
    let requests = requests(&mint);
    let bare = group.work("axum handler", {
        let (mut requests, service) = (requests.clone(), bare());
        move || succeed(service.clone(), requests.next().clone())
    });
    let without = group.work("gate without audit", {
        let mut requests = requests.clone();
        let service = gate(&mint, AuditLayer::danger_off()).layer(serve::bare());
        move || succeed(service.clone(), requests.next().clone())
    });
    let with = group.work("gate", {
        let mut requests = requests.clone();
        let service = gate(&mint, unwaited()).layer(serve::bare());
        move || succeed(service.clone(), requests.next().clone())
    });
    group.at_most("T13", with, bare, 1.75);
    group.at_most("T13 without audit", without, bare, 1.75);
    group.allocations("T13", with.over(bare), 3);
    group.note("Nothing waits for the audit sink here; see the next group for that.");
}

/// Many requests at once, each of which waits until its decision is on record: the default.
pub fn together(group: &mut Group) {
    const AT_ONCE: usize = 64;
    let mint = mint();
    let requests = requests(&mint);
    let check = |(status, _): (StatusCode, usize)| assert_eq!(status, StatusCode::OK);
    let bare = group.work("64 × axum handler", {
        let (mut requests, service) = (requests.clone(), bare());
        move || {
            let next = (0..AT_ONCE).map(|_| exchange(service.clone(), requests.next().clone()));
            support::together(next.collect::<Vec<_>>(), check);
        }
    });
    let with = group.work("64 × gate, audited before anything runs", {
        let mut requests = requests.clone();
        let audit = AuditLayer::builder().sink(Nowhere).build().unwrap();
        let service = gate(&mint, audit).layer(serve::bare());
        move || {
            let next = (0..AT_ONCE).map(|_| exchange(service.clone(), requests.next().clone()));
            support::together(next.collect::<Vec<_>>(), check);
        }
    });
    group.at_most("T13, default audit", with, bare, 1.75);
}

/// Answers that the gate gives itself, against a handler that gives a like one.
pub fn own_answers(group: &mut Group) {
    let mint = mint();
    let service = gate(&mint, unwaited()).layer(serve::bare());

    let get = |path: &str| {
        let request = Request::get(path).header("host", "mcp.example.com");
        request.header("accept", "application/json").body(Full::<Bytes>::default()).unwrap()
    };
    let metadata = get("/.well-known/oauth-protected-resource/mcp");
    let document = Bytes::from(vec![b'x'; succeed(service.clone(), metadata.clone())]);
    let handler = move || {
        let document = document.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], document) }
    };
    let axum = axum::Router::new().route(metadata.uri().path(), axum::routing::get(handler));
    let request = metadata.clone();
    let theirs = group.work("axum handler", move || succeed(axum.clone(), request.clone()));
    let ours = {
        let service = service.clone();
        group.work("metadata", move || succeed(service.clone(), metadata.clone()))
    };
    group.at_most("T5", ours, theirs, 0.7);

    let (name, body) = corpus::small(&mut support::Dice::new(1));
    let request = corpus::request(&name, &body, "x");
    let axum = bare();
    let theirs = group.work("axum handler of calls", {
        let request = request.clone();
        move || succeed(axum.clone(), request.clone())
    });
    let mut request = request;
    request.headers_mut().remove(header::AUTHORIZATION);
    let ours = group.work("401 without a token", move || {
        let (status, _) = now(exchange(service.clone(), request.clone()));
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    });
    group.at_most("T5", ours, theirs, 0.7);
    group
        .note("Unauthenticated failures beyond 100 a second are counted, not recorded one by one.");
}
