//! The member names that have a meaning, and the spellings that some decoders confuse with them.

/// Member names that have a meaning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    names: &'static [&'static str],
    /// A bit for the length of each, modulo 64: most other names have another length.
    lengths: u64,
}

impl Known {
    pub(crate) const fn new(names: &'static [&'static str]) -> Self {
        let mut lengths = 0;
        let mut rest = names;
        while let [name, more @ ..] = rest {
            lengths |= 1 << (name.len() % 64);
            rest = more;
        }
        Self { names, lengths }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().copied()
    }

    /// The one that `name` is, byte for byte.
    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<&'static str> {
        if self.has_length(name.len()) { self.iter().find(|known| *known == name) } else { None }
    }

    /// Whether one of them may be so long.
    #[inline]
    fn has_length(&self, length: usize) -> bool {
        self.lengths >> (length % 64) & 1 == 1
    }
}

pub(crate) const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(crate) const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// The key in `_meta` of the task that a message belongs to.
pub(crate) const META_RELATED: &str = "io.modelcontextprotocol/related-task";
/// The extension of 2026-07-28 for tasks, as capabilities name it.
pub(crate) const TASKS: &str = "io.modelcontextprotocol/tasks";
const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

pub(crate) static ROOT: Known =
    Known::new(&["jsonrpc", "id", "method", "params", "result", "error"]);

/// Every member that some revision's schema defines in the `params` of a client's message.
pub(crate) static PARAMS: Known = Known::new(&[
    "name",
    "uri",
    "arguments",
    "_meta",
    "ref",
    "argument",
    "context",
    "cursor",
    "protocolVersion",
    "capabilities",
    "clientInfo",
    "notifications",
    "taskId",
    "task",
    "inputResponses",
    "requestState",
    "level",
    "requestId",
    "reason",
    "progressToken",
    "progress",
    "total",
    "message",
    "status",
]);

pub(crate) static REF: Known = Known::new(&["type", "name", "uri", "title"]);

pub(crate) static NOTIFICATIONS: Known = Known::new(&[
    "resourceSubscriptions",
    "taskIds",
    "toolsListChanged",
    "promptsListChanged",
    "resourcesListChanged",
]);

/// What counts in a completion.
pub(crate) static COMPLETION: Known = Known::new(&["values"]);

/// What counts in a notification of a server's.
pub(crate) static NOTICE: Known = Known::new(&["uri", "taskId", "_meta", "notifications"]);

/// What counts in what a server says about a task that somebody watches.
pub(crate) static WATCHED: Known =
    Known::new(&["uri", "taskId", "_meta", "notifications", "result", "error", "inputRequests"]);

/// What an answer says about a task of 2026-07-28, and what counts of that.
pub(crate) static TASK_NEWS: Known = Known::new(&["taskId", "result", "error", "inputRequests"]);

pub(crate) static TASK: Known = Known::new(&["ttl", "taskId"]);

pub(crate) static META: Known = Known::new(&[
    META_VERSION,
    META_CAPABILITIES,
    META_CLIENT,
    META_LOG_LEVEL,
    META_RELATED,
    "io.modelcontextprotocol/subscriptionId",
    "progressToken",
    "traceparent",
    "tracestate",
    "baggage",
]);

/// The members of `_meta` that only modern requests have.
pub(crate) const MODERN_META: &[&str] =
    &[META_VERSION, META_CAPABILITIES, META_CLIENT, META_LOG_LEVEL];

/// Whether `name` equals one of `recognised` under Unicode simple case folding, but is none of them
///
#[inline]
pub(crate) fn is_variant(name: &str, recognised: &Known) -> bool {
    // Nearly all names are ASCII, and have another length than those which they are not.
    if name.is_ascii() {
        recognised.has_length(name.len()) && differs_in_case(name, recognised.names)
    } else {
        folds_to_one(name, recognised.names)
    }
}

#[inline(never)]
fn differs_in_case(name: &str, recognised: &[&str]) -> bool {
    let same_but_for_case =
        |known: &&str| name.len() == known.len() && known.eq_ignore_ascii_case(name);
    recognised.iter().any(same_but_for_case) && !recognised.contains(&name)
}

#[cold]
fn folds_to_one(name: &str, recognised: &[&str]) -> bool {
    let folds = |known: &&str| {
        name.len() >= known.len() && name.chars().map(fold).eq(known.chars().map(fold))
    };
    recognised.iter().any(folds)
}

/// Simple case folding as far as it matters: all recognised names are ASCII, and only these fold to
/// ASCII letters.
fn fold(c: char) -> char {
    match c {
        '\u{17F}' => 's',
        '\u{212A}' => 'k',
        c => c.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants() {
        let known = &Known::new(&["params", "key", "taskId", "protocolVersion"]);
        for name in [
            "Params",
            "PARAMS",
            "param\u{17F}",
            "\u{212A}ey",
            "KEY",
            "taskid",
            "TaskID",
            "protocolversion",
        ] {
            assert!(is_variant(name, known), "{name}");
        }
        for name in ["params", "taskId", "param", "paramss", "parаms", "", "ſ", "pa rams"] {
            assert!(!is_variant(name, known), "{name}");
        }
    }

    /// The claim about folding, against the standard library's tables: a character whose upper or
    /// lower case is an ASCII letter is itself one of those that are folded.
    #[test]
    fn nothing_else_folds_to_ascii() {
        for c in ('\u{80}'..=char::MAX).filter(|c| !matches!(c, '\u{17F}' | '\u{212A}')) {
            let single = |mut cases: Box<dyn Iterator<Item = char>>| {
                let first = cases.next();
                cases.next().is_none() && first.is_some_and(|c| c.is_ascii_alphabetic())
            };
            let upper = single(Box::new(c.to_uppercase()));
            let lower = single(Box::new(c.to_lowercase()));
            // The dotless i has an upper case that is ASCII, but folding leaves it alone.
            assert!(!(upper || lower) || c == '\u{131}', "{c:?}");
        }
    }
}
