//! Amazon Cognito user pools.

use super::{Kind, Profile, one, several};
use crate::issuer::UsualKeys;
use crate::{Algorithm, ClaimRule, Issuer};

pub(super) static COGNITO: Kind = Kind {
    name: "cognito",
    settings: &[one("pool"), one("resource_server"), several("danger_client_without_audience")],
    issuer: |values| {
        let pool = values.need("pool")?;
        let name = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let (region, _) = pool
            .split_once('_')
            .filter(|(region, id)| name(region) && name(id))
            .ok_or_else(|| values.fault("pool", "is not the id of a user pool (region_id)"))?;
        let mut issuer = Issuer::new(format!("https://cognito-idp.{region}.amazonaws.com/{pool}"))
            .usual_keys(UsualKeys::Discovery)
            .algorithms([Algorithm::Rs256])
            .accept_jwt_typ(["token_use"])
            .client_id_claims(["client_id"])
            .scope_claim("scope")
            .groups_claim("cognito:groups")
            .require_claim(ClaimRule::equals("token_use", "access"));
        if let Some(server) = values.get("resource_server") {
            issuer = issuer.require_claim(ClaimRule::any_matches("scope", [format!("{server}/*")]));
        }
        let clients = values.all("danger_client_without_audience");
        if !clients.is_empty() {
            values.need("resource_server")?;
            issuer = issuer.danger_clients_without_audience(clients);
        }
        Ok(issuer)
    },
};

impl Profile {
    /// Amazon Cognito, with this user pool, such as `eu-west-1_AbCdEf123`.
    ///
    /// * Setting `resource_server`, optional: the identifier of the resource server; a token needs
    ///   one of its scopes.
    ///
    /// Access tokens have an `aud` only where the client asked with `resource` (resource binding: plans
    /// Essentials and Plus); others are refused. See
    /// [`danger_clients_without_audience`](Self::danger_clients_without_audience). Access tokens are
    /// those whose `token_use` is `access`. Groups are those of `cognito:groups`.
    ///
    /// Source: Amazon, "Understanding the access token"; "Scopes, M2M, and resource servers".
    pub fn cognito(pool: &str) -> Self {
        Self::of(&COGNITO, &[("pool", pool)])
    }

    /// Accepts Cognito tokens without `aud` when one of these app clients holds them and they have a
    /// scope of this resource server. A weakening: see
    /// [`Issuer::danger_clients_without_audience`]. The same as the settings
    /// `danger_client_without_audience` and `resource_server`.
    ///
    /// # Errors
    /// For other profiles than [`cognito`](Self::cognito).
    pub fn danger_clients_without_audience<S: Into<String>>(
        self,
        clients: impl IntoIterator<Item = S>,
        resource_server: &str,
    ) -> Result<Self, crate::ConfigError> {
        let profile = self.set("resource_server", resource_server)?;
        clients.into_iter().try_fold(profile, |profile, client| {
            profile.set("danger_client_without_audience", client)
        })
    }
}
