//! SPIFFE workloads, by JWT-SVID.

use super::{Kind, Profile, one, several};
use crate::issuer::UsualKeys;
use crate::{Algorithm, ClaimRule, Issuer};

pub(super) static SPIFFE: Kind = Kind {
    name: "spiffe",
    settings: &[one("issuer"), one("trust_domain"), several("id")],
    issuer: |values| {
        let (issuer, _) = values.url("issuer")?;
        let domain = values.need("trust_domain")?;
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
        if domain.is_empty() || !domain.bytes().all(letter) {
            return Err(values.fault("trust_domain", "is not the name of a trust domain"));
        }
        let mut issuer = Issuer::new(issuer)
            .usual_keys(UsualKeys::Discovery)
            .algorithms([
                Algorithm::Rs256,
                Algorithm::Rs384,
                Algorithm::Rs512,
                Algorithm::Ps256,
                Algorithm::Ps384,
                Algorithm::Ps512,
                Algorithm::Es256,
                Algorithm::Es384,
            ])
            .accept_jwt_typ(["sub"])
            .client_id_claims::<&str>([])
            .client_only_when([ClaimRule::present("sub")])
            .unlisted()
            .require_claim(ClaimRule::matches("sub", [format!("spiffe://{domain}/*")]));
        let ids = values.all("id");
        if !ids.is_empty() {
            issuer = issuer.require_claim(ClaimRule::matches("sub", ids));
        }
        Ok(issuer)
    },
};

impl Profile {
    /// SPIFFE workloads of a trust domain, by a JWT-SVID with the URL of the MCP server as audience.
    /// `issuer` is the URL of the OIDC discovery provider.
    ///
    /// * Setting `id`, optional, several: the SPIFFE IDs accepted, or patterns such as
    ///   `spiffe://acme.example/ns/agents/*`.
    ///
    /// `sub` must be a SPIFFE ID of the trust domain. A JWT-SVID need not say `iss`; here it must:
    /// set `jwt_issuer` in the SPIRE server. Of its algorithms, `ES512` is not offered, and a `typ`
    /// of `JOSE` is refused. Clients are not sent there to sign in ([`Issuer::unlisted`]).
    ///
    /// Source: SPIFFE, "The JWT SPIFFE Verifiable Identity Document", sections 2 and 3.
    pub fn spiffe(issuer: &str, trust_domain: &str) -> Self {
        Self::of(&SPIFFE, &[("issuer", issuer), ("trust_domain", trust_domain)])
    }
}
