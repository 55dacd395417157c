//! Load for the gateway, on loopback: many streams, a server that dies, a file that changes.
//!
//! `tests/load/run` starts it; it is an example only so that Cargo builds it with what the other examples
//! need.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![allow(clippy::disallowed_methods, reason = "it measures time that passes for everybody")]
#![allow(unreachable_pub, reason = "modules of one program")]

mod client;
mod reload;
mod restart;
mod rig;
mod streams;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use rig::Rig;

const USAGE: &str = "usage: load GATEWAY_PROGRAM SERVER_PROGRAM FOLDER STREAMS SECONDS";

type Fault = Box<dyn Error + Send + Sync>;
type Result<T> = std::result::Result<T, Fault>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [gateway, server, folder, count, seconds] = &arguments[..] else {
        return Err(USAGE.into());
    };
    let (count, seconds) = (count.parse()?, Duration::from_secs(seconds.parse()?));
    let mut rig = Rig::start(gateway, server, folder).await?;
    streams::run(&rig, count, seconds).await?;
    restart::run(&mut rig).await?;
    reload::run(&rig).await
}
