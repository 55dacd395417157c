//! Okta, with a custom authorization server.

use super::{Kind, Profile, one};
use crate::issuer::UsualKeys;
use crate::{Algorithm, Issuer};

pub(super) static OKTA: Kind = Kind {
    name: "okta",
    settings: &[one("issuer"), one("group")],
    issuer: |values| {
        let (issuer, path) = values.url("issuer")?;
        let server = path.strip_prefix("/oauth2/").filter(|id| !id.is_empty());
        if server.is_none_or(|id| id.contains('/')) {
            let fault = "is not a custom authorization server (https://…/oauth2/…): tokens of the \
                         org authorization server are for Okta alone";
            return Err(values.fault("issuer", fault));
        }
        Ok(Issuer::new(issuer)
            .usual_keys(UsualKeys::Discovery)
            .algorithms([Algorithm::Rs256])
            .accept_jwt_typ(["cid"])
            .client_id_claims(["cid"])
            .scope_claim("scp")
            .subject_claims(["uid"])
            .groups_claim(values.get("group").unwrap_or("groups")))
    },
};

impl Profile {
    /// Okta, with the custom authorization server whose issuer is this, such as
    /// `https://acme.okta.com/oauth2/default`. The org authorization server (the same without
    /// `/oauth2/…`) is refused: its access tokens are for Okta alone, and their form may change.
    ///
    /// * Setting `group`, optional: the name of the groups claim that you added to access tokens;
    ///   `groups` otherwise.
    ///
    /// Its audience is one for the whole server: set it to the URL of the MCP server, or name it with
    /// [`Issuer::audience`]. Access tokens have no `typ` and are told from ID tokens by `cid`. People
    /// are known by `uid`, because `sub` is a login name; clients by `sub`, which is their client id.
    ///
    /// Source: Okta, "OpenID Connect & OAuth 2.0 API", access token; support article "Validation
    /// failed on access token issued by the org authorization server".
    pub fn okta(issuer: &str) -> Self {
        Self::of(&OKTA, &[("issuer", issuer)])
    }
}
