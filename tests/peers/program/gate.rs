//! The gate in front of the notebook, trusting the issuers of the command line.

use std::error::Error;
use std::net::Ipv4Addr;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use portcullis::{Dpop, Issuer, JsonLines, Policy, Portcullis};
use tokio::net::TcpListener;
use tower::{Layer as _, Service};

use crate::forward::Forward;
use crate::introspect;
use crate::notes::Notes;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What the command line says.
#[derive(Default)]
struct Options {
    issuers: Vec<Issuer>,
    dpop: Option<Dpop>,
    policy: String,
    audit: String,
    port: u16,
    resource: Option<String>,
    upstream: Option<String>,
}

/// Serves until it is killed.
pub async fn run(arguments: impl Iterator<Item = String>) -> Result<()> {
    let options = options(arguments)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
    let address = format!("http://{}/mcp", listener.local_addr()?);

    let mut issuers = options.issuers.into_iter();
    let first = issuers.next().ok_or("--issuer is missing")?;
    let mut gate = Portcullis::builder()
        .resource(options.resource.as_ref().unwrap_or(&address))
        .scope("notes:read")
        .issuer(first)
        .policy(Policy::from_yaml_file(&options.policy)?)
        .audit(JsonLines::open(&options.audit)?);
    for issuer in issuers {
        gate = gate.issuer(issuer);
    }
    if let Some(dpop) = options.dpop {
        gate = gate.dpop(dpop);
    }
    let gate = gate.build()?;
    println!("listening on {address}");
    match options.upstream {
        Some(url) => serve(listener, gate.layer(Forward::to(&url)?)).await,
        None => serve(listener, gate.layer(Notes::service())).await,
    }
}

async fn serve<S, B>(listener: TcpListener, service: S) -> Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Streamed answers are several small writes: Nagle's algorithm would add 40 ms to each.
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A client that goes away is none of our business here.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options> {
    let mut options = Options::default();
    let mut issuer = None;
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--issuer" => issuer = Some(value),
            "--jwks" => {
                let name: String = issuer.take().ok_or("--jwks follows its --issuer")?;
                options.issuers.push(Issuer::new(name).jwks_url(value).internal());
            }
            "--introspect" => {
                let name = issuer.take().ok_or("--introspect follows its --issuer")?;
                let settings = introspect::settings(&value)?;
                options.issuers.push(Issuer::new(name).introspection(settings).internal());
            }
            "--dpop" if value == "nonces" => {
                options.dpop = Some(Dpop::builder().nonces().build()?);
            }
            "--policy" => options.policy = value,
            "--audit" => options.audit = value,
            "--port" => options.port = value.parse()?,
            "--resource" => options.resource = Some(value),
            "--upstream" => options.upstream = Some(value),
            _ => return Err(format!("{flag:?} is not an option").into()),
        }
    }
    match issuer {
        Some(name) => Err(format!("nothing says how to verify tokens of {name}").into()),
        None => Ok(options),
    }
}
