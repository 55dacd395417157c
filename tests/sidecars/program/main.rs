//! A gate that believes a sidecar, in front of an MCP server that says what it was told; or that server alone.
//!
//! `tests/sidecars/run` starts it; it is an example only so that Cargo builds it with what the other
//! examples need.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![allow(unreachable_pub, reason = "modules of one program")]

mod arrivals;
mod gate;
mod options;
mod server;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let outcome = if arguments == ["server"] {
        gate::alone().await
    } else {
        match options::Options::parse(arguments.into_iter()) {
            Ok(options) => gate::run(&options).await,
            Err(error) => Err(error),
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sidecars: {error}");
            ExitCode::FAILURE
        }
    }
}
