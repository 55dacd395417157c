//! What a request is for, as configuration names it.

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::{ConfigError, ConfigErrorKind};
use crate::screen;
use crate::text::FIELD_MAX;

/// The names that the records of one gate have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Site {
    /// The protected resource.
    pub(crate) resource: Option<Box<str>>,
    /// The server, by the name that policy and the roster know.
    pub(crate) server: Option<Box<str>>,
    /// Where requests are forwarded to.
    pub(crate) upstream: Option<Box<str>>,
}

impl Site {
    pub(crate) fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }

    pub(crate) fn set_resource(&mut self, resource: &str) -> Result<(), ConfigError> {
        self.resource = Some(fitting(resource, "the resource is longer than 1024 bytes")?);
        Ok(())
    }

    pub(crate) fn set_server(&mut self, server: &str) -> Result<(), ConfigError> {
        self.server = Some(fitting(server, "the server's name is longer than 1024 bytes")?);
        Ok(())
    }

    pub(crate) fn set_upstream(&mut self, upstream: &str) -> Result<(), ConfigError> {
        let upstream = origin(upstream);
        if screen::word(&upstream).is_some() {
            return Err(fault("the name of the upstream looks like a secret"));
        }
        self.upstream = Some(fitting(&upstream, "the upstream's name is longer than 1024 bytes")?);
        Ok(())
    }
}

fn fitting(text: &str, problem: &'static str) -> Result<Box<str>, ConfigError> {
    if text.len() > FIELD_MAX { Err(fault(problem)) } else { Ok(text.into()) }
}

fn fault(problem: &'static str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Setting, problem)
}

/// Of a URL, what says where and nothing that lets anybody in: no user, password, path or query. Of
/// `unix:/socket:/path` the socket. What is neither is a name, and stays.
fn origin(text: &str) -> Cow<'_, str> {
    if let Some(rest) = text.strip_prefix("unix:") {
        let end = rest.find([':', '?', '#']).map_or(text.len(), |at| at + "unix:".len());
        return text.get(..end).unwrap_or_default().into();
    }
    let Some(start) = text.find("://").map(|at| at + 3) else { return text.into() };
    let (scheme, rest) = text.split_at_checked(start).unwrap_or_default();
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    [scheme, host].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_named_without_what_lets_anybody_in() {
        let rows = [
            ("a name", "notes", "notes"),
            ("a command", "npx", "npx"),
            ("an origin", "https://notes.internal:8443", "https://notes.internal:8443"),
            ("a path, which may be a key", "https://h.example/s/k3y/mcp", "https://h.example"),
            ("a query", "https://h.example?key=k3y", "https://h.example"),
            ("a fragment", "https://h.example#k3y", "https://h.example"),
            ("a user", "https://user:k3y@h.example/mcp", "https://h.example"),
            ("a user with signs", "https://u@ser:k3y@h.example:1/mcp", "https://h.example:1"),
            ("a query with a sign", "https://h.example/?to=a@b", "https://h.example"),
            ("a backslash", "https://h.example\\k3y", "https://h.example"),
            ("a socket", "unix:/run/notes.sock:/mcp?key=k3y", "unix:/run/notes.sock"),
            ("a socket alone", "unix:/run/notes.sock", "unix:/run/notes.sock"),
        ];
        for (name, upstream, expected) in rows {
            let mut site = Site::default();
            site.set_upstream(upstream).unwrap();
            assert_eq!(site.upstream.as_deref(), Some(expected), "{name}");
        }
        let token = ["ghp_", "0123456789abcdefghij0123"].concat();
        let error = Site::default().set_upstream(&token).unwrap_err();
        assert_eq!(error.to_string(), "the name of the upstream looks like a secret");
    }

    #[test]
    fn names_are_bounded() {
        let (fits, long) = ("x".repeat(FIELD_MAX), "x".repeat(FIELD_MAX + 1));
        let mut site = Site::default();
        assert!(site.set_resource(&fits).is_ok() && site.set_resource(&long).is_err());
        assert!(site.set_server(&fits).is_ok() && site.set_server(&long).is_err());
        assert!(site.set_upstream(&fits).is_ok() && site.set_upstream(&long).is_err());
    }
}
