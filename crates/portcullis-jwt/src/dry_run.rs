//! What would become of claims, for tools that explain policies. Nothing is verified here.

use std::time::Duration;

use portcullis_core::{Principal, Reason, TokenInfo};
use serde_json::{Map, Value};

use crate::check::{audience, check_claims};
use crate::claim::{Claims, MAX_DATE};
use crate::json::Json;
use crate::principal::principal;
use crate::{Issuer, TokenError};

impl Issuer {
    /// The caller that a token with `claims` would be, were it signed and kept every rule: for tools
    /// that explain a policy, and for its tests.
    ///
    /// **Nothing is verified**: whoever wrote the claims chose who this is, and `exp`, which need not be
    /// there, is not heeded.
    ///
    /// # Errors
    /// When the claims name nobody, or are of types that no token of this issuer has.
    pub fn danger_principal_of_unverified(
        &self,
        claims: &Map<String, Value>,
    ) -> Result<Principal, TokenError> {
        let mut read = claims.clone();
        read.insert("exp".to_owned(), Value::from(MAX_DATE));
        let token = TokenInfo::default();
        let principal = principal(&self.rules, &self.name, &Claims::of(&read), token);
        let principal = principal.map_err(TokenError::refused)?;
        Ok(principal.claims(claims.clone()).build())
    }

    /// Why a token with `claims` would be refused at `now` (since the Unix epoch) whatever its
    /// signature, where that can be told of the claims alone: for the same tools. The resource's own
    /// URI is not known here: `aud` is looked at only where this issuer has
    /// [audiences](Issuer::audience) of its own.
    #[must_use]
    pub fn fault_of_unverified(
        &self,
        claims: &Map<String, Value>,
        now: Duration,
    ) -> Option<Reason> {
        let claims = &Claims::of(claims);
        if claims.get("iss").and_then(Json::as_str) != Some(self.name()) {
            return Some(Reason::BadIss);
        }
        let checked = match self.rules.audiences.as_slice() {
            [] => Ok(()),
            _ => audience(&self.rules, claims),
        };
        checked.and_then(|()| check_claims(&self.rules, claims, now)).err()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Profile;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn claims_are_read_as_a_tokens_are() {
        let tenant = "5dbf1a52-3c0e-4a3b-9d4a-8f6d3f0a1c2e";
        let application = "7c9d0f4e-1a2b-4c3d-8e5f-60718293a4b5";
        let issuer = Profile::entra_v2(tenant, application).issuer().unwrap();
        let claims = json!({
            "iss": format!("https://login.microsoftonline.com/{tenant}/v2.0"), "aud": application,
            "oid": "oid-1", "tid": tenant, "sub": "pairwise", "scp": "read write", "ver": "2.0",
            "azp": "ide", "groups": ["g1"], "roles": ["Admin"], "exp": 2_000, "iat": 1_000
        });
        let claims = map(&claims);
        let alice = issuer.danger_principal_of_unverified(&claims).unwrap();
        assert_eq!(alice.subject(), format!("oid-1.{tenant}"));
        assert_eq!(
            (alice.scopes().len(), alice.groups(), alice.roles().len()),
            (2, &["g1".to_owned()][..], 1)
        );
        assert_eq!((alice.client_id(), alice.tenant()), (Some("ide"), Some(tenant)));
        assert_eq!(alice.claims(), &claims);

        let at = Duration::from_secs;
        let with = |name: &str, value: Value| {
            let mut changed = claims.clone();
            changed.insert(name.to_owned(), value);
            changed
        };
        let rows = [
            ("good", claims.clone(), 1_500, None),
            ("expired", claims.clone(), 9_000, Some(Reason::Expired)),
            (
                "another issuer",
                with("iss", json!("https://id.example")),
                1_500,
                Some(Reason::BadIss),
            ),
            ("another audience", with("aud", json!("x")), 1_500, Some(Reason::BadAud)),
            ("another tenant", with("tid", json!("x")), 1_500, Some(Reason::ClaimMismatch)),
        ];
        for (name, claims, now, fault) in rows {
            assert_eq!(issuer.fault_of_unverified(&claims, at(now)), fault, "{name}");
        }
    }

    #[test]
    fn claims_by_hand_may_be_few() {
        let issuer = Issuer::new("https://id.example");
        let alice =
            issuer.danger_principal_of_unverified(&map(&json!({ "sub": "alice" }))).unwrap();
        assert_eq!((alice.subject(), alice.issuer()), ("alice", "https://id.example"));
        assert!(!alice.claims().contains_key("exp"), "nothing is made up");
        let fault = |claims: &Value| {
            issuer.danger_principal_of_unverified(&map(claims)).unwrap_err().reason()
        };
        assert_eq!(fault(&json!({})), Reason::BadClaim);
        assert_eq!(fault(&json!({ "sub": 7 })), Reason::BadClaim);
        assert_eq!(fault(&json!({ "sub": "a", "act": "x" })), Reason::BadClaim);
    }
}
