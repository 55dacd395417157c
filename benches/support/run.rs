//! Measuring.

use std::time::Duration;

use super::group::{Group, Side, Work};
use super::show;

/// How long a work runs before the next one has its turn.
const TURN: Duration = Duration::from_millis(4);

const USAGE: &str = "\
usage: cargo bench --bench NAME -- [FILTER] [--rounds N]

  FILTER               only groups whose name contains it
  --rounds N           how many rounds; 31 unless said
  --smoke              runs each work twice and measures nothing
  --list               names the works
  --work W --iters N   runs the work `group/work` N times, for a profiler";

/// What the command line asks for.
pub struct Bench {
    mode: Mode,
    filter: String,
}

enum Mode {
    Measure { rounds: usize },
    Smoke,
    List,
    One { work: String, times: u64 },
}

/// What was measured of a group.
pub(super) struct Measured {
    /// By work, nanoseconds in each round.
    pub(super) rounds: Vec<Vec<f64>>,
    /// By work, how many allocations and bytes.
    pub(super) allocations: Vec<(i64, i64)>,
}

impl Bench {
    /// Reads the command line. Without `--bench`, which `cargo bench` adds, it is a test.
    pub fn from_args() -> Self {
        let mut arguments = std::env::args().skip(1);
        let (mut measure, mut smoke, mut list) = (false, false, false);
        let (mut rounds, mut work, mut times, mut filter) = (31, None, 1000, String::new());
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|n| n.parse::<u64>().ok()).expect(USAGE);
            match argument.as_str() {
                "--bench" => measure = true,
                "--smoke" => smoke = true,
                "--list" => list = true,
                "--rounds" => rounds = usize::try_from(number()).expect(USAGE),
                "--iters" => times = number(),
                "--work" => work = Some(arguments.next().expect(USAGE)),
                "--help" | "-h" => {
                    println!("{USAGE}");
                    std::process::exit(0);
                }
                other if other.starts_with('-') => panic!("{USAGE}"),
                other => filter = other.to_owned(),
            }
        }
        let mode = match (work, list, smoke || !measure) {
            (Some(work), ..) => Mode::One { work, times },
            (None, true, _) => Mode::List,
            (None, false, true) => Mode::Smoke,
            (None, false, false) => Mode::Measure { rounds: rounds.max(3) },
        };
        Self { mode, filter }
    }

    /// Whether works run a few times only: what they work on may then be small.
    pub fn is_smoke(&self) -> bool {
        matches!(self.mode, Mode::Smoke)
    }

    /// Measures a group. `fill` is called only if the group is asked for.
    pub fn group(&self, name: &str, fill: impl FnOnce(&mut Group)) {
        let asked = match &self.mode {
            Mode::One { work, .. } => work.split('/').next() == Some(name),
            _ => name.contains(&self.filter),
        };
        if !asked {
            return;
        }
        let mut group = Group::default();
        fill(&mut group);
        match &self.mode {
            Mode::Measure { rounds } => {
                let measured = measure(&mut group.works, *rounds);
                show::table(name, &group, &measured);
            }
            Mode::Smoke => {
                for work in &mut group.works {
                    (work.run)(2);
                }
                println!("{name}: {} works run", group.works.len());
            }
            Mode::List => group.works.iter().for_each(|work| println!("{name}/{}", work.name)),
            Mode::One { work: wanted, times } => {
                let wanted = wanted.split_once('/').map_or("", |(_, work)| work);
                let work = group.works.iter_mut().find(|work| work.name == wanted);
                alone(work.expect("no such work: see --list"), *times);
            }
        }
    }
}

/// A name for callgrind to look for.
#[inline(never)]
fn alone(work: &mut Work, times: u64) {
    (work.run)(times);
}

fn measure(works: &mut [Work], rounds: usize) -> Measured {
    let mut allocations = Vec::with_capacity(works.len());
    let mut turns = Vec::with_capacity(works.len());
    for work in works.iter_mut() {
        let turn = turn(work);
        turns.push(turn);
        // Once more, warm, and an average: what grows now and then counts in part.
        let times = i64::try_from(turn.min(64)).unwrap();
        let counted = allocation_counter::measure(|| {
            (work.run)(times.unsigned_abs());
        });
        let count = i64::try_from(counted.count_total).unwrap();
        let bytes = i64::try_from(counted.bytes_total).unwrap();
        allocations.push((count / times, bytes / times));
    }
    let mut measured = vec![Vec::with_capacity(rounds); works.len()];
    for round in 0..rounds {
        for place in 0..works.len() {
            // Nobody always follows the same neighbour.
            let at = (place + round) % works.len();
            let took = (works[at].run)(turns[at]);
            measured[at].push(took.as_nanos() as f64 / turns[at] as f64);
        }
    }
    Measured { rounds: measured, allocations }
}

/// How often the work runs in one turn.
fn turn(work: &mut Work) -> u64 {
    let mut times = 1;
    loop {
        let took = (work.run)(times);
        if took >= TURN / 2 {
            let exact = TURN.as_nanos() as f64 / took.as_nanos() as f64 * times as f64;
            return (exact as u64).max(1);
        }
        times *= 2;
    }
}

impl Measured {
    /// Nanoseconds in each round.
    pub(super) fn times(&self, side: Side) -> Vec<f64> {
        let floor = side.floor.map(|floor| &self.rounds[floor]);
        let times = self.rounds[side.work].iter().enumerate();
        times.map(|(round, time)| time - floor.map_or(0.0, |floor| floor[round])).collect()
    }

    pub(super) fn allocations(&self, side: Side) -> i64 {
        self.allocations[side.work].0 - side.floor.map_or(0, |floor| self.allocations[floor].0)
    }
}
