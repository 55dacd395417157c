//! What can go wrong: at set-up, and with one identity.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

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

/// Why an identity was not accepted. It names the header or variable and never its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IdentityError {
    kind: IdentityErrorKind,
    field: String,
}

/// The category of an [`IdentityError`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum IdentityErrorKind {
    /// There is none.
    Missing,
    /// There is more than one, or the same name in another spelling beside it.
    Repeated,
    /// `Connection` names the header, so that it need not have passed the sidecar at all.
    HopByHop,
    /// Characters other than printable ASCII.
    NotText,
    /// Longer, or more of them, than the limits.
    TooLarge,
    /// Not what its name says: an e-mail address with two `@`, an unreadable list.
    Malformed,
}

impl IdentityError {
    pub(crate) fn new(kind: IdentityErrorKind, field: &str) -> Self {
        Self { kind, field: field.to_owned() }
    }

    /// The category.
    #[must_use]
    pub fn kind(&self) -> IdentityErrorKind {
        self.kind
    }

    /// The header or variable that is at fault.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.kind {
            IdentityErrorKind::Missing => "is missing",
            IdentityErrorKind::Repeated => "is there more than once, or in another spelling",
            IdentityErrorKind::HopByHop => "is named by the connection header",
            IdentityErrorKind::NotText => "is not printable ASCII",
            IdentityErrorKind::TooLarge => "is larger than the limits",
            IdentityErrorKind::Malformed => "is malformed",
        };
        write!(f, "{} {problem}", self.field)
    }
}

impl Error for IdentityError {}
