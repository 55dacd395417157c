//! What may become of an answer, judged by its head alone.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use portcullis_core::{Denial, Reason};

use crate::exchange::{Asked, Exchange};
use crate::lines::Lines;
use crate::media;
use crate::violation::Violation;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How the body of an answer is to be treated.
#[derive(Debug)]
pub(crate) enum Treatment {
    /// There is nothing to read: answer with this status and no body.
    Empty(StatusCode),
    /// One JSON document.
    Json,
    /// A stream of events.
    Events,
    /// It is withheld, and this goes out instead.
    Refuse(Denial),
}

/// Judges an answer by its head.
pub(crate) fn treat(exchange: &Exchange, status: StatusCode, headers: &HeaderMap) -> Treatment {
    let withhold = |reason| Treatment::Refuse(exchange.refuse(Violation::new(reason)));
    if status == StatusCode::NOT_FOUND && exchange.is_in_session() {
        return Treatment::Refuse(Denial::session_not_found(Reason::SessionUnknown));
    }
    let waits = exchange.waiting().next().is_some();
    match exchange.asked() {
        Asked::EndSession | Asked::Stream { .. } if status == StatusCode::METHOD_NOT_ALLOWED => {
            return Treatment::Empty(status);
        }
        Asked::EndSession => {
            return match status {
                StatusCode::OK | StatusCode::ACCEPTED | StatusCode::NO_CONTENT => {
                    Treatment::Empty(status)
                }
                _ => withhold(Reason::UpstreamError),
            };
        }
        Asked::Stream { .. } if status != StatusCode::OK => {
            return withhold(Reason::UpstreamError);
        }
        // Nothing waits for an answer, so there is none to read.
        Asked::Nothing | Asked::Batch if !waits && status.is_success() => {
            return Treatment::Empty(StatusCode::ACCEPTED);
        }
        _ => {}
    }
    // Not the client's challenge, not the client's redirect: those are between the gate and the
    // service behind it. Their words stay there too.
    let passes = status.is_success()
        || (status.is_client_error()
            && !matches!(
                status,
                StatusCode::UNAUTHORIZED
                    | StatusCode::FORBIDDEN
                    | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            ));
    if status == StatusCode::FORBIDDEN {
        // What rmcp answers to a host that its own configuration does not name.
        tracing::warn!(
            "the service answers 403 by itself: does it allow the host of the resource?"
        );
    }
    if !passes {
        return withhold(Reason::UpstreamError);
    }
    let mut content_type = Lines::default();
    for (name, value) in headers {
        match name.as_str() {
            "content-type" => content_type.add(value),
            "content-encoding" if !media::is_identity(value) => return withhold(Reason::BadMedia),
            _ => {}
        }
    }
    if media::is_json(content_type) && !matches!(exchange.asked(), Asked::Stream { .. }) {
        Treatment::Json
    } else if is_events(content_type) && status.is_success() {
        Treatment::Events
    } else {
        withhold(Reason::BadMedia)
    }
}

/// Removes what belongs to the connection behind, or to nobody.
pub(crate) fn clean(headers: &mut HeaderMap) {
    headers.remove(header::CONTENT_LENGTH);
    if headers.keys().any(|name| is_foreign(name.as_str())) {
        remove_foreign(headers);
    }
}

#[cold]
fn remove_foreign(headers: &mut HeaderMap) {
    let foreign: Vec<_> =
        headers.keys().filter(|name| is_foreign(name.as_str())).cloned().collect();
    for name in foreign {
        headers.remove(name);
    }
}

/// Says how long the body is, unless that is what is said.
pub(crate) fn set_length(headers: &mut HeaderMap, length: usize) {
    let mut said = Lines::default();
    headers.get_all(header::CONTENT_LENGTH).iter().for_each(|line| said.add(line));
    if !says(said, length) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// Whether these lines of `Content-Length` are one that says `length`.
pub(crate) fn says(content_length: Lines<'_>, length: usize) -> bool {
    content_length.only().is_some_and(|said| is_number(said.as_bytes(), length))
}

/// Whether the digits are `number` as everybody would write it.
fn is_number(digits: &[u8], mut number: usize) -> bool {
    let mut digits = digits.iter().rev();
    loop {
        if digits.next().is_none_or(|digit| usize::from(*digit) != number % 10 + usize::from(b'0'))
        {
            return false;
        }
        number /= 10;
        if number == 0 {
            return digits.next().is_none();
        }
    }
}

fn is_foreign(name: &str) -> bool {
    matches!(
        name,
        "www-authenticate"
            | "set-cookie"
            | "set-cookie2"
            | "mcp-session-id"
            | "etag"
            | "last-modified"
            | "digest"
            | "content-digest"
            | "repr-digest"
            | "content-md5"
            | "content-encoding"
            | "content-range"
            | "content-location"
            | "accept-ranges"
            | "location"
            | "refresh"
            | "alt-svc"
            | "clear-site-data"
            | "authentication-info"
            | "connection"
            | "keep-alive"
            | "transfer-encoding"
            | "trailer"
            | "upgrade"
    ) || name.starts_with("access-control-")
        || name.starts_with("proxy-")
        || is_order(name)
}

/// Whether a field tells a proxy or a cache on the way to the client what to do with the answer: to send a file or
/// another answer in its place (nginx, Apache, lighttpd), or to keep it, whatever `Cache-Control` says (RFC 9213,
/// Edge Architecture).
fn is_order(name: &str) -> bool {
    matches!(name, "expires" | "pragma" | "age" | "edge-control" | "x-sendfile" | "x-sendfile2")
        || name.ends_with("-cache-control")
        || ["x-accel-", "x-lighttpd-send-", "x-reproxy-", "surrogate-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// The fields of a JSON answer.
pub(crate) fn json_head(headers: &mut HeaderMap, length: usize) {
    let mut said = Lines::default();
    let mut foreign = false;
    for (name, value) in &*headers {
        match name.as_str() {
            "content-type" => {}
            "content-length" => said.add(value),
            name => foreign |= is_foreign(name),
        }
    }
    if !says(said, length) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if foreign {
        remove_foreign(headers);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// The fields of a stream.
pub(crate) fn events_head(headers: &mut HeaderMap) {
    clean(headers);
    // Without parameters: clients decode by the charset that is named here (the Python SDK has codecs that make other
    // JSON of ASCII), and what was inspected was UTF-8.
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
}

/// The session id that the service behind assigned, if there is exactly one.
pub(crate) fn session_id(headers: &HeaderMap) -> Result<Option<String>, Violation> {
    let mut values = headers.get_all(&SESSION_ID).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(id), None) => match id.to_str() {
            Ok(id) => Ok(Some(id.to_owned())),
            Err(_) => Err(Violation::new(Reason::UpstreamError)),
        },
        (Some(_), Some(_)) => Err(Violation::new(Reason::UpstreamError)),
    }
}

/// Names the session to the client.
pub(crate) fn set_session_id(headers: &mut HeaderMap, id: &str) -> Result<(), Violation> {
    let value = HeaderValue::from_str(id).map_err(|_| Violation::new(Reason::UpstreamError))?;
    headers.insert(SESSION_ID, value);
    Ok(())
}

/// Whether this is exactly one `Content-Type`, and it is a stream of events.
fn is_events(content_type: Lines<'_>) -> bool {
    let Some(value) = content_type.only() else { return false };
    // Whatever the parameters say, events are UTF-8 by definition.
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("text/event-stream")
}

#[cfg(test)]
mod tests;
