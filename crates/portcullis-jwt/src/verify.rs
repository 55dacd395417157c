//! The decision: who, if anybody, does this token speak for?

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_core::{Principal, Reason, TokenInfo};

use crate::check::{check, until};
use crate::jose::Token;
use crate::json::{self, Json};
use crate::keys::{Obstacle, Turn};
use crate::principal::principal;
use crate::token_cache::{Tag, Verdict};
use crate::verifier::Shared;

/// A token of which nothing is remembered, and what was read before that was known.
#[derive(Clone, Copy)]
pub(crate) struct Unknown {
    now: Duration,
    issuers: u64,
    /// Under which tag the verdict will be remembered.
    tag: Option<Tag>,
}

impl Shared {
    /// The verdict on `token`, remembered or reached now.
    pub(crate) fn verify(&self, token: &str, turn: Turn) -> Result<Arc<Principal>, Obstacle> {
        match self.recall(token.as_bytes()) {
            Ok(principal) => Ok(principal),
            Err(unknown) => self.verify_unknown(token, turn, unknown),
        }
    }

    /// Whom `token` speaks for, if that is remembered. It may be any bytes: only those of tokens
    /// that were verified are.
    pub(crate) fn recall(&self, token: &[u8]) -> Result<Arc<Principal>, Unknown> {
        let now = self.clock.unix();
        // INVARIANT: every counter is read before what it counts, so that a change while a verdict
        // is being reached makes it void.
        let issuers = self.generation.load(Ordering::Acquire);
        let tag = self.tokens.as_ref().and_then(|cache| cache.tag(token));
        let known = self.tokens.as_ref().zip(tag);
        let known = known.and_then(|(cache, tag)| cache.get(tag, now, issuers, &self.revocations));
        known.ok_or(Unknown { now, issuers, tag })
    }

    /// The verdict on `token`, of which nothing is remembered.
    pub(crate) fn verify_unknown(
        &self,
        token: &str,
        turn: Turn,
        unknown: Unknown,
    ) -> Result<Arc<Principal>, Obstacle> {
        let Unknown { now, issuers, tag } = unknown;
        let place = self.tokens.as_ref().zip(tag);
        if let Some((cache, _)) = place {
            cache.missed();
        }
        #[cfg(feature = "jwks-client")]
        if let Some(verdict) = self.introspect(token, now, issuers) {
            return verdict;
        }
        let verdict = self.judge(token, turn, now, issuers)?;
        let principal = Arc::clone(&verdict.principal);
        if let Some((cache, tag)) = place {
            cache.insert(tag, verdict);
        }
        Ok(principal)
    }

    /// Cheap checks first, so that garbage costs little; the signature after them, so that nothing
    /// unsigned is believed; the principal last.
    ///
    /// The issuer is looked up among the configured ones before keys are: a token can make nobody
    /// fetch from an address of its choosing.
    fn judge(
        &self,
        token: &str,
        turn: Turn,
        now: Duration,
        issuers_seen: u64,
    ) -> Result<Verdict, Obstacle> {
        let revision = self.revocations.revision();
        let token = Token::parse(token)?;
        let claims = token.claims()?;
        let issuers = self.issuers.load();
        let (issuer, trusted) = claims
            .get("iss")
            .and_then(Json::as_str)
            .and_then(|iss| issuers.get_key_value(iss))
            .ok_or(Reason::BadIss)?;
        check(&trusted.rules, &token, &claims, now)?;
        let until = until(&trusted.rules, &claims)?;
        let keys = trusted.keys.generation();
        // INVARIANT: a principal is made only of a token whose signature was verified.
        trusted.keys.verify(&token, turn)?;
        let until = until.min(now.saturating_add(trusted.keys.usable_for()));
        let info = TokenInfo {
            id: None,
            algorithm: Some(token.algorithm.as_str()),
            key_id: token.kid.clone(),
        };
        let principal = principal(&trusted.rules, issuer, &claims, info)?;
        // What was read above can be read again.
        let read = |text: &str| json::object(text.as_bytes()).unwrap_or_default();
        let principal = Arc::new(principal.claims_text(token.into_payload(), read).build());
        if self.revocations.has(&principal) {
            return Err(Reason::Revoked.into());
        }
        Ok(Verdict { principal, from: now, until, issuers: issuers_seen, keys, revision })
    }
}
