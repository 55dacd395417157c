//! One request, as far as its answer needs it.

use std::error::Error;
use std::io;
use std::sync::Arc;

use http::{Method, Response, StatusCode, header, request};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use portcullis_core::{
    CredentialSource, Denial, Era, McpMessage, NoMessage, Note, RequestFacts as _, Text, Trail,
    Version,
};

use crate::ProxyBody;
use crate::body::Patience;
use crate::respond::{Treatment, Withheld, clean, treat};
use crate::upstream::Config;

/// One request, as far as its answer needs it.
pub(crate) struct Exchange {
    pub(crate) config: Arc<Config>,
    method: Method,
    id: Option<Text>,
    era: Option<Era>,
    trail: Option<Trail>,
}

impl Exchange {
    pub(crate) fn new(parts: &request::Parts, config: Arc<Config>) -> Self {
        let message = parts.message();
        let id = match message {
            Some(McpMessage::Request(request)) => Some(request.id().clone()),
            _ => None,
        };
        let trail = parts.trail().cloned();
        if let Some(trail) = trail.as_ref().filter(|_| config.telling.credential.is_some()) {
            trail.note(Note::UpstreamCredential(CredentialSource::Shared));
        }
        Self { config, method: parts.method.clone(), id, era: era(parts, message), trail }
    }

    pub(crate) fn answered(&self, answer: Response<Incoming>) -> Response<ProxyBody> {
        let (mut parts, body) = answer.into_parts();
        let treatment = match treat(&self.method, parts.status, &parts.headers) {
            Ok(treatment) => treatment,
            Err(withheld) => return self.withhold(withheld, parts.status),
        };
        let config = &self.config;
        let body = match treatment {
            Treatment::Empty => ProxyBody::empty(),
            Treatment::Document => {
                ProxyBody::upstream(body, Patience::in_all(config.document_limit))
            }
            Treatment::Events => {
                ProxyBody::upstream(body, Patience::each_time(config.silence_limit))
            }
        };
        clean(&mut parts, self.era, body.size_hint().exact());
        if treatment == Treatment::Empty {
            parts.headers.remove(header::CONTENT_TYPE);
        }
        let mut response = Response::new(body);
        *response.status_mut() = parts.status;
        *response.headers_mut() = parts.headers;
        response
    }

    fn withhold(&self, withheld: Withheld, status: StatusCode) -> Response<ProxyBody> {
        tracing::warn!(
            target: "portcullis::proxy",
            upstream = self.config.name,
            status = status.as_u16(),
            "{}", withheld.as_str()
        );
        if let Some(trail) = &self.trail {
            trail.note(Note::UpstreamStatus(status));
        }
        ProxyBody::refuse(match withheld {
            Withheld::Unavailable(retry_after) => {
                Denial::upstream_unavailable(self.id.as_ref(), retry_after)
            }
            Withheld::Status(_) | Withheld::Media => Denial::upstream(self.id.as_ref()),
        })
    }

    pub(crate) fn failed(&self, error: &legacy::Error) -> Response<ProxyBody> {
        let timed_out = error.is_connect() && is_timeout(error);
        let upstream = &self.config.name;
        if error.is_connect() {
            let why = cause(error);
            tracing::warn!(target: "portcullis::proxy", upstream, why, "no connection to the upstream");
        } else {
            let why = cause(error);
            tracing::warn!(target: "portcullis::proxy", upstream, why, "the upstream gave no answer");
        }
        let id = self.id.as_ref();
        ProxyBody::refuse(if timed_out {
            Denial::upstream_timeout(id)
        } else {
            Denial::upstream(id)
        })
    }

    pub(crate) fn timed_out(&self) -> Response<ProxyBody> {
        let upstream = &self.config.name;
        tracing::warn!(target: "portcullis::proxy", upstream, "the upstream took too long to answer");
        ProxyBody::refuse(Denial::upstream_timeout(self.id.as_ref()))
    }
}

/// The era of a request: as inspection found, or as the header says where there was no inspection.
fn era(parts: &request::Parts, message: Option<&McpMessage>) -> Option<Era> {
    let version = match message {
        Some(McpMessage::Request(request)) => Some(request.version()),
        Some(McpMessage::Notification(notification)) => Some(notification.version()),
        Some(McpMessage::Response(response)) => Some(response.version()),
        Some(McpMessage::NoMessage(
            NoMessage::Stream(version)
            | NoMessage::EndSession(version)
            | NoMessage::Dropped(version),
        )) => Some(*version),
        Some(_) => None,
        None => {
            let header = parts.headers.get("mcp-protocol-version");
            header.and_then(|header| header.to_str().ok()).and_then(Version::parse)
        }
    };
    version.map(Version::era)
}

fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind() == io::ErrorKind::TimedOut;
        }
        next = error.source();
    }
    false
}

/// The innermost cause: the others only say where it was met.
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(next) = error.source() {
        error = next;
    }
    error.to_string()
}
