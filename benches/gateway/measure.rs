//! Setups take turns, round after round. What is told is the median of the rounds; what is told against
//! another setup is taken within a round.

use std::time::Duration;

use crate::load::load;
use crate::process::{mebibytes, seconds};

const ROUNDS: usize = 9;
const CLIENTS: usize = 16;
const TURN: Duration = Duration::from_secs(2);
const WARM: Duration = Duration::from_millis(300);

struct Setup<'a> {
    name: &'a str,
    url: &'a str,
    token: &'a str,
    /// The setup without it.
    against: usize,
    /// What is between, without the server behind.
    pids: Vec<u32>,
    idle: f64,
}

/// One turn of one setup.
#[derive(Clone, Copy)]
struct Turn {
    per_second: f64,
    /// Processor time of what is between for a request, in microseconds.
    cost: f64,
    /// The same for the latency of one client alone.
    half: f64,
    most: f64,
    mebibytes: f64,
}

pub async fn run(setups: &[&str]) {
    let rounds = std::env::var("ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let names: Vec<_> = setups.iter().map(|setup| setup.split(',').next().unwrap()).collect();
    let setups: Vec<_> = setups.iter().map(|setup| parse(setup, &names)).collect();
    let mut turns: Vec<Vec<Turn>> = vec![Vec::new(); setups.len()];
    for round in 0..rounds {
        // Nobody always comes after the same one.
        for at in 0..setups.len() {
            let at = (at + round) % setups.len();
            turns[at].push(turn(&setups[at]).await);
        }
        eprintln!("round {} of {rounds}", round + 1);
    }
    println!(
        "| between client and server | requests/s, {CLIENTS} clients | share | its CPU/request | p50 alone | \
         added p50 | added p99 | memory idle | after |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    for (at, setup) in setups.iter().enumerate() {
        let own = |what: fn(&Turn) -> f64| median(turns[at].iter().map(what).collect());
        let with = |what: fn(&Turn, &Turn) -> f64| {
            let pairs = turns[at].iter().zip(&turns[setup.against]);
            median(pairs.map(|(turn, base)| what(turn, base)).collect())
        };
        println!(
            "| {} | {:.0} | {:.2} | {:.0} µs | {:.0} µs | {:+.0} µs | {:+.0} µs | {:.1} MiB | {:.1} MiB |",
            setup.name,
            own(|turn| turn.per_second),
            with(|turn, base| turn.per_second / base.per_second),
            own(|turn| turn.cost),
            own(|turn| turn.half),
            with(|turn, base| turn.half - base.half),
            with(|turn, base| turn.most - base.most),
            setup.idle,
            own(|turn| turn.mebibytes),
        );
    }
}

fn parse<'a>(setup: &'a str, names: &[&str]) -> Setup<'a> {
    let mut parts = setup.split(',');
    let mut next = || parts.next().unwrap_or_else(|| panic!("{setup}"));
    let (name, url, token, against) = (next(), next(), next(), next());
    let pids: Vec<_> = parts.map(|pid| pid.parse().unwrap()).collect();
    let against = names.iter().position(|name| *name == against).expect("a setup before");
    Setup { name, url, token, against, idle: mebibytes(&pids), pids }
}

async fn turn(setup: &Setup<'_>) -> Turn {
    load(setup.url, setup.token, CLIENTS, WARM).await;
    let before = seconds(&setup.pids);
    let together = load(setup.url, setup.token, CLIENTS, TURN).await.len() as f64;
    let cost = (seconds(&setup.pids) - before) / together * 1e6;
    let alone = load(setup.url, setup.token, 1, TURN).await;
    let at = |share: usize| alone[alone.len() * share / 100] as f64 / 1e3;
    Turn {
        per_second: together / TURN.as_secs_f64(),
        cost,
        half: at(50),
        most: at(99),
        mebibytes: mebibytes(&setup.pids),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
