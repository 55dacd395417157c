//! The decision: what may the service behind us be told about this caller?

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::{Caller, Clock, Denial};

use crate::SigningKey;
use crate::cache::Cache;
use crate::name::strip;
use crate::sign::{SignError, Terms};

pub(crate) struct Attacher {
    pub(crate) name: HeaderName,
    pub(crate) key: SigningKey,
    pub(crate) terms: Terms,
    pub(crate) clock: Clock,
    pub(crate) cache: Cache,
}

impl Attacher {
    /// Replaces whatever looks like an assertion in `headers` with our own.
    pub(crate) fn attach(
        &self,
        headers: &mut HeaderMap,
        caller: Option<&Caller>,
    ) -> Result<(), Denial> {
        // INVARIANT: first, so that no path leaves a header that we did not sign.
        strip(headers, &self.name);
        match caller {
            None => Err(Denial::miswired("no sign-in layer outside the assertion layer")),
            Some(Caller::Verified(principal)) => {
                let now = self.clock.unix();
                let header = match self.cache.get(principal, now) {
                    Some(header) => header,
                    None => self.sign(principal, now)?,
                };
                headers.insert(self.name.clone(), header);
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    fn sign(
        &self,
        principal: &std::sync::Arc<portcullis_core::Principal>,
        now: std::time::Duration,
    ) -> Result<HeaderValue, Denial> {
        let signed = self.terms.sign(&self.key, principal, now).map_err(|error| {
            Denial::miswired(match error {
                SignError::OtherIssuer => "plain subjects were promised for another issuer",
                SignError::Failed => "an identity assertion could not be signed",
            })
        })?;
        let (header, until) = (signed.header.clone(), signed.reuse_until);
        self.cache.put(std::sync::Arc::clone(principal), signed.header, now, until);
        Ok(header)
    }
}
