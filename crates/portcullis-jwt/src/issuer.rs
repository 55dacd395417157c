//! One trusted issuer and the rules for its tokens.

use std::time::Duration;

#[cfg(feature = "jwks-client")]
use crate::Introspection;
use crate::algorithm::Algorithm;
use crate::claim::ClaimPath;
use crate::{ClaimRule, ConfigError, JwkSet};

mod claims;
mod location;

pub(crate) use location::{KeyLocation, UsualKeys};

/// The issuer of callers with API keys; see `ApiKeys::ISSUER`.
pub(crate) const API_KEY_ISSUER: &str = "portcullis:api-keys";

const MAX_LEEWAY: Duration = Duration::from_secs(120);

/// An issuer whose tokens are accepted, and the rules they must keep.
///
/// ```no_run
/// use portcullis_jwt::{Algorithm, Issuer, JwkSet};
///
/// # fn main() -> Result<(), portcullis_jwt::ConfigError> {
/// # let json = "";
/// let issuer = Issuer::new("https://login.example.com/tenant/v2.0")
///     .keys(JwkSet::from_json(json)?)
///     .audience("api://notes")
///     .algorithms([Algorithm::Rs256])
///     .accept_jwt_typ(["scp", "roles"]);
/// # Ok(())
/// # }
/// ```
///
/// A claim is named by its name, or by a JSON pointer (RFC 6901) when the text starts with `/`:
/// `groups`, `https://example.com/roles`, `/realm_access/roles`.
#[derive(Clone, Debug)]
#[must_use = "an issuer is trusted only once a verifier is given it"]
pub struct Issuer {
    pub(crate) name: String,
    pub(crate) keys: Option<JwkSet>,
    #[cfg(feature = "jwks-client")]
    pub(crate) jwks_url: Option<String>,
    #[cfg(feature = "jwks-client")]
    discover: bool,
    /// Where a profile says the keys are, unless the user says otherwise.
    #[cfg(feature = "jwks-client")]
    usual_keys: Option<UsualKeys>,
    #[cfg(feature = "jwks-client")]
    pub(crate) introspection: Option<Introspection>,
    pub(crate) internal: bool,
    pub(crate) listed: bool,
    pub(crate) max_stale: Duration,
    pub(crate) rules: Rules,
}

/// What the claims of a token are checked against.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) audiences: Vec<String>,
    pub(crate) only_our_audiences: bool,
    pub(crate) leeway: Duration,
    pub(crate) max_lifetime: Duration,
    pub(crate) max_age: Option<Duration>,
    /// Claims that mark an access token of type `JWT`; `None` accepts `at+jwt` only.
    pub(crate) jwt_typ_markers: Option<Vec<String>>,
    pub(crate) scope_claim: Option<ClaimPath>,
    /// What goes before each scope of the token.
    pub(crate) scope_prefix: String,
    pub(crate) groups_claims: Vec<ClaimPath>,
    pub(crate) roles_claims: Vec<ClaimPath>,
    pub(crate) tenant_claim: Option<ClaimPath>,
    pub(crate) client_id_claims: Vec<ClaimPath>,
    /// What the subject is joined of; `sub` when empty.
    pub(crate) subject_claims: Vec<ClaimPath>,
    /// What must hold of every token.
    pub(crate) required: Vec<ClaimRule>,
    /// What tells that no person is behind a token.
    pub(crate) client_marks: Vec<ClaimRule>,
    /// What follows the client id in the `sub` of a client.
    pub(crate) client_subject_suffix: Option<&'static str>,
    /// Whose tokens need no `aud`.
    pub(crate) clients_without_audience: Option<Vec<String>>,
    /// The claims that tell our tokens from those of strangers; one needs a rule.
    pub(crate) identifying: &'static [&'static str],
}

