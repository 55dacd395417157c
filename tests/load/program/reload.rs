//! The gateway reads its file again under load: no call fails, and streams end only with their server's gate.

use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Result;
use crate::rig::{Rig, Settings};

const CALLERS: usize = 16;
const STREAMS: usize = 16;
/// Of each kind.
const TIMES: u64 = 8;
const PAUSE: Duration = Duration::from_millis(5);
const BETWEEN: Duration = Duration::from_millis(400);
/// How soon a stream must have ended.
const SOON: Duration = Duration::from_secs(10);

pub async fn run(rig: &Rig) -> Result<()> {
    let (stop, stopped) = watch::channel(false);
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (client, stopped) = (rig.client(caller), stopped.clone());
        callers.spawn(async move {
            let mut calls = 0;
            while !*stopped.borrow() {
                client.call("test_simple_text").await?;
                calls += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Ok::<_, String>(calls)
        });
    }
    let mut streams = JoinSet::new();
    for caller in 0..STREAMS {
        let mut stream = rig.client(caller).listen().await?;
        streams.spawn(async move { while let Some(Ok(_)) = stream.frame().await {} });
    }
    // Other servers come and go beside it.
    for time in 0..TIMES {
        tokio::time::sleep(BETWEEN).await;
        rig.reload(Settings { another: time % 2 == 0, ..Settings::default() }).await?;
    }
    tokio::time::sleep(BETWEEN).await;
    if streams.try_join_next().is_some() {
        return Err("a stream ended although its server stayed as it was".into());
    }
    // Its own gate is another each time.
    for time in 0..TIMES {
        rig.reload(Settings { timeout: 50 + time, ..Settings::default() }).await?;
        tokio::time::sleep(BETWEEN).await;
    }
    stop.send(true)?;

    let mut calls: usize = 0;
    while let Some(done) = callers.join_next().await {
        calls += done?.map_err(|why| format!("a call failed while the file was read: {why}"))?;
    }
    let all = async { while streams.join_next().await.is_some() {} };
    let ended = tokio::time::timeout(SOON, all).await;
    ended.map_err(|_| "a stream stayed although its gate is not in force any more")?;
    println!(
        "{} times read again: {calls} calls, none failed; {STREAMS} streams ended when their server changed, none \
         before",
        2 * TIMES
    );
    Ok(())
}
