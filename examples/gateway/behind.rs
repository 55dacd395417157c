//! The server behind a gate, and what tells it who is calling.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use portcullis::core::Buffered;
use portcullis::settings::{Identity, Problem, Sources, StdioServer};
use tower::Layer as _;
use tower::util::BoxCloneSyncService;

use crate::config::Upstream;
use crate::gate::{Body, erased};
use crate::local;
use crate::plan::Plan;

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
    pub fn of(plan: &Plan, sources: &Sources) -> Result<Self, Problem> {
        let upstream = &plan.server.upstream;
        let mut builder = match &**upstream {
            Upstream::Http(http) => {
                http.builder(&plan.name, sources).map_err(|it| it.at(upstream))?
            }
            Upstream::Demo => local::demo()?,
            Upstream::Stdio(stdio) => {
                return command(plan, stdio, sources).map_err(|it| it.at(upstream));
            }
        };
        if let Some(Identity::Headers(headers)) = plan.identity.as_deref() {
            builder = builder.identity(headers.build());
        }
        let service = builder.build().map_err(|error| Problem::of(&error).at(upstream))?;
        let end = Box::pin(std::future::ready(()));
        let Some(Identity::Signed(signed)) = plan.identity.as_deref() else {
            return Ok(Self { service: erased(service), keys: None, end });
        };
        let layer = signed.build(&plan.public_url, &plan.resource, sources)?;
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

/// A command, of which every caller has processes of their own.
#[cfg(unix)]
fn command(plan: &Plan, stdio: &StdioServer, sources: &Sources) -> Result<Behind, Problem> {
    let service = stdio.builder(&plan.name, sources)?.build();
    let service = service.map_err(|error| Problem::of(&error))?;
    let children = service.clone();
    let end = Box::pin(async move { children.drain(Duration::from_secs(5)).await });
    Ok(Behind { service: erased(service), keys: None, end })
}

#[cfg(not(unix))]
fn command(_: &Plan, _: &StdioServer, _: &Sources) -> Result<Behind, Problem> {
    Err(Problem::new("commands are for Unix only"))
}