impl Issuer {
    /// The issuer whose tokens say exactly `iss`: no slash, letter case or port is normalised
    /// (R-122).
    pub fn new(iss: impl Into<String>) -> Self {
        Self {
            name: iss.into(),
            keys: None,
            #[cfg(feature = "jwks-client")]
            jwks_url: None,
            #[cfg(feature = "jwks-client")]
            discover: false,
            #[cfg(feature = "jwks-client")]
            usual_keys: None,
            #[cfg(feature = "jwks-client")]
            introspection: None,
            internal: false,
            listed: true,
            max_stale: Duration::from_secs(3600),
            rules: Rules {
                algorithms: Algorithm::DEFAULT.to_vec(),
                audiences: Vec::new(),
                only_our_audiences: false,
                leeway: Duration::from_secs(30),
                max_lifetime: Duration::from_secs(24 * 3600),
                max_age: None,
                jwt_typ_markers: None,
                scope_claim: None,
                scope_prefix: String::new(),
                groups_claims: vec![ClaimPath::new("groups")],
                roles_claims: vec![ClaimPath::new("roles")],
                tenant_claim: None,
                client_id_claims: ["client_id", "azp", "cid", "appid"].map(ClaimPath::new).into(),
                subject_claims: Vec::new(),
                required: Vec::new(),
                client_marks: Vec::new(),
                client_subject_suffix: None,
                clients_without_audience: None,
                identifying: &[],
            },
        }
    }

