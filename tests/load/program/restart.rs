//! The server dies under load and comes back: calls that run meanwhile fail with clear errors, no others.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Result;
use crate::rig::Rig;

const CALLERS: usize = 16;
const PAUSE: Duration = Duration::from_millis(5);
/// How long the server is away.
const AWAY: Duration = Duration::from_secs(2);
/// How soon after its death a call that it was working on must have ended.
const SOON: Duration = Duration::from_secs(10);
/// How a call may end that ran while the server was away. Where the head of its answer had been sent, the error is an
/// event of the stream.
const CLEAR: [&str; 4] = ["502 ", "503 ", "504 ", "200 OK {\"code\":-32603,"];

pub async fn run(rig: &mut Rig) -> Result<()> {
    let (stop, stopped) = watch::channel(false);
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (client, stopped) = (rig.client(caller), stopped.clone());
        callers.spawn(async move {
            let mut calls = Vec::new();
            while !*stopped.borrow() {
                let began = Instant::now();
                let failed = client.call("test_simple_text").await.err();
                calls.push((began, Instant::now(), failed));
                tokio::time::sleep(PAUSE).await;
            }
            calls
        });
    }
    let mut long = JoinSet::new();
    for caller in 0..CALLERS {
        let client = rig.client(caller);
        long.spawn(async move { client.call_with("slow_compute", json!({"seconds": 600})).await });
    }
    tokio::time::sleep(AWAY).await;
    let died = Instant::now();
    rig.kill_server().await?;
    let mut ends = BTreeMap::<_, usize>::new();
    let all = async {
        while let Some(ended) = long.join_next().await {
            let said = match ended? {
                Ok(message) => format!("answered {message}"),
                Err(error) => error,
            };
            *ends.entry(said).or_default() += 1;
        }
        crate::Result::Ok(())
    };
    let in_time = tokio::time::timeout(SOON, all).await;
    let ended = died.elapsed();
    tokio::time::sleep(AWAY.saturating_sub(ended)).await;
    rig.restart_server().await?;
    let back = Instant::now();
    tokio::time::sleep(AWAY).await;
    stop.send(true)?;

    println!("calls that the server was working on when it died, after {ended:.1?}: {ends:?}");
    in_time.map_err(|_| "calls hang that the server was working on when it died")??;
    let (mut good, mut outside, mut said) = (0, Vec::new(), BTreeMap::<_, usize>::new());
    while let Some(calls) = callers.join_next().await {
        for (began, ended, failed) in calls? {
            match failed {
                None => good += 1,
                Some(why) if ended < died || began > back => outside.push(why),
                Some(why) => *said.entry(why).or_default() += 1,
            }
        }
    }
    println!("{good} calls answered; failed while the server was away: {said:?}");
    if !outside.is_empty() {
        return Err(format!("calls failed while the server was there: {outside:?}").into());
    }
    let clear = |why: &String| CLEAR.iter().any(|status| why.starts_with(status));
    if let Some(why) = said.keys().find(|why| !clear(why)) {
        return Err(format!("a call failed without a clear error: {why}").into());
    }
    if said.is_empty() { Err("no call ran while the server was away".into()) } else { Ok(()) }
}
