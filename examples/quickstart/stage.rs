//! What the story is played on: issuer, server, and the gate between.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use portcullis::audit::Sink;
use portcullis::{Gate, Issuer, Policy, Portcullis, PortcullisLayer};
use portcullis_test::{DevIssuer, Person};
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use tokio::net::TcpListener;
use tower::Layer as _;

use crate::Options;
use crate::notes::Notes;

type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Service = Gate<StreamableHttpService<Notes, LocalSessionManager>, Policy>;

/// The running parts.
pub struct Stage {
    pub mcp: String,
    pub issuer: DevIssuer,
    pub layer: PortcullisLayer<Policy>,
}

/// The people of the story, and what each may have.
pub const PEOPLE: [(&str, &str); 3] = [("rita", "staff"), ("ed", "editors"), ("ada", "it-admins")];

impl Stage {
    /// Starts everything; `default_port` is for a command line that names none (0: any).
    pub async fn set(options: &Options, default_port: u16, sink: impl Sink) -> Result<Self> {
        let policy = match &options.policy {
            Some(file) => Policy::from_yaml_file(file)?,
            None => Policy::from_yaml(include_str!("policy.yaml"))?,
        };

        let port = options.port.unwrap_or(default_port);
        let listener = bind(port).await?;
        let mcp = format!("http://{}/mcp", listener.local_addr()?);

        let issuer_port = if port == 0 { 0 } else { port + 1 };
        let mut issuer = DevIssuer::builder();
        for (name, group) in PEOPLE {
            let person = Person::new(name).groups([group]).scopes(["notes:read", "notes:write"]);
            issuer = issuer.person(person);
        }
        let issuer = issuer
            .bind(loopback(issuer_port))
            .await
            .map_err(|error| in_use(issuer_port, &error))?;

        let layer = Portcullis::builder()
            .resource(&mcp)
            .scope("notes:read")
            .issuer(
                Issuer::new(issuer.issuer_url())
                    .jwks_url(format!("{}/jwks", issuer.issuer_url()))
                    .internal(),
            )
            .policy(policy)
            .metadata(|document| document.resource_name("The shared notebook"))
            .audit(sink)
            .build()?;
        tokio::spawn(listen(listener, layer.layer(Notes::service())));
        Ok(Self { mcp, issuer, layer })
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

async fn bind(port: u16) -> Result<TcpListener> {
    TcpListener::bind(loopback(port)).await.map_err(|error| in_use(port, &error))
}

fn in_use(port: u16, error: &std::io::Error) -> Box<dyn Error> {
    format!("cannot listen on port {port}: {error}").into()
}

/// Serves the gate to every connection.
async fn listen(listener: TcpListener, service: Service) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Streamed answers are several small writes: Nagle's algorithm would add 40 ms to each.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let connection = server.serve_connection(TokioIo::new(stream), service);
            // A client that goes away is none of our business here.
            let _ = connection.await;
        });
    }
}
