//! An answer in place of the service's.

use http::{HeaderValue, Response, header};
use portcullis_core::{Denial, GateBody, ResponseFacts as _};

/// An answer of our own.
pub(crate) enum Refusal {
    One(Denial),
    /// The denials of a batch's requests, at least one.
    Each(Vec<Denial>),
}

impl Refusal {
    pub(crate) fn into_response<B>(self) -> Response<GateBody<B>> {
        let denials = match self {
            Self::One(denial) => return denial.into_response(),
            Self::Each(denials) => denials,
        };
        let objects: Vec<_> = denials.iter().filter_map(Denial::rpc_object).collect();
        let body = format!("[{}]", objects.join(","));
        let length = HeaderValue::from(body.len());
        let mut response = Response::new(GateBody::own(body.into()));
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_LENGTH, length);
        if let Some(first) = denials.into_iter().next() {
            response.set_denial(first);
        }
        response
    }
}
