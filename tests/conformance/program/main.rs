//! The server that the MCP conformance suite calls, on the published rmcp: alone, and behind the gate.
//!
//! `tests/conformance/run` starts it; it is an example only so that Cargo builds it with what the other
//! examples need.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![allow(unreachable_pub, reason = "modules of one program")]
#![allow(deprecated, reason = "the suite calls what newer revisions of MCP no longer have")]

mod calls;
mod data;
mod rounds;
mod server;
mod tasks;

use std::error::Error;
use std::net::Ipv4Addr;

use axum::Router;
use axum::serve::ListenerExt as _;
use portcullis::testing::Authority;
use portcullis::{Policy, Portcullis};
use rmcp::ServiceExt as _;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Map, Value};
use server::Fixture;
use tokio::net::TcpListener;

const USAGE: &str = "\
usage: conformance POLICY_FILE OPEN_URL LIMITED_URL [URL…]
         serves the fixture alone, behind a gate that permits all, behind one with the policy, and once
         more alone for a gate elsewhere; clients reach the gates at these URLs. Prints the addresses, an
         issuer that it is too, and tokens for all these URLs, as one line of JSON
       conformance alone ADDRESS
         serves the fixture at this address
       conformance stdio
         serves it on standard input and output";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["alone", address] => {
            let listener = TcpListener::bind(address).await?;
            println!("listening on http://{}/mcp", listener.local_addr()?);
            serve(listener, alone()?).await;
            Ok(())
        }
        ["stdio"] => {
            let streams = (tokio::io::stdin(), tokio::io::stdout());
            Fixture::new()?.serve(streams).await?.waiting().await?;
            Ok(())
        }
        [policy, open, limited, ref others @ ..] => {
            all(Policy::from_yaml_file(policy)?, open, limited, others).await
        }
        _ => Err(USAGE.into()),
    }
}

/// Serves until it is killed.
async fn all(policy: Policy, open: &str, limited: &str, others: &[&str]) -> Result<()> {
    let authority = Authority::start().await?;
    let gate =
        |url| Portcullis::builder().resource(url).issuer(authority.issuer()).danger_no_audit();
    let token = |url| authority.token(url).subject("rita").sign();
    let routers = [
        ("alone", alone()?),
        ("open", gate(open).danger_permit_all().build()?.router(service()?)),
        ("limited", gate(limited).policy(policy).build()?.router(service()?)),
        ("upstream", alone()?),
    ];
    let urls = [open, limited].into_iter().chain(others.iter().copied());
    let tokens: Map<_, _> = urls.map(|url| (url.to_owned(), token(url).into())).collect();
    let mut said = Map::new();
    said.insert("issuer".to_owned(), authority.name().into());
    said.insert("tokens".to_owned(), tokens.into());
    for (name, router) in routers {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}/mcp", listener.local_addr()?);
        said.insert(name.to_owned(), url.into());
        tokio::spawn(serve(listener, router));
    }
    println!("{}", Value::Object(said));
    std::future::pending().await
}

fn alone() -> Result<Router> {
    Ok(Router::new().route_service("/mcp", service()?))
}

fn service() -> Result<StreamableHttpService<Fixture, LocalSessionManager>> {
    let fixture = Fixture::new()?;
    Ok(StreamableHttpService::new(
        move || Ok(fixture.clone()),
        LocalSessionManager::default().into(),
        StreamableHttpServerConfig::default(),
    ))
}

async fn serve(listener: TcpListener, router: Router) {
    let listener = listener.tap_io(|stream| {
        // Not setting it costs time and nothing else.
        let _ = stream.set_nodelay(true);
    });
    // It ends with the program.
    let _ = axum::serve(listener, router).await;
}
