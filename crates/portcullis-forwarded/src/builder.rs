//! The builder of the layer.

use std::fmt;

use http::HeaderName;
use http::request::Parts;
use portcullis_core::{AnonymousTerms, Challenge, Method};

use crate::admit::{Config, FindPeer, Source};
use crate::secret::HopSecret;
use crate::{
    ConfigError, ForwardedLayer, Peer, PeerInfo, Profile, Unsigned, VerifyAssertion, names,
};

/// Builds a [`ForwardedLayer`]; made by [`ForwardedLayer::builder`].
#[must_use = "a builder does nothing until `build`"]
pub struct ForwardedBuilder<V = Unsigned> {
    challenge: Challenge,
    profile: Option<Profile>,
    issuer: Option<String>,
    signed: Option<(HeaderName, V)>,
    peers: Vec<Peer>,
    find_peer: Option<Box<FindPeer>>,
    any_peer: bool,
    secret: Option<Result<HopSecret, ConfigError>>,
    /// The methods that need no identity.
    optional_for: Vec<Method>,
    unwanted: Vec<HeaderName>,
}

impl ForwardedBuilder {
    pub(crate) fn new(challenge: Challenge) -> Self {
        Self {
            challenge,
            profile: None,
            issuer: None,
            signed: None,
            peers: Vec::new(),
            find_peer: None,
            any_peer: false,
            secret: None,
            optional_for: Vec::new(),
            unwanted: Vec::new(),
        }
    }

    /// Takes the identity from a signed assertion in the header `name`, in place of a
    /// [`profile`](Self::profile): `Cf-Access-Jwt-Assertion`, `X-Goog-Iap-Jwt-Assertion`,
    /// `X-Pomerium-Jwt-Assertion`. The principal is what `verify` makes of it,
    /// issuer and method included.
    pub fn signed_header<V: VerifyAssertion>(
        self,
        name: HeaderName,
        verify: V,
    ) -> ForwardedBuilder<V> {
        ForwardedBuilder {
            challenge: self.challenge,
            profile: self.profile,
            issuer: self.issuer,
            signed: Some((name, verify)),
            peers: self.peers,
            find_peer: self.find_peer,
            any_peer: self.any_peer,
            secret: self.secret,
            optional_for: self.optional_for,
            unwanted: self.unwanted,
        }
    }
}

impl<V> ForwardedBuilder<V> {
    /// Takes the identity from this family of headers. Required, unless there is a
    /// [`signed_header`](ForwardedBuilder::signed_header).
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Who vouches for callers, as [`Principal::issuer`](portcullis_core::Principal::issuer): the
    /// sidecar, by whatever name you give it. Required with a profile. A caller's identity is this
    /// and the user header, so it must not be the issuer of tokens whose subjects mean
    /// somebody else.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Believes this peer; may be called for several. At least one is required.
    pub fn trust(mut self, peer: Peer) -> Self {
        self.peers.push(peer);
        self
    }

    /// How to learn the other end of a request's connection: from what the server put into the
    /// request's extensions, and never from a header. Required. A request for which it knows
    /// nothing is answered 500, because the stack is then miswired.
    pub fn peer<F>(mut self, find: F) -> Self
    where
        F: Fn(&Parts) -> Option<PeerInfo> + Send + Sync + 'static,
    {
        self.find_peer = Some(Box::new(find));
        self
    }

    /// Demands a secret in the header `name` besides, such as `x-gate-secret`, from trusted peers.
    /// The header is removed. May be called again with a second secret for the same header, while
    /// one replaces the other.
    ///
    /// Refused by [`build`](Self::build): a secret of fewer than 16 bytes or with others than visible
    /// ASCII, and a header that has a meaning of its own or is not the one named before.
    pub fn shared_secret(mut self, name: &str, secret: impl AsRef<[u8]>) -> Self {
        self.secret = Some(HopSecret::with(self.secret.take(), name, secret.as_ref()));
        self
    }

    /// Removes this header too, in any spelling and from every request: one that your other
    /// sidecars claim identity with.
    pub fn also_remove(mut self, name: HeaderName) -> Self {
        self.unwanted.push(name);
        self
    }

