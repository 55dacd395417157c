//! The gate, which is told the other end of each connection.
#![allow(clippy::disallowed_methods, reason = "the server's own, no facts of ours")]

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use portcullis::forwarded::{Peer, PeerInfo};
use portcullis::{JsonLines, Policy, Portcullis};
use tokio::net::TcpListener;
use tower::{Layer as _, ServiceBuilder};

use crate::arrivals::Arrivals;
use crate::options::Options;
use crate::server::Told;

/// The other end of a request's connection.
#[derive(Clone, Copy)]
struct Remote(SocketAddr);

/// Serves until it is killed.
pub async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let profile = options.profile()?;
    let trusted = Peer::address(options.trust.ok_or("--trust is missing")?);
    let issuer = options.resource.clone();
    let gate = Portcullis::builder()
        .resource(&options.resource)
        .metadata(|document| document.authorization_server("https://sign-in.example.com"))
        .forwarded(|sidecar| {
            sidecar
                .profile(profile)
                .issuer(issuer)
                .trust(trusted)
                .peer(|parts| parts.extensions.get::<Remote>().map(|it| PeerInfo::from(it.0)))
        })
        .policy(Policy::from_yaml_file(&options.policy)?)
        .audit(JsonLines::open(&options.audit)?)
        .build()?
        .layer(Told::service());
    let arrivals = Arc::new(Arrivals::create(&options.arrivals)?);

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let Ok((stream, remote)) = listener.accept().await else { continue };
        // Streamed answers are several small writes: Nagle's algorithm would add 40 ms to each.
        stream.set_nodelay(true)?;
        let arrivals = Arc::clone(&arrivals);
        let service = ServiceBuilder::new()
            .map_request(move |mut request: Request<Incoming>| {
                arrivals.note(request.headers());
                request.extensions_mut().insert(Remote(remote));
                request
            })
            .service(gate.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A client that goes away is none of our business here.
            let _ = server
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                .await;
        });
    }
}
