//! Keycloak.

use super::{Kind, Profile, one, several};
use crate::issuer::UsualKeys;
use crate::{ClaimRule, Issuer};

pub(super) static KEYCLOAK: Kind = Kind {
    name: "keycloak",
    settings: &[one("issuer"), several("client")],
    issuer: |values| {
        let (issuer, path) = values.url("issuer")?;
        let realm = path.rsplit_once("/realms/").map(|(_, realm)| realm);
        if realm.is_none_or(|realm| realm.is_empty() || realm.contains('/')) {
            return Err(values.fault("issuer", "is not that of a realm (https://…/realms/…)"));
        }
        let escaped = |client: &String| client.replace('~', "~0").replace('/', "~1");
        let clients = values.all("client").iter().map(escaped);
        let roles = clients.map(|client| format!("/resource_access/{client}/roles"));
        Ok(Issuer::new(issuer)
            .usual_keys(UsualKeys::Discovery)
            .accept_jwt_typ(["typ"])
            .client_id_claims(["azp"])
            .roles_claims(["/realm_access/roles".to_owned()].into_iter().chain(roles))
            .client_only_when([ClaimRule::present("clientHost")])
            .require_claim(ClaimRule::one_of("typ", ["Bearer", "DPoP"])))
    },
};

impl Profile {
    /// Keycloak, with the realm whose issuer is this, such as `https://sso.example.com/realms/acme`.
    ///
    /// * Setting `client`, optional, several: clients whose roles count besides those of the realm,
    ///   as one list. Name the client that stands for the MCP server, and no other.
    ///
    /// The audience must be added with a mapper: Keycloak does not read `resource` (RFC 8707). An
    /// access token is one whose claim `typ` is `Bearer`, or `DPoP` when it is bound; ID and refresh
    /// tokens say `ID` and `Refresh`. Groups are paths with a slash before them (`/staff/dev`) when
    /// the mapper writes full paths. Tokens of service accounts are known by `clientHost`.
    ///
    /// Source: Keycloak, "Server Administration Guide", audience support and protocol mappers;
    /// "Integrating with Model Context Protocol".
    pub fn keycloak(issuer: &str) -> Self {
        Self::of(&KEYCLOAK, &[("issuer", issuer)])
    }
}
