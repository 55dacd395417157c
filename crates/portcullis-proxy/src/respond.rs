//! What becomes of an upstream's answer, judged by its head alone.

use std::time::Duration;

use http::header::{self, HeaderName};
use http::{HeaderMap, Method, StatusCode, response};
use portcullis_core::Era;
use portcullis_core::header_names::is_listed;

/// What is waited for where the upstream says that it is busy and not for how long.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// The longest that is passed on.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// How the body of an answer is treated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Treatment {
    /// There is none, or nobody may see it.
    Empty,
    /// One document.
    Document,
    /// A stream of events.
    Events,
}

/// Why an answer is withheld.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Withheld {
    /// The status is between the upstream and us: a challenge, a redirect, a fault.
    Status(StatusCode),
    /// It cannot answer now.
    Unavailable(Duration),
    /// The body is in a form that nobody asked for.
    Media,
}

impl Withheld {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                "the upstream does not let this gate in"
            }
            Self::Status(status) if status.is_redirection() => {
                "the upstream redirects, which is not followed"
            }
            Self::Status(_) => "the upstream failed",
            Self::Unavailable(_) => "the upstream is not available",
            Self::Media => "the upstream answered with a content type or coding that is not MCP's",
        }
    }
}

/// Judges an answer to `method`.
pub(crate) fn treat(
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Treatment, Withheld> {
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return Err(Withheld::Unavailable(retry_after(headers)));
    }
    if !passes(status) {
        return Err(Withheld::Status(status));
    }
    if *method == Method::DELETE
        || matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT)
        || method == Method::GET && !status.is_success()
    {
        return Ok(Treatment::Empty);
    }
    if !is_identity(headers) {
        return Err(Withheld::Media);
    }
    match essence(headers) {
        Some("text/event-stream") if status == StatusCode::OK => Ok(Treatment::Events),
        Some("application/json") if *method == Method::POST => Ok(Treatment::Document),
        // Error pages of frameworks tell things.
        _ if !status.is_success() => Ok(Treatment::Empty),
        _ => Err(Withheld::Media),
    }
}

/// Whether the status is for the client: not a challenge to us, a redirect, an upgrade or a fault, and
/// nothing after which clients ask the gate again in another way.
fn passes(status: StatusCode) -> bool {
    match status {
        StatusCode::OK | StatusCode::ACCEPTED | StatusCode::NO_CONTENT => true,
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::MISDIRECTED_REQUEST
        | StatusCode::TOO_EARLY
        | StatusCode::UPGRADE_REQUIRED => false,
        status => status.is_client_error(),
    }
}

fn is_identity(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// The one content type, without parameters, if it is one of ours.
fn essence(headers: &HeaderMap) -> Option<&'static str> {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let essence = line.to_str().ok()?.split(';').next()?.trim();
    ["application/json", "text/event-stream"]
        .into_iter()
        .find(|known| essence.eq_ignore_ascii_case(known))
}

/// How long the upstream asks to be left alone. Dates are not read.
fn retry_after(headers: &HeaderMap) -> Duration {
    let line = headers.get(header::RETRY_AFTER).and_then(|line| line.to_str().ok());
    let seconds = line.and_then(|line| line.trim().parse().ok());
    seconds.map_or(RETRY_AFTER, Duration::from_secs).min(MAX_RETRY_AFTER)
}

/// Removes what belongs to the connection behind, or to nobody. `length` is that of the body, if it is
/// known.
pub(crate) fn clean(parts: &mut response::Parts, era: Option<Era>, length: Option<u64>) {
    let headers = &mut parts.headers;
    let mut gone: Vec<HeaderName> =
        headers.keys().filter(|name| is_foreign(name.as_str())).cloned().collect();
    for line in headers.get_all(header::CONNECTION) {
        let options = line.to_str().unwrap_or_default().split(',');
        gone.extend(options.filter_map(|option| option.trim().parse::<HeaderName>().ok()));
    }
    gone.retain(|name| *name != header::CONTENT_TYPE);
    if era == Some(Era::Modern) {
        gone.push(HeaderName::from_static("mcp-session-id"));
    }
    for name in gone {
        headers.remove(name);
    }
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    } else {
        headers.remove(header::CONTENT_LENGTH);
    }
}

fn is_foreign(name: &str) -> bool {
    is_listed(
        name,
        &[
            "accept-ranges",
            "alt-svc",
            "authentication-info",
            "clear-site-data",
            "connection",
            "content-digest",
            "content-encoding",
            "content-location",
            "content-md5",
            "content-range",
            "digest",
            "dpop-nonce",
            "etag",
            "keep-alive",
            "last-modified",
            "location",
            "nel",
            "public-key-pins",
            "refresh",
            "report-to",
            "reporting-endpoints",
            "repr-digest",
            "server",
            "set-cookie",
            "set-cookie2",
            "strict-transport-security",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "via",
            "www-authenticate",
            "x-powered-by",
        ],
        &["access-control-", "proxy-"],
    )
}
