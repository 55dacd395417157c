//! Runs tests with a check taken out.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use crate::Result;
use crate::build::{Program, Programs};
use crate::ledger::{Check, Named, SWITCH};

/// How long a test may take. Without a limit or an end, some wait for ever: that counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of a test.
#[derive(Debug, PartialEq)]
enum End {
    Passed,
    Failed,
    Hung,
    /// There is no test of that name.
    Absent,
}

/// Runs the tests of all checks, each with its check taken out; true if every one of them fails then, and passes
/// otherwise.
pub(crate) fn all(programs: &Programs, checks: &[&Check]) -> Result<bool> {
    let mut work = Vec::new();
    for check in checks {
        for test in check.named()? {
            work.push((*check, program(programs, &test)?, test));
        }
    }
    let untouched = as_they_are(&work)?;
    let queue = Mutex::new(work.iter());
    let survivors = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((check, program, test)) = next(&queue) {
                    let end = one(program, &[test.path], Some(&check.name));
                    anstream::println!(
                        "{} without {}: {} {}",
                        word(&end),
                        check.name,
                        test.target,
                        test.path
                    );
                    if !matches!(end, Ok(End::Failed | End::Hung)) {
                        let mut survivors = survivors.lock().unwrap_or_else(|it| it.into_inner());
                        survivors.push(format!("{}: {} {}", check.name, test.target, test.path));
                    }
                }
            });
        }
    });
    let survivors = survivors.into_inner().unwrap_or_else(|it| it.into_inner());
    anstream::println!(
        "\n{} checks taken out, {} tests: {} did not fail",
        checks.len(),
        work.len(),
        survivors.len()
    );
    for survivor in &survivors {
        anstream::println!("  {survivor}");
    }
    Ok(untouched && survivors.is_empty())
}

fn next<'a, T>(queue: &Mutex<impl Iterator<Item = &'a T>>) -> Option<&'a T> {
    queue.lock().unwrap_or_else(|it| it.into_inner()).next()
}

fn program<'a>(programs: &'a Programs, test: &Named<'_>) -> Result<&'a Program> {
    programs
        .get(&(test.package.to_owned(), test.target.to_owned()))
        .ok_or_else(|| format!("{} has no tests in `{}`", test.package, test.target))
}

/// With no check taken out, all of them pass: a test that fails always says nothing.
fn as_they_are(work: &[(&Check, &Program, Named<'_>)]) -> Result<bool> {
    let mut by_program: BTreeMap<_, (&Program, Vec<&str>)> = BTreeMap::new();
    for (_, program, test) in work {
        let (_, paths) = by_program.entry(&program.path).or_insert_with(|| (program, Vec::new()));
        paths.push(test.path);
    }
    let mut good = true;
    for (program, mut paths) in by_program.into_values() {
        paths.sort_unstable();
        paths.dedup();
        if one(program, &paths, None)? == End::Passed {
            continue;
        }
        for path in paths {
            let end = one(program, &[path], None)?;
            if end != End::Passed {
                good = false;
                anstream::println!("{} as it is: {path}", word(&Ok(end)));
            }
        }
    }
    Ok(good)
}

fn word(end: &Result<End>) -> &str {
    match end {
        Ok(End::Passed) => "PASSED",
        Ok(End::Failed) => "failed",
        Ok(End::Hung) => "hung",
        Ok(End::Absent) => "NO SUCH TEST",
        Err(why) => why,
    }
}

/// Runs tests of one program, with a check taken out or with none.
fn one(program: &Program, paths: &[&str], removed: Option<&str>) -> Result<End> {
    let mut command = Command::new(&program.path);
    command
        .arg("--exact")
        .args(paths)
        .current_dir(&program.folder)
        .env_remove(SWITCH)
        // Properties draw the same cases each time, and remember none of those that failed for another check.
        .env("PROPTEST_RNG_SEED", "1")
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(name) = removed {
        command.env(SWITCH, name);
    }
    let failed = |why: std::io::Error| format!("{}: {why}", program.path.display());
    let mut child = command.spawn().map_err(failed)?;
    let (said, heard) = mpsc::channel();
    if let Some(mut output) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = output.read_to_end(&mut text);
            let _ = said.send(String::from_utf8_lossy(&text).into_owned());
        });
    }
    let patience = PATIENCE * u32::try_from(paths.len()).unwrap_or(u32::MAX);
    let Ok(output) = heard.recv_timeout(patience) else {
        child.kill().and_then(|()| child.wait()).map_err(failed)?;
        return Ok(End::Hung);
    };
    let status = child.wait().map_err(failed)?;
    Ok(if !output.contains(&format!("running {} test", paths.len())) {
        End::Absent
    } else if status.success() {
        End::Passed
    } else {
        End::Failed
    })
}
