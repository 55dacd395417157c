//! The gateway is told to stop.

use portcullis_test::{Answer, ChunkedBody};
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ask::{Connection, bearer, call, listen, piece};
use crate::rig::{FILE, Folder, PATIENCE, Rig};

const RESULT: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\",\"content\":[]}}\n\n";

fn file(grace: u64) -> String {
    FILE.replace("grace_seconds: 20", &format!("grace_seconds: {grace}\nadmin: 127.0.0.1:0"))
}

#[tokio::test]
async fn calls_are_finished_and_streams_ended() {
    let rig = Rig::with(Folder::new(), &file(20)).await;
    stop(rig, Signal::TERM, true).await;
}

#[tokio::test]
async fn ctrl_c_is_the_same() {
    let rig = Rig::with(Folder::new(), &file(20)).await;
    stop(rig, Signal::INT, true).await;
}

#[tokio::test]
async fn what_takes_longer_than_the_grace_is_ended() {
    let rig = Rig::with(Folder::new(), &file(5)).await;
    stop(rig, Signal::TERM, false).await;
}

async fn stop(mut rig: Rig, signal: Signal, finishes: bool) {
    let token = rig.token();
    let (news, body) = ChunkedBody::live();
    rig.upstream.push(Answer::sse(["x"]).body(body));
    let mut calling = Connection::open(rig.address).await;
    let progress = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"x\"}}\n\n";
    news.send(progress.into()).unwrap();
    let mut answer = calling.stream(bearer(call("read_note"), &token)).await.unwrap().into_body();
    assert!(piece(&mut answer).await.is_some());
    let mut listening = Connection::open(rig.address).await;
    let mut stream = listening.stream(bearer(listen(), &token)).await.unwrap().into_body();
    assert!(piece(&mut stream).await.is_some());

    let health = rig.gateway.out.find("health at ").await.unwrap();
    let health = health.trim_start_matches("health at ").to_owned();
    assert_eq!(reqwest::get(&health).await.unwrap().status(), 200);

    rig.gateway.signal(signal);
    rig.gateway.log.find("stopping").await.unwrap();
    let unready = async { while reqwest::get(&health).await.unwrap().status() != 503 {} };
    timeout(PATIENCE, unready).await.expect("it says that it is not ready");
    assert!(timeout(PATIENCE, piece(&mut stream)).await.unwrap().is_none(), "streams end");
    let refused = async { while TcpStream::connect(rig.address).await.is_ok() {} };
    timeout(PATIENCE, refused).await.expect("nobody else is let in");
    if finishes {
        news.send(RESULT.into()).unwrap();
        drop(news);
        let result = timeout(PATIENCE, piece(&mut answer)).await.unwrap().expect("an answer");
        assert!(result.windows(6).any(|part| part == b"result"));
        assert!(timeout(PATIENCE, piece(&mut answer)).await.unwrap().is_none());
    }
    assert!(rig.gateway.ended().await.success());
    let log = rig.gateway.log.all().await;
    assert_eq!(log.contains("not finished in time"), !finishes, "{log}");
    let records = rig.folder.read("audit.jsonl");
    assert!(records.contains("read_note") && records.ends_with('\n'), "{records}");
}
