//! HTTP requests to an issuer, distrusting the network.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::address::allowed;
use crate::connect::Connector;
use crate::resolver::GuardedResolver;
use crate::{ConfigError, JwkSet};

/// For everything from name resolution to the last byte.
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BODY: usize = 512 * 1024;

/// Bounds and default of the time between refreshes.
const MIN_LIFETIME: Duration = Duration::from_secs(5 * 60);
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);
const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Gets the current key set of an issuer.
pub(crate) trait Fetch: Send + Sync + 'static {
    fn fetch(&self) -> impl Future<Output = Result<Fetched, FetchError>> + Send;
}

/// A key set, and how long it may be used before it is fetched again.
pub(crate) struct Fetched {
    pub(crate) keys: JwkSet,
    pub(crate) lifetime: Duration,
}

/// Why a fetch failed, for operators. The text may name URLs.
#[derive(Debug)]
pub struct FetchError(String);

/// The JSON document at `url`, fetched as keys are: `https` only (`http` for a loopback address), no
/// redirects, at most 512 KiB, within 5 seconds. Private addresses are allowed: the URL must be from
/// configuration.
///
/// # Errors
/// When that cannot be had.
pub async fn fetch_json(url: &str) -> Result<Bytes, FetchError> {
    let fault = |error: ConfigError| FetchError::new(error.to_string());
    let url = check_url(url, true).map_err(fault)?;
    let http = HttpClient::new(&url, true).map_err(fault)?;
    within_time(http.json(&url)).await.map(|answer| answer.body)
}

impl FetchError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl std::error::Error for FetchError {}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An HTTP/1.1 client that distrusts the network. Each request opens a connection of its own, so
/// that the address is looked up and checked every time.
pub(crate) struct HttpClient {
    client: Client<Connector, Full<Bytes>>,
}

/// What a POST brought.
pub(crate) enum Posted {
    /// Status 200 and JSON, not looked into.
    Json(Bytes),
    /// Any other status.
    Status(StatusCode),
}

/// What a GET brought.
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) lifetime: Duration,
}

impl HttpClient {
    /// A client for `url`, and for others that [`check_url`] lets pass.
    pub(crate) fn new(url: &Uri, internal: bool) -> Result<Self, ConfigError> {
        let mut tcp = HttpConnector::new_with_resolver(GuardedResolver::new(internal));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(Connector::new(url, tcp)?);
        Ok(Self { client })
    }

    /// The JSON document at `url`, which went through [`check_url`]. Sets no time limit.
    pub(crate) async fn json(&self, url: &Uri) -> Result<Answer, FetchError> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = url.clone();
        let accept = "application/jwk-set+json, application/json";
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
        let response =
            self.client.request(request).await.map_err(|error| FetchError::new(chain(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::new(format!("the status is {}", response.status())));
        }
        let headers = response.headers();
        if !is_json(headers) {
            return Err(FetchError::new("the content type is not JSON"));
        }
        let lifetime = lifetime(headers);
        let body = body(response, MAX_BODY).await?;
        Ok(Answer { body, lifetime })
    }

    /// The answer to `form`, which is sent to `url`, which went through [`check_url`]. Follows no
    /// redirect and sets no time limit.
    pub(crate) async fn post_form(
        &self,
        url: &Uri,
        form: String,
        authorization: Option<HeaderValue>,
        limit: usize,
    ) -> Result<Posted, FetchError> {
        let mut request = Request::new(Full::from(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization);
        }
        let response =
            self.client.request(request).await.map_err(|error| FetchError::new(chain(&error)))?;
        if response.status() != StatusCode::OK {
            return Ok(Posted::Status(response.status()));
        }
        if !is_json(response.headers()) {
            return Err(FetchError::new("the content type is not JSON"));
        }
        body(response, limit).await.map(Posted::Json)
    }

    /// The key set at `url`.
    pub(crate) async fn keys(&self, url: &Uri) -> Result<Fetched, FetchError> {
        let Answer { body, lifetime } = self.json(url).await?;
        let keys = JwkSet::from_json(body).map_err(|error| FetchError::new(error.to_string()))?;
        Ok(Fetched { keys, lifetime })
    }
}

/// Fetches a key set from a URL that is known.
pub(crate) struct HttpFetch {
    http: HttpClient,
    url: Uri,
}

impl HttpFetch {
    pub(crate) fn new(url: &str, internal: bool) -> Result<Self, ConfigError> {
        let url = check_url(url, internal)?;
        Ok(Self { http: HttpClient::new(&url, internal)?, url })
    }
}

impl Fetch for HttpFetch {
    async fn fetch(&self) -> Result<Fetched, FetchError> {
        within_time(self.http.keys(&self.url)).await
    }
}

/// What `fetch` brings within 5 seconds, all its steps together.
pub(crate) async fn within_time<T>(
    fetch: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    tokio::time::timeout(TIMEOUT, fetch)
        .await
        .unwrap_or_else(|_| Err(FetchError::new("no answer within 5 seconds")))
}

