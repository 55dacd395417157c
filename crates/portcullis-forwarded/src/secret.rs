//! A secret that only the sidecar and we know.

use std::fmt;

use http::{HeaderMap, HeaderName};
use portcullis_crypto::{MacKey, fill_random};

use crate::read::only_line;
use crate::{ConfigError, names};

/// The shortest secret, in bytes. One that can be guessed protects nothing (GHSA-g53w-w6mj-hrpp).
const MIN_SECRET: usize = 16;

/// Keeps no secret, only what it hashes to under a key of this process: comparing that tells nothing
/// of the secret, not even its length, by how long it takes.
pub(crate) struct HopSecret {
    name: HeaderName,
    key: MacKey,
    tags: Vec<[u8; 32]>,
}

impl HopSecret {
    /// `known` and one secret more; the first error stays.
    pub(crate) fn with(
        known: Option<Result<Self, ConfigError>>,
        name: &str,
        secret: &[u8],
    ) -> Result<Self, ConfigError> {
        let mut known = known.unwrap_or_else(|| Self::new(name))?;
        known.add(name, secret)?;
        Ok(known)
    }

    fn new(name: &str) -> Result<Self, ConfigError> {
        let parsed = HeaderName::try_from(name)
            .ok()
            .filter(|name| !names::is_reserved(name.as_str()))
            .ok_or_else(|| ConfigError::new(format!("{name:?} cannot carry the shared secret")))?;
        let mut key = [0; 32];
        fill_random(&mut key)
            .map_err(|_| ConfigError::new("there are no random bytes to be had"))?;
        Ok(Self { name: parsed, key: MacKey::new(&key), tags: Vec::new() })
    }

    fn add(&mut self, name: &str, secret: &[u8]) -> Result<(), ConfigError> {
        if !name.eq_ignore_ascii_case(self.name.as_str()) {
            return Err(ConfigError::new("shared secrets come in one header, not in two"));
        }
        if secret.len() < MIN_SECRET {
            return Err(ConfigError::new(format!(
                "the shared secret has fewer than {MIN_SECRET} bytes"
            )));
        }
        if !secret.iter().all(u8::is_ascii_graphic) {
            return Err(ConfigError::new("the shared secret is not visible ASCII"));
        }
        self.tags.push(self.key.sign(secret));
        Ok(())
    }

    pub(crate) fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Whether the request carries one of the secrets, once.
    pub(crate) fn is_proved_by(&self, headers: &HeaderMap) -> bool {
        let Ok(Some(line)) = only_line(headers, &self.name) else { return false };
        // Without a short cut: which of several secrets it was is nobody's business either.
        self.tags.iter().fold(false, |proved, tag| proved | self.key.verify(line.as_bytes(), tag))
    }
}

impl fmt::Debug for HopSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HopSecret").field("name", &self.name).finish_non_exhaustive()
    }
}
