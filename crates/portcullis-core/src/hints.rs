//! What a server says about its tools.

/// The annotations of a tool that policy can look at, as its server stated them.
///
/// They are hints: a server may lie. What they are worth is for the policy to say, which knows
/// whether the server is trusted (MCP, *Tools*: annotations are untrusted unless the server is).
/// `None` is a hint that was not given.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct ToolHints {
    /// `readOnlyHint`: the tool changes nothing.
    pub read_only: Option<bool>,
    /// `destructiveHint`: the tool may destroy something.
    pub destructive: Option<bool>,
    /// `idempotentHint`: calling it again with the same arguments changes nothing more.
    pub idempotent: Option<bool>,
    /// `openWorldHint`: the tool deals with whatever is outside.
    pub open_world: Option<bool>,
}
