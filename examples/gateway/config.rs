//! What the file says: types and nothing else. `gateway.schema.json` is made from them.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::read::{At, Strings};

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
    /// Where audit records go; `[tracing]`, which is standard error, by default.
    pub audit: Option<At<Audit>>,
    /// How long requests under way may take to end when the gateway stops or their server is removed; 30 by
    /// default.
    pub grace_seconds: Option<u64>,
    /// Connections at once; 4096 by default. Others wait.
    pub max_connections: Option<NonZeroUsize>,
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Secret {
    /// In this environment variable.
    Env(String),
    /// In this file; blanks and line ends around it do not count.
    File(PathBuf),
}

/// A place to listen.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Listener {
    /// HTTP without TLS, on this address: for loopback, or behind something that terminates TLS.
    Http(At<String>),
    /// HTTPS.
    Tls(Tls),
    /// HTTP on a Unix socket.
    Unix(Unix),
}

/// HTTPS. The files are looked at every two seconds, and new ones used for new connections.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Address, such as `0.0.0.0:8443`.
    pub address: At<String>,
    /// PEM file of the certificate chain, leaf first.
    pub certificate: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
    /// PEM file of authorities. Clients may then present a certificate of theirs; tokens bound to it are accepted.
    pub client_authorities: Option<PathBuf>,
    /// Refuse clients without a certificate.
    #[serde(default)]
    pub require_client_certificate: bool,
}

/// A Unix socket.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unix {
    /// Path of the socket.
    pub path: PathBuf,
    /// Its permissions in octal, as a string; `"0660"` by default.
    pub mode: Option<At<String>>,
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
}

/// Who issues tokens: either a `profile` with `settings`, or an `issuer` described here.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Name of a known provider: `entra-v2`, `okta`, `keycloak`, … (docs/identity-providers.md).
    pub profile: Option<String>,
    /// What that provider needs to know; each a string or a list of strings.
    #[serde(default)]
    pub settings: BTreeMap<String, Strings>,
    /// The `iss` of its tokens, byte for byte.
    pub issuer: Option<String>,
    /// Where its keys are; by default where its metadata say.
    pub jwks_url: Option<String>,
    /// File with its keys, in place of fetching them.
    pub jwks_file: Option<At<PathBuf>>,
    /// Accepted audiences besides the server's own address.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// It is inside your network: private addresses, and `http` on this machine, are allowed.
    #[serde(default)]
    pub internal: bool,
    /// Which claims say what.
    #[serde(default)]
    pub claims: Claims,
    /// Claims that must have one of these values.
    #[serde(default)]
    pub require_claims: BTreeMap<String, Strings>,
    /// Accept the type `JWT`, if the token has one of these claims, which ID tokens do not have.
    #[serde(default)]
    pub accept_jwt_typ: Vec<String>,
    /// Ask it about tokens that say nothing themselves (RFC 7662).
    pub introspection: Option<Introspection>,
}

/// Names of claims.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Scopes; `scope` by default.
    pub scopes: Option<String>,
    /// Groups.
    pub groups: Option<String>,
    /// Roles.
    pub roles: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
}

/// How to ask about tokens.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Introspection {
    /// Where to ask; by default where the metadata say.
    pub endpoint: Option<String>,
    /// As which client.
    pub client_id: String,
    /// Name of the secret with which it authenticates.
    pub client_secret: At<String>,
    /// Ask about JWTs too, so that what was revoked is refused within a minute.
    #[serde(default)]
    pub jwts: bool,
}

/// A sidecar that has signed callers in.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    /// Which family of headers it sets.
    pub profile: SidecarProfile,
    /// Who vouches for callers: the first half of their identity in policies and records.
    pub issuer: String,
    /// From whom headers are believed: addresses, networks such as `10.1.0.0/16`, or `unix`.
    pub trusted_peers: Vec<At<String>>,
    /// A secret that it sends besides.
    pub shared_secret: Option<SharedSecret>,
    /// Where clients are sent to sign in; at least one.
    pub authorization_servers: Vec<String>,
}

