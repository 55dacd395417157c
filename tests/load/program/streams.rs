//! Many streams at once, with news on each and calls beside them: memory must not grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::task::JoinSet;

use crate::Result;
use crate::client::Client;
use crate::rig::{PEOPLE, Rig};

/// Streams that are opened at the same time.
const OPENING: usize = 32;
/// Callers beside the streams, each with a pause after each call.
const CALLERS: usize = 8;
const PAUSE: Duration = Duration::from_millis(40);
/// How soon the last news must be there.
const SOON: Duration = Duration::from_secs(10);
/// How much more memory at the end is noise: one part in so many, and so many KiB.
const NOISE: (u64, u64) = (20, 2048);

/// What a stream has brought.
#[derive(Default)]
struct Seen {
    news: AtomicUsize,
    ended: AtomicBool,
}

pub async fn run(rig: &Rig, count: usize, time: Duration) -> Result<()> {
    let before = rig.memory()?;
    let began = Instant::now();
    let seen: Vec<_> = (0..count).map(|_| Arc::new(Seen::default())).collect();
    let clients: Vec<_> = (0..PEOPLE).map(|person| rig.client(person)).collect();
    let mut streams = JoinSet::new();
    let mut opening = JoinSet::new();
    for (at, seen) in seen.iter().enumerate() {
        let client = clients.get(at % PEOPLE).ok_or("nobody calls")?.clone();
        let seen = seen.clone();
        opening.spawn(async move { Ok::<_, String>((client.listen().await?, seen)) });
        if opening.len() == OPENING || at + 1 == count {
            while let Some(opened) = opening.join_next().await {
                let (stream, seen) = opened??;
                streams.spawn(read(stream, seen));
            }
        }
    }
    println!("{count} streams open after {:.1?}", began.elapsed());

    let calls = Arc::new(AtomicUsize::default());
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (client, calls) = (rig.client(caller), calls.clone());
        callers.spawn(async move {
            loop {
                if let Err(error) = client.call("test_simple_text").await {
                    return error;
                }
                // One stream comes and goes with each call.
                if let Err(error) = client.listen().await {
                    return error;
                }
                calls.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    let (teller, mut told) = (rig.client(0), 0);
    let mut memory = Vec::new();
    let began = Instant::now();
    while began.elapsed() < time {
        tell(&teller).await?;
        told += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
        memory.push(rig.memory()?);
        if let Some(failed) = callers.try_join_next() {
            return Err(format!("a call beside the streams failed: {}", failed?).into());
        }
    }
    callers.shutdown().await;

    let news = |seen: &Arc<Seen>| seen.news.load(Ordering::Relaxed);
    let all = async {
        while seen.iter().any(|seen| news(seen) < told) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // Whoever has not heard by then is told of below.
    let _ = tokio::time::timeout(SOON, all).await;
    let (least, most) = (seen.iter().map(news).min(), seen.iter().map(news).max());
    let ended = seen.iter().filter(|seen| seen.ended.load(Ordering::Relaxed)).count();
    let third = memory.len() / 3;
    let most_of = |samples: &[u64]| samples.iter().copied().max().unwrap_or_default();
    // The first third warms up.
    let (warm, end) = memory.get(third..).unwrap_or_default().split_at(third);
    let (warm, end) = (most_of(warm), most_of(end));
    println!(
        "{told} times told, {least:?} to {most:?} times heard, {ended} streams ended; {} calls and as many \
         short streams",
        calls.load(Ordering::Relaxed),
    );
    println!("resident memory: {before} KiB before, {warm} KiB warm, {end} KiB at the end");
    if least != Some(told) || most != Some(told) || ended > 0 {
        return Err("not every stream brought all news".into());
    }
    if end > warm + warm / NOISE.0 + NOISE.1 {
        return Err("memory grew".into());
    }
    Ok(())
}

async fn tell(client: &Client) -> Result<()> {
    client.call("test_trigger_tool_change").await?;
    Ok(())
}

async fn read(mut stream: Incoming, seen: Arc<Seen>) {
    // An event may come in pieces.
    let mut rest = Vec::new();
    while let Some(Ok(frame)) = stream.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        rest.extend_from_slice(&data);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let news = b"notifications/tools/list_changed";
            if line.windows(news.len()).any(|part| part == news) {
                seen.news.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    seen.ended.store(true, Ordering::Relaxed);
}
