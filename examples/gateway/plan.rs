//! What one server of the file shall be: its own settings, and those that all share. Two plans that are equal make
//! the same gate, so that a reload keeps the one that is there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use portcullis::settings::{At, Identity, Limits, Listener, Problem};

use crate::config::{Authentication, Config, Server, Upstream};

/// One server, with everything that it takes to build its gate.
#[derive(PartialEq)]
pub struct Plan {
    pub name: String,
    /// Its address for clients, and the audience of their tokens.
    pub resource: String,
    pub public_url: String,
    pub server: At<Server>,
    pub authentication: At<Authentication>,
    pub policy: At<PathBuf>,
    pub identity: Option<At<Identity>>,
    pub limits: Option<At<Limits>>,
    pub origins: Vec<At<String>>,
    /// Clients may present certificates.
    pub certificates: bool,
}

impl Plan {
    /// The plans of all servers of a file.
    pub fn all(config: &Config) -> Result<Vec<Self>, Problem> {
        let origin = config.public_url.trim_end_matches('/');
        if origin.splitn(4, '/').count() != 3 {
            let problem = "public_url is an origin, such as https://mcp.example.com";
            return Err(Problem::new(problem).at(&config.public_url));
        }
        if !origin.starts_with("https://") && !is_loopback(origin) {
            let problem = "public_url is http, which is for loopback only";
            return Err(Problem::new(problem).at(&config.public_url));
        }
        if config.servers.is_empty() {
            return Err(Problem::new("there are no servers"));
        }
        let servers = config.servers.iter();
        servers
            .map(|(name, server)| {
                Self::of(config, origin, name, server)
                    .map_err(|problem| problem.at(server).about(format_args!("server {name}")))
            })
            .collect()
    }

    fn of(config: &Config, origin: &str, name: &str, server: &At<Server>) -> Result<Self, Problem> {
        let missing = |what: &str| Problem::new(format!("has no {what}, and the file has none"));
        let graphic = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || !name.bytes().all(graphic) {
            return Err(Problem::new("the name has others than a-z, 0-9 and hyphens"));
        }
        if !server.path.starts_with('/') || server.path.starts_with("/.well-known/") {
            let problem = "the path does not begin with /, or is one of the gateway's own";
            return Err(Problem::new(problem).at(&server.path));
        }
        if let Upstream::Http(http) = &*server.upstream
            && leads_here(config, &http.url)
        {
            let problem = "the server is the gateway itself, which would ask itself for ever";
            return Err(Problem::new(problem).at(&server.upstream));
        }
        let pick = server.authentication.clone().or_else(|| config.authentication.clone());
        let authentication = pick.ok_or_else(|| missing("authentication"))?;
        let policy = server.policy.as_ref().or(config.policy.as_ref());
        let policy = policy.ok_or_else(|| missing("policy"))?.clone();
        // A command reads no headers: what all servers get is not for it, and what it is to get is a mistake.
        let is_command = matches!(*server.upstream, Upstream::Stdio(_));
        if let Some(identity) = server.identity.as_ref().filter(|_| is_command) {
            let problem = "a command is told nothing: every caller has processes of their own";
            return Err(Problem::new(problem).at(identity));
        }
        let shared = config.identity.clone().filter(|_| !is_command);
        Ok(Self {
            name: name.to_owned(),
            resource: format!("{origin}{}", server.path.trim_end_matches('/')),
            public_url: origin.to_owned(),
            authentication,
            policy,
            identity: server.identity.clone().or(shared),
            limits: server.limits.clone().or_else(|| config.limits.clone()),
            origins: config.origins.iter().chain(&server.origins).cloned().collect(),
            certificates: config.listen.iter().any(|it| it.takes_client_certificates()),
            server: server.clone(),
        })
    }
}

/// Whether this origin is of this machine.
fn is_loopback(origin: &str) -> bool {
    host_and_port(origin).is_some_and(|(host, _)| {
        host == "localhost" || host.parse().is_ok_and(|it: IpAddr| it.is_loopback())
    })
}

/// Whether a request to this URL comes back to the gateway, as far as its file tells.
fn leads_here(config: &Config, url: &str) -> bool {
    let Some((host, port)) = host_and_port(url) else { return false };
    let address =
        if host == "localhost" { Some(Ipv4Addr::LOCALHOST.into()) } else { host.parse().ok() };
    let takes = |listener: &At<Listener>| {
        let at: Option<SocketAddr> = match &**listener {
            Listener::Http(at) => at.parse().ok(),
            Listener::Tls(tls) => tls.address.parse().ok(),
            _ => None,
        };
        at.zip(address).is_some_and(|(at, address): (_, IpAddr)| {
            let everywhere = at.ip().is_unspecified() && address.is_loopback();
            at.port() == port && (at.ip() == address || everywhere)
        })
    };
    config.listen.iter().any(takes) || host_and_port(&config.public_url) == Some((host, port))
}

fn host_and_port(url: &str) -> Option<(String, u16)> {
    let uri: http::Uri = url.parse().ok()?;
    let port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let host = uri.host()?.trim_matches(['[', ']']).to_ascii_lowercase();
    Some((host, uri.port_u16().unwrap_or(port)))
}
