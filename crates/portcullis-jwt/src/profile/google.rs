//! Google, as far as it issues tokens that others can verify.

use super::{Kind, Profile, Values, several};
use crate::issuer::UsualKeys;
use crate::{Algorithm, ClaimRule, ConfigError, Issuer};

pub(super) static GOOGLE: Kind = Kind {
    name: "google",
    settings: &[several("service_account"), several("hosted_domain")],
    issuer: google,
};

fn google(values: &Values) -> Result<Issuer, ConfigError> {
    let mut issuer = Issuer::new("https://accounts.google.com")
        .usual_keys(UsualKeys::Discovery)
        .algorithms([Algorithm::Rs256])
        .accept_jwt_typ(["azp"])
        .client_id_claims(["azp"])
        .tenant_claim("hd")
        .unlisted();
    issuer.rules.identifying = &["sub", "hd"];
    for (setting, claim) in [("service_account", "sub"), ("hosted_domain", "hd")] {
        let accepted = values.all(setting);
        if accepted.iter().any(|value| value.contains('@')) {
            return Err(
                values.fault(setting, "is an e-mail address: addresses are given to others")
            );
        }
        if !accepted.is_empty() {
            issuer = issuer.require_claim(ClaimRule::one_of(claim, accepted.iter().cloned()));
        }
    }
    Ok(issuer)
}

impl Profile {
    /// Google: ID tokens that a service account asked for with the URL of the MCP server as
    /// audience.
    ///
    /// * Setting `service_account`, several: the numeric ids (`sub`) of those accepted.
    /// * Setting `hosted_domain`, several: the Workspace domains (`hd`) accepted, for people whose
    ///   tokens reach this audience.
    ///
    /// Every Google account in the world can have such a token made: without one of the settings, or
    /// a [`ClaimRule`](crate::ClaimRule) on `sub` or `hd`, no verifier builds. Google's access tokens
    /// are opaque and cannot be verified here: for people, put an authorization server of your own
    /// in front of Google. The caller is known by `sub`, never by `email`. Clients are not sent
    /// to Google to sign in ([`Issuer::unlisted`]).
    ///
    /// Source: Google Cloud, "Token types"; "Get an ID token"; Google Identity, "OpenID Connect".
    pub fn google() -> Self {
        Self::of(&GOOGLE, &[])
    }
}