/// A secret between the sidecar and the gateway.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedSecret {
    /// Name of the header.
    pub header: String,
    /// Name of the secret.
    pub secret: At<String>,
}

/// A family of identity headers.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum SidecarProfile {
    Oauth2Proxy,
    ForwardedUser,
    Vouch,
    ApacheOpenidc,
    ApacheMellon,
    RemoteUser,
    Authentik,
    Envoy,
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

/// How a server learns who is calling.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Identity {
    /// Not at all.
    None,
    /// In a header that the gateway signs (`X-Portcullis-Assertion`).
    Signed(Signed),
    /// In plain headers: for servers that nobody but the gateway can reach.
    Headers(Headers),
}

/// A plain identity.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Headers {
    /// Which headers.
    pub family: Family,
    /// The only issuer of callers, whose bare subject is then the user; by default the user is the issuer, `#`
    /// and the subject.
    pub plain_subjects_of: Option<String>,
}

/// A family of headers.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// `X-Auth-Request-User`, `-Email`, `-Preferred-Username`, `-Groups`.
    AuthRequest,
    /// `X-Forwarded-User`, `-Email`, `-Preferred-Username`, `-Groups`.
    ForwardedUser,
    /// `Remote-User`, `-Email`, `-Name`, `-Groups`.
    RemoteUser,
}

/// A signed identity. The key set to verify it with is at `/.well-known/portcullis/NAME/jwks.json`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// PEM file (PKCS#8) of the key, P-256 or Ed25519.
    pub key: At<PathBuf>,
    /// For whom it is; the server's own address at the gateway by default.
    pub audience: Option<String>,
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

/// Bounds, per server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Largest request body in bytes; 4 MiB by default.
    pub body_bytes: Option<usize>,
    /// Largest JSON answer in bytes; 16 MiB by default.
    pub response_bytes: Option<usize>,
    /// Requests of one caller at once; 64 by default.
    pub calls_in_flight: Option<u32>,
    /// Streams of one caller at once; 32 by default.
    pub open_streams: Option<u32>,
    /// Calls of one caller in a minute; as many as they like by default.
    pub calls_per_minute: Option<u32>,
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

/// One place for records.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sink {
    /// Standard error, with the gateway's own log.
    Tracing,
    /// A chained and rotated file.
    File(FileSink),
    /// Syslog (RFC 5424) over TLS.
    Syslog(Syslog),
    /// Lines of JSON by HTTPS.
    Http(Collector),
    /// An OpenTelemetry collector (OTLP over HTTPS).
    Otlp(Collector),
    /// A SQLite database; needs the Cargo feature `audit-sqlite`.
    Sqlite(PathBuf),
    /// A PostgreSQL database; needs the Cargo feature `audit-postgres`.
    Postgres(Postgres),
}

/// A file of records.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSink {
    /// Its path. The folder must exist.
    pub path: PathBuf,
    /// File with the key (JWK, Ed25519) that signs checkpoints of the chain.
    pub signing_key: Option<PathBuf>,
    /// Begin another file after so many bytes; 256 MiB by default.
    pub rotate_bytes: Option<u64>,
}

/// A syslog server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Syslog {
    /// Its name.
    pub host: String,
    /// Its port; 6514 by default.
    pub port: Option<u16>,
    /// PEM file of authorities that vouch for it, in place of the platform's.
    pub authorities: Option<PathBuf>,
}

/// A collector over HTTPS.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Collector {
    /// URL: `https`, or `http` on this machine.
    pub url: String,
    /// Name of the secret that is sent as a bearer token.
    pub bearer_token: Option<At<String>>,
    /// PEM file of authorities that vouch for it, in place of the platform's.
    pub authorities: Option<PathBuf>,
}

/// A PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// Settings as `libpq` has them, without the password: `postgresql://user@host/database`.
    pub database: String,
    /// Name of the secret that is the password.
    pub password: Option<At<String>>,
    /// PEM file of authorities that vouch for it, in place of the platform's.
    pub authorities: Option<PathBuf>,
}
