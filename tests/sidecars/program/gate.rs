//! The gate, which is told the other end of each connection.
#![allow(clippy::disallowed_methods, reason = "the server's own, no facts of ours")]

use std::convert::Infallible;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use portcullis::core::ClientCertificate;
use portcullis::forwarded::{ClientCertLayer, ForwardedBuilder, PeerInfo};
use portcullis::{Issuer, JsonLines, Policy, Portcullis};
use tokio::net::TcpListener;
use tower::{Layer as _, Service, ServiceBuilder};

use crate::arrivals::Arrivals;
use crate::options::Options;
use crate::server::Told;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The other end of a request's connection.
#[derive(Clone, Copy)]
struct Remote(SocketAddr);

fn remote(parts: &Parts) -> Option<PeerInfo> {
    parts.extensions.get::<Remote>().map(|remote| PeerInfo::from(remote.0))
}

/// Serves until it is killed.
pub async fn run(options: &Options) -> Result<()> {
    let builder = Portcullis::builder()
        .resource(&options.resource)
        .policy(Policy::from_yaml_file(&options.policy)?)
        .audit(JsonLines::open(&options.audit)?);
    if options.certificates() {
        let certificates =
            ClientCertLayer::builder().trust(options.peer()?).peer(remote).build()?;
        let gate = builder
            .issuer(Issuer::new(&options.issuer).jwks_url(&options.keys).internal())
            .tokens(|tokens| tokens.client_certificate(ClientCertificate::leaf_of))
            .build()?;
        return serve(options, certificates.layer(gate.layer(Told::service()))).await;
    }
    let (profile, peer) = (options.profile()?, options.peer()?);
    let forwarded = |sidecar: ForwardedBuilder| {
        let sidecar = sidecar.profile(profile).issuer(&options.resource).trust(peer).peer(remote);
        match &options.secret {
            Some(secret) => sidecar.shared_secret("x-gate-secret", secret),
            None => sidecar,
        }
    };
    let gate = builder
        .metadata(|document| document.authorization_server("https://sign-in.example.com"))
        .forwarded(forwarded)
        .build()?;
    serve(options, gate.layer(Told::service())).await
}

/// Serves what is behind a gate, without one, until it is killed.
pub async fn alone() -> Result<()> {
    accept(|_, _| {}, Told::service()).await
}

async fn serve<S, B>(options: &Options, service: S) -> Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let arrivals = Arc::new(Arrivals::create(&options.arrivals)?);
    let arrived = move |request: &mut Request<Incoming>, remote| {
        arrivals.note(request.headers());
        request.extensions_mut().insert(Remote(remote));
    };
    accept(arrived, service).await
}

async fn accept<S, B>(
    arrived: impl Fn(&mut Request<Incoming>, SocketAddr) + Clone + Send + 'static,
    service: S,
) -> Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let Ok((stream, remote)) = listener.accept().await else { continue };
        // Streamed answers are several small writes: Nagle's algorithm would add 40 ms to each.
        stream.set_nodelay(true)?;
        let arrived = arrived.clone();
        let service = ServiceBuilder::new()
            .map_request(move |mut request: Request<Incoming>| {
                arrived(&mut request, remote);
                request
            })
            .service(service.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A client that goes away is none of our business here.
            let _ = server
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                .await;
        });
    }
}
