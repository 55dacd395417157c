//! Which document answers a request, if any.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use portcullis_core::{Denial, GateBody};

use crate::ResourceMetadata;
use crate::metadata::WELL_KNOWN;
use crate::mirror::{self, Mirror};

/// What a layer serves.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) resources: Vec<ResourceMetadata>,
    pub(crate) mirror: Option<Mirror>,
}

const METHODS: &str = "GET, HEAD, OPTIONS";

/// The header that MCP clients send with discovery requests, which makes browsers ask first.
const CLIENT_HEADERS: &str = "mcp-protocol-version";

/// How long browsers may remember the answer to a preflight, in seconds.
const PREFLIGHT_MAX_AGE: &str = "86400";

/// The answer to `method` on `path`, or `None` when the path is not one of ours.
///
/// The path is compared as it came, byte for byte: no decoding, no case folding, no tolerance for
/// slashes or parameters.
pub(crate) fn answer<B>(
    served: &Served,
    method: &Method,
    path: &str,
) -> Option<Response<GateBody<B>>> {
    // Nearly all requests are for the MCP endpoint; they end here.
    if !path.starts_with("/.well-known/oauth-") {
        return None;
    }
    if let Some(mirror) = served.mirror.as_ref().filter(|_| path == mirror::PATH) {
        return Some(match *method {
            Method::GET => mirror.answer(false),
            Method::HEAD => mirror.answer(true),
            Method::OPTIONS => preflight(),
            _ => Denial::method_not_allowed(METHODS).into_response(),
        });
    }
    let metadata = find(&served.resources, path)?;
    Some(match *method {
        Method::GET => document(metadata, metadata.document().clone()),
        Method::HEAD => document(metadata, Bytes::new()),
        Method::OPTIONS => preflight(),
        _ => Denial::method_not_allowed(METHODS).into_response(),
    })
}

fn find<'a>(resources: &'a [ResourceMetadata], path: &str) -> Option<&'a ResourceMetadata> {
    if !path.starts_with(WELL_KNOWN) {
        return None;
    }
    match resources {
        [only] => only.well_known_paths().any(|own| own == path).then_some(only),
        // A root copy would claim to be about one of several.
        several => several.iter().find(|metadata| metadata.well_known_path() == path),
    }
}

fn document<B>(metadata: &ResourceMetadata, body: Bytes) -> Response<GateBody<B>> {
    let mut response = Response::new(GateBody::own(body));
    response.headers_mut().clone_from(&metadata.0.headers);
    response
}

fn preflight<B>() -> Response<GateBody<B>> {
    let mut response = Response::new(GateBody::own(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = fields(
        [
            (header::ALLOW, METHODS),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, CLIENT_HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE),
        ]
        .map(|(name, value)| (name, HeaderValue::from_static(value))),
    );
    response
}

pub(crate) fn fields<const N: usize>(fields: [(HeaderName, HeaderValue); N]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(N);
    for (name, value) in fields {
        headers.append(name, value);
    }
    headers
}
