//! A document, whatever its language, with the place of each part.

use crate::error::Place;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Option<Place>,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "yaml"), expect(dead_code, reason = "TOML does not have them all"))]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    /// Past what `Integer` holds.
    Unsigned(u64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) place: Option<Place>,
    pub(crate) text: String,
}
