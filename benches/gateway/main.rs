//! What stands between a client and an MCP server, side by side. `benches/gateway/run` starts it.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a bench"
)]

mod forward;
mod http;
mod issue;
mod load;
mod measure;
mod process;
mod serve;

const USAGE: &str = "\
usage: benches/gateway/run, which runs these:

  serve ADDRESS            an MCP server with one tool
  forward ADDRESS SERVER   a proxy that does nothing else
  issue RESOURCE…          an issuer; prints its name, and a token for each resource
  measure SETUP…           what each costs; a setup is NAME,URL,TOKEN,AGAINST,PID…";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Cargo adds `--bench`.
    let args: Vec<_> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match &*args {
        ["serve", address] => serve::run(address).await,
        ["forward", address, server] => forward::run(address, server).await,
        ["issue", resources @ ..] => issue::run(resources).await,
        ["measure", setups @ ..] => measure::run(setups).await,
        _ => println!("{USAGE}"),
    }
}
