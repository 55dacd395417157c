//! What one server of the file shall be: its own settings, those that all share, and what files and secrets
//! hold. Two plans that are equal make the same gate, so that a reload keeps the one that is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::{Authentication, Identity, Limits, Listener, Secret, Server, Upstream};
use crate::read::{At, File, Problem};

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
    secrets: BTreeMap<String, String>,
    files: BTreeMap<PathBuf, String>,
}

impl Plan {
    /// The plans of all servers of a file.
    pub fn all(file: &File) -> Result<Vec<Self>, Problem> {
        let config = &file.config;
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
                Self::of(file, origin, name, server)
                    .map_err(|problem| problem.at(server).about(format_args!("server {name}")))
            })
            .collect()
    }

    fn of(file: &File, origin: &str, name: &str, server: &At<Server>) -> Result<Self, Problem> {
        let config = &file.config;
        let missing = |what: &str| Problem::new(format!("has no {what}, and the file has none"));
        let graphic = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || !name.bytes().all(graphic) {
            return Err(Problem::new("the name has others than a-z, 0-9 and hyphens"));
        }
        if !server.path.starts_with('/') || server.path.starts_with("/.well-known/") {
            let problem = "the path does not begin with /, or is one of the gateway's own";
            return Err(Problem::new(problem).at(&server.path));
        }
        let pick = server.authentication.clone().or_else(|| config.authentication.clone());
        let authentication = pick.ok_or_else(|| missing("authentication"))?;
        let policy = server.policy.as_ref().or(config.policy.as_ref());
        let policy = policy.ok_or_else(|| missing("policy"))?.map(|path| file.path(path));
        // A command reads no headers: what all servers get is not for it, and what it is to get is a mistake.
        let is_command = matches!(*server.upstream, Upstream::Stdio(_));
        if let Some(identity) = server.identity.as_ref().filter(|_| is_command) {
            let problem = "a command is told nothing: every caller has processes of their own";
            return Err(Problem::new(problem).at(identity));
        }
        let shared = config.identity.clone().filter(|_| !is_command);
        let mut plan = Self {
            name: name.to_owned(),
            resource: format!("{origin}{}", server.path.trim_end_matches('/')),
            public_url: origin.to_owned(),
            authentication,
            policy,
            identity: server.identity.clone().or(shared),
            limits: server.limits.clone().or_else(|| config.limits.clone()),
            origins: config.origins.iter().chain(&server.origins).cloned().collect(),
            certificates: file.takes_client_certificates(),
            server: server.clone(),
            secrets: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        let (secrets, files) = plan.needs();
        let read = |path: &At<PathBuf>| {
            let text = file.text(path).map_err(|problem| problem.at(path))?;
            Ok((PathBuf::clone(path), text))
        };
        let named = |name: &At<String>| Ok((String::clone(name), file.secret(name)?));
        let files = files.into_iter().map(read).collect::<Result<_, Problem>>()?;
        let secrets = secrets.into_iter().map(named).collect::<Result<_, Problem>>()?;
        (plan.files, plan.secrets) = (files, secrets);
        Ok(plan)
    }

    /// The secrets and files that its settings name.
    fn needs(&self) -> (Vec<&At<String>>, Vec<&At<PathBuf>>) {
        let (mut secrets, mut files) = (Vec::new(), Vec::new());
        match &*self.authentication {
            Authentication::Tokens(tokens) => {
                for issuer in &tokens.issuers {
                    files.extend(&issuer.jwks_file);
                    secrets.extend(issuer.introspection.as_ref().map(|it| &it.client_secret));
                }
            }
            Authentication::Sidecar(sidecar) => {
                secrets.extend(sidecar.shared_secret.as_ref().map(|it| &it.secret));
            }
            Authentication::DangerDevelopment(_) => {}
        }
        match &*self.server.upstream {
            Upstream::Http(http) => {
                files.extend(&http.authorities);
                secrets.extend(http.danger_shared_credential.as_ref().map(|it| &it.secret));
            }
            Upstream::Stdio(stdio) => secrets.extend(stdio.secret_env.values()),
            Upstream::Demo => {}
        }
        if let Some(Identity::Signed(signed)) = self.identity.as_deref() {
            files.push(&signed.key);
        }
        (secrets, files)
    }

    /// The secret of this name.
    pub fn secret(&self, name: &At<String>) -> &str {
        self.secrets.get(&**name).map_or("", String::as_str)
    }

    /// The text of this file.
    pub fn file(&self, path: &Path) -> &str {
        self.files.get(path).map_or("", String::as_str)
    }
}

/// Whether this origin is of this machine.
fn is_loopback(origin: &str) -> bool {
    let host = origin.parse().ok().and_then(|uri: http::Uri| uri.host().map(str::to_owned));
    let host = host.as_deref().map(|host| host.trim_matches(['[', ']']));
    host.is_some_and(|host| {
        host == "localhost" || host.parse().is_ok_and(|it: std::net::IpAddr| it.is_loopback())
    })
}

impl File {
    /// Whether some listener takes them.
    fn takes_client_certificates(&self) -> bool {
        let takes = |listener: &At<Listener>| match &**listener {
            Listener::Tls(tls) => tls.client_authorities.is_some(),
            _ => false,
        };
        self.config.listen.iter().any(takes)
    }

    /// The secret of this name, read now.
    pub fn secret(&self, name: &At<String>) -> Result<String, Problem> {
        let about = format!("the secret {:?}", **name);
        let secret = self.config.secrets.get(&**name);
        let secret = secret.ok_or_else(|| Problem::new(format!("{about} is not among `secrets`")));
        let value = match secret.map_err(|problem| problem.at(name))? {
            Secret::Env(variable) => std::env::var(variable)
                .map_err(|_| Problem::new(format!("the variable {variable} is not set")))
                .map_err(|problem| problem.at(name).about(&about))?,
            Secret::File(path) => {
                self.text(path).map_err(|problem| problem.at(name).about(&about))?.trim().to_owned()
            }
        };
        if value.is_empty() {
            return Err(Problem::new(format!("{about} is empty")).at(name));
        }
        Ok(value)
    }
}
