//! Where an upstream is.

use std::path::PathBuf;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use portcullis_dial::Dialer;

use crate::ConfigError;

/// Where an upstream is, as read from its URL.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// What requests name: scheme, host and path.
    pub(crate) uri: Uri,
    pub(crate) kind: PlaceKind,
}

#[derive(Clone, Debug)]
pub(crate) enum PlaceKind {
    Tls { host: String, port: u16 },
    Plain { host: String, port: u16 },
    Unix(PathBuf),
}

impl Place {
    /// Reads `https://host/path`, `http://host/path` or `unix:/run/server.sock:/path`.
    pub(crate) fn parse(url: &str) -> Result<Self, ConfigError> {
        if let Some(rest) = url.strip_prefix("unix:") {
            return Self::unix(rest);
        }
        let bad = |what: &str| Err(ConfigError::new(what));
        if url.contains('#') {
            return bad("the URL of the upstream has a fragment");
        }
        // `http` lets them pass; RFC 3986 does not, and what they mean is mostly a variable that nobody replaces.
        if url.contains(['{', '}', '|', '\\', '^', '`', '"', '<', '>']) {
            return bad("the URL of the upstream has characters that no URL has");
        }
        let Ok(uri) = url.parse::<Uri>() else {
            return bad("the URL of the upstream cannot be read");
        };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return bad("the URL of the upstream is not https, http or unix");
        };
        if authority.as_str().contains('@') {
            return bad("the URL of the upstream holds credentials");
        }
        let host = authority.host().to_owned();
        if host.is_empty() || host.contains('%') {
            return bad("the URL of the upstream has no host");
        }
        // What is no port number reads as no port to `http`, and would lead to another server.
        let port = match authority.as_str().strip_prefix(host.as_str()) {
            Some("") => None,
            Some(rest) => match rest.strip_prefix(':').and_then(|digits| digits.parse().ok()) {
                Some(port) if port != 0 => Some(port),
                _ => return bad("the port in the URL of the upstream is not a port"),
            },
            None => return bad("the URL of the upstream has no host"),
        };
        let kind = match scheme {
            "https" => PlaceKind::Tls { host, port: port.unwrap_or(443) },
            "http" => PlaceKind::Plain { host, port: port.unwrap_or(80) },
            _ => return bad("the URL of the upstream is not https, http or unix"),
        };
        Ok(Self { uri, kind })
    }

    fn unix(rest: &str) -> Result<Self, ConfigError> {
        let bad = || ConfigError::new("a Unix socket is written unix:/path/of/socket:/path");
        let (socket, path) = match rest.split_once(':') {
            Some((socket, path)) => (socket, path),
            None => (rest, "/"),
        };
        if !socket.starts_with('/') || !path.starts_with('/') || path.contains('#') {
            return Err(bad());
        }
        let path = PathAndQuery::try_from(path).map_err(|_| bad())?;
        let uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(Authority::from_static("localhost"))
            .path_and_query(path)
            .build()
            .map_err(|_| bad())?;
        Ok(Self { uri, kind: PlaceKind::Unix(socket.into()) })
    }

    /// Whether nobody but this machine sees what is sent, without TLS.
    pub(crate) fn is_local(&self) -> bool {
        match &self.kind {
            PlaceKind::Tls { .. } => false,
            PlaceKind::Plain { host, .. } => Dialer::is_loopback(host),
            PlaceKind::Unix(_) => true,
        }
    }

    /// What operators may read in logs.
    pub(crate) fn name(&self) -> String {
        match &self.kind {
            PlaceKind::Tls { host, .. } | PlaceKind::Plain { host, .. } => host.clone(),
            PlaceKind::Unix(path) => path.display().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_how_and_where() {
        let rows = [
            ("https://notes.internal/mcp", Some("tls notes.internal 443 /mcp")),
            ("https://notes.internal:8443/a/b?c=d", Some("tls notes.internal 8443 /a/b?c=d")),
            ("http://127.0.0.1:8080/mcp", Some("plain 127.0.0.1 8080 /mcp")),
            ("http://[::1]/mcp", Some("plain [::1] 80 /mcp")),
            ("https://notes.internal", Some("tls notes.internal 443 /")),
            ("unix:/run/x.sock:/mcp", Some("unix /run/x.sock /mcp")),
            ("unix:/run/x.sock", Some("unix /run/x.sock /")),
            ("unix:run/x.sock:/mcp", None),
            ("unix:/run/x.sock:mcp", None),
            ("unix:/run/x.sock:/m cp", None),
            ("https://user:pass@notes.internal/", None),
            ("https://notes.internal:/", None),
            ("https://notes.internal:99999/", None),
            ("https://notes.internal/#a", None),
            ("ftp://notes.internal/", None),
            ("javascript:alert(1)", None),
            ("https://notes.internal/${PATH}", None),
            ("https://notes.internal/a\\b", None),
            ("https://notes.internal/a|b", None),
            ("notes.internal/mcp", None),
            ("/mcp", None),
            ("", None),
        ];
        for (url, expected) in rows {
            let read = Place::parse(url).ok().map(|place| {
                let path = place.uri.path_and_query().unwrap().as_str().to_owned();
                match place.kind {
                    PlaceKind::Tls { host, port } => format!("tls {host} {port} {path}"),
                    PlaceKind::Plain { host, port } => format!("plain {host} {port} {path}"),
                    PlaceKind::Unix(socket) => format!("unix {} {path}", socket.display()),
                }
            });
            assert_eq!(read.as_deref(), expected, "{url}");
        }
    }
}
