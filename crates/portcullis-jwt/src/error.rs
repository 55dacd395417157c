//! What can go wrong: at set-up, and with one token.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use portcullis_core::Reason;
use portcullis_crypto::NoRandomBytes;

/// A setting that cannot be honoured.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError(Cow<'static, str>);

impl ConfigError {
    pub(crate) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ConfigError {}

impl From<NoRandomBytes> for ConfigError {
    fn from(_: NoRandomBytes) -> Self {
        Self::new("there are no random bytes to be had")
    }
}

/// Why a token was not accepted.
///
/// [`reason`](Self::reason) is for records and metrics. Never tell it to the sender of the token:
/// which check failed is of use to an attacker. No part of the token is inside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenError {
    reason: Reason,
    retry_after: Option<Duration>,
}

impl TokenError {
    pub(crate) const fn refused(reason: Reason) -> Self {
        Self { reason, retry_after: None }
    }

    #[cfg(any(feature = "jwks-client", test))]
    pub(crate) const fn keys_unavailable(retry_after: Duration) -> Self {
        Self::unavailable(Reason::JwksUnavailable, retry_after)
    }

    /// Nothing is known about the token.
    #[cfg(any(feature = "jwks-client", test))]
    pub(crate) const fn unavailable(reason: Reason, retry_after: Duration) -> Self {
        Self { reason, retry_after: Some(retry_after) }
    }

    /// The stable code of the cause.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// When to ask again: `Some` exactly when the issuer's keys cannot be had, or it cannot
    /// be asked about the token, so that nothing is known about it. Such a token must not be answered with 401.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token was not accepted: {}", self.reason)
    }
}

impl Error for TokenError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_plain_line() {
        for message in [
            TokenError::refused(Reason::BadAud).to_string(),
            TokenError::keys_unavailable(Duration::from_secs(1)).to_string(),
            ConfigError::new("no issuer").to_string(),
        ] {
            assert!(!message.contains('\n') && !message.ends_with('.'), "{message}");
        }
    }
}
