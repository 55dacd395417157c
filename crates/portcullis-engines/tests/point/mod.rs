//! A decision point in this process, for tests.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use portcullis_core::{Caller, Method, Principal, TargetKind, Version};
use portcullis_rbac::{Answer, Authorizer, Decision, Query};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// One request that arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

/// What is sent back.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

pub fn json(body: impl Into<String>) -> Reply {
    let headers = vec![("content-type", "application/json".into())];
    Reply { status: 200, headers, body: body.into() }
}

pub struct Point {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    gate: Arc<Semaphore>,
}

impl Point {
    /// Answers by `reply`.
    pub async fn new(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let point = Self::held(reply).await;
        point.release();
        point
    }

    /// Answers by `reply` once [`release`](Self::release) is called.
    pub async fn held(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let gate = Arc::new(Semaphore::new(0));
        let (log, wait, reply) = (Arc::clone(&asked), Arc::clone(&gate), Arc::new(reply));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (log, wait, reply) = (Arc::clone(&log), Arc::clone(&wait), Arc::clone(&reply));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (log, wait, reply) =
                        (Arc::clone(&log), Arc::clone(&wait), Arc::clone(&reply));
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let body = match parts.method.as_str() {
                            "POST" => serde_json::from_slice(&body).unwrap(),
                            "GET" if body.is_empty() => Value::Null,
                            method => panic!("{method}"),
                        };
                        let asked =
                            Asked { path: parts.uri.to_string(), headers: parts.headers, body };
                        log.lock().unwrap().push(asked.clone());
                        drop(wait.acquire().await);
                        let reply = reply(&asked);
                        let mut response = Response::builder().status(reply.status);
                        for (name, value) in reply.headers {
                            response = response.header(name, value);
                        }
                        Ok::<_, std::convert::Infallible>(
                            response.body(Full::new(Bytes::from(reply.body))).unwrap(),
                        )
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { url, asked, gate }
    }

    pub fn release(&self) {
        self.gate.add_permits(1000);
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often it was asked.
    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Waits until it was asked this often.
    pub async fn wait_for(&self, count: usize) {
        while self.count() < count {
            tokio::task::yield_now().await;
        }
    }
}

pub const ISSUER: &str = "https://id.example.com";

pub fn alice() -> Principal {
    Principal::builder(ISSUER, "alice").build()
}

pub fn verified(principal: Principal) -> Caller {
    Caller::Verified(principal.into())
}

pub fn call<'a>(caller: &'a Caller, tool: &'a str) -> Query<'a> {
    Query::new(caller, Version::V2026_07_28, Method::ToolsCall).on(TargetKind::Tool, tool)
}

pub async fn ask(authorizer: &impl Authorizer, query: &Query<'_>) -> Decision {
    match authorizer.authorize(query) {
        Answer::Now(decision) => decision,
        Answer::Later(later) => later.await,
    }
}

pub async fn list(authorizer: &impl Authorizer, caller: &Caller, tools: &[&str]) -> Vec<Decision> {
    let queries: Vec<_> = tools.iter().map(|tool| call(caller, tool).in_a_list()).collect();
    authorizer.authorize_list(&queries).await
}
