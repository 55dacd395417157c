//! What the file says: types and nothing else, of our own and of `portcullis::settings`. `gateway.schema.json` is made
//! from them.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use portcullis::settings::{
    At, Dpop, HttpServer, Identity, Issuer, Limits, Listener, Roster, Secret, Sidecar, Sink,
    StdioServer,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The file as it was read.
pub type File = portcullis::settings::File<Config>;

/// Configuration of the portcullis gateway. Relative paths start at the folder of this file.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Under which origin clients reach the gateway, such as `https://mcp.example.com`. A server's address, which
    /// is also the audience of its tokens, is this and its path.
    pub public_url: At<String>,
    /// Where secrets are, by name. Other settings name them; nothing else is read from the environment.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// Where to listen. At least one.
    #[schemars(length(min = 1))]
    pub listen: Vec<At<Listener>>,
    /// Address for `/live`, `/ready` and `/metrics`, such as `127.0.0.1:9464`. It asks nobody who they are.
    pub admin: Option<At<String>>,
    /// The MCP servers behind the gateway, by name.
    pub servers: BTreeMap<String, At<Server>>,
    /// Who may sign in, for servers that do not say it themselves.
    pub authentication: Option<At<Authentication>>,
    /// Policy file, for servers that have none of their own. Changes come into force by themselves.
    pub policy: Option<At<PathBuf>>,
    /// How servers learn who is calling, if they do not say it themselves; `none` by default.
    pub identity: Option<At<Identity>>,
    /// Origins whose web pages may call, such as `https://app.example.com`; of all servers.
    #[serde(default)]
    pub origins: Vec<At<String>>,
    /// Bounds, for servers that have none of their own.
    pub limits: Option<At<Limits>>,
    /// Who uses the servers, and who is blocked: somebody that `portcullis roster block` names is refused at once.
    pub roster: Option<At<Roster>>,
    /// Where audit records go; `[tracing]`, which is standard error, by default.
    pub audit: Option<At<Audit>>,
    /// How long requests under way may take to end when the gateway stops or their server is removed; 30 by
    /// default.
    pub grace_seconds: Option<u64>,
    /// Connections at once; 4096 by default. Others wait.
    pub max_connections: Option<NonZeroUsize>,
}

/// One MCP server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its path at the gateway, such as `/notes`.
    pub path: At<String>,
    /// Where it is.
    pub upstream: At<Upstream>,
    /// Who may sign in.
    pub authentication: Option<At<Authentication>>,
    /// Policy file.
    pub policy: Option<At<PathBuf>>,
    /// File of the definitions of its tools that somebody has approved, as `portcullis pins` writes it: others are
    /// neither offered nor called. It is read when this file is.
    pub tool_pins: Option<At<PathBuf>>,
    /// How it learns who is calling.
    pub identity: Option<At<Identity>>,
    /// Further origins whose web pages may call.
    #[serde(default)]
    pub origins: Vec<At<String>>,
    /// What clients are told before they sign in (RFC 9728).
    #[serde(default)]
    pub resource_metadata: ResourceMetadata,
    /// Bounds.
    pub limits: Option<At<Limits>>,
}

/// Where an MCP server is.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Upstream {
    /// Elsewhere, over Streamable HTTP.
    Http(HttpServer),
    /// A command that speaks on standard input and output. Every caller has processes of their own.
    Stdio(StdioServer),
    /// A notebook inside this process, to try the gateway with.
    Demo,
}

/// Who may sign in, and how.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Authentication {
    /// With access tokens of these issuers.
    Tokens(Tokens),
    /// At a sidecar or a proxy in front, which says who it is in headers.
    Sidecar(Sidecar),
    /// At an identity provider inside this process that asks for no password. Only on loopback.
    DangerDevelopment(Development),
}

/// Access tokens.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Who may issue them. At least one.
    #[schemars(length(min = 1))]
    pub issuers: Vec<At<Issuer>>,
    /// Tokens that are bound to a key of their client (DPoP); by default they are refused.
    pub dpop: Option<Dpop>,
}

/// An identity provider for development.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Development {
    /// Its address on loopback, such as `127.0.0.1:8801`.
    pub address: At<String>,
    /// Who can sign in, by simply saying so.
    pub people: BTreeMap<String, Person>,
}

/// Somebody made up.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Scopes that they may be given.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// What clients are told before they sign in.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceMetadata {
    /// Name of the server, for people.
    pub name: Option<String>,
    /// Scopes that clients are told to ask for.
    #[serde(default)]
    pub scopes_supported: Vec<String>,
    /// URL of its documentation.
    pub documentation: Option<String>,
    /// URL of the rules of use.
    pub policy_uri: Option<String>,
    /// URL of the terms of service.
    pub tos_uri: Option<String>,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// At least one. Tool calls wait until each has their record, and are refused when one cannot.
    #[schemars(length(min = 1))]
    pub sinks: Vec<At<Sink>>,
    /// Let calls run although they cannot be recorded.
    #[serde(default)]
    pub danger_fail_open: bool,
}
