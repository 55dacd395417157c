//! HTTP requests to a decision point.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;

use super::DecisionPoint;
use crate::ConfigError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The longest answer that is read, in bytes.
const MAX_BODY: usize = 1024 * 1024;
const IDLE: Duration = Duration::from_secs(30);

/// An HTTP/1.1 client that keeps connections.
pub(crate) struct Client {
    pool: Pools,
    base: Uri,
    credential: Option<HeaderValue>,
}

enum Pools {
    Tls(Pool<HttpsConnector<HttpConnector>, Full<Bytes>>),
    Plain(Pool<HttpConnector, Full<Bytes>>),
}

impl Client {
    pub(crate) fn new(point: &DecisionPoint) -> Result<Self, ConfigError> {
        point.check()?;
        let base = check_url(&point.url, point.plain_http)?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(point.timeout));
        let mut builder = Pool::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
        let pool = if base.scheme_str() == Some("https") {
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(tls()?)
                .https_only()
                .enable_http1()
                .wrap_connector(tcp);
            Pools::Tls(builder.build(connector))
        } else {
            Pools::Plain(builder.build(tcp))
        };
        Ok(Self { pool, base, credential: point.credential()? })
    }

    /// The URL of `path` at the decision point.
    pub(crate) fn url(&self, path: &str) -> Result<Uri, ConfigError> {
        let base = self.base.to_string();
        format!("{}/{path}", base.trim_end_matches('/'))
            .parse()
            .map_err(|_| ConfigError::new("the paths of the decision point do not make a URL"))
    }

    /// `url`, if it is where questions may go: at the decision point itself, which gets the credential.
    #[cfg(feature = "authzen")]
    pub(crate) fn endpoint(&self, url: &str) -> Option<Uri> {
        let url: Uri = url.parse().ok()?;
        let same = url.scheme() == self.base.scheme() && url.authority() == self.base.authority();
        same.then_some(url)
    }

    /// The URL of metadata about the decision point: `name` comes before its path, as in RFC 8615 and
    /// RFC 8414.
    #[cfg(feature = "authzen")]
    pub(crate) fn well_known(&self, name: &str) -> Option<Uri> {
        let path = format!("/.well-known/{name}{}", self.base.path().trim_end_matches('/'));
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query = Some(path.parse().ok()?);
        Uri::from_parts(parts).ok()
    }

    /// What is at `url`. Sets no time limit.
    #[cfg(feature = "authzen")]
    pub(crate) async fn get(&self, url: &Uri) -> Result<Bytes, String> {
        self.send(Method::GET, url, String::new()).await
    }

    /// The answer to `body`. Sets no time limit.
    pub(crate) async fn post(&self, url: &Uri, body: String) -> Result<Bytes, String> {
        self.send(Method::POST, url, body).await
    }

    async fn send(&self, method: Method, url: &Uri, body: String) -> Result<Bytes, String> {
        let mut request = Request::new(Full::from(body));
        let asks = method == Method::POST;
        *request.method_mut() = method;
        *request.uri_mut() = url.clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, JSON);
        if asks {
            headers.insert(CONTENT_TYPE, JSON);
        }
        if let Ok(id) = HeaderValue::try_from(uuid::Uuid::now_v7().to_string()) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(credential) = &self.credential {
            headers.insert(AUTHORIZATION, credential.clone());
        }
        let response = match &self.pool {
            Pools::Tls(pool) => pool.request(request).await,
            Pools::Plain(pool) => pool.request(request).await,
        };
        let response = response.map_err(|error| chain(&error))?;
        if response.status() != StatusCode::OK {
            return Err(format!("the status is {}", response.status()));
        }
        if !is_json(response.headers()) {
            return Err("the content type is not JSON".into());
        }
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        body.map(|body| body.to_bytes())
            .map_err(|_| format!("the answer broke off or is larger than {MAX_BODY} bytes"))
    }
}

/// The crypto provider is named, so that another crate's choice of a process default, or the lack
/// of one, makes no difference.
#[cfg(feature = "aws-lc-rs")]
#[expect(clippy::unnecessary_wraps, reason = "as the other one")]
fn provider() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

/// There is no provider without a C compiler among the dependencies: the program brings one.
#[cfg(not(feature = "aws-lc-rs"))]
fn provider() -> Option<Arc<CryptoProvider>> {
    CryptoProvider::get_default().cloned()
}

fn tls() -> Result<ClientConfig, ConfigError> {
    let provider = provider().ok_or_else(|| {
        ConfigError::new(
            "a decision point cannot be asked over https: turn on the feature aws-lc-rs, or install a \
             default CryptoProvider of rustls first",
        )
    })?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| ConfigError::new("no TLS version is available"))?
        .with_native_roots()
        .map_err(|_| {
            ConfigError::new(
                "the platform has no root certificates to verify the decision point with",
            )
        })?;
    Ok(builder.with_no_client_auth())
}

/// `https`, or `http` to a loopback address, or as told; no user information, no query.
fn check_url(url: &str, plain_http: bool) -> Result<Uri, ConfigError> {
    let fault = |text: &str| ConfigError::new(format!("the URL of the decision point {text}"));
    let url: Uri = url.parse().map_err(|_| fault("is not a URL"))?;
    let host = url.host().unwrap_or_default();
    if host.is_empty() || url.authority().is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err(fault("has no host, or holds credentials"));
    }
    if url.query().is_some() {
        return Err(fault("has a query"));
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let loopback = literal.is_ok_and(|address| address.is_loopback());
    match url.scheme_str() {
        Some("https") => Ok(url),
        Some("http") if loopback || plain_http => Ok(url),
        _ => Err(fault("is not https (http only to a loopback address)")),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let essence = text(CONTENT_TYPE).and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
        && !headers.contains_key(CONTENT_ENCODING)
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
    fn urls_are_secure_unless_told_otherwise() {
        let rows = [
            ("https://pdp.example.com", true, true),
            ("https://10.0.0.1:8443/base", true, true),
            ("http://127.0.0.1:8080", true, true),
            ("http://[::1]:8080", true, true),
            ("http://localhost:8080", false, true),
            ("http://10.0.0.1", false, true),
            ("http://pdp.example.com", false, true),
            ("https://user:secret@pdp.example.com", false, false),
            ("https://pdp.example.com/?a=b", false, false),
            ("ftp://pdp.example.com", false, false),
            ("/access", false, false),
            ("", false, false),
        ];
        for (url, secure, plain) in rows {
            assert_eq!(check_url(url, false).is_ok(), secure, "{url}");
            assert_eq!(check_url(url, true).is_ok(), plain, "{url}, plain");
        }
    }
}
