//! Limits that limit something.

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, Error};

use super::at::At;
use super::document::{FromDoc, HintsDoc, OneOrMany, ValidDoc};

/// A limit that names at least one thing where its key is there. Left empty, perhaps by a program that
/// writes policies, it would be no limit, and its rule wider than it reads.
#[derive(Default)]
pub(crate) struct Filled<T>(pub(crate) T);

impl<'de, T: Deserialize<'de> + Limit> Deserialize<'de> for Filled<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let limit = T::deserialize(deserializer)?;
        if limit.is_empty() {
            return Err(D::Error::custom(
                "this names nothing: leave the key out if there is to be no limit",
            ));
        }
        Ok(Self(limit))
    }
}

/// What may name nothing.
pub(crate) trait Limit {
    fn is_empty(&self) -> bool;
}

impl<T> Limit for Vec<T> {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

impl<T> Limit for BTreeMap<String, At<T>> {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

impl<T> Limit for OneOrMany<T> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Limit for FromDoc {
    fn is_empty(&self) -> bool {
        self.issuers.0.is_empty() && self.tenants.0.is_empty()
    }
}

impl Limit for HintsDoc {
    fn is_empty(&self) -> bool {
        let Self { read_only_hint, destructive_hint, idempotent_hint, open_world_hint } = self;
        [read_only_hint, destructive_hint, idempotent_hint, open_world_hint]
            .iter()
            .all(|hint| hint.is_none())
    }
}

impl Limit for ValidDoc {
    fn is_empty(&self) -> bool {
        self.from.is_none() && self.until.is_none()
    }
}
