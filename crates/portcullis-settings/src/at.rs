//! Values that know their place.

use std::borrow::Cow;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

/// A value and where it stands. Two are the same wherever they stand.
#[derive(Clone, Debug)]
pub struct At<T> {
    value: T,
    place: Option<(u64, u64)>,
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T> At<T> {
    /// Line and column, from 1, where they are known.
    pub(crate) fn place(&self) -> Option<(u64, u64)> {
        self.place
    }

    /// Another value at the same place.
    #[must_use]
    pub fn map<U>(&self, to: impl FnOnce(&T) -> U) -> At<U> {
        At { value: to(&self.value), place: self.place }
    }
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        let place = (spanned.referenced.line(), spanned.referenced.column());
        Ok(Self { value: spanned.value, place: (place.0 > 0).then_some(place) })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
