//! The decision: whose word is this, and whom does it name?

use std::fmt;

use http::request::Parts;
use http::{HeaderMap, HeaderName};
use portcullis_core::{AnonymousPass, AnonymousTerms, Caller, Challenge, Denial, Reason};

use crate::read::{not_hop_by_hop, only_line, read};
use crate::secret::HopSecret;
use crate::{IdentityError, IdentityErrorKind as Kind, Peer, PeerInfo, Profile, names};

/// The longest signed assertion, in bytes.
const MAX_ASSERTION: usize = 16 * 1024;

pub(crate) type FindPeer = dyn Fn(&Parts) -> Option<PeerInfo> + Send + Sync;

/// Everything that was configured.
pub(crate) struct Config<V> {
    pub(crate) challenge: Challenge,
    pub(crate) source: Source<V>,
    pub(crate) peers: Vec<Peer>,
    /// INVARIANT: there, unless `any_peer`.
    pub(crate) find_peer: Option<Box<FindPeer>>,
    /// INVARIANT: only where the source is signed.
    pub(crate) any_peer: bool,
    pub(crate) secret: Option<HopSecret>,
    pub(crate) anonymous: Option<AnonymousTerms>,
    /// What is removed besides the names that everybody knows.
    pub(crate) unwanted: Vec<HeaderName>,
}

/// Where the identity is.
pub(crate) enum Source<V> {
    Headers { profile: Box<Profile>, issuer: String },
    Assertion { name: HeaderName, verify: V },
}

/// What to do with a request.
pub(crate) enum Verdict<'a, V> {
    Admit(Caller),
    /// Nobody is known to be calling: inspection decides.
    Pass(AnonymousPass),
    /// Ask the verifier about this assertion.
    Verify(&'a V, String),
    Refuse(Denial),
}

impl<V> Config<V> {
    /// Decides, and then removes every claim of identity, whatever was decided.
    pub(crate) fn admit(&self, parts: &mut Parts) -> Verdict<'_, V> {
        let (trusted, verdict) = match self.is_trusted(parts) {
            Err(denial) => (false, Verdict::Refuse(denial)),
            Ok(trusted) if !trusted && !self.any_peer => {
                (false, self.nobody(Reason::UntrustedPeer))
            }
            Ok(_) if !self.is_proved(&parts.headers) => (false, self.nobody(Reason::UntrustedPeer)),
            Ok(trusted) => (trusted, self.identify(&parts.headers)),
        };
        names::scrub(&mut parts.headers, &self.unwanted, trusted);
        verdict
    }

    fn is_trusted(&self, parts: &Parts) -> Result<bool, Denial> {
        match self.find_peer.as_ref().and_then(|find| find(parts)) {
            Some(info) => Ok(self.peers.iter().any(|peer| peer.is(&info))),
            None if self.any_peer => Ok(false),
            None => {
                Err(Denial::miswired("the peer of a connection is not known to ForwardedLayer"))
            }
        }
    }

    fn is_proved(&self, headers: &HeaderMap) -> bool {
        self.secret.as_ref().is_none_or(|secret| secret.is_proved_by(headers))
    }

    fn identify(&self, headers: &HeaderMap) -> Verdict<'_, V> {
        let found = match &self.source {
            Source::Headers { profile, issuer } => read(profile, issuer, headers)
                .map(|found| found.map(|it| Verdict::Admit(Caller::Verified(it.into())))),
            Source::Assertion { name, verify } => assertion(headers, name)
                .map(|found| found.map(|assertion| Verdict::Verify(verify, assertion))),
        };
        match found {
            Ok(Some(verdict)) => verdict,
            Ok(None) => self.nobody(Reason::NoToken),
            Err(error) => {
                // The client cannot mend this, and must not learn more; the operator can.
                tracing::warn!(target: "portcullis", %error, "identity from a trusted peer refused");
                Verdict::Refuse(Denial::bad_http(Reason::BadIdentity))
            }
        }
    }

    fn nobody(&self, reason: Reason) -> Verdict<'_, V> {
        match &self.anonymous {
            Some(terms) => Verdict::Pass(terms.pass(reason)),
            None => Verdict::Refuse(Denial::no_token(&self.challenge).because(reason)),
        }
    }
}

fn assertion(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, IdentityError> {
    let wrong = |kind| IdentityError::new(kind, name.as_str());
    not_hop_by_hop(headers, name)?;
    let Some(line) = only_line(headers, name)? else { return Ok(None) };
    let text = str::from_utf8(line.as_bytes()).map_err(|_| wrong(Kind::NotText))?.trim_ascii();
    if text.len() > MAX_ASSERTION {
        return Err(wrong(Kind::TooLarge));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(wrong(Kind::NotText));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

impl<V> fmt::Debug for Config<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Config");
        match &self.source {
            Source::Headers { profile, issuer } => {
                debug.field("profile", profile).field("issuer", issuer)
            }
            Source::Assertion { name, .. } => debug.field("signed_header", name),
        };
        debug
            .field("peers", &self.peers)
            .field("any_peer", &self.any_peer)
            .field("secret", &self.secret)
            .field("anonymous", &self.anonymous)
            .finish_non_exhaustive()
    }
}
