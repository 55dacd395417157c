//! Errors in settings, and what can go wrong with an answer.

use std::error::Error;
use std::fmt;

/// Why an upstream cannot be set up. The text is one line, without credentials.
pub struct ConfigError(String);

impl ConfigError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigError({:?})", self.0)
    }
}

impl Error for ConfigError {}

impl From<portcullis_dial::ConfigError> for ConfigError {
    fn from(error: portcullis_dial::ConfigError) -> Self {
        Self::new(error.to_string())
    }
}

/// Why the body of an answer ended early: the error of [`ProxyBody`](crate::ProxyBody).
///
/// A server that meets it closes the connection, or resets the stream, so that the client knows that
/// the answer is not whole.
pub struct ProxyError {
    kind: ProxyErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`ProxyError`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ProxyErrorKind {
    /// The upstream went away, or broke its protocol.
    Broken,
    /// The upstream took too long.
    TimedOut,
}

impl ProxyError {
    pub(crate) fn new(kind: ProxyErrorKind) -> Self {
        Self { kind, source: None }
    }

    pub(crate) fn broken(source: impl Error + Send + Sync + 'static) -> Self {
        Self { kind: ProxyErrorKind::Broken, source: Some(Box::new(source)) }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ProxyErrorKind {
        self.kind
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ProxyErrorKind::Broken => "the upstream's answer broke off",
            ProxyErrorKind::TimedOut => "the upstream's answer took too long",
        })
    }
}

impl fmt::Debug for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyError").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Error for ProxyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
