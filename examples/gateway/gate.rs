//! From a plan to a gate before its server.

use std::convert::Infallible;
use std::net::IpAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use portcullis::core::ClientCertificate;
use portcullis::forwarded::{ForwardedBuilder, Peer, Profile as Family};
use portcullis::rbac::{PolicyFile, Reloading};
use portcullis::telemetry::Telemetry;
use portcullis::{
    AuditLayer, ClaimRule, ClientAuth, Introspection, Issuer, JwkSet, Portcullis, PortcullisLayer,
    Profile, Rate, RateLimits, SessionKeys, policy_events,
};
use portcullis_serve::{Remote, RequestBody};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer as _, Service, ServiceExt as _};

use crate::behind::{self, Behind, End};
use crate::config::{self, Authentication, SidecarProfile};
use crate::local;
use crate::plan::Plan;
use crate::read::{At, Problem};

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

/// Builds the gate of a plan. Asks nobody on the network.
pub fn draft(plan: &Plan, audit: &AuditLayer, sessions: SessionKeys) -> Result<Draft, Problem> {
    let audit = audit
        .for_resource(&plan.resource)
        .and_then(|audit| audit.for_server(&plan.name))
        .map_err(|error| Problem::of(&error))?;
    let policy = PolicyFile::new(&*plan.policy).on_event(policy_events(audit.log())).load();
    let policy = policy.map_err(|error| Problem::of(&error).at(&plan.policy))?;
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
    builder = scopes.into_iter().fold(builder, |builder, scope| builder.scope(scope));
    for origin in &plan.origins {
        builder = builder.allow_origin(String::clone(origin));
    }
    if let Some(limits) = &plan.limits {
        builder = builder.limits(bounds(limits));
        if let Some(calls) = limits.calls_per_minute {
            let rate = Rate::per_minute(calls).map_err(|e| Problem::of(&e).at(limits))?;
            builder = builder.rate_limits(RateLimits::new().per_principal(rate));
        }
    }
    let Behind { service, keys, end } = Behind::of(plan)?;
    let name = plan.name.clone();

    if let Authentication::Sidecar(sidecar) = &*plan.authentication {
        let sidecar = believed(plan, sidecar)?;
        let gate = builder.forwarded(sidecar).build().map_err(|error| Problem::of(&error))?;
        let paths = paths(&gate);
        let enter = Box::new(move |telemetry: &Telemetry| {
            let watch = gate.watched_by(telemetry, &name);
            erased(watch.layer(gate.layer(telemetry.stopwatch().layer(service))))
        });
        return Ok(Draft { policy, paths, keys, end, enter });
    }
    let mut issuers = issuers(plan)?.into_iter();
    let first = issuers
        .next()
        .ok_or_else(|| Problem::new("there are no issuers").at(&plan.authentication))?;
    let mut builder = builder.issuer(first);
    for issuer in issuers {
        builder = builder.issuer(issuer);
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

/// Who may issue tokens for the server.
fn issuers(plan: &Plan) -> Result<Vec<Issuer>, Problem> {
    match &*plan.authentication {
        Authentication::Tokens(tokens) => tokens
            .issuers
            .iter()
            .map(|settings| issuer(plan, settings).map_err(|problem| problem.at(settings)))
            .collect(),
        Authentication::DangerDevelopment(development) => {
            let url = local::issuer_url(&development.address)?;
            Ok(vec![Issuer::new(&url).jwks_url(format!("{url}/jwks")).internal()])
        }
        Authentication::Sidecar(_) => Ok(Vec::new()),
    }
}

fn issuer(plan: &Plan, settings: &At<config::Issuer>) -> Result<Issuer, Problem> {
    let config::Issuer { claims, .. } = &**settings;
    let fault = |error: portcullis::jwt::ConfigError| Problem::of(&error);
    let mut issuer = match (&settings.profile, &settings.issuer) {
        (Some(name), None) => {
            let mut profile = Profile::named(name).map_err(fault)?;
            for (setting, values) in &settings.settings {
                for value in &values.0 {
                    profile = profile.set(setting, value).map_err(fault)?;
                }
            }
            profile.issuer().map_err(fault)?
        }
        (None, Some(url)) if settings.settings.is_empty() => {
            let issuer = Issuer::new(url);
            let found = settings.jwks_url.is_some() || settings.jwks_file.is_some();
            if found { issuer } else { issuer.discover() }
        }
        (None, Some(_)) => return Err(Problem::new("`settings` are those of a `profile`")),
        _ => return Err(Problem::new("either a `profile` or an `issuer` is needed, and not both")),
    };
    if let Some(url) = &settings.jwks_url {
        issuer = issuer.jwks_url(url);
    }
    if let Some(path) = &settings.jwks_file {
        let keys = JwkSet::from_json(plan.file(path)).map_err(|it| fault(it).at(path))?;
        issuer = issuer.keys(keys);
    }
    if settings.internal {
        issuer = issuer.internal();
    }
    issuer = settings.audiences.iter().fold(issuer, |issuer, audience| issuer.audience(audience));
    if let Some(claim) = &claims.scopes {
        issuer = issuer.scope_claim(claim);
    }
    if let Some(claim) = &claims.groups {
        issuer = issuer.groups_claim(claim);
    }
    if let Some(claim) = &claims.roles {
        issuer = issuer.roles_claim(claim);
    }
    if let Some(claim) = &claims.tenant {
        issuer = issuer.tenant_claim(claim);
    }
    for (claim, values) in &settings.require_claims {
        issuer =
            issuer.require_claim(ClaimRule::one_of(claim, values.0.iter().map(String::as_str)));
    }
    if !settings.accept_jwt_typ.is_empty() {
        issuer = issuer.accept_jwt_typ(&settings.accept_jwt_typ);
    }
    if let Some(asked) = &settings.introspection {
        let secret = plan.secret(&asked.client_secret);
        let mut ask = Introspection::new(ClientAuth::secret_basic(&asked.client_id, secret));
        if let Some(url) = &asked.endpoint {
            ask = ask.endpoint(url);
        }
        issuer = issuer.introspection(if asked.jwts { ask.jwts() } else { ask });
    }
    Ok(issuer)
}

/// Whom to believe about who is calling.
fn believed(
    plan: &Plan,
    settings: &config::Sidecar,
) -> Result<impl FnOnce(ForwardedBuilder) -> ForwardedBuilder + use<>, Problem> {
    let family = match settings.profile {
        SidecarProfile::Oauth2Proxy => Family::oauth2_proxy(),
        SidecarProfile::ForwardedUser => Family::forwarded_user(),
        SidecarProfile::Vouch => Family::vouch(),
        SidecarProfile::ApacheOpenidc => Family::apache_openidc(),
        SidecarProfile::ApacheMellon => Family::apache_mellon(),
        SidecarProfile::RemoteUser => Family::remote_user(),
        SidecarProfile::Authentik => Family::authentik(),
        SidecarProfile::Envoy => Family::envoy(),
    };
    let peer = |text: &At<String>| match (text.as_str(), text.parse::<IpAddr>()) {
        ("unix", _) => Ok(Peer::unix_socket()),
        (_, Ok(address)) => Ok(Peer::address(address)),
        (network, Err(_)) => Peer::network(network).map_err(|e| Problem::of(&e).at(text)),
    };
    let peers = settings.trusted_peers.iter().map(peer).collect::<Result<Vec<_>, _>>()?;
    let issuer = settings.issuer.clone();
    let secret = settings.shared_secret.as_ref();
    let secret = secret.map(|it| (it.header.clone(), plan.secret(&it.secret).to_owned()));
    Ok(move |builder: ForwardedBuilder| {
        let builder = builder.profile(family).issuer(issuer).peer(crate::listen::peer);
        let builder = peers.into_iter().fold(builder, ForwardedBuilder::trust);
        match secret {
            Some((header, secret)) => builder.shared_secret(&header, secret),
            None => builder,
        }
    })
}

fn bounds(limits: &config::Limits) -> portcullis::Limits {
    let mut bounds = portcullis::Limits::new();
    if let Some(bytes) = limits.body_bytes {
        bounds = bounds.body(bytes);
    }
    if let Some(bytes) = limits.response_bytes {
        bounds = bounds.response(bytes);
    }
    if let Some(calls) = limits.calls_in_flight {
        bounds = bounds.calls_in_flight(calls);
    }
    if let Some(streams) = limits.open_streams {
        bounds = bounds.open_streams(streams);
    }
    bounds
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
