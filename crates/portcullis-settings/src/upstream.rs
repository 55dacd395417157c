//! MCP servers behind the gate.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use portcullis_proxy::{HttpUpstream, HttpUpstreamBuilder, Secret, Tls};
#[cfg(unix)]
use portcullis_proxy::{StdioUpstream, StdioUpstreamBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{At, Problem, Sources};

/// A server over Streamable HTTP.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpServer {
    /// URL of its endpoint: `https`, or `http` on this machine.
    pub url: String,
    /// PEM file of authorities that vouch for it, in place of the platform's.
    pub authorities: Option<At<PathBuf>>,
    /// How long it may take to begin its answer; 60 by default.
    pub timeout_seconds: Option<u64>,
    /// Speak HTTP/2 without TLS to it.
    #[serde(default)]
    pub http2_prior_knowledge: bool,
    /// Allow `http` to another machine. Whoever is on the way reads and changes everything.
    #[serde(default)]
    pub danger_plain_http: bool,
    /// Send a credential along that all callers share: each of them acts with all that it allows.
    pub danger_shared_credential: Option<Credential>,
}

/// A credential for a server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Name of the header, such as `Authorization`.
    pub header: At<String>,
    /// What stands before the secret, such as `Bearer`.
    pub scheme: Option<String>,
    /// Name of the secret.
    pub secret: At<String>,
}

/// A command. No shell reads it, and nothing of the gateway's own environment reaches it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdioServer {
    /// Absolute path of the program.
    pub command: PathBuf,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its whole environment, besides `secret_env`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables that hold secrets, by the names of these.
    #[serde(default)]
    pub secret_env: BTreeMap<String, At<String>>,
    /// Absolute path of the folder where it runs; `/` by default.
    pub working_directory: Option<PathBuf>,
    /// Absolute path of a folder in which every caller gets a folder to run in.
    pub directory_per_caller: Option<PathBuf>,
    /// Processes of one caller at once; 8 by default.
    pub max_processes_per_caller: Option<usize>,
    /// Processes in all; 64 by default.
    pub max_processes: Option<usize>,
    /// How long a process that has never answered may take to do so; 30 by default. Commands that fetch what they
    /// run the first time want more.
    pub start_seconds: Option<u64>,
    /// How long a process is kept that nobody uses; 1800 by default.
    pub idle_seconds: Option<u64>,
    /// Address space of a process; needs `prlimit`.
    pub max_memory_bytes: Option<u64>,
    /// Open files of a process; needs `prlimit`.
    pub max_open_files: Option<u64>,
    /// It knows no revision without sessions (before 2026-07-28).
    #[serde(default)]
    pub sessions_only: bool,
}

impl HttpServer {
    /// What hands requests on to it, known in logs by `name`. Connects to nothing.
    ///
    /// # Errors
    /// The settings cannot be honoured, or name what is not there.
    pub fn builder(&self, name: &str, sources: &Sources) -> Result<HttpUpstreamBuilder, Problem> {
        let fault = |error: portcullis_proxy::ConfigError| Problem::of(&error);
        let mut builder = HttpUpstream::builder(&self.url).map_err(fault)?.name(name);
        if let Some(path) = &self.authorities {
            let pem = sources.text(path).map_err(|problem| problem.at(path))?;
            let tls = Tls::authorities(pem).map_err(|error| Problem::of(&error).at(path))?;
            builder = builder.tls(tls);
        }
        if let Some(seconds) = self.timeout_seconds {
            builder = builder.answer_timeout(Duration::from_secs(seconds));
        }
        if self.http2_prior_knowledge {
            builder = builder.http2_only();
        }
        if self.danger_plain_http {
            builder = builder.danger_plain_http();
        }
        if let Some(credential) = &self.danger_shared_credential {
            let secret = sources.secret(&credential.secret)?;
            let value = match &credential.scheme {
                Some(scheme) => format!("{scheme} {secret}"),
                None => secret,
            };
            let header: HeaderName = credential
                .header
                .parse()
                .map_err(|_| Problem::new("that is no name of a header").at(&credential.header))?;
            builder = builder.danger_shared_credential(header, Secret::new(value));
        }
        Ok(builder)
    }
}

#[cfg(unix)]
impl StdioServer {
    /// What starts it for every caller, known in logs by `name`. Starts nothing.
    ///
    /// # Errors
    /// A secret is not there.
    pub fn builder(&self, name: &str, sources: &Sources) -> Result<StdioUpstreamBuilder, Problem> {
        let mut builder = StdioUpstream::builder(&self.command).name(name).args(&self.args);
        for (name, value) in &self.env {
            builder = builder.env(name, value);
        }
        for (name, secret) in &self.secret_env {
            builder = builder.env(name, sources.secret(secret)?);
        }
        if let Some(directory) = &self.working_directory {
            builder = builder.working_directory(directory);
        }
        if let Some(directory) = &self.directory_per_caller {
            builder = builder.directory_per_person(directory);
        }
        if let Some(processes) = self.max_processes_per_caller {
            builder = builder.max_children_per_person(processes);
        }
        if let Some(processes) = self.max_processes {
            builder = builder.max_children(processes);
        }
        if let Some(seconds) = self.start_seconds {
            builder = builder.start_timeout(Duration::from_secs(seconds));
        }
        if let Some(seconds) = self.idle_seconds {
            builder = builder.idle_timeout(Duration::from_secs(seconds));
        }
        if let Some(bytes) = self.max_memory_bytes {
            builder = builder.max_memory(bytes);
        }
        if let Some(files) = self.max_open_files {
            builder = builder.max_open_files(files);
        }
        if self.sessions_only {
            builder = builder.sessions_only();
        }
        Ok(builder)
    }
}
