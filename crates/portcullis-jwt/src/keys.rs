//! Where an issuer's keys come from.

use std::time::Duration;

use portcullis_core::Reason;

use crate::JwkSet;
#[cfg(feature = "jwks-client")]
use crate::cache::RemoteKeys;
use crate::error::TokenError;
use crate::jose::Token;
use crate::jwk::Match;
use crate::status::KeyStatus;
use crate::token_cache::KeyGeneration;
use crate::wait::Wait;

/// The keys of one issuer.
pub(crate) enum KeySource {
    Fixed(JwkSet),
    #[cfg(feature = "jwks-client")]
    Remote(RemoteKeys),
    /// Tokens of this issuer are not verified with keys.
    #[cfg(feature = "jwks-client")]
    Nowhere,
}

/// Whether a token may still wait for keys, or has waited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    First,
    Last,
}

/// Why a token is not accepted yet, or not at all.
pub(crate) enum Obstacle {
    Refused(TokenError),
    /// Keys, or what the issuer says, are on their way: wait, then ask once more.
    #[cfg_attr(not(feature = "jwks-client"), expect(dead_code, reason = "fixed keys never wait"))]
    Wait(Wait),
}

impl From<Reason> for Obstacle {
    fn from(reason: Reason) -> Self {
        Self::Refused(TokenError::refused(reason))
    }
}

impl KeySource {
    /// Verifies the signature of `token`.
    #[cfg_attr(
        not(feature = "jwks-client"),
        expect(unused_variables, reason = "fixed keys never wait")
    )]
    pub(crate) fn verify(&self, token: &Token<'_>, turn: Turn) -> Result<(), Obstacle> {
        match self {
            Self::Fixed(keys) => match keys.verify(token) {
                Match::Verified => Ok(()),
                Match::Refused(reason) => Err(reason.into()),
                Match::UnknownKid => Err(Reason::UnknownKid.into()),
            },
            #[cfg(feature = "jwks-client")]
            Self::Remote(keys) => keys.verify(token, turn),
            #[cfg(feature = "jwks-client")]
            Self::Nowhere => Err(Reason::UnknownKid.into()),
        }
    }

    /// Joins the fetch of keys and metadata, or asks for one where that is allowed.
    #[cfg(feature = "jwks-client")]
    pub(crate) fn wait(&self) -> Option<Wait> {
        match self {
            Self::Remote(keys) => keys.wait(),
            Self::Fixed(_) | Self::Nowhere => None,
        }
    }

    /// Why the keys could not be fetched the last time.
    #[cfg(feature = "jwks-client")]
    pub(crate) async fn fault(&self) -> Option<String> {
        match self {
            Self::Fixed(_) | Self::Nowhere => None,
            Self::Remote(keys) => keys.fault().await,
        }
    }

    pub(crate) fn status(&self, issuer: &str) -> KeyStatus {
        match self {
            Self::Fixed(_) => KeyStatus::fixed(issuer),
            #[cfg(feature = "jwks-client")]
            Self::Nowhere => KeyStatus::fixed(issuer),
            #[cfg(feature = "jwks-client")]
            Self::Remote(keys) => keys.status(issuer),
        }
    }

    /// Which state of the keys a signature is verified with. Read it before.
    pub(crate) fn generation(&self) -> KeyGeneration {
        match self {
            Self::Fixed(_) => KeyGeneration::FIXED,
            #[cfg(feature = "jwks-client")]
            Self::Nowhere => KeyGeneration::FIXED,
            #[cfg(feature = "jwks-client")]
            Self::Remote(keys) => KeyGeneration::of(keys.generation()),
        }
    }

    /// How long a signature that was verified just now counts.
    pub(crate) fn usable_for(&self) -> Duration {
        match self {
            Self::Fixed(_) => Duration::MAX,
            #[cfg(feature = "jwks-client")]
            Self::Nowhere => Duration::ZERO,
            #[cfg(feature = "jwks-client")]
            Self::Remote(keys) => keys.usable_for(),
        }
    }
}
