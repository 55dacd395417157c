//! What a gateway needs to be tried with nothing else: an identity provider and an MCP server.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use portcullis::proxy::{HttpUpstream, HttpUpstreamBuilder};
use portcullis::settings::{At, Problem};
use portcullis_test::{DevIssuer, Person};

use crate::config::{Authentication, Config, Development};
use crate::notes::Notes;

/// The identity providers for development, by address.
#[derive(Default)]
pub struct Issuers(HashMap<String, (Development, DevIssuer)>);

impl Issuers {
    /// Starts this one, if it does not run already.
    pub async fn start(&mut self, settings: &Development) -> Result<(), Problem> {
        let address = &settings.address;
        if let Some((running, _)) = self.0.get(&**address) {
            let problem = "a change of the identity provider for development needs a restart";
            return if running == settings {
                Ok(())
            } else {
                Err(Problem::new(problem).at(address))
            };
        }
        let mut issuer = DevIssuer::builder();
        for (name, person) in &settings.people {
            issuer = issuer.person(Person::new(name).groups(&person.groups).scopes(&person.scopes));
        }
        let issuer = issuer.bind(parse(address)?).await;
        let issuer = issuer.map_err(|error| {
            Problem::new(format!("cannot start the identity provider: {error}")).at(address)
        })?;
        self.0.insert(String::clone(address), (settings.clone(), issuer));
        Ok(())
    }

    /// A token for everybody at this server.
    pub fn tokens(&self, settings: &Development, resource: &str) -> Vec<(String, String)> {
        let Some((_, issuer)) = self.0.get(&*settings.address) else { return Vec::new() };
        let people = settings.people.keys();
        people.map(|name| (name.clone(), issuer.token_for(name, resource, &[]))).collect()
    }
}

/// A command that shows what the holder of a token sees.
pub fn curl(resource: &str, token: &str) -> String {
    let body = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":"#,
        r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/clientCapabilities":{}}}}"#
    );
    format!(
        "curl -s {resource} -H 'Authorization: Bearer {token}' \\\n  \
         -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\\n  \
         -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/list' \\\n  \
         -d '{body}'"
    )
}

/// What the provider at this address calls itself.
pub fn issuer_url(address: &At<String>) -> Result<String, Problem> {
    Ok(format!("http://{}", parse(address)?))
}

fn parse(address: &At<String>) -> Result<SocketAddr, Problem> {
    let parsed = address.parse::<SocketAddr>().ok();
    parsed.filter(|it| it.ip().is_loopback() && it.port() != 0).ok_or_else(|| {
        let problem =
            "the identity provider for development needs an address on loopback, with a port";
        Problem::new(problem).at(address)
    })
}

/// Refuses to let strangers in where anybody is whom they say.
pub fn check(config: &Config) -> Result<(), Problem> {
    let Config { listen, servers, authentication, .. } = config;
    let shared = authentication.iter();
    let all = servers.values().filter_map(|it| it.authentication.as_ref()).chain(shared);
    if !all.into_iter().any(|it| matches!(**it, Authentication::DangerDevelopment(_))) {
        return Ok(());
    }
    for place in listen {
        if !place.is_local()? {
            let problem =
                "danger_development lets anybody in, and so is for loopback addresses only";
            return Err(Problem::new(problem).at(place));
        }
    }
    Ok(())
}

/// The notebook of the quickstart, on loopback.
pub fn demo() -> Result<HttpUpstreamBuilder, Problem> {
    static SERVER: OnceLock<SocketAddr> = OnceLock::new();
    let fault = |error: std::io::Error| Problem::new(format!("cannot start the demo: {error}"));
    let address = match SERVER.get() {
        Some(address) => *address,
        None => {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(fault)?;
            listener.set_nonblocking(true).map_err(fault)?;
            let address = listener.local_addr().map_err(fault)?;
            tokio::spawn(serve(tokio::net::TcpListener::from_std(listener).map_err(fault)?));
            *SERVER.get_or_init(|| address)
        }
    };
    HttpUpstream::builder(&format!("http://{address}/mcp"))
        .map(|builder| builder.name("demo"))
        .map_err(|error| Problem::of(&error))
}

async fn serve(listener: tokio::net::TcpListener) {
    let notes = Notes::service();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let service = notes.clone();
        let service = TowerToHyperService::new(service);
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
