//! Microsoft Entra ID, both versions of its access tokens.

use super::{Kind, Profile, Values, one};
use crate::issuer::UsualKeys;
use crate::{Algorithm, ClaimRule, ConfigError, Issuer};

/// The tenant of personal Microsoft accounts: anybody's.
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

pub(super) static V2: Kind = Kind {
    name: "entra-v2",
    settings: &[one("tenant"), one("application"), one("app_id_uri")],
    issuer: |values| {
        let issuer = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
        entra(values, issuer, "2.0", "azpacr", "azp", "discovery/v2.0/keys")
    },
};

pub(super) static V1: Kind = Kind {
    name: "entra-v1",
    settings: &[one("tenant"), one("application"), one("app_id_uri")],
    issuer: |values| {
        let issuer = |tenant: &str| format!("https://sts.windows.net/{tenant}/");
        entra(values, issuer, "1.0", "appidacr", "appid", "discovery/keys")
    },
};

impl Profile {
    /// Microsoft Entra ID with access tokens of version 2 (`requestedAccessTokenVersion` is 2 in the
    /// manifest of the API's registration), of one tenant. For several tenants: one issuer for each.
    ///
    /// * `tenant`, `application`: the GUIDs of the tenant, and of the API's registration. Tenants
    ///   that stand for many (`common`, `organizations`, `consumers`) are refused.
    /// * Setting `app_id_uri` (`api://…`), optional: is accepted as audience, and put before each
    ///   scope: see [`Issuer::scope_prefix`].
    ///
    /// Audiences: the application's GUID (the one that version 2 writes), `api://` + GUID, and the
    /// App ID URI. An access token is told from an ID token by `azpacr`. The caller is known by
    /// `tid` and `oid`, because `sub` differs from application to application; the tenant is `tid`,
    /// which must be that of the issuer. No `scp` means that no person is behind the token. With more
    /// than 200 groups, the groups are unknown.
    ///
    /// Source: Microsoft, "Access token claims reference".
    pub fn entra_v2(tenant: &str, application: &str) -> Self {
        Self::of(&V2, &[("tenant", tenant), ("application", application)])
    }

    /// Microsoft Entra ID with access tokens of version 1, which registrations issue unless told
    /// otherwise: `iss` is `https://sts.windows.net/…/`, and `aud` is what the client asked for, the
    /// App ID URI or the GUID. All else as [`entra_v2`](Self::entra_v2) says.
    ///
    /// The same person has another identity here than under version 2: `iss` is part of it.
    pub fn entra_v1(tenant: &str, application: &str) -> Self {
        Self::of(&V1, &[("tenant", tenant), ("application", application)])
    }
}

fn entra(
    values: &Values,
    issuer: impl FnOnce(&str) -> String,
    version: &str,
    marker: &str,
    client: &str,
    keys: &str,
) -> Result<Issuer, ConfigError> {
    let tenant = values.guid("tenant")?;
    if tenant == PERSONAL {
        return Err(values.fault("tenant", "is that of personal accounts"));
    }
    let application = values.guid("application")?;
    let keys = format!("https://login.microsoftonline.com/{tenant}/{keys}");
    let mut issuer = Issuer::new(issuer(&tenant))
        .usual_keys(UsualKeys::Url(keys))
        .algorithms([Algorithm::Rs256])
        .audience(&application)
        .audience(format!("api://{application}"))
        .accept_jwt_typ([marker])
        .client_id_claims([client])
        .scope_claim("scp")
        .subject_claims(["oid", "tid"])
        .tenant_claim("tid")
        .client_only_when([ClaimRule::absent("scp")])
        .require_claim(ClaimRule::equals("tid", tenant))
        .require_claim(ClaimRule::equals("ver", version));
    if let Some(uri) = values.get("app_id_uri") {
        if !uri.contains("://") || uri.ends_with('/') {
            return Err(values.fault("app_id_uri", "is not a URI, or ends with a slash"));
        }
        issuer = issuer.audience(uri).scope_prefix(format!("{uri}/"));
    }
    Ok(issuer)
}
