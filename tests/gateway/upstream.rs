//! Servers that die, that want credentials, and that would like to see a token.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use portcullis_test::{Answer, FakeMcp};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::ask::{Connection, bearer, call, list, send, with};
use crate::rig::{FILE, Folder, Gateway, PATIENCE, RESOURCE, Rig, answer};

/// A server that can be killed: its connections end with it.
struct Mortal {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Mortal {
    async fn at(address: SocketAddr, mcp: FakeMcp) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let service = TowerToHyperService::new(mcp.clone());
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                connections.spawn(async move {
                    drop(server.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self { address, task }
    }

    async fn kill(self) -> SocketAddr {
        self.task.abort();
        drop(self.task.await);
        self.address
    }
}

#[tokio::test]
async fn calls_fail_clearly_while_a_server_is_away_and_not_before_or_after() {
    let folder = Folder::new();
    let mcp = FakeMcp::answering(answer);
    let server = Mortal::at(([127, 0, 0, 1], 0).into(), mcp.clone()).await;
    folder.write("gateway.yaml", &FILE.replace("UPSTREAM", &server.address.to_string()));
    let gateway = Gateway::start(&folder.path("gateway.yaml")).await;
    let (address, token) = (gateway.address().await, folder.mint.token().audience(RESOURCE).sign());

    // 0: it is there; 1: it comes and goes; 2: it is there again; 3: enough.
    let (tell, phase) = watch::channel(0);
    let (good, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let (token, phase) = (token.clone(), phase.clone());
        let (good, failed) = (Arc::clone(&good), Arc::clone(&failed));
        callers.spawn(async move {
            let mut connection = Connection::open(address).await;
            loop {
                let before = *phase.borrow();
                if before == 3 {
                    return;
                }
                let reply = connection.send(bearer(call("read_note"), &token)).await.unwrap();
                let after = *phase.borrow();
                match reply.status() {
                    200 => good.fetch_add(1, Ordering::Relaxed),
                    502..=504 if before <= 1 && after >= 1 => {
                        let said = reply.json();
                        assert_eq!(said["id"], 1, "{said}");
                        assert!(said["error"]["message"].is_string(), "{said}");
                        failed.fetch_add(1, Ordering::Relaxed)
                    }
                    status => panic!("{status} in {before} to {after}: {}", reply.text()),
                };
            }
        });
    }
    let more = async |count: &AtomicUsize| {
        let before = count.load(Ordering::Relaxed);
        let more = async {
            while count.load(Ordering::Relaxed) < before + 20 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, more).await.expect("calls end");
    };
    more(&good).await;
    // A call that the server has and does not answer.
    mcp.push(Answer::hang());
    let mut hanging = Connection::open(address).await;
    let at_work = tokio::spawn({
        let token = token.clone();
        async move { hanging.send(bearer(call("read_note"), &token)).await.unwrap().status() }
    });
    more(&good).await;
    tell.send_replace(1);
    let was_at = server.kill().await;
    more(&failed).await;
    // Another caller may have got the answer that never comes.
    let status = timeout(PATIENCE, at_work).await.expect("it ends with its server").unwrap();
    assert!([200, 502].contains(&status), "{status}");
    let _server = Mortal::at(was_at, mcp.clone()).await;
    // One that finds it there: from here on, so do all.
    let there = async { while send(address, bearer(list(), &token)).await.status() != 200 {} };
    timeout(PATIENCE, there).await.expect("it is back");
    tell.send_replace(2);
    more(&good).await;
    tell.send_replace(3);
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
}

#[tokio::test]
async fn what_a_server_wants_of_the_gateway_is_not_asked_of_clients() {
    let rig = Rig::new().await;
    let token = rig.token();
    for status in [401, 403, 407, 307] {
        let challenge = "Bearer resource_metadata=\"https://evil.example/\"";
        let answer = Answer::status(status)
            .header("www-authenticate", challenge)
            .header("location", "https://evil.example/");
        rig.upstream.push(answer.header("set-cookie", "a=b"));
        let reply = send(rig.address, bearer(list(), &token)).await;
        assert_eq!(reply.status(), 502, "{status}");
        for name in ["www-authenticate", "location", "set-cookie"] {
            assert_eq!(reply.header(name), "", "{status}");
        }
        assert!(!reply.text().contains("evil"), "{status}: {}", reply.text());
    }
    let log = rig.gateway.log.find("does not let this gate in").await.unwrap();
    assert!(log.contains("notes"), "it names the server: {log}");
}

#[tokio::test]
async fn a_token_goes_no_further() {
    let rig = Rig::new().await;
    let token = rig.token();
    let request = bearer(list(), &token);
    let request = with(request, "cookie", "session=secret");
    let request = with(request, "x-forwarded-user", "root");
    let request = with(request, "x-portcullis-assertion", "forged");
    let reply = send(rig.address, with(request, "x-harmless", "kept")).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let seen = rig.upstream.last();
    for name in ["authorization", "cookie", "x-forwarded-user", "x-portcullis-assertion"] {
        assert!(!seen.headers.contains_key(name), "{name}: {:?}", seen.headers);
    }
    let all = format!("{seen:?}");
    let signature = token.rsplit('.').next().unwrap();
    assert!(!all.contains(signature) && !all.contains("session=secret"), "{all}");
    assert!(!rig.folder.read("audit.jsonl").contains(signature));
    assert!(!rig.gateway.log.so_far().contains(signature));
}
