//! Where the keys of an issuer come from.

use super::Issuer;
use crate::{ConfigError, JwkSet};

/// Where the keys of a well-known issuer are.
#[cfg_attr(not(feature = "jwks-client"), expect(dead_code, reason = "nothing fetches keys"))]
#[derive(Clone, Debug)]
pub(crate) enum UsualKeys {
    Url(String),
    Discovery,
}

/// Where the keys of an issuer come from.
pub(crate) enum KeyLocation {
    Fixed(JwkSet),
    #[cfg(feature = "jwks-client")]
    Url(String),
    #[cfg(feature = "jwks-client")]
    Discovery,
    /// The issuer is asked about its tokens.
    #[cfg(feature = "jwks-client")]
    Nowhere,
}

impl Issuer {
    /// Where the keys are unless the user says otherwise.
    #[cfg_attr(
        not(feature = "jwks-client"),
        expect(
            unused_mut,
            unused_variables,
            clippy::needless_pass_by_value,
            reason = "nothing fetches keys"
        )
    )]
    pub(crate) fn usual_keys(mut self, keys: UsualKeys) -> Self {
        #[cfg(feature = "jwks-client")]
        {
            self.usual_keys = Some(keys);
        }
        self
    }

    /// Where the keys come from: exactly one place.
    pub(crate) fn key_location(&self) -> Result<KeyLocation, ConfigError> {
        let mut locations: Vec<_> = self.keys.clone().map(KeyLocation::Fixed).into_iter().collect();
        #[cfg(feature = "jwks-client")]
        {
            locations.extend(self.jwks_url.clone().map(KeyLocation::Url));
            locations.extend(self.discover.then_some(KeyLocation::Discovery));
            if locations.is_empty() {
                locations.extend(self.usual_keys.clone().map(|usual| match usual {
                    UsualKeys::Url(url) => KeyLocation::Url(url),
                    UsualKeys::Discovery => KeyLocation::Discovery,
                }));
            }
        }
        #[cfg(feature = "jwks-client")]
        if let Some(introspection) = &self.introspection {
            let told = introspection.has_endpoint();
            if !told && !matches!(locations.as_slice(), [KeyLocation::Discovery]) {
                return Err(ConfigError::new(format!(
                    "the issuer {} is to be asked about tokens, and is neither discovered nor is \
                     it said where",
                    self.name
                )));
            }
            if locations.is_empty() {
                locations.push(KeyLocation::Nowhere);
            }
        }
        let fault = match (locations.pop(), locations.is_empty()) {
            (Some(location), true) => return Ok(location),
            (Some(_), false) => "has several sources of keys",
            (None, _) => "has no keys",
        };
        Err(ConfigError::new(format!("the issuer {} {fault}", self.name)))
    }
}
