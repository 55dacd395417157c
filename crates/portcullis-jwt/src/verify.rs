//! The decision: who, if anybody, does this token speak for?

use portcullis_core::{Principal, Reason};
use serde_json::Value;

use crate::check::check;
use crate::jose::Token;
use crate::keys::{Obstacle, Turn};
use crate::principal::principal;
use crate::verifier::Shared;

impl Shared {
    /// Cheap checks first, so that garbage costs little; the signature after them, so that nothing
    /// unsigned is believed; the principal last.
    ///
    /// The issuer is looked up among the configured ones before keys are: a token can make nobody
    /// fetch from an address of its choosing.
    pub(crate) fn verify(&self, token: &str, turn: Turn) -> Result<Principal, Obstacle> {
        let token = Token::parse(token)?;
        let issuers = self.issuers.load();
        let (issuer, trusted) = token
            .claims
            .get("iss")
            .and_then(Value::as_str)
            .and_then(|iss| issuers.get_key_value(iss))
            .ok_or(Reason::BadIss)?;
        check(&trusted.rules, &token, self.clock.unix())?;
        // INVARIANT: a principal is made only of a token whose signature was verified.
        trusted.keys.verify(&token, turn)?;
        Ok(principal(&trusted.rules, issuer, token)?)
    }
}
