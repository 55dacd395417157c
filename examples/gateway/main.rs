//! A gateway: many MCP servers behind one address, each with sign-in, roles and an audit trail, of one file.
//!
//! ```sh
//! cargo run --example gateway                              # try it, with nothing else
//! cargo run --example gateway -- --config FILE --check     # what would FILE enforce, for whom?
//! cargo run --example gateway -- --config FILE
//! ```
//!
//! docs/gateway.md leads from nothing to a protected server of your own. To read the program, begin with
//! `config.rs` (what a file can say), then `gate.rs` (what is built of it).
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![allow(unreachable_pub, reason = "modules of one program")]

mod audit;
mod behind;
mod check;
mod config;
mod gate;
mod gateway;
mod local;
#[path = "../quickstart/notes.rs"]
mod notes;
mod plan;
mod routes;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use portcullis::settings::{Listener, Problem, Proofs, schema, socket_address};
use portcullis::telemetry::CertificateFile;
use portcullis_serve::{Hangups, RequestBody, Server, Stops, Watched};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use config::{Config, File};
use gate::Shared;
use gateway::Gateway;

const HELP: &str = "\
usage: gateway [--config FILE] [--check | --schema]

  --config FILE  the file; without it, one to try the gateway with
  --check        say what the file would enforce for whom, and end
  --schema       print the JSON Schema of the file
";

fn main() -> ExitCode {
    let (mut path, mut only_check) = (None, false);
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--config") if path.is_none() => {
                path = arguments.next().map(PathBuf::from);
                if path.is_some() {
                    continue;
                }
            }
            Some("--check") => {
                only_check = true;
                continue;
            }
            Some("--schema") => {
                print!("{}", schema::<Config>());
                return ExitCode::SUCCESS;
            }
            Some("--help" | "-h") => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            _ => {}
        }
        eprint!("{HELP}");
        return ExitCode::from(2);
    }
    let path = path.unwrap_or_else(|| {
        let root = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| ".".into());
        PathBuf::from(root).join("examples/gateway/local.yaml")
    });
    let outcome = if only_check { checked(&path) } else { served(&path) };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{}", problem.show(&path));
            ExitCode::FAILURE
        }
    }
}

fn runtime(mut builder: tokio::runtime::Builder) -> Result<tokio::runtime::Runtime, Problem> {
    builder.enable_all().build().map_err(|error| Problem::of(&error))
}

fn checked(path: &std::path::Path) -> Result<(), Problem> {
    // A runtime that never runs: whatever would be done on the network is not.
    let runtime = runtime(tokio::runtime::Builder::new_current_thread())?;
    let _inside = runtime.enter();
    print!("{}", check::check(&File::read(path)?)?);
    Ok(())
}

fn served(path: &std::path::Path) -> Result<(), Problem> {
    let terminal = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_ansi(terminal).with_writer(std::io::stderr).init();
    let file = File::read(path)?;
    runtime(tokio::runtime::Builder::new_multi_thread())?.block_on(serve(file))
}

async fn serve(file: File) -> Result<(), Problem> {
    // Before anybody can know that this process is here.
    let fault = |error: std::io::Error| Problem::of(&error);
    let mut hangups = Hangups::new().map_err(fault)?;
    let mut stops = Stops::new().map_err(fault)?;
    let config = file.config();
    let sources = file.sources(&config.secrets);
    check::places(config, &sources)?;
    let mut listeners = Vec::new();
    for place in &config.listen {
        listeners.push(place.bind(&sources).await.map_err(|problem| problem.at(place))?);
    }
    let shared = Shared {
        audit: audit::open(config, &sources)?,
        proofs: Proofs::default(),
        #[cfg(feature = "roster")]
        roster: match &config.roster {
            Some(roster) => Some(roster.open(&sources).map_err(|problem| problem.at(roster))?),
            None => None,
        },
    };
    let admin = match &config.admin {
        Some(address) => Some(
            TcpListener::bind(socket_address(address)?)
                .await
                .map_err(|error| Problem::new(format!("cannot listen: {error}")).at(address))?,
        ),
        None => None,
    };
    let mut server = Server::new();
    if let Some(most) = config.max_connections {
        server = server.max_connections(most);
    }
    let mut watched = Watched::new([file.path().to_owned()]);
    let gateway = Arc::new(Gateway::start(&file, shared).await?);
    for place in &config.listen {
        if let Listener::Tls(tls) = &**place {
            let path = sources.path(&tls.certificate);
            // No name of a server has parentheses.
            gateway.telemetry.watch("(gateway)", CertificateFile::new(&*tls.address, path));
        }
    }

    let mut tasks = JoinSet::new();
    for listener in &listeners {
        println!("listening on {listener}");
    }
    if let Some(listener) = admin {
        if let Ok(address) = listener.local_addr() {
            println!("health at http://{address}/ready");
        }
        tasks.spawn(gateway.telemetry.health().serve(listener));
    }
    let again = Arc::clone(&gateway);
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = watched.changed() => {}
                () = hangups.next() => {}
            }
            again.reload().await;
        }
    });
    for listener in listeners {
        let gateway = Arc::clone(&gateway);
        let service = tower::service_fn(move |request: http::Request<RequestBody>| {
            let routes = gateway.routes();
            async move { Ok(routes.answer(request).await) }
        });
        tokio::spawn(server.serve(listener, service));
    }
    gateway.greet().await;

    stops.next().await;
    tracing::info!("stopping");
    server.stop();
    gateway.stop(server.stopped()).await;
    Ok(())
}