/// `https`, or `http` to a loopback address written out when `internal`; no user information.
pub(crate) fn check_url(url: &str, internal: bool) -> Result<Uri, ConfigError> {
    let url: Uri = url.parse().map_err(|_| ConfigError::new("the URL is not a URL"))?;
    let host = url.host().unwrap_or_default();
    if host.is_empty() || url.authority().is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err(ConfigError::new("the URL has no host, or holds credentials"));
    }
    // The connector does not ask the resolver about an address written out.
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    if literal.is_some_and(|address| !allowed(address, internal)) {
        return Err(ConfigError::new(
            "the URL leads to an address that is not public, and the issuer is not \
             marked internal",
        ));
    }
    let loopback = literal.is_some_and(|address| address.is_loopback());
    match url.scheme_str() {
        Some("https") => Ok(url),
        Some("http") if internal && loopback => Ok(url),
        _ => Err(ConfigError::new(
            "the URL is not https (http only for an internal issuer at a loopback address)",
        )),
    }
}

async fn body(response: Response<Incoming>, limit: usize) -> Result<Bytes, FetchError> {
    let body = Limited::new(response.into_body(), limit).collect().await;
    body.map(|body| body.to_bytes())
        .map_err(|_| FetchError::new(format!("the body broke off or is larger than {limit} bytes")))
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = text(headers, CONTENT_TYPE).and_then(|value| value.split(';').next());
    let json = essence.is_some_and(|essence| {
        let essence = essence.trim();
        essence.eq_ignore_ascii_case("application/json")
            || essence.eq_ignore_ascii_case("application/jwk-set+json")
    });
    json && text(headers, CONTENT_ENCODING).is_none_or(|c| c.eq_ignore_ascii_case("identity"))
}

/// How long the answer is fresh (RFC 9111 §4.2), within bounds.
fn lifetime(headers: &HeaderMap) -> Duration {
    let directives = || {
        let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).map(str::trim)
    };
    let is = |name: &str| directives().any(|directive| directive.eq_ignore_ascii_case(name));
    if is("no-store") || is("no-cache") {
        return MIN_LIFETIME;
    }
    let max_age = directives().find_map(|directive| {
        let (name, seconds) = directive.split_once('=')?;
        name.eq_ignore_ascii_case("max-age")
            .then(|| seconds.trim_matches('"').parse::<u64>().ok())?
    });
    let age = text(headers, AGE).and_then(|age| age.parse::<u64>().ok()).unwrap_or_default();
    match max_age {
        Some(seconds) => {
            Duration::from_secs(seconds.saturating_sub(age)).clamp(MIN_LIFETIME, MAX_LIFETIME)
        }
        None => LIFETIME,
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// An error and its causes; hyper says what went wrong only in the latter.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lead_out_unless_internal() {
        let rows = [
            ("https://id.example.com/jwks", true, true),
            ("https://8.8.8.8/jwks", true, true),
            ("https://127.0.0.1/jwks", false, true),
            ("https://10.0.0.1/jwks", false, true),
            ("https://[::1]/jwks", false, true),
            ("https://[::ffff:10.0.0.1]/jwks", false, true),
            ("https://169.254.169.254/jwks", false, false),
            ("http://id.example.com/jwks", false, false),
            ("http://127.0.0.1:8080/jwks", false, true),
            ("http://[::1]:8080/jwks", false, true),
            ("http://localhost/jwks", false, false),
            ("http://10.0.0.1/jwks", false, false),
            ("https://user:secret@id.example.com/jwks", false, false),
            ("file:///etc/keys", false, false),
            ("/jwks", false, false),
            ("", false, false),
        ];
        for (url, public, internal) in rows {
            assert_eq!(check_url(url, false).is_ok(), public, "{url}");
            assert_eq!(check_url(url, true).is_ok(), internal, "{url}, internal");
        }
    }

    #[test]
    fn refreshes_are_as_the_issuer_says_within_bounds() {
        let rows = [
            (None, None, 600),
            (Some("public"), None, 600),
            (Some("max-age=oops"), None, 600),
            (Some("max-age=3600"), None, 3600),
            (Some("public, Max-Age=3600, must-revalidate"), None, 3600),
            (Some("max-age=3600"), Some("600"), 3000),
            (Some("max-age=3600"), Some("4000"), 300),
            (Some("max-age=0"), None, 300),
            (Some("no-store, max-age=3600"), None, 300),
            (Some("no-cache"), None, 300),
            (Some("max-age=99999999"), None, 86_400),
            (Some("max-age=18446744073709551615"), None, 86_400),
        ];
        for (cache_control, age, expected) in rows {
            let mut headers = HeaderMap::new();
            if let Some(value) = cache_control {
                headers.insert(CACHE_CONTROL, value.parse().unwrap());
            }
            if let Some(value) = age {
                headers.insert(AGE, value.parse().unwrap());
            }
            assert_eq!(lifetime(&headers).as_secs(), expected, "{cache_control:?} {age:?}");
        }
    }
}
