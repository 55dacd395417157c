//! Values that a policy compares with.

use serde_json::Value;

use super::decimal::Decimal;

/// A JSON value without parts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(Box<str>),
}

impl Scalar {
    /// `None` for lists and objects.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(Decimal::parse(&number.to_string())?),
            Value::String(text) => Self::Text(text.as_str().into()),
            Value::Array(_) | Value::Object(_) => return None,
        })
    }

    /// Whether the two could be equal at all.
    pub(crate) fn same_type(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}
