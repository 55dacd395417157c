//! Clients that each ask again as soon as they are answered.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hi there"}}}"#;

/// How long each request took, in nanoseconds, in rising order.
pub async fn load(url: &str, token: &str, clients: usize, time: Duration) -> Vec<u64> {
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let authorization = match token {
        "" => String::new(),
        token => format!("Authorization: Bearer {token}\r\n"),
    };
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n\
         {authorization}Content-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let until = Instant::now() + time;
    let mut asking = JoinSet::new();
    for _ in 0..clients {
        asking.spawn(ask(authority.to_owned(), request.clone(), until));
    }
    let mut took = asking.join_all().await.concat();
    took.sort_unstable();
    took
}

async fn ask(authority: String, request: String, until: Instant) -> Vec<u64> {
    let mut tcp = TcpStream::connect(authority).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let mut took = Vec::new();
    let mut read = Vec::with_capacity(4096);
    loop {
        let asked = Instant::now();
        if asked >= until {
            return took;
        }
        tcp.write_all(request.as_bytes()).await.unwrap();
        read.clear();
        while !is_whole(&read) {
            let more = tcp.read_buf(&mut read).await.unwrap();
            assert!(more > 0, "closed after {}", String::from_utf8_lossy(&read));
        }
        took.push(u64::try_from(asked.elapsed().as_nanos()).unwrap());
        let answer = String::from_utf8_lossy(&read);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("hi there"), "{answer}");
    }
}

fn is_whole(read: &[u8]) -> bool {
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    match length {
        Some(length) => read.len() >= end + 4 + length.trim().parse::<usize>().unwrap(),
        None => read.ends_with(b"\r\n0\r\n\r\n"),
    }
}
