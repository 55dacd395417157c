//! PingOne and PingFederate.

use super::{Kind, Profile, one};
use crate::issuer::UsualKeys;
use crate::{Algorithm, ClaimRule, Issuer};

pub(super) static PING_ONE: Kind = Kind {
    name: "ping-one",
    settings: &[one("issuer"), one("environment")],
    issuer: |values| {
        let (issuer, path) = values.url("issuer")?;
        if !path.ends_with("/as") {
            return Err(values.fault("issuer", "is not that of an environment (https://…/as)"));
        }
        let mut issuer = Issuer::new(issuer)
            .usual_keys(UsualKeys::Discovery)
            .algorithms([Algorithm::Rs256])
            .accept_jwt_typ(["client_id"])
            .client_id_claims(["client_id"])
            .scope_claim("scope")
            .roles_claim("p1.permissions")
            .tenant_claim("env");
        if let Some(environment) = values.get("environment") {
            issuer = issuer.require_claim(ClaimRule::equals("env", environment));
        }
        Ok(issuer)
    },
};

pub(super) static PING_FEDERATE: Kind = Kind {
    name: "ping-federate",
    settings: &[one("issuer"), one("client_id"), one("scope"), one("group")],
    issuer: |values| {
        let client = values.get("client_id").unwrap_or("client_id");
        Ok(Issuer::new(values.url("issuer")?.0)
            .usual_keys(UsualKeys::Discovery)
            .accept_jwt_typ([client])
            .client_id_claims([client])
            .scope_claim(values.get("scope").unwrap_or("scope"))
            .groups_claim(values.get("group").unwrap_or("groups")))
    },
};

impl Profile {
    /// PingOne, with the environment whose issuer is this: `https://auth.pingone.eu/` + environment
    /// id + `/as`, or a custom domain + `/as`.
    ///
    /// * Setting `environment`, optional: the claim `env` must say so. PingOne writes it only into
    ///   tokens that are also for its own API, unless you map it.
    ///
    /// The audience is that of the custom resource. Access tokens are told from ID tokens by
    /// `client_id`. Roles are those of `p1.permissions`. Tokens of a client on its own behalf have no
    /// `sub` unless the resource maps it: map it to the application's id, or they are refused.
    ///
    /// Source: Ping Identity, "Token claims"; "Customizing access tokens".
    pub fn ping_one(issuer: &str) -> Self {
        Self::of(&PING_ONE, &[("issuer", issuer)])
    }

    /// PingFederate, with JSON web tokens as access tokens.
    ///
    /// * Settings `client_id`, `scope`, `group`, optional: the names of these claims, as the access
    ///   token manager has them; `client_id`, `scope` and `groups` otherwise. Scopes may be one
    ///   string or an array.
    ///
    /// Access tokens are told from ID tokens by the claim for the client id: ID token policies must
    /// not write it. Map a durable attribute, no login name, to `sub`, and set issuer and audience in
    /// the access token manager: by default it writes neither.
    ///
    /// Source: Ping Identity, PingFederate, "Configuring JSON-token management".
    pub fn ping_federate(issuer: &str) -> Self {
        Self::of(&PING_FEDERATE, &[("issuer", issuer)])
    }
}