    /// The issuer identifier, exactly as given to [`Issuer::new`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Verifies with these keys, which never change.
    pub fn keys(mut self, keys: JwkSet) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Verifies with the keys at `url`, fetched when the verifier is built and refreshed in the
    /// background as the answer's `Cache-Control` says, within 5 minutes and 24 hours, else every
    /// 10 minutes. `https` only, no redirects, and no private addresses unless
    /// [`internal`](Self::internal) (R-115).
    #[cfg(feature = "jwks-client")]
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.jwks_url = Some(url.into());
        self
    }

    /// Verifies with the keys that the issuer's own metadata lead to (RFC 8414, or OpenID Connect
    /// Discovery). The metadata is looked for under the issuer's URL, in this order, `/t` being its
    /// path: `/.well-known/oauth-authorization-server/t`, `/.well-known/openid-configuration/t`,
    /// `/t/.well-known/openid-configuration`. Its `issuer` must be this issuer, byte for byte
    /// (R-121). Metadata and keys are then fetched and refreshed together, as
    /// [`jwks_url`](Self::jwks_url) says.
    ///
    /// The first time, one warning names the fields that MCP clients will miss: see
    /// [`IssuerMetadata::shortcomings`](crate::IssuerMetadata::shortcomings).
    #[cfg(feature = "jwks-client")]
    pub fn discover(mut self) -> Self {
        self.discover = true;
        self
    }

    /// Whether the keys come from the issuer's own metadata, as [`discover`](Self::discover) or a
    /// profile says.
    #[cfg(feature = "jwks-client")]
    #[must_use]
    pub fn is_discovered(&self) -> bool {
        matches!(self.key_location(), Ok(KeyLocation::Discovery))
    }

    /// Asks the issuer about its opaque tokens (RFC 7662, R-135), and about its JWTs if `settings`
    /// say so. An issuer that is told where to ask needs no keys; its JWTs are then refused, unless
    /// they are asked about.
    #[cfg(feature = "jwks-client")]
    pub fn introspection(mut self, settings: Introspection) -> Self {
        self.introspection = Some(settings);
        self
    }

    /// Lets [`jwks_url`](Self::jwks_url), [`discover`](Self::discover) and
    /// [`introspection`](Self::introspection) lead to private and
    /// loopback addresses, and to plain
    /// `http` where its host is a loopback address written out (`http://127.0.0.1:8080/…`).
    /// Link-local addresses, and with them the metadata services of clouds, stay out of reach.
    pub fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// Keeps the issuer out of the resource's metadata (RFC 9728), so that no client is sent there to
    /// sign in: for issuers of CI jobs, workloads and service accounts (R-122). Its tokens are
    /// accepted all the same.
    pub fn unlisted(mut self) -> Self {
        self.listed = false;
        self
    }

    /// Whether the resource's metadata is to name the issuer; see [`unlisted`](Self::unlisted).
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.listed
    }

    /// Accepts `audience` besides the resource's own URI (R-126). Compared byte by byte.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.rules.audiences.push(audience.into());
        self
    }

    /// Refuses tokens that also name audiences which are not accepted here (R-125). By default a
    /// token for several resources is accepted when this is one of them.
    pub fn refuse_foreign_audiences(mut self) -> Self {
        self.rules.only_our_audiences = true;
        self
    }

    /// Allows exactly these signature algorithms; `RS256`, `PS256`, `ES256` and `EdDSA` by default
    /// (R-106).
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.rules.algorithms = algorithms.into_iter().collect();
        self
    }

    /// How far the issuer's clock and ours may differ: 30 seconds by default, at most 120 (R-127).
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.rules.leeway = leeway;
        self
    }

    /// The longest accepted time between `iat` and `exp`, or between now and `exp` where there is
    /// no `iat`; 24 hours by default (R-128).
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.rules.max_lifetime = lifetime;
        self
    }

    /// The longest accepted time since `iat`, which must then be there; unlimited by default
    /// (R-128).
    pub fn max_age(mut self, age: Duration) -> Self {
        self.rules.max_age = Some(age);
        self
    }

    /// How long the last good key set is used after its refresh was due, when the issuer cannot be
    /// reached; then requests are answered 503. One hour by default (R-117).
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.max_stale = max_stale;
        self
    }

    /// Accepts tokens whose `typ` is `JWT` or absent, besides `at+jwt`, when they carry one of the
    /// claims `markers`, which only access tokens of this issuer have, and nothing that ID,
    /// refresh or logout tokens have (R-113). The claim for the client id is then optional.
    ///
    /// For issuers that do not follow RFC 9068. Without this, their ID tokens and access tokens
    /// could not be told apart.
    pub fn accept_jwt_typ<S: Into<String>>(mut self, markers: impl IntoIterator<Item = S>) -> Self {
        self.rules.jwt_typ_markers = Some(markers.into_iter().map(Into::into).collect());
        self
    }

    /// Reads scopes from this claim: a string with spaces between scopes, or an array of strings.
    /// By default from `scope`, a string, or, in its absence, from `scp`, either (R-131).
    pub fn scope_claim(mut self, claim: &str) -> Self {
        self.rules.scope_claim = Some(ClaimPath::new(claim));
        self
    }

    /// Reads groups from this claim, an array of strings; `groups` by default.
    pub fn groups_claim(self, claim: &str) -> Self {
        self.groups_claims([claim])
    }

    /// Reads roles from this claim, an array of strings; `roles` by default.
    pub fn roles_claim(self, claim: &str) -> Self {
        self.roles_claims([claim])
    }

    /// Reads the tenant from this claim, a string; no tenant by default.
    pub fn tenant_claim(mut self, claim: &str) -> Self {
        self.rules.tenant_claim = Some(ClaimPath::new(claim));
        self
    }

    /// Reads the client id from the first of these claims that is there; `client_id`, `azp`,
    /// `cid`, `appid` by default (R-129).
    pub fn client_id_claims<S: AsRef<str>>(mut self, claims: impl IntoIterator<Item = S>) -> Self {
        self.rules.client_id_claims =
            claims.into_iter().map(|claim| ClaimPath::new(claim.as_ref())).collect();
        self
    }

    /// Refuses settings that cannot be honoured, and adds the resource's own audience.
    pub(crate) fn check(&mut self, resource: &str) -> Result<(), ConfigError> {
        let name = &self.name;
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(ConfigError::new("an issuer's name is empty or holds white space"));
        }
        // A placeholder would trust every tenant of a shared identity provider.
        if name.contains(['{', '}']) {
            return Err(ConfigError::new(format!("the issuer {name} holds a placeholder")));
        }
        if name == API_KEY_ISSUER {
            return Err(ConfigError::new(format!("the issuer {name} is that of API keys")));
        }
        if let Some(fault) = self.claims_fault() {
            return Err(ConfigError::new(format!("the issuer {name} {fault}")));
        }
        let rules = &mut self.rules;
        let fault = if rules.algorithms.is_empty() {
            "allows no algorithm"
        } else if rules.leeway > MAX_LEEWAY {
            "has a leeway of more than 120 seconds"
        } else if rules.audiences.iter().any(String::is_empty) {
            "has an empty audience"
        } else if rules.max_lifetime.is_zero() {
            "has a maximum lifetime of zero"
        } else if rules.jwt_typ_markers.as_ref().is_some_and(Vec::is_empty) {
            "accepts the type JWT without a claim that marks access tokens"
        } else {
            rules.audiences.push(resource.to_owned());
            return Ok(());
        };
        Err(ConfigError::new(format!("the issuer {name} {fault}")))
    }
}
