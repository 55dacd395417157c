//! Which headers a sidecar sets, and how it writes lists.

use http::HeaderName;

use crate::ConfigError;
use crate::names;

/// How a sidecar writes several groups, roles into one header.
///
/// Sidecars join names without escaping, so a group whose own name holds the delimiter cannot be
/// told from two groups. If people who are not administrators can name groups at your identity
/// provider, have it send group ids, or use [`Base64UrlJson`](Self::Base64UrlJson).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ListFormat {
    /// Joined with this character. An empty item, and one with a space at its ends, is refused.
    Delimited(char),
    /// Each in double quotes, joined with commas; one item alone may be without quotes. Vouch.
    Quoted,
    /// A JSON array of strings in base64url, with or without padding. Envoy and Istio. The only
    /// unambiguous one.
    Base64UrlJson,
}

/// One family of identity headers: the only one whose word is taken.
///
/// Names must match exactly, `-` and `_` included; letter case never matters in HTTP. The same name
/// in another spelling, beside it or in its place, is a refusal.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Profile {
    pub(crate) user: HeaderName,
    pub(crate) email: Option<HeaderName>,
    pub(crate) preferred_username: Option<HeaderName>,
    pub(crate) groups: Option<(HeaderName, ListFormat)>,
    pub(crate) roles: Option<(HeaderName, ListFormat)>,
    pub(crate) scopes: Option<HeaderName>,
    pub(crate) client_id: Option<HeaderName>,
    pub(crate) absent_lists_are_empty: bool,
}

impl Profile {
    /// A family of your own, with the caller's stable name in `user` and nothing else yet.
    pub const fn new(user: HeaderName) -> Self {
        Self {
            user,
            email: None,
            preferred_username: None,
            groups: None,
            roles: None,
            scopes: None,
            client_id: None,
            absent_lists_are_empty: false,
        }
    }

    /// `X-Auth-Request-User`, `-Email`, `-Preferred-Username` and `-Groups` (joined with `,`), as
    /// oauth2-proxy answers nginx's `auth_request` with `--set-xauthrequest`.
    pub fn oauth2_proxy() -> Self {
        Self::family(
            "x-auth-request-user",
            "x-auth-request-email",
            "x-auth-request-groups",
            ListFormat::Delimited(','),
        )
        .preferred_username(HeaderName::from_static("x-auth-request-preferred-username"))
    }

    /// `X-Forwarded-User`, `-Email`, `-Preferred-Username` and `-Groups` (joined with `,`), as
    /// oauth2-proxy sends them upstream with `--pass-user-headers`, and others after it.
    pub fn forwarded_user() -> Self {
        Self::family(
            "x-forwarded-user",
            "x-forwarded-email",
            "x-forwarded-groups",
            ListFormat::Delimited(','),
        )
        .preferred_username(HeaderName::from_static("x-forwarded-preferred-username"))
    }

    /// `X-Vouch-User` and `X-Vouch-IdP-Claims-Email` and `-Groups` (quoted), as Vouch sends them
    /// for the claims listed in its configuration.
    pub fn vouch() -> Self {
        Self::family(
            "x-vouch-user",
            "x-vouch-idp-claims-email",
            "x-vouch-idp-claims-groups",
            ListFormat::Quoted,
        )
    }

    /// `OIDC_CLAIM_sub`, `_email`, `_preferred_username` and `_groups` (joined with `,`), as Apache's
    /// mod_auth_openidc sends them with `OIDCPassClaimsAs headers` or `both`. Where a server on the
    /// way drops names with underscores, set `OIDCClaimPrefix OIDC-CLAIM-` there and
    /// [`hyphenated`](Self::hyphenated) here.
    ///
    /// The module removes what clients send under these names only where it authenticates: one
    /// `Require all granted`, and clients name themselves. Unset each of them first:
    /// `RequestHeader unset OIDC_CLAIM_sub early`. If groups may hold a comma, set
    /// `OIDCClaimDelimiter "|"` there and [`groups`](Self::groups) here. With `AuthType oauth20` it
    /// looks at no audience: add `Require claim aud:…`.
    pub fn apache_openidc() -> Self {
        Self::family(
            "oidc_claim_sub",
            "oidc_claim_email",
            "oidc_claim_groups",
            ListFormat::Delimited(','),
        )
        .preferred_username(HeaderName::from_static("oidc_claim_preferred_username"))
    }

    /// `MELLON_NAME_ID`, `MELLON_email` and `MELLON_groups` (joined with `;`, set
    /// `MellonMergeEnvVars On ";"`), for Apache's mod_auth_mellon. It sets variables only: forward
    /// each with `RequestHeader set MELLON_NAME_ID "%{MELLON_NAME_ID}e"`, and without `env=`, which
    /// would let a client's own line through where the variable is not set; it then arrives as
    /// `(null)`, which is nothing here. Transient name ids change with each session; name another
    /// attribute with [`user`](Self::user) then.
    pub fn apache_mellon() -> Self {
        Self::family("mellon_name_id", "mellon_email", "mellon_groups", ListFormat::Delimited(';'))
    }

