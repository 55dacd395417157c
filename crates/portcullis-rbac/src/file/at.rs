//! Values that remember where they stand.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use crate::error::Place;
use crate::rule::Word;

/// What asks the reader for the place of a value.
pub(crate) const AT: &str = "portcullis value and its place";

/// What asks the reader to take one value for a list of one.
pub(crate) const ONE_OR_MANY: &str = "portcullis one or many";

/// A value and where it stands. Only our own reader knows places.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) place: Option<Place>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple_struct(AT, 3, Placed(PhantomData))
    }
}

struct Placed<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Placed<T> {
    type Value = At<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value and its place")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<At<T>, A::Error> {
        let (line, column): (u64, u64) =
            (parts.next_element()?.unwrap_or_default(), parts.next_element()?.unwrap_or_default());
        let value = parts.next_element()?.ok_or_else(|| A::Error::custom("no value"))?;
        Ok(At { value, place: (line > 0).then_some(Place { line, column }) })
    }
}

impl From<At<String>> for Word {
    fn from(at: At<String>) -> Self {
        Self { text: at.value, place: at.place }
    }
}
