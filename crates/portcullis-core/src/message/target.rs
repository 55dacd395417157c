//! What a request acts on.

use crate::Text;

/// What a request acts on.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Target {
    kind: TargetKind,
    name: Text,
}

impl Target {
    /// A target of `kind`, named exactly as in the body after JSON unescaping.
    #[must_use]
    pub fn new(kind: TargetKind, name: Text) -> Self {
        Self { kind, name }
    }

    /// What kind of thing it is.
    #[must_use]
    pub fn kind(&self) -> TargetKind {
        self.kind
    }

    /// Its name or URI.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Its name or URI, to keep.
    #[must_use]
    pub fn text(&self) -> &Text {
        &self.name
    }
}

/// The kinds of things that MCP requests act on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum TargetKind {
    /// A tool, by name.
    Tool,
    /// A prompt, by name.
    Prompt,
    /// A resource, by URI.
    Resource,
    /// A resource template, by URI template.
    ResourceTemplate,
    /// A task, by id.
    Task,
}

impl TargetKind {
    /// The word for it in records and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::ResourceTemplate => "resource_template",
            Self::Task => "task",
        }
    }
}
