//! Who calls, from a token or its claims.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{Clock, Principal};
use portcullis_jwt::{Issuer, Profile};
use serde_json::{Map, Value};

use super::{ISSUER, Person};
use crate::problem::Problem;
use crate::{input, time};

impl Person {
    pub(super) fn of_claims(
        &self,
        claims: &Map<String, Value>,
        path: &Path,
    ) -> Result<(Principal, Vec<String>), Problem> {
        let fail = |message: String| Problem::new(message).in_file(input::name(path));
        let stated = claims.get("iss").and_then(Value::as_str);
        let mut issuer = match &self.profile {
            None => Issuer::new(stated.unwrap_or(ISSUER)),
            Some(name) => {
                let fail = |error: portcullis_jwt::ConfigError| Problem::new(error.to_string());
                let mut profile = Profile::named(name).map_err(fail)?;
                for (setting, values) in &self.settings {
                    for value in values.clone().into_vec() {
                        profile = profile.set(setting, value).map_err(fail)?;
                    }
                }
                profile.issuer().map_err(fail)?
            }
        };
        if let Some(claim) = &self.groups_claim {
            issuer = issuer.groups_claim(claim);
        }
        if let Some(claim) = &self.roles_claim {
            issuer = issuer.roles_claim(claim);
        }
        if let Some(claim) = &self.scope_claim {
            issuer = issuer.scope_claim(claim);
        }
        if let Some(claim) = &self.tenant_claim {
            issuer = issuer.tenant_claim(claim);
        }
        let principal = issuer
            .danger_principal_of_unverified(claims)
            .map_err(|error| fail(format!("these claims name no caller: {}", error.reason())))?;
        let now = Clock::system().unix();
        let mut notes = Vec::new();
        match claims.get("exp").and_then(Value::as_u64) {
            Some(end) if end <= now.as_secs() => {
                notes.push(format!("it expired at {}: a gate would refuse it", time::shown(end)));
            }
            // Claims by hand.
            None => {}
            Some(_) => {
                if let Some(reason) = issuer.fault_of_unverified(claims, now) {
                    notes.push(format!("a gate would refuse it: {reason}"));
                }
            }
        }
        Ok((principal, notes))
    }
}

/// The claims in a file.
pub(super) fn claims(path: &Path) -> Result<Map<String, Value>, Problem> {
    let text = input::text(path)?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(claims)) => Ok(claims),
        Ok(_) => Err(Problem::new("is not a JSON object of claims").in_file(input::name(path))),
        Err(error) => Err(Problem::new("is not JSON")
            .in_file(input::name(path))
            .at(Some(error.line() as u64), Some(error.column() as u64))),
    }
}

/// The claims of a token. No part of its text gets into a message.
pub(super) fn token_claims(path: &Path) -> Result<Map<String, Value>, Problem> {
    let fail = |message: &str| Problem::new(message).in_file(input::name(path));
    let text = input::text(path)?;
    let token = text.trim();
    let token = match token.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => token,
    };
    let parts: Vec<&str> = token.split('.').collect();
    let payload = match parts.as_slice() {
        [_, payload, _] => payload,
        [_, _, _, _, _] => {
            return Err(fail("is an encrypted token (JWE), whose claims cannot be seen"));
        }
        _ => return Err(fail("is not a JWT: it does not have three parts")),
    };
    let claims =
        URL_SAFE_NO_PAD.decode(payload).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match claims {
        Some(Value::Object(claims)) => Ok(claims),
        _ => Err(fail("is not a JWT: its middle part is not an object of claims")),
    }
}
