//! The Rust side of the tests against real third parties: the gate, and the rmcp client.
//!
//! `tests/peers/run` starts it; it is an example only so that Cargo builds it with what the other
//! examples need.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![allow(unreachable_pub, reason = "modules of one program")]

mod attack;
mod browser;
mod client;
#[expect(
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    reason = "it is ours: a mistake in it ends the test"
)]
#[path = "../../corpus/mod.rs"]
mod corpus;
mod forward;
mod gate;
mod introspect;
mod listen;
mod notebook;
#[path = "../../../examples/quickstart/notes.rs"]
mod notes;
mod server;

use std::error::Error;
use std::process::ExitCode;

const USAGE: &str = "\
usage: peers gate --issuer URL HOW [--issuer URL HOW …] --policy FILE --audit FILE
                  [--port PORT] [--resource URL] [--dpop nonces] [--upstream URL]
         where HOW is --jwks URL or --introspect 'METHOD URL CLIENT SECRET'
       peers client MCP_URL VERSION|auto PERSON
       peers server
       peers notebook
       peers attack ASKED_URL SERVER_URL TOKEN MILLISECONDS";

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        Some("gate") => gate::run(arguments).await,
        Some("client") => client::run(arguments).await,
        Some("server") => server::run().await,
        Some("notebook") => notebook::run().await,
        Some("attack") => attack::run(arguments).await,
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {}", one_line(error.as_ref()));
            ExitCode::FAILURE
        }
    }
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
    text
}
