//! Auth0.

use super::{Kind, Profile, one, several};
use crate::issuer::UsualKeys;
use crate::{Algorithm, ClaimRule, Issuer};

pub(super) static AUTH0: Kind = Kind {
    name: "auth0",
    settings: &[one("domain"), one("namespace"), several("organization")],
    issuer: |values| {
        let mut issuer = Issuer::new(format!("https://{}/", values.host("domain")?))
            .usual_keys(UsualKeys::Discovery)
            .algorithms([Algorithm::Rs256, Algorithm::Ps256])
            .accept_jwt_typ(["scope", "permissions", "gty"])
            .client_id_claims(["client_id", "azp"])
            .scope_claim("scope")
            .roles_claim("permissions")
            .tenant_claim("org_id");
        issuer.rules.client_subject_suffix = Some("@clients");
        if let Some(namespace) = values.get("namespace") {
            if !namespace.starts_with("https://") || !namespace.ends_with('/') {
                return Err(values.fault("namespace", "is not an https URL that ends with a slash"));
            }
            issuer = issuer
                .roles_claims(["permissions".to_owned(), format!("{namespace}roles")])
                .groups_claim(&format!("{namespace}groups"));
        }
        let organizations = values.all("organization");
        if !organizations.is_empty() {
            issuer =
                issuer.require_claim(ClaimRule::one_of("org_id", organizations.iter().cloned()));
        }
        Ok(issuer)
    },
};

impl Profile {
    /// Auth0, with the tenant at this domain: `acme.eu.auth0.com`, or a custom domain. The issuer is
    /// `https://` + domain + `/`.
    ///
    /// * Setting `namespace` (`https://acme.example/`), optional: reads roles from the claim
    ///   `https://acme.example/roles` besides `permissions`, and groups from
    ///   `https://acme.example/groups`, as your Action writes them.
    /// * Setting `organization`, optional, several: the only organizations (`org_id`) accepted.
    ///
    /// Roles are those of `permissions`; the tenant is `org_id`. Both token profiles are accepted:
    /// Auth0's own (`typ` is `JWT`, told from ID tokens by `scope`, `permissions` or `gty`) and
    /// RFC 9068. `aud` also names Auth0's own `/userinfo` when `openid` was asked for. Clients on
    /// their own behalf are known by a `sub` of client id + `@clients`.
    ///
    /// Source: Auth0, "Access Token Profiles"; "Create Custom Claims"; "Work with Tokens and
    /// Organizations".
    pub fn auth0(domain: &str) -> Self {
        Self::of(&AUTH0, &[("domain", domain)])
    }
}
