//! What is known about identity providers, as data.

use std::fmt;

use crate::{ConfigError, Issuer};

mod auth0;
mod ci;
mod cognito;
#[cfg(feature = "serde")]
mod de;
mod entra;
mod google;
mod keycloak;
mod okta;
mod ping;
mod spiffe;
mod value;

use value::Values;

/// What is known about an identity provider: how its access tokens look, and what must be set to
/// trust it. [`issuer`](Self::issuer) turns that into an [`Issuer`].
///
/// ```
/// use portcullis_jwt::{ClaimRule, Profile};
///
/// # fn main() -> Result<(), portcullis_jwt::ConfigError> {
/// let (tenant, application) =
///     ("5dbf1a52-3c0e-4a3b-9d4a-8f6d3f0a1c2e", "7c9d0f4e-1a2b-4c3d-8e5f-60718293a4b5");
/// let issuer = Profile::entra_v2(tenant, application)
///     .issuer()?
///     // What a profile sets can be set again, and more be asked for.
///     .require_claim(ClaimRule::equals("azp", "aebc6443-996d-45c2-90f0-388ff96faa56"));
/// # Ok(())
/// # }
/// ```
///
/// From a configuration file, by name; a name or a setting that is not known is an error:
///
/// ```
/// # fn main() -> Result<(), portcullis_jwt::ConfigError> {
/// use portcullis_jwt::Profile;
///
/// let issuer = Profile::named("okta")?
///     .set("issuer", "https://acme.okta.com/oauth2/default")?
///     .issuer()?;
/// assert!(Profile::named("okta")?.set("issuers", "https://acme.okta.com").is_err());
/// # Ok(())
/// # }
/// ```
///
/// With the feature `serde`, a profile is also read from a map of `profile`, its name, and its
/// settings, each a string or a list of strings.
///
/// Keys come from the provider's own metadata, unless [`Issuer::keys`], [`Issuer::jwks_url`] or
/// [`Issuer::discover`] say otherwise. `Debug` of the profile shows its settings; `Debug` of the
/// issuer shows every rule that they lead to. What to register where:
/// `docs/identity-providers.md` in the repository.
#[derive(Clone)]
#[must_use = "a profile does nothing until `issuer`"]
pub struct Profile {
    kind: &'static Kind,
    values: Values,
}

/// One identity provider.
struct Kind {
    name: &'static str,
    settings: &'static [Setting],
    issuer: fn(&Values) -> Result<Issuer, ConfigError>,
}

/// One thing that can be set about it.
struct Setting {
    name: &'static str,
    /// Whether it may be set several times, each adding a value.
    several: bool,
}

const fn one(name: &'static str) -> Setting {
    Setting { name, several: false }
}

const fn several(name: &'static str) -> Setting {
    Setting { name, several: true }
}

const KINDS: [&Kind; 12] = [
    &entra::V2,
    &entra::V1,
    &okta::OKTA,
    &keycloak::KEYCLOAK,
    &auth0::AUTH0,
    &ping::PING_ONE,
    &ping::PING_FEDERATE,
    &cognito::COGNITO,
    &google::GOOGLE,
    &ci::GITHUB_ACTIONS,
    &ci::GITLAB,
    &spiffe::SPIFFE,
];

impl Profile {
    /// The profile with this name, to be [`set`](Self::set): see [`names`](Self::names).
    ///
    /// # Errors
    /// When there is none; the error lists the names.
    pub fn named(name: &str) -> Result<Self, ConfigError> {
        let kind = KINDS.into_iter().find(|kind| kind.name == name).ok_or_else(|| {
            let names: Vec<_> = Self::names().collect();
            ConfigError::new(format!("no profile {name:?}: there are {}", names.join(", ")))
        })?;
        Ok(Self::of(kind, &[]))
    }

    /// The names of all profiles.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KINDS.into_iter().map(|kind| kind.name)
    }

    /// The name of this profile.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind.name
    }

    /// The names of the settings that this profile has.
    pub fn settings(&self) -> impl Iterator<Item = &'static str> {
        self.kind.settings.iter().map(|setting| setting.name)
    }

    /// Sets `setting`, or adds to it where it can have several values.
    ///
    /// # Errors
    /// When the profile has no such setting (the error lists those it has), or has only one value
    /// for it and that is set already.
    pub fn set(mut self, setting: &str, value: impl Into<String>) -> Result<Self, ConfigError> {
        let profile = self.kind.name;
        let found = self.kind.settings.iter().find(|known| known.name == setting);
        let found = found.ok_or_else(|| {
            let names: Vec<_> = self.settings().collect();
            let names = names.join(", ");
            ConfigError::new(format!("the profile {profile} has no {setting:?}: it has {names}"))
        })?;
        if !found.several && self.values.has(found.name) {
            return Err(ConfigError::new(format!(
                "{setting} of the profile {profile} is set twice"
            )));
        }
        self.values.add(found.name, value.into());
        Ok(self)
    }

    /// The issuer, ready for [`VerifierBuilder::issuer`](crate::VerifierBuilder::issuer) or for
    /// further settings.
    ///
    /// # Errors
    /// When a setting is missing, or has a value that it cannot have.
    pub fn issuer(&self) -> Result<Issuer, ConfigError> {
        (self.kind.issuer)(&self.values)
    }

    fn of(kind: &'static Kind, values: &[(&'static str, &str)]) -> Self {
        let mut profile = Self { kind, values: Values::new(kind.name) };
        for (setting, value) in values {
            profile.values.add(setting, (*value).to_owned());
        }
        profile
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("name", &self.kind.name).field("set", &self.values).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_an_error_that_helps() {
        let error = Profile::named("entra").unwrap_err().to_string();
        assert!(Profile::names().all(|name| error.contains(name)), "{error}");
        let error = Profile::named("okta").unwrap().set("tenant", "t").unwrap_err().to_string();
        assert_eq!(error, "the profile okta has no \"tenant\": it has issuer, group");
        let twice = Profile::okta("https://a.example/oauth2/default").set("issuer", "https://b");
        assert!(twice.unwrap_err().to_string().contains("set twice"));
        for name in Profile::names() {
            let profile = Profile::named(name).unwrap();
            assert_eq!(profile.name(), name);
            for setting in profile.settings() {
                let settings: Vec<_> = profile.settings().filter(|name| *name == setting).collect();
                assert_eq!(settings.len(), 1, "{name}: {setting}");
            }
            assert!(
                profile.issuer().is_err()
                    || name == "google"
                    || name == "github-actions"
                    || name == "gitlab",
                "{name} is built of nothing"
            );
        }
    }

    #[test]
    fn debug_shows_what_is_set() {
        let profile = Profile::auth0("acme.eu.auth0.com");
        let shown = format!("{profile:?}");
        assert_eq!(shown, r#"Profile { name: "auth0", set: {"domain": ["acme.eu.auth0.com"]} }"#);
        let issuer = format!("{:?}", profile.issuer().unwrap());
        assert!(issuer.contains("permissions") && issuer.contains("Rs256"), "{issuer}");
    }
}
