//! Tokens that are bound to a key.

use std::sync::Arc;
use std::time::Duration;

use portcullis_jwt::{FirstUse, MemoryReplay, ProofId, ReplayStore};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Problem;

/// Tokens that are bound to a key of their client (DPoP, RFC 9449).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dpop {
    /// Accept them, with a proof for each request, beside others.
    Accepted,
    /// Refuse all others.
    Required,
}

impl Dpop {
    /// What accepts them. Proofs that were used are remembered in `proofs`.
    ///
    /// # Errors
    /// None that these settings can lead to.
    pub fn build(self, proofs: &Proofs) -> Result<portcullis_jwt::Dpop, Problem> {
        let builder = portcullis_jwt::Dpop::builder().replay_store(proofs.clone());
        let builder = if self == Self::Required { builder.required() } else { builder };
        builder.build().map_err(|error| Problem::of(&error))
    }
}

/// The proofs that were used, of all gates of a program for as long as it lasts: a gate that is built anew
/// accepts none a second time. At most 100 000 are remembered at once.
#[derive(Clone)]
pub struct Proofs(Arc<MemoryReplay>);

impl Default for Proofs {
    fn default() -> Self {
        Self(Arc::new(MemoryReplay::new(100_000)))
    }
}

impl ReplayStore for Proofs {
    fn first_use(&self, proof: ProofId, now: Duration, until: Duration) -> FirstUse {
        self.0.first_use(proof, now, until)
    }
}

impl std::fmt::Debug for Proofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proofs").finish_non_exhaustive()
    }
}