    /// `Remote-User`, `Remote-Email` and `Remote-Groups` (joined with `,`), as Authelia sends them.
    pub fn remote_user() -> Self {
        Self::family("remote-user", "remote-email", "remote-groups", ListFormat::Delimited(','))
    }

    /// `X-authentik-uid`, `-email`, `-username` and `-groups` (joined with `|`).
    pub fn authentik() -> Self {
        Self::family(
            "x-authentik-uid",
            "x-authentik-email",
            "x-authentik-groups",
            ListFormat::Delimited('|'),
        )
        .preferred_username(HeaderName::from_static("x-authentik-username"))
    }

    /// `X-Jwt-Claim-Sub`, `-Email` and `-Groups` (base64url JSON): the names to give to
    /// `claim_to_headers` of Envoy's `jwt_authn`, or `outputClaimToHeaders` of Istio.
    pub fn envoy() -> Self {
        Self::family(
            "x-jwt-claim-sub",
            "x-jwt-claim-email",
            "x-jwt-claim-groups",
            ListFormat::Base64UrlJson,
        )
    }

    fn family(
        user: &'static str,
        email: &'static str,
        groups: &'static str,
        format: ListFormat,
    ) -> Self {
        Self::new(HeaderName::from_static(user))
            .email(HeaderName::from_static(email))
            .groups(HeaderName::from_static(groups), format)
    }

    /// Takes the caller's stable name from another header.
    pub fn user(mut self, name: HeaderName) -> Self {
        self.user = name;
        self
    }

    /// Takes the e-mail address from this header. It becomes the claim `email` and never the
    /// identity.
    pub fn email(mut self, name: HeaderName) -> Self {
        self.email = Some(name);
        self
    }

    /// Takes the name for show from this header. It becomes the claim `preferred_username`; one
    /// that is not printable ASCII is left out.
    pub fn preferred_username(mut self, name: HeaderName) -> Self {
        self.preferred_username = Some(name);
        self
    }

    /// Takes the groups from this header. A request without it has a caller whose groups are
    /// unknown.
    pub fn groups(mut self, name: HeaderName, format: ListFormat) -> Self {
        self.groups = Some((name, format));
        self
    }

    /// Takes the roles from this header. A request without it is refused.
    pub fn roles(mut self, name: HeaderName, format: ListFormat) -> Self {
        self.roles = Some((name, format));
        self
    }

    /// Takes the scopes from this header, separated by spaces. A request without it has none.
    pub fn scopes(mut self, name: HeaderName) -> Self {
        self.scopes = Some(name);
        self
    }

    /// Takes the OAuth client from this header. It becomes a part of the identity, so a request
    /// without it is refused.
    pub fn client_id(mut self, name: HeaderName) -> Self {
        self.client_id = Some(name);
        self
    }

    /// Takes a request without the header of groups or roles for one of a caller without any.
    ///
    /// Clients can make several proxies drop a header that these have set, by naming it in
    /// `Connection`: oauth2-proxy and Apache among them. A caller then sheds the groups that a
    /// deny rule turns on.
    pub fn danger_absent_lists_are_empty(mut self) -> Self {
        self.absent_lists_are_empty = true;
        self
    }

    /// The same names with `-` in place of `_`.
    pub fn hyphenated(mut self) -> Self {
        for name in self.names_mut() {
            // Infallible: what was a header name still is.
            if let Ok(hyphenated) = HeaderName::try_from(name.as_str().replace('_', "-")) {
                *name = hyphenated;
            }
        }
        self
    }

    /// Every header of the family.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let Self { user, email, preferred_username, groups, roles, scopes, client_id, .. } = self;
        let lists = [groups, roles].into_iter().flatten().map(|(name, _)| name);
        let texts = [email, preferred_username, scopes, client_id].into_iter().flatten();
        std::iter::once(user).chain(texts).chain(lists)
    }

    fn names_mut(&mut self) -> impl Iterator<Item = &mut HeaderName> {
        let Self { user, email, preferred_username, groups, roles, scopes, client_id, .. } = self;
        let lists = [groups, roles].into_iter().flatten().map(|(name, _)| name);
        let texts = [email, preferred_username, scopes, client_id].into_iter().flatten();
        std::iter::once(user).chain(texts).chain(lists)
    }

    /// Refuses names that mean something else, names that a lax reader takes for one another, and
    /// delimiters that no header can carry.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let names: Vec<&str> = self.names().map(HeaderName::as_str).collect();
        for (place, name) in names.iter().enumerate() {
            if names::is_reserved(name) {
                return Err(ConfigError::new(format!("{name} cannot carry an identity")));
            }
            if names.iter().skip(place + 1).any(|other| names::same(name, other)) {
                return Err(ConfigError::new(format!("the profile uses {name} twice")));
            }
        }
        for (name, format) in [&self.groups, &self.roles].into_iter().flatten() {
            if let ListFormat::Delimited(delimiter) = format
                && (!delimiter.is_ascii_punctuation() || *delimiter == '-' || *delimiter == '_')
            {
                return Err(ConfigError::new(format!(
                    "{delimiter:?} cannot separate the items of {name}"
                )));
            }
        }
        Ok(())
    }
}