    /// Lets requests without an identity, and those of peers that are not trusted, in for these MCP
    /// methods, as [`Caller::Anonymous`](portcullis_core::Caller::Anonymous). Call it again
    /// for further methods.
    ///
    /// For every other method the answer is 401, and so it is for batches with one such message,
    /// for `GET` and `DELETE`, and for what is not MCP. `portcullis-mcp` inside enforces this: where
    /// it is missing, services inside find no caller, and the answer is withheld (500).
    pub fn danger_optional_for(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.optional_for.extend(methods);
        self
    }

    /// Takes signed assertions from any peer: whoever can send a request past the sidecar can then
    /// replay an assertion that they came by, or their own from another route.
    pub fn danger_trust_any_peer_with_signature(mut self) -> Self {
        self.any_peer = true;
        self
    }

    /// The layer.
    ///
    /// # Errors
    /// When there is no profile and no signed header, or both; a profile without an issuer, or an
    /// issuer that nothing uses; no trusted peer or no way to know the peer; a shared secret that is
    /// none; or a header name that means something else already or is used twice.
    pub fn build(self) -> Result<ForwardedLayer<V>, ConfigError> {
        let source = match (self.profile, self.signed, self.issuer) {
            (Some(_), Some(_), _) => {
                return Err(ConfigError::new(
                    "there are both a profile and a signed header: exactly one is accepted",
                ));
            }
            (None, None, _) => return Err(ConfigError::new("there is no profile")),
            (None, Some(_), Some(_)) => {
                return Err(ConfigError::new(
                    "the issuer is for the verifier of the signed header to say",
                ));
            }
            (Some(_), None, None) => return Err(ConfigError::new("the issuer is missing")),
            (Some(profile), None, Some(issuer)) => {
                if issuer.is_empty() || !issuer.bytes().all(|b| b.is_ascii_graphic()) {
                    return Err(ConfigError::new("the issuer is not a visible ASCII text"));
                }
                profile.check()?;
                Source::Headers { profile: Box::new(profile), issuer }
            }
            (None, Some((name, verify)), None) => Source::Assertion { name, verify },
        };
        let signed = matches!(source, Source::Assertion { .. });
        if self.any_peer && !signed {
            return Err(ConfigError::new("headers that nobody signed need a trusted peer"));
        }
        if !self.any_peer && self.peers.is_empty() {
            return Err(ConfigError::new("no peer is trusted"));
        }
        if self.find_peer.is_none() && !(self.any_peer && self.peers.is_empty()) {
            return Err(ConfigError::new("there is no way to know the peer of a connection"));
        }
        self.peers.iter().try_for_each(Peer::check)?;
        let mut unwanted: Vec<HeaderName> = match &source {
            Source::Headers { profile, .. } => profile.names().cloned().collect(),
            Source::Assertion { name, .. } => vec![name.clone()],
        };
        let secret = self.secret.transpose()?;
        if let Some(secret) = &secret {
            if unwanted.iter().any(|name| names::same(name.as_str(), secret.name().as_str())) {
                return Err(ConfigError::new("the shared secret has the header of an identity"));
            }
            unwanted.push(secret.name().clone());
        }
        unwanted.extend(self.unwanted);
        if let Some(name) = unwanted.iter().find(|name| names::is_reserved(name.as_str())) {
            return Err(ConfigError::new(format!("{name} has a meaning of its own")));
        }
        let methods = self.optional_for;
        let anonymous =
            (!methods.is_empty()).then(|| AnonymousTerms::new(self.challenge.clone(), methods));
        Ok(ForwardedLayer::new(Config {
            challenge: self.challenge,
            source,
            peers: self.peers,
            find_peer: self.find_peer,
            any_peer: self.any_peer,
            secret,
            anonymous,
            unwanted,
        }))
    }
}

// By hand: closures and verifiers need not be `Debug`.
impl<V> fmt::Debug for ForwardedBuilder<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardedBuilder")
            .field("profile", &self.profile)
            .field("issuer", &self.issuer)
            .field("peers", &self.peers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "builder/tests.rs"]
mod tests;
