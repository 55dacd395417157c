//! From a plan to a gate before its server.

use std::convert::Infallible;
use std::path::Path;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use portcullis::core::ClientCertificate;
use portcullis::rbac::{PolicyFile, Reloading};
use portcullis::settings::{Problem, Proofs, Sources};
use portcullis::telemetry::Telemetry;
use portcullis::{
    AuditLayer, Issuer, Portcullis, PortcullisLayer, SessionKeys, ToolPins, pin_events,
    policy_events,
};
use portcullis_serve::{Remote, RequestBody};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer as _, Service, ServiceExt as _};

use crate::behind::{self, Behind, End};
use crate::config::Authentication;
use crate::local;
use crate::plan::Plan;

pub type Body = UnsyncBoxBody<Bytes, BoxError>;
/// What answers at a server's paths.
pub type Gated = BoxCloneSyncService<Request<RequestBody>, Response<Body>, Infallible>;

/// A gate that is whole and not yet in force.
pub struct Draft {
    pub policy: Reloading,
    /// Where it answers.
    pub paths: Vec<String>,
    /// The keys by which the server knows who the gateway says is calling.
    pub keys: Option<Bytes>,
    /// Ends what the server consists of, if that is ours.
    pub end: End,
    /// Puts it in force: from here on it is watched.
    pub enter: Box<dyn FnOnce(&Telemetry) -> Gated + Send>,
}

/// What all gates have in common.
pub struct Shared {
    pub audit: AuditLayer,
    pub proofs: Proofs,
    #[cfg(feature = "roster")]
    pub roster: Option<portcullis::roster::Roster>,
}

/// Builds the gate of a plan. Asks nobody on the network.
pub fn draft(
    plan: &Plan,
    sources: &Sources,
    shared: &Shared,
    sessions: SessionKeys,
) -> Result<Draft, Problem> {
    let audit = shared
        .audit
        .for_resource(&plan.resource)
        .and_then(|audit| audit.for_server(&plan.name))
        .map_err(|error| Problem::of(&error))?;
    let policy =
        PolicyFile::new(sources.path(&plan.policy)).on_event(policy_events(audit.log())).load();
    let policy = policy.map_err(|error| Problem::of(&error).at(&plan.policy))?;
    let pins = match &plan.server.tool_pins {
        Some(path) => Some(pinned(path, sources, &audit).map_err(|problem| problem.at(path))?),
        None => None,
    };
    let metadata = plan.server.resource_metadata.clone();
    let servers = match &*plan.authentication {
        Authentication::Sidecar(sidecar) => sidecar.authorization_servers.clone(),
        _ => Vec::new(),
    };
    let scopes = metadata.scopes_supported.clone();
    let mut builder = Portcullis::builder()
        .resource(&plan.resource)
        .policy(policy.clone())
        .server(&plan.name)
        .upstream(behind::name(plan))
        .audit_layer(audit)
        .source_address(Remote::address_of)
        .session_keys(sessions)
        .metadata(move |mut document| {
            document = servers.into_iter().fold(document, |it, url| it.authorization_server(url));
            if let Some(name) = metadata.name {
                document = document.resource_name(name);
            }
            if let Some(url) = metadata.documentation {
                document = document.documentation(url);
            }
            if let Some(url) = metadata.policy_uri {
                document = document.policy_uri(url);
            }
            if let Some(url) = metadata.tos_uri {
                document = document.tos_uri(url);
            }
            document
        });
    #[cfg(feature = "roster")]
    if let Some(roster) = &shared.roster {
        builder = builder.roster(roster.clone());
    }
    builder = scopes.into_iter().fold(builder, |builder, scope| builder.scope(scope));
    for origin in &plan.origins {
        builder = builder.allow_origin(String::clone(origin));
    }
    if let Some(limits) = &plan.limits {
        builder = builder.limits(limits.bounds());
        if let Some(rates) = limits.rates().map_err(|problem| problem.at(limits))? {
            builder = builder.rate_limits(rates);
        }
    }
    if let Some(pins) = pins {
        builder = builder.inspection(move |layer| layer.tool_pins(pins));
    }
    let Behind { service, keys, end } = Behind::of(plan, sources)?;
    let name = plan.name.clone();

    if let Authentication::Sidecar(sidecar) = &*plan.authentication {
        let sidecar = sidecar.build(sources)?;
        let gate = builder.forwarded(sidecar).build().map_err(|error| Problem::of(&error))?;
        let paths = paths(&gate);
        let enter = Box::new(move |telemetry: &Telemetry| {
            let watch = gate.watched_by(telemetry, &name);
            erased(watch.layer(gate.layer(telemetry.stopwatch().layer(service))))
        });
        return Ok(Draft { policy, paths, keys, end, enter });
    }
    let mut issuers = issuers(plan, sources)?.into_iter();
    let first = issuers
        .next()
        .ok_or_else(|| Problem::new("there are no issuers").at(&plan.authentication))?;
    let mut builder = builder.issuer(first);
    for issuer in issuers {
        builder = builder.issuer(issuer);
    }
    if let Authentication::Tokens(tokens) = &*plan.authentication
        && let Some(dpop) = tokens.dpop
    {
        builder = builder.dpop(dpop.build(&shared.proofs)?);
    }
    if plan.certificates {
        builder = builder.tokens(|tokens| tokens.client_certificate(ClientCertificate::leaf_of));
    }
    let gate = builder.build().map_err(|error| Problem::of(&error))?;
    let paths = paths(&gate);
    let enter = Box::new(move |telemetry: &Telemetry| {
        let watch = gate.watched_by(telemetry, &name);
        let service = erased(watch.layer(gate.layer(telemetry.stopwatch().layer(service))));
        // What would keep people from signing in is in the log before they try.
        tokio::spawn(async move { gate.self_check().await });
        service
    });
    Ok(Draft { policy, paths, keys, end, enter })
}

/// The definitions of tools that somebody has approved.
fn pinned(path: &Path, sources: &Sources, audit: &AuditLayer) -> Result<ToolPins, Problem> {
    let pins = ToolPins::from_json(&sources.text(path)?).map_err(|error| Problem::of(&error))?;
    Ok(pins.on_event(pin_events(audit.log())))
}

/// Who may issue tokens for the server.
fn issuers(plan: &Plan, sources: &Sources) -> Result<Vec<Issuer>, Problem> {
    match &*plan.authentication {
        Authentication::Tokens(tokens) => tokens
            .issuers
            .iter()
            .map(|issuer| issuer.build(sources).map_err(|problem| problem.at(issuer)))
            .collect(),
        Authentication::DangerDevelopment(development) => {
            let url = local::issuer_url(&development.address)?;
            Ok(vec![Issuer::new(&url).jwks_url(format!("{url}/jwks")).internal()])
        }
        Authentication::Sidecar(_) => Ok(Vec::new()),
    }
}

fn paths<C>(gate: &PortcullisLayer<Reloading, C>) -> Vec<String> {
    let own = Some(gate.metadata().path()).filter(|path| !path.is_empty()).unwrap_or("/");
    std::iter::once(own).chain(gate.document_paths()).map(str::to_owned).collect()
}

/// Hides what a service is made of, once per request.
pub fn erased<S, R, B>(service: S) -> BoxCloneSyncService<Request<R>, Response<Body>, Infallible>
where
    S: Service<Request<R>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    R: 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let boxed = |response: Response<B>| response.map(|it| it.map_err(Into::into).boxed_unsync());
    BoxCloneSyncService::new(service.map_response(boxed))
}
