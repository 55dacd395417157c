//! Host and port, compared as URIs do (RFC 3986 section 3.2.2).

use std::borrow::Cow;

/// A host, in whatever case, and the port if one is named.
#[derive(Clone, Debug)]
pub(crate) struct Authority<'a> {
    host: Cow<'a, str>,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `host`, `host:port` or `[v6]:port`. Anything else, user information among it, is none.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(v6) => {
                let (inside, rest) = v6.split_once(']')?;
                inside.parse::<std::net::Ipv6Addr>().ok()?;
                (text.get(..inside.len() + 2)?, rest)
            }
            None => text.split_at_checked(text.find(':').unwrap_or(text.len()))?,
        };
        let port = match rest.strip_prefix(':') {
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => Some(port.parse().ok()?),
            None if rest.is_empty() => None,
            _ => return None,
        };
        let name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        let valid = !host.is_empty() && (host.starts_with('[') || host.bytes().all(name));
        valid.then(|| Self { host: host.into(), port })
    }

    /// The same, to keep.
    pub(crate) fn into_owned(self) -> Authority<'static> {
        Authority { host: self.host.into_owned().into(), port: self.port }
    }

    /// Whether both name the same host and port, where a missing port is `default`.
    pub(crate) fn is(&self, other: &Authority<'_>, default: u16) -> bool {
        self.host.eq_ignore_ascii_case(&other.host)
            && self.port.unwrap_or(default) == other.port.unwrap_or(default)
    }

    /// What [`parse`](Self::parse) makes of `text`, if that is this host, in this very case and without
    /// a port.
    pub(crate) fn spelt<'t>(&self, text: &'t str) -> Option<Authority<'t>> {
        let same = self.host == text && self.port.is_none();
        same.then_some(Authority { host: Cow::Borrowed(text), port: None })
    }

    /// Whether the host is this machine by name or address.
    pub(crate) fn is_loopback(&self) -> bool {
        let is = |host: &str| self.host.eq_ignore_ascii_case(host);
        is("localhost") || is("127.0.0.1") || is("[::1]")
    }
}

/// The origin of a web page: scheme, host and port (RFC 6454).
#[derive(Clone, Debug)]
pub(crate) struct Origin<'a> {
    scheme: Scheme,
    authority: Authority<'a>,
}

/// The schemes that an origin or a resource may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// Splits `scheme://rest`.
    pub(crate) fn split(uri: &str) -> Option<(Self, &str)> {
        let (scheme, rest) = uri.split_once("://")?;
        match scheme {
            "https" => Some((Self::Https, rest)),
            "http" => Some((Self::Http, rest)),
            _ => None,
        }
    }

    pub(crate) fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl<'a> Origin<'a> {
    /// Reads `scheme://host[:port]` and nothing after it.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = Scheme::split(text)?;
        Some(Self { scheme, authority: Authority::parse(authority)? })
    }

    pub(crate) fn new(scheme: Scheme, authority: Authority<'a>) -> Self {
        Self { scheme, authority }
    }

    /// The same, to keep.
    pub(crate) fn into_owned(self) -> Origin<'static> {
        Origin { scheme: self.scheme, authority: self.authority.into_owned() }
    }

    pub(crate) fn is(&self, other: &Origin<'_>) -> bool {
        self.scheme == other.scheme
            && self.authority.is(&other.authority, self.scheme.default_port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities() {
        for text in ["a.example", "A.Example:443", "127.0.0.1:80", "[::1]", "[::1]:8080", "x_y"] {
            assert!(Authority::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            ":80",
            "a:",
            "a:b",
            "a:+80",
            "a:99999",
            "a b",
            "u@a",
            "a/b",
            "a:80:80",
            "[::1",
            "[x]",
            "::1",
            "[::1]x",
            "ä.example",
            "a%2e",
            "a,b",
            "[]",
        ] {
            assert!(Authority::parse(text).is_none(), "{text}");
        }
    }
}
