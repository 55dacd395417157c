//! The server behind a gate, and what tells it who is calling.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use portcullis::core::Buffered;
#[cfg(unix)]
use portcullis::proxy::StdioUpstream;
use portcullis::proxy::{HttpUpstream, HttpUpstreamBuilder, IdentityHeaders, Secret, Tls};
use portcullis_assertion::{AssertionLayer, SigningKey};
use tower::Layer as _;
use tower::util::BoxCloneSyncService;

use crate::config::{Family, HttpServer, Identity, Signed, Upstream};
use crate::gate::{Body, erased};
use crate::local;
use crate::plan::Plan;
use crate::read::Problem;

type Service = BoxCloneSyncService<Request<Buffered>, Response<Body>, Infallible>;
pub type End = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What stands behind a gate.
pub struct Behind {
    pub service: Service,
    /// The keys by which the server knows who the gateway says is calling.
    pub keys: Option<Bytes>,
    /// Ends what the server consists of, if that is ours.
    pub end: End,
}

impl Behind {
    pub fn of(plan: &Plan) -> Result<Self, Problem> {
        let upstream = &plan.server.upstream;
        let fault = |error: portcullis::proxy::ConfigError| Problem::of(&error).at(upstream);
        let mut builder = match &**upstream {
            Upstream::Http(http) => elsewhere(plan, http).map_err(|it| it.at(upstream))?,
            Upstream::Demo => local::demo()?,
            Upstream::Stdio(_) => return command(plan).map_err(|it| it.at(upstream)),
        };
        let signed = match plan.identity.as_deref() {
            None | Some(Identity::None) => None,
            Some(Identity::Signed(signed)) => Some(signed),
            Some(Identity::Headers(headers)) => {
                let names = match headers.family {
                    Family::AuthRequest => IdentityHeaders::auth_request(),
                    Family::ForwardedUser => IdentityHeaders::forwarded_user(),
                    Family::RemoteUser => IdentityHeaders::remote_user(),
                };
                builder = builder.identity(match &headers.plain_subjects_of {
                    Some(issuer) => names.plain_subjects(issuer),
                    None => names,
                });
                None
            }
        };
        let service = builder.build().map_err(fault)?;
        let end = Box::pin(std::future::ready(()));
        let Some(signed) = signed else {
            return Ok(Self { service: erased(service), keys: None, end });
        };
        let layer = signing(plan, signed)?;
        let keys = Some(layer.jwks());
        Ok(Self { service: erased(layer.layer(service)), keys, end })
    }
}

/// What records call the server behind the gate: where it is, or which program. Never what a command is
/// given, nor more of a URL than its origin.
pub fn name(plan: &Plan) -> String {
    match &*plan.server.upstream {
        Upstream::Http(http) => http.url.clone(),
        Upstream::Stdio(stdio) => {
            stdio.command.file_name().unwrap_or_default().to_string_lossy().into_owned()
        }
        Upstream::Demo => "demo".to_owned(),
    }
}

fn elsewhere(plan: &Plan, http: &HttpServer) -> Result<HttpUpstreamBuilder, Problem> {
    let fault = |error: portcullis::proxy::ConfigError| Problem::of(&error);
    let mut builder = HttpUpstream::builder(&http.url).map_err(fault)?.name(&plan.name);
    if let Some(path) = &http.authorities {
        let tls = Tls::authorities(plan.file(path)).map_err(|it| Problem::of(&it).at(path))?;
        builder = builder.tls(tls);
    }
    if let Some(seconds) = http.timeout_seconds {
        builder = builder.answer_timeout(Duration::from_secs(seconds));
    }
    if http.http2_prior_knowledge {
        builder = builder.http2_only();
    }
    if http.danger_plain_http {
        builder = builder.danger_plain_http();
    }
    if let Some(credential) = &http.danger_shared_credential {
        let secret = plan.secret(&credential.secret);
        let value = match &credential.scheme {
            Some(scheme) => format!("{scheme} {secret}"),
            None => secret.to_owned(),
        };
        let header: HeaderName = credential
            .header
            .parse()
            .map_err(|_| Problem::new("that is no name of a header").at(&credential.header))?;
        builder = builder.danger_shared_credential(header, Secret::new(value));
    }
    Ok(builder)
}

/// A command, of which every caller has a process of their own.
#[cfg(unix)]
fn command(plan: &Plan) -> Result<Behind, Problem> {
    let Upstream::Stdio(stdio) = &*plan.server.upstream else {
        return Err(Problem::new("no command"));
    };
    let mut builder = StdioUpstream::builder(&stdio.command).name(&plan.name).args(&stdio.args);
    for (name, value) in &stdio.env {
        builder = builder.env(name, value);
    }
    for (name, secret) in &stdio.secret_env {
        builder = builder.env(name, plan.secret(secret));
    }
    if let Some(directory) = &stdio.working_directory {
        builder = builder.working_directory(directory);
    }
    if let Some(directory) = &stdio.directory_per_caller {
        builder = builder.directory_per_person(directory);
    }
    if let Some(processes) = stdio.max_processes_per_caller {
        builder = builder.max_children_per_person(processes);
    }
    if let Some(processes) = stdio.max_processes {
        builder = builder.max_children(processes);
    }
    if let Some(seconds) = stdio.idle_seconds {
        builder = builder.idle_timeout(Duration::from_secs(seconds));
    }
    if let Some(bytes) = stdio.max_memory_bytes {
        builder = builder.max_memory(bytes);
    }
    if let Some(files) = stdio.max_open_files {
        builder = builder.max_open_files(files);
    }
    if stdio.sessions_only {
        builder = builder.sessions_only();
    }
    let service = builder.build().map_err(|error| Problem::of(&error))?;
    let children = service.clone();
    let end = Box::pin(async move { children.drain(Duration::from_secs(5)).await });
    Ok(Behind { service: erased(service), keys: None, end })
}

#[cfg(not(unix))]
fn command(_: &Plan) -> Result<Behind, Problem> {
    Err(Problem::new("commands are for Unix only"))
}

fn signing(plan: &Plan, signed: &Signed) -> Result<AssertionLayer, Problem> {
    let pem = plan.file(&signed.key);
    let key = SigningKey::es256_from_pem(pem).or_else(|_| SigningKey::ed25519_from_pem(pem));
    let key = key.map_err(|_| {
        let file = signed.key.display();
        let problem = format!("{file} holds no private key, P-256 or Ed25519, as PKCS#8");
        Problem::new(problem).at(&signed.key)
    })?;
    let audience = signed.audience.as_ref().unwrap_or(&plan.resource);
    let layer = AssertionLayer::builder(&plan.public_url, audience).key(key).build();
    layer.map_err(|error| Problem::of(&error).at(&signed.key))
}
