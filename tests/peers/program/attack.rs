//! Sends the corpus of attacks to a server or to a gate before it, and says of each what was executed.

use std::error::Error;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::corpus::{self, Attack};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// `ASKED_URL SERVER_URL TOKEN MILLISECONDS`: prints one JSON document a line. An answer may take so
/// long; some attacks get none, because their bytes promise more than they send.
pub async fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut next = |name| arguments.next().ok_or_else(|| format!("{name} is missing"));
    let asked = authority(&next("ASKED_URL")?)?;
    let server = authority(&next("SERVER_URL")?)?;
    let token = next("TOKEN")?;
    let patience = Duration::from_millis(next("MILLISECONDS")?.parse()?);
    for (number, attack) in corpus::attacks().iter().enumerate() {
        let agent = format!("attack-{number}");
        let status = send(&asked, attack, &token, &agent, patience).await;
        let said = json!({
            "name": attack.name,
            "agent": agent,
            "expect": attack.expect,
            "keys": attack.keys,
            "runs": attack.runs,
            "status": status,
        });
        // As it is: some servers take names that are no text, and say so.
        println!("[{said},{}]", executed(&server).await?);
    }
    Ok(())
}

fn authority(url: &str) -> Result<String> {
    let url: http::Uri = url.parse()?;
    Ok(url.authority().ok_or("a URL without an address")?.to_string())
}

/// The status of the (first) answer, if there is one.
async fn send(
    asked: &str,
    attack: &Attack,
    token: &str,
    agent: &str,
    patience: Duration,
) -> Option<u16> {
    let mut stream = TcpStream::connect(asked).await.ok()?;
    stream.set_nodelay(true).ok()?;
    // A server that has seen enough closes before everything is written.
    let wire = attack.wire(asked, token, agent);
    let _ = timeout(patience, stream.write_all(&wire)).await;
    if attack.cut {
        let _ = stream.shutdown().await;
    }
    let mut answer = Vec::new();
    let _ = timeout(patience, stream.read_to_end(&mut answer)).await;
    let status = answer.get(9..12)?;
    std::str::from_utf8(status).ok()?.parse().ok()
}

/// What the server has executed since it was last asked.
async fn executed(server: &str) -> Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    let ask = format!("GET /executed HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await?;
    let mut answer = String::new();
    timeout(Duration::from_secs(60), stream.read_to_string(&mut answer)).await??;
    let found = answer.find('[').zip(answer.rfind(']')).and_then(|(a, b)| answer.get(a..=b));
    Ok(found.ok_or("the server does not say what it executed")?.to_owned())
}
