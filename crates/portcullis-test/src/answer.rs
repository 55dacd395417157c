//! What a fake server answers.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::{ChunkedBody, DropProbe};

/// An answer of [`FakeMcp`](crate::FakeMcp).
#[must_use]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: ChunkedBody,
    hangs: bool,
}

impl Answer {
    /// `status` without headers and body.
    ///
    /// # Panics
    /// When `status` is no HTTP status.
    pub fn status(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: ChunkedBody::empty(),
            hangs: false,
        }
    }

    /// 200 with a JSON body, with its length.
    pub fn json(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        Self::status(200)
            .header("content-type", "application/json")
            .header("content-length", &length)
            .body(ChunkedBody::new([body]))
    }

    /// 200 with an event stream of these chunks, which need not be whole events.
    pub fn sse<C: Into<Bytes>>(chunks: impl IntoIterator<Item = C>) -> Self {
        Self::status(200).header("content-type", "text/event-stream").body(ChunkedBody::new(chunks))
    }

    /// 202 without content, the answer to a notification.
    pub fn accepted() -> Self {
        Self::status(202)
    }

    /// No answer, ever.
    pub fn hang() -> Self {
        Self { hangs: true, ..Self::status(200) }
    }

    /// Adds a header field.
    ///
    /// # Panics
    /// When name or value cannot stand in a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    /// Replaces the body, whatever the headers say.
    pub fn body(mut self, body: ChunkedBody) -> Self {
        self.body = body;
        self
    }

    /// After the chunks, keeps the stream open for ever.
    pub fn never_ending(mut self) -> Self {
        self.headers.remove(header::CONTENT_LENGTH);
        self.body = self.body.then_never_ends();
        self
    }

    /// Reports to `probe` when the response body is dropped.
    pub fn probed(mut self, probe: &DropProbe) -> Self {
        self.body = self.body.probed(probe);
        self
    }

    pub(crate) fn hangs(&self) -> bool {
        self.hangs
    }

    pub(crate) fn into_response(self) -> Response<ChunkedBody> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}
