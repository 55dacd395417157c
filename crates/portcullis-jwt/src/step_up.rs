//! How strongly and how recently a person must have signed in (RFC 9470).

use std::time::Duration;

use portcullis_core::{Challenge, Principal};

use crate::{ConfigError, claim};

/// How far the issuer's clock and ours may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// Lets in only people who signed in strongly or recently enough; for
/// [`JwtLayer::step_up`](crate::JwtLayer::step_up).
///
/// Others are answered 401 `insufficient_user_authentication` (RFC 9470 §3), which names what is
/// accepted. Few MCP clients act on that: they show an error, or sign in the same way again.
#[derive(Clone, Debug)]
#[must_use = "nothing is required until a layer is given it"]
pub struct StepUp {
    acr_values: Vec<String>,
    max_age: Option<Duration>,
    exempt_clients: bool,
}

impl StepUp {
    /// The claim `acr` must be one of these, compared byte by byte.
    ///
    /// # Errors
    /// When there is none, or one that a challenge cannot carry.
    pub fn acr_values<S: Into<String>>(
        values: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        let acr_values: Vec<String> = values.into_iter().map(Into::into).collect();
        if acr_values.is_empty() {
            return Err(ConfigError::new("step-up accepts no authentication context class"));
        }
        for acr in &acr_values {
            Challenge::check_acr(acr).map_err(|e| ConfigError::new(e.to_string()))?;
        }
        Ok(Self { acr_values, max_age: None, exempt_clients: false })
    }

    /// The claim `auth_time` must be at most this old, give or take 30 seconds. Whole seconds.
    pub fn max_age(age: Duration) -> Self {
        Self { acr_values: Vec::new(), max_age: Some(age), exempt_clients: false }
    }

    /// Adds [`max_age`](Self::max_age) to what is required.
    pub fn and_max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Asks nothing of clients on their own behalf ([`Principal::is_client`]), API keys among them:
    /// no person signed in there. Without this they are refused.
    pub fn danger_exempt_clients(mut self) -> Self {
        self.exempt_clients = true;
        self
    }

    /// What a challenge says.
    pub(crate) fn accepted(&self) -> (&[String], Option<Duration>) {
        (&self.acr_values, self.max_age)
    }

    /// Whether `principal` signed in well enough.
    pub(crate) fn is_met_by(&self, principal: &Principal, now: Duration) -> bool {
        if self.exempt_clients && principal.is_client() {
            return true;
        }
        let claims = principal.claims();
        let acr = claims.get("acr").and_then(|acr| acr.as_str());
        let strong = self.acr_values.is_empty()
            || acr.is_some_and(|acr| self.acr_values.iter().any(|accepted| accepted == acr));
        let recent = self.max_age.is_none_or(|age| {
            let signed_in = claim::date_of(principal, "auth_time").ok().flatten();
            signed_in.map(Duration::from_secs).is_some_and(|at| {
                at <= now.saturating_add(LEEWAY)
                    && now <= at.saturating_add(age).saturating_add(LEEWAY)
            })
        });
        strong && recent
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strength_and_age_are_both_required() {
        const NOW: u64 = 1_700_000_000;
        let both = StepUp::acr_values(["mfa", "phr"]).unwrap().and_max_age(Duration::from_secs(60));
        let rows = [
            ("strong and recent", json!({"acr": "mfa", "auth_time": NOW - 60}), true),
            ("the other class", json!({"acr": "phr", "auth_time": NOW}), true),
            ("within the leeway", json!({"acr": "mfa", "auth_time": NOW - 90}), true),
            ("too old", json!({"acr": "mfa", "auth_time": NOW - 91}), false),
            ("in the future", json!({"acr": "mfa", "auth_time": NOW + 31}), false),
            ("weak", json!({"acr": "pwd", "auth_time": NOW}), false),
            ("another letter case", json!({"acr": "MFA", "auth_time": NOW}), false),
            ("a list", json!({"acr": ["mfa"], "auth_time": NOW}), false),
            ("no class", json!({"auth_time": NOW}), false),
            ("no time", json!({"acr": "mfa"}), false),
            ("a time as text", json!({"acr": "mfa", "auth_time": NOW.to_string()}), false),
        ];
        for (name, claims, met) in rows {
            let claims = claims.as_object().unwrap().clone();
            let principal = Principal::builder("i", "s").claims(claims);
            assert_eq!(
                both.is_met_by(&principal.clone().build(), Duration::from_secs(NOW)),
                met,
                "{name}"
            );
            let client = principal.client_only().build();
            assert_eq!(both.is_met_by(&client, Duration::from_secs(NOW)), met, "{name}, client");
            let lenient = both.clone().danger_exempt_clients();
            assert!(lenient.is_met_by(&client, Duration::from_secs(NOW)), "{name}, exempt");
        }
    }

    #[test]
    fn classes_that_no_challenge_can_carry_are_refused() {
        assert!(StepUp::acr_values::<String>([]).is_err());
        for acr in ["", "a b", "a\"b"] {
            assert!(StepUp::acr_values([acr]).is_err(), "{acr:?}");
        }
    }
}
