//! Servers behind the gate, as configured.

use std::collections::BTreeMap;

use portcullis_core::ToolHints;

use crate::error::Place;

/// A server that rules can name, and what its word about its tools is worth.
#[derive(Clone, Debug)]
#[must_use = "a server does nothing until it is added to a policy"]
pub struct Server {
    pub(crate) name: String,
    pub(crate) trusted: bool,
    pub(crate) hints: BTreeMap<String, ToolHints>,
    pub(crate) place: Option<Place>,
}

impl Server {
    /// A server whose annotations are not believed.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), trusted: false, hints: BTreeMap::new(), place: None }
    }

    /// Believes what the server says about its tools (`readOnlyHint` and the like). It can then
    /// give its tools to whoever has a rule for such tools.
    pub fn trust_annotations(mut self) -> Self {
        self.trusted = true;
        self
    }

    /// Says what is true of a tool, whatever the server says about it.
    pub fn annotate(mut self, tool: impl Into<String>, hints: ToolHints) -> Self {
        self.hints.insert(tool.into(), hints);
        self
    }
}
