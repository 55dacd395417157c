//! The HTTP form of a [`Denial`]: exactly the bytes of requirements section 4.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderValue, Response, header};

use crate::denial::Body;
use crate::{Denial, GateBody, ResponseFacts as _};

impl Denial {
    /// The response, with this denial in its extensions.
    #[must_use]
    pub fn into_response<B>(self) -> Response<GateBody<B>> {
        let (content_type, body) = match self.body() {
            Body::Json(text) => (Some("application/json"), Bytes::from_static(text.as_bytes())),
            Body::Rpc { text, .. } => {
                (Some("application/json"), Bytes::copy_from_slice(text.as_bytes()))
            }
            Body::Plain(text) => {
                (Some("text/plain; charset=utf-8"), Bytes::from_static(text.as_bytes()))
            }
            Body::Empty => (None, Bytes::new()),
        };
        let length = body.len();
        let mut response = Response::new(GateBody::own(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        for (name, value) in self.headers() {
            headers.append(name, value.clone());
        }
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        response.set_denial(self);
        response
    }
}

/// A compact JSON-RPC error object; `id` is raw JSON and `data` too.
pub(crate) fn rpc_error(id: Option<&str>, code: i64, message: &str, data: Option<&str>) -> String {
    let mut text = String::with_capacity(96 + message.len());
    text.push_str(r#"{"jsonrpc":"2.0","#);
    if let Some(id) = id {
        // Infallible, as below: writing to a `String`.
        let _ = write!(text, r#""id":{id},"#);
    }
    let _ = write!(text, r#""error":{{"code":{code},"message":{}"#, json_string(message));
    if let Some(data) = data {
        let _ = write!(text, r#","data":{data}"#);
    }
    text.push_str("}}");
    text
}

/// `text` as a JSON string, quotes included.
pub(crate) fn json_string(text: &str) -> String {
    // Serializing a `&str` cannot fail; an empty string is still valid JSON.
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

#[cfg(test)]
#[path = "rejection/tests.rs"]
mod tests;
