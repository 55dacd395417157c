//! The gate in front of a real MCP server, shown on real protocol traffic.
//!
//! ```sh
//! cargo run --example quickstart              # the story, then it ends
//! cargo run --example quickstart -- --serve   # keeps running, with commands to paste
//! ```
//!
//! Everything listens on loopback. The identity provider is embedded, makes its keys at start, and is
//! for development only; in your deployment it is Entra ID, Okta, Keycloak, ….
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![allow(unreachable_pub, reason = "modules of one program")]

mod client;
mod notes;
mod serve;
mod show;
mod stage;
mod story;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: quickstart [--serve] [--port PORT] [--policy FILE]

  --serve         keep running and print commands to try
  --port PORT     where the gate listens; the issuer takes the next port
                  (any free ports, and 8700 and 8701 with --serve)
  --policy FILE   a policy of your own in place of examples/quickstart/policy.yaml";

/// What the command line says.
#[derive(Default)]
pub struct Options {
    serve: bool,
    port: Option<u16>,
    policy: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match options(std::env::args().skip(1)) {
        Ok(None) => {
            println!("{USAGE}");
            Ok(())
        }
        Ok(Some(options)) if options.serve => serve::run(&options).await,
        Ok(Some(options)) => story::run(&options).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {}", one_line(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: impl Iterator<Item = String>) -> Result<Option<Options>, Box<dyn Error>> {
    let mut options = Options::default();
    let mut arguments = arguments.into_iter();
    while let Some(flag) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--serve" => options.serve = true,
            "--port" => {
                let value = value()?;
                let port = value.parse().ok().filter(|port| (1..u16::MAX).contains(port));
                options.port = Some(port.ok_or_else(|| format!("{value:?} is not a port"))?);
            }
            "--policy" => options.policy = Some(value()?.into()),
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("{flag:?} is not an option; --help lists them").into()),
        }
    }
    Ok(Some(options))
}

/// An error and its causes in one line.
fn one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text.replace('\n', " ")
}
