//! Who issues tokens.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use portcullis_jwt::{ClaimRule, ClientAuth, JwkSet, Profile};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{At, Problem, Sources, Strings};

/// Who issues tokens: either a `profile` with `settings`, or an `issuer` described here.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Name of a known provider: `entra-v2`, `okta`, `keycloak`, … (docs/identity-providers.md).
    pub profile: Option<String>,
    /// What that provider needs to know; each a string or a list of strings.
    #[serde(default)]
    pub settings: BTreeMap<String, Strings>,
    /// The `iss` of its tokens, byte for byte.
    pub issuer: Option<String>,
    /// Where its keys are; by default where its metadata say.
    pub jwks_url: Option<String>,
    /// File with its keys, in place of fetching them.
    pub jwks_file: Option<At<PathBuf>>,
    /// Accepted audiences besides the server's own address.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// It is inside your network: private addresses, and `http` on this machine, are allowed.
    #[serde(default)]
    pub internal: bool,
    /// Which claims say what.
    #[serde(default)]
    pub claims: Claims,
    /// Claims that must have one of these values.
    #[serde(default)]
    pub require_claims: BTreeMap<String, Strings>,
    /// Accept the type `JWT`, if the token has one of these claims, which ID tokens do not have.
    #[serde(default)]
    pub accept_jwt_typ: Vec<String>,
    /// Ask it about tokens that say nothing themselves (RFC 7662).
    pub introspection: Option<Introspection>,
}

/// Names of claims.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Scopes; `scope` by default.
    pub scopes: Option<String>,
    /// Groups.
    pub groups: Option<String>,
    /// Roles.
    pub roles: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
}

/// How to ask about tokens.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Introspection {
    /// Where to ask; by default where the metadata say.
    pub endpoint: Option<String>,
    /// As which client.
    pub client_id: String,
    /// Name of the secret with which it authenticates.
    pub client_secret: At<String>,
    /// Ask about JWTs too, so that what was revoked is refused within a minute.
    #[serde(default)]
    pub jwts: bool,
}

impl Issuer {
    /// The issuer. Asks nobody on the network.
    ///
    /// # Errors
    /// The settings contradict one another, or name what is not there.
    pub fn build(&self, sources: &Sources) -> Result<portcullis_jwt::Issuer, Problem> {
        let Self { claims, .. } = self;
        let fault = |error: portcullis_jwt::ConfigError| Problem::of(&error);
        let mut issuer = match (&self.profile, &self.issuer) {
            (Some(name), None) => {
                let mut profile = Profile::named(name).map_err(fault)?;
                for (setting, values) in &self.settings {
                    for value in &values.0 {
                        profile = profile.set(setting, value).map_err(fault)?;
                    }
                }
                profile.issuer().map_err(fault)?
            }
            (None, Some(url)) if self.settings.is_empty() => {
                let issuer = portcullis_jwt::Issuer::new(url);
                let found = self.jwks_url.is_some() || self.jwks_file.is_some();
                if found { issuer } else { issuer.discover() }
            }
            (None, Some(_)) => return Err(Problem::new("`settings` are those of a `profile`")),
            _ => {
                return Err(Problem::new(
                    "either a `profile` or an `issuer` is needed, and not both",
                ));
            }
        };
        if let Some(url) = &self.jwks_url {
            issuer = issuer.jwks_url(url);
        }
        if let Some(path) = &self.jwks_file {
            let text = sources.text(path).map_err(|problem| problem.at(path))?;
            let keys = JwkSet::from_json(&text).map_err(|error| fault(error).at(path))?;
            issuer = issuer.keys(keys);
        }
        if self.internal {
            issuer = issuer.internal();
        }
        issuer = self.audiences.iter().fold(issuer, |issuer, audience| issuer.audience(audience));
        if let Some(claim) = &claims.scopes {
            issuer = issuer.scope_claim(claim);
        }
        if let Some(claim) = &claims.groups {
            issuer = issuer.groups_claim(claim);
        }
        if let Some(claim) = &claims.roles {
            issuer = issuer.roles_claim(claim);
        }
        if let Some(claim) = &claims.tenant {
            issuer = issuer.tenant_claim(claim);
        }
        for (claim, values) in &self.require_claims {
            issuer =
                issuer.require_claim(ClaimRule::one_of(claim, values.0.iter().map(String::as_str)));
        }
        if !self.accept_jwt_typ.is_empty() {
            issuer = issuer.accept_jwt_typ(&self.accept_jwt_typ);
        }
        if let Some(asked) = &self.introspection {
            let secret = sources.secret(&asked.client_secret)?;
            let client = ClientAuth::secret_basic(&asked.client_id, secret);
            let mut ask = portcullis_jwt::Introspection::new(client);
            if let Some(url) = &asked.endpoint {
                ask = ask.endpoint(url);
            }
            issuer = issuer.introspection(if asked.jwts { ask.jwts() } else { ask });
        }
        Ok(issuer)
    }
}

/// As a person reads it.
impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.settings.iter();
        let settings: Vec<_> =
            settings.map(|(name, values)| format!("{name} {}", values.0.join(", "))).collect();
        match (&self.profile, &self.issuer) {
            (Some(profile), _) if settings.is_empty() => f.write_str(profile),
            (Some(profile), _) => write!(f, "{profile} ({})", settings.join("; ")),
            (None, issuer) => f.write_str(issuer.as_deref().unwrap_or_default()),
        }
    }
}
