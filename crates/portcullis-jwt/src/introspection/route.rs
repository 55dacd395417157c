//! Which issuer is asked about a token: at most one, chosen before anything is sent.

use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_core::{Principal, Reason};

use super::introspector::{Before, Introspector, unavailable_error};
use super::{Flight, Opaque};
use crate::ConfigError;
use crate::credentials::is_b64token;
use crate::error::TokenError;
use crate::jose::{MAX_TOKEN, issuer_of};
use crate::keys::Obstacle;
use crate::verifier::{Issuers, Shared, Trusted};

/// An issuer that is asked.
struct Asked<'a> {
    name: &'a str,
    trusted: &'a Arc<Trusted>,
    introspector: &'a Introspector,
}

impl Shared {
    /// The verdict on a token that an issuer is asked about; `None` for one that is verified with
    /// keys.
    pub(crate) fn introspect(
        &self,
        token: &str,
        now: Duration,
        issuers_seen: u64,
    ) -> Option<Result<Arc<Principal>, Obstacle>> {
        let revision = self.revocations.revision();
        let issuers = self.issuers.load();
        let asked = match route(&issuers, token)? {
            Ok(asked) => asked,
            Err(reason) => return Some(Err(reason.into())),
        };
        let before = Before { now, issuers: issuers_seen, revision };
        Some(asked.introspector.ask(asked.trusted, token, before, &self.revocations))
    }

    /// The verdict once the issuer has been asked. One that was removed or replaced meanwhile says
    /// nothing any more.
    pub(crate) fn conclude(
        &self,
        token: &str,
        flight: &Flight,
    ) -> Result<Arc<Principal>, TokenError> {
        let issuers = self.issuers.load();
        let asked = match route(&issuers, token) {
            Some(Ok(asked)) => asked,
            Some(Err(reason)) => return Err(TokenError::refused(reason)),
            None => return Err(TokenError::refused(Reason::BadIss)),
        };
        if !std::ptr::eq(Weak::as_ptr(&flight.trusted), Arc::as_ptr(asked.trusted)) {
            return Err(unavailable_error());
        }
        let now = self.clock.unix();
        asked.introspector.conclude(asked.trusted, asked.name, flight, now, &self.revocations)
    }
}

/// Who is asked about `token`; `None` when nobody is.
fn route<'a>(issuers: &'a Issuers, token: &str) -> Option<Result<Asked<'a>, Reason>> {
    let mut asking = issuers
        .iter()
        .filter_map(|(name, trusted)| {
            let introspector = trusted.introspection.as_ref()?;
            Some(Asked { name, trusted, introspector })
        })
        .peekable();
    asking.peek()?;
    // INVARIANT: what is sent is spelt as a token is, and not too long.
    if token.len() > MAX_TOKEN || !is_b64token(token.as_bytes()) {
        return Some(Err(Reason::MalformedToken));
    }
    if token.bytes().filter(|byte| *byte == b'.').count() == 2 {
        let mut asking = asking.filter(|asked| asked.introspector.jwts).peekable();
        asking.peek()?;
        let issuer = issuer_of(token)?;
        return asking.find(|asked| asked.name == issuer).map(Ok);
    }
    let mut rest = None;
    for asked in asking {
        match &asked.introspector.opaque {
            Opaque::Prefix(prefix) if token.starts_with(prefix) => return Some(Ok(asked)),
            Opaque::Rest => rest = Some(asked),
            Opaque::Prefix(_) | Opaque::None => {}
        }
    }
    Some(rest.ok_or(Reason::MalformedToken))
}

/// Refuses issuers of which it could not be said who is asked about an opaque token: to ask one after
/// another would show each the tokens of the others.
#[expect(single_use_lifetimes, reason = "an argument of this form needs its name")]
pub(crate) fn check_routes<'a>(
    issuers: impl Iterator<Item = &'a Arc<Trusted>>,
) -> Result<(), ConfigError> {
    let mut rest = false;
    let mut prefixes: Vec<&str> = Vec::new();
    for introspector in issuers.filter_map(|trusted| trusted.introspection.as_ref()) {
        match &introspector.opaque {
            Opaque::None => {}
            Opaque::Rest if rest => {
                return Err(ConfigError::new(
                    "several issuers are asked about opaque tokens: all but one need a prefix of \
                     their tokens, or to be asked about JWTs only",
                ));
            }
            Opaque::Rest => rest = true,
            Opaque::Prefix(prefix) => {
                if prefixes.iter().any(|p| p.starts_with(&**prefix) || prefix.starts_with(*p)) {
                    return Err(ConfigError::new(
                        "one prefix of opaque tokens is the start of another",
                    ));
                }
                prefixes.push(prefix);
            }
        }
    }
    Ok(())
}
