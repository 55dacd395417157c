//! Keys without a value.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Anything but null, at any depth.
pub(crate) struct NoNull;

impl<'de> Deserialize<'de> for NoNull {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;
        impl<'de> Visitor<'de> for Value {
            type Value = NoNull;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value; leave the key out for the default")
            }

            fn visit_bool<E>(self, _: bool) -> Result<NoNull, E> {
                Ok(NoNull)
            }

            fn visit_i64<E>(self, _: i64) -> Result<NoNull, E> {
                Ok(NoNull)
            }

            fn visit_u64<E>(self, _: u64) -> Result<NoNull, E> {
                Ok(NoNull)
            }

            fn visit_f64<E>(self, _: f64) -> Result<NoNull, E> {
                Ok(NoNull)
            }

            fn visit_str<E>(self, _: &str) -> Result<NoNull, E> {
                Ok(NoNull)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<NoNull, A::Error> {
                while items.next_element::<NoNull>()?.is_some() {}
                Ok(NoNull)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<NoNull, A::Error> {
                while members.next_entry::<IgnoredAny, NoNull>()?.is_some() {}
                Ok(NoNull)
            }
        }
        deserializer.deserialize_any(Value)
    }
}
