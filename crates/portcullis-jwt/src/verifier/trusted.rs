//! An issuer, once its settings are found to be sound.

#[cfg(feature = "jwks-client")]
use std::sync::Arc;

use portcullis_core::Clock;

#[cfg(feature = "jwks-client")]
use crate::introspection::Introspector;
use crate::issuer::{KeyLocation, Rules};
use crate::keys::KeySource;
use crate::{ConfigError, Issuer};

/// A trusted issuer.
pub(crate) struct Trusted {
    pub(super) listed: bool,
    pub(crate) rules: Rules,
    pub(crate) keys: KeySource,
    #[cfg(feature = "jwks-client")]
    pub(super) metadata: crate::discovery::Found,
    #[cfg(feature = "jwks-client")]
    pub(crate) introspection: Option<Introspector>,
}

/// The issuer, once its settings are found to be sound.
pub(super) fn trust(
    mut issuer: Issuer,
    resource: &str,
    clock: &Clock,
) -> Result<(String, Trusted), ConfigError> {
    issuer.check(resource)?;
    let trusted = trusted(&issuer, clock)?;
    Ok((issuer.name, trusted))
}

#[cfg(feature = "jwks-client")]
fn trusted(issuer: &Issuer, clock: &Clock) -> Result<Trusted, ConfigError> {
    use crate::cache::RemoteKeys;
    use crate::discovery::{DiscoveryFetch, Found};
    use crate::fetch::HttpFetch;

    let metadata = Found::default();
    let (name, internal, max_stale) = (&issuer.name, issuer.internal, issuer.max_stale);
    let keys = match issuer.key_location()? {
        KeyLocation::Fixed(keys) => KeySource::Fixed(keys),
        KeyLocation::Nowhere => KeySource::Nowhere,
        KeyLocation::Url(url) => KeySource::Remote(RemoteKeys::start(
            name,
            HttpFetch::new(&url, internal)?,
            clock.clone(),
            max_stale,
        )?),
        KeyLocation::Discovery => KeySource::Remote(RemoteKeys::start(
            name,
            DiscoveryFetch::new(name, internal, Arc::clone(&metadata))?,
            clock.clone(),
            max_stale,
        )?),
    };
    let introspection = issuer.introspection.as_ref();
    let introspection = introspection
        .map(|settings| Introspector::new(issuer, settings, &metadata, clock))
        .transpose()?;
    Ok(Trusted {
        listed: issuer.listed,
        rules: issuer.rules.clone(),
        keys,
        metadata,
        introspection,
    })
}

#[cfg(not(feature = "jwks-client"))]
fn trusted(issuer: &Issuer, _: &Clock) -> Result<Trusted, ConfigError> {
    match issuer.key_location()? {
        KeyLocation::Fixed(keys) => Ok(Trusted {
            listed: issuer.listed,
            rules: issuer.rules.clone(),
            keys: KeySource::Fixed(keys),
        }),
    }
}

pub(super) fn twice(name: &str) -> ConfigError {
    ConfigError::new(format!("the issuer {name} is there twice"))
}
