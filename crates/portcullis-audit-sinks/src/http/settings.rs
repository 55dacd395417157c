//! What all collectors over HTTP need to be told.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use portcullis_dial::{Dialer, Tls};

use super::client::Client;
use crate::{ConfigError, Retry};

/// Where a collector is, and how it is spoken to.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) url: String,
    pub(super) tls: Tls,
    pub(super) plain: bool,
    pub(super) headers: Vec<(String, String)>,
    pub(super) retry: Retry,
}

impl Settings {
    pub(super) fn new(url: String) -> Self {
        Self { url, tls: Tls::platform(), plain: false, headers: Vec::new(), retry: Retry::new() }
    }

    /// The connection, the path below the URL's, and the headers of every request.
    pub(super) fn open(&self, below: &str) -> Result<(Client, String, HeaderMap), ConfigError> {
        self.retry.check()?;
        let url = check_url(&self.url, self.plain)?;
        let client = Client::new(&url, &self.tls)?;
        let path = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let path = match below {
            "" => path.to_owned(),
            below if url.query().is_some() => {
                return Err(ConfigError::new(format!(
                    "the collector's URL has a query, and {below} belongs after its path"
                )));
            }
            below => format!("{}{below}", path.trim_end_matches('/')),
        };
        Ok((client, path, self.headers()?))
    }

    fn headers(&self) -> Result<HeaderMap, ConfigError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let fault = || ConfigError::new("a header for the collector is not one");
            let name = HeaderName::try_from(name).map_err(|_| fault())?;
            let mut value = HeaderValue::try_from(value).map_err(|_| fault())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

/// `https`, or `http` to this machine, or as told; no user information.
fn check_url(url: &str, plain: bool) -> Result<Uri, ConfigError> {
    let fault = |text: &str| Err(ConfigError::new(format!("the URL of the collector {text}")));
    let Ok(url) = url.parse::<Uri>() else { return fault("is not a URL") };
    let host = url.host().unwrap_or_default();
    if host.is_empty() || url.authority().is_some_and(|authority| authority.as_str().contains('@'))
    {
        return fault("has no host, or holds credentials");
    }
    match url.scheme_str() {
        Some("https") => Ok(url),
        Some("http") if plain || Dialer::is_loopback(host) => Ok(url),
        _ => fault("is not https (http only to this machine)"),
    }
}

// By hand: URLs and headers hold credentials.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url: Option<Uri> = self.url.parse().ok();
        f.debug_struct("Settings")
            .field("host", &url.as_ref().and_then(Uri::host))
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// The setters that every collector has.
macro_rules! setters {
    ($collector:ident) => {
        impl $collector {
            /// How the collector is known, and how it knows us; by the platform's root certificates if
            /// this is not called.
            pub fn trust(mut self, tls: portcullis_dial::Tls) -> Self {
                self.settings.tls = tls;
                self
            }

            /// Sends this header with every request: a key that the collector asks for. It is never shown.
            pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.settings.headers.push((name.into(), value.into()));
                self
            }

            /// Allows `http` to other machines.
            ///
            /// Danger: whoever is on the way can read and change the records, and read the credentials.
            pub fn danger_plain_http(mut self) -> Self {
                self.settings.plain = true;
                self
            }

            /// How patient the sink is.
            pub fn retry(mut self, retry: crate::Retry) -> Self {
                self.settings.retry = retry;
                self
            }
        }
    };
}
pub(super) use setters;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_secure_unless_told_otherwise() {
        let rows = [
            ("https://logs.example.com/in?key=1", true, true),
            ("http://127.0.0.1:8088", true, true),
            ("http://localhost:8088/x", true, true),
            ("http://[::1]:8088", true, true),
            ("http://logs.example.com", false, true),
            ("http://10.0.0.1", false, true),
            ("https://user:secret@logs.example.com", false, false),
            ("ftp://logs.example.com", false, false),
            ("/in", false, false),
            ("", false, false),
        ];
        for (url, secure, plain) in rows {
            assert_eq!(check_url(url, false).is_ok(), secure, "{url}");
            assert_eq!(check_url(url, true).is_ok(), plain, "{url}, plain");
        }
    }

    #[test]
    fn paths_are_put_together() {
        let rows = [
            ("http://127.0.0.1", "/v1/logs", Some("/v1/logs")),
            ("http://127.0.0.1/", "/v1/logs", Some("/v1/logs")),
            ("http://127.0.0.1/otlp/", "/v1/logs", Some("/otlp/v1/logs")),
            ("http://127.0.0.1/in?a=b", "", Some("/in?a=b")),
            ("http://127.0.0.1/in?a=b", "/v1/logs", None),
        ];
        for (url, below, expected) in rows {
            let path = Settings::new(url.into()).open(below).ok().map(|(_, path, _)| path);
            assert_eq!(path.as_deref(), expected, "{url} {below}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let mut settings = Settings::new("https://logs.example.com/services/hunter2".into());
        settings.headers.push(("x-key".into(), "hunter3".into()));
        assert!(!format!("{settings:?}").contains("hunter"));
        assert!(!format!("{:?}", settings.headers().unwrap()).contains("hunter"));
        settings.headers.push(("x-key".into(), "hun\nter".into()));
        assert!(settings.headers().is_err());
    }
}
