//! The member names that have a meaning, and the spellings that some decoders confuse with them.

/// Member names that have a meaning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    names: &'static [&'static str],
    /// A bit for the length of each, modulo 64: most other names have another length.
    lengths: u64,
    /// The same without underscores.
    letters: u64,
}

impl Known {
    pub(crate) const fn new(names: &'static [&'static str]) -> Self {
        let (mut lengths, mut letters) = (0, 0);
        let mut rest = names;
        while let [name, more @ ..] = rest {
            lengths |= 1 << (name.len() % 64);
            letters |= 1 << (letters_in(name.as_bytes()) % 64);
            rest = more;
        }
        Self { names, lengths, letters }
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

/// How many of the bytes are no underscores.
const fn letters_in(mut name: &[u8]) -> usize {
    let mut count = 0;
    while let [byte, rest @ ..] = name {
        count += (*byte != b'_') as usize;
        name = rest;
    }
    count
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

/// What says in a modern answer that it is none yet (2026-07-28, Multi Round-Trip Requests).
pub(crate) static ROUND: Known = Known::new(&["resultType", "inputRequests"]);

/// What an answer says about a task of 2026-07-28, and what counts of that.
pub(crate) static TASK_NEWS: Known =
    Known::new(&["resultType", "taskId", "result", "error", "inputRequests"]);

/// What a server asks of a client before it answers.
pub(crate) static INPUT: Known = Known::new(&["method", "params"]);

/// What counts in an error, and in its data where it sends people elsewhere.
pub(crate) static ERROR: Known = Known::new(&["code", "data"]);
pub(crate) static ELSEWHERE: Known = Known::new(&["elicitations"]);

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

/// Whether some server would take `name`, in what a client says, for one of `recognised`, which it is not: as
/// [`is_variant`] has it, for another place of underscores (the Python SDK takes `task_id` for `taskId` and `meta` for
/// `_meta`), or because decoders drop a NUL, or what is behind it (GHSA-q382-vc8q-7jhj).
#[inline]
pub(crate) fn is_unclear(name: &str, recognised: &Known) -> bool {
    let bytes = name.as_bytes();
    let letters = letters_in(bytes);
    let underscores = recognised.letters >> (letters % 64) & 1 == 1
        && differs_in_underscores(name, recognised.names);
    underscores || is_variant(name, recognised) || bytes.contains(&0)
}

#[inline(never)]
fn differs_in_underscores(name: &str, recognised: &[&str]) -> bool {
    fn letters(name: &str) -> impl Iterator<Item = u8> {
        name.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_lowercase())
    }
    !recognised.contains(&name) && recognised.iter().any(|known| letters(known).eq(letters(name)))
}

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
/// ASCII letters. The two letters i of Turkish do not, but are the plain one to whoever compares upper cases or
/// lower cases by character, as Java does.
fn fold(c: char) -> char {
    match c {
        '\u{17F}' => 's',
        '\u{212A}' => 'k',
        '\u{130}' | '\u{131}' => 'i',
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
            "task\u{130}d",
            "task\u{131}d",
        ] {
            assert!(is_variant(name, known) && is_unclear(name, known), "{name}");
        }
        for name in ["params", "taskId", "param", "paramss", "parаms", "", "ſ", "pa rams"] {
            assert!(!is_variant(name, known) && !is_unclear(name, known), "{name}");
        }
        for name in
            ["task_id", "TASK_ID", "task_Id", "_params", "k_e_y", "params_", "params\0", "x\0"]
        {
            assert!(!is_variant(name, known) && is_unclear(name, known), "{name}");
        }
        for name in ["_", "", "task-id", "task id", "_task", "_id"] {
            assert!(!is_unclear(name, known), "{name}");
        }
        let underscored = &Known::new(&["_meta"]);
        assert!(is_unclear("meta", underscored) && is_unclear("Meta", underscored));
        assert!(!is_unclear("_meta", underscored));
    }

    /// The claim about folding, against the standard library's tables: a character whose upper or
    /// lower case is an ASCII letter is itself one of those that are folded.
    #[test]
    fn nothing_else_folds_to_ascii() {
        for c in ('\u{80}'..=char::MAX).filter(|c| fold(*c) == *c) {
            let single = |mut cases: Box<dyn Iterator<Item = char>>| {
                let first = cases.next();
                cases.next().is_none() && first.is_some_and(|c| c.is_ascii_alphabetic())
            };
            let upper = single(Box::new(c.to_uppercase()));
            let lower = single(Box::new(c.to_lowercase()));
            assert!(!(upper || lower), "{c:?}");
        }
    }
}
