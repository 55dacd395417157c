//! A credential that only configuration knows.

use std::fmt;

use http::HeaderValue;

use crate::ConfigError;

/// A credential from configuration. It is shown by nothing here, `Debug` included.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A secret: the whole value of the header that carries it, as in `Bearer 2YotnFZFEjr1zCsicMWpAA`.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value of a header, marked so that no HTTP/2 table keeps it (RFC 7541 section 7.1.3).
    pub(crate) fn header(&self) -> Result<HeaderValue, ConfigError> {
        let bad = || ConfigError::new("the shared credential is not visible ASCII text");
        let visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if self.0.trim().is_empty() || self.0 != self.0.trim() || !self.0.bytes().all(visible) {
            return Err(bad());
        }
        let mut value = HeaderValue::from_str(&self.0).map_err(|_| bad())?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_by_nothing() {
        let secret = Secret::new("Bearer hidden");
        let value = secret.header().unwrap();
        assert!(value.is_sensitive());
        for shown in [format!("{secret:?}"), format!("{value:?}")] {
            assert!(!shown.contains("hidden"), "{shown}");
        }
    }

    #[test]
    fn only_visible_text_is_a_secret() {
        let rows = [
            ("Bearer hidden", true),
            ("a", true),
            ("", false),
            (" ", false),
            (" a", false),
            ("a\n", false),
            ("a\r\nx: y", false),
            ("a\tb", false),
            ("a\0b", false),
            ("caf\u{e9}", false),
        ];
        for (text, good) in rows {
            assert_eq!(Secret::new(text).header().is_ok(), good, "{text:?}");
        }
    }
}
