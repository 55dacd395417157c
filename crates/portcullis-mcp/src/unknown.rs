//! How servers say that there is no such tool, prompt or resource (R-229, R-233).
//!
//! Every server has words of its own for it, and the gate has others for what it hides. Told apart,
//! they would say what exists. So the gate must know the servers' words to replace them.

use portcullis_core::TargetKind;

use crate::filter::{expect, skip};
use crate::json::{JsonLimits, Kind, Scanner};
use crate::violation::{BAD_RPC, Violation};

/// How much of a text counts: what matters stands at its start.
const MAX_TEXT: usize = 4096;
const RESOURCE_NOT_FOUND: i64 = -32002;
const CODES: [i64; 3] = [-32602, -32601, RESOURCE_NOT_FOUND];

/// Whether an error with `code` that says `said` means that `name` is unknown.
pub(crate) fn is_error(kind: TargetKind, name: &str, code: i64, said: &str) -> bool {
    let resource = matches!(kind, TargetKind::Resource | TargetKind::ResourceTemplate);
    (resource && code == RESOURCE_NOT_FOUND)
        || without(name, said).any(|said| denies(kind, &said, true))
        || (CODES.contains(&code) && denies(kind, said, false))
}

/// Whether a tool result that is an error and says `said` means that the tool `name` is unknown.
pub(crate) fn is_result(name: &str, said: &str) -> bool {
    without(name, said).any(|said| denies(TargetKind::Tool, &said, false))
}

/// The only text in the `content` of a tool result.
pub(crate) fn only_text(content: &[u8], limits: JsonLimits) -> Result<Option<String>, Violation> {
    let mut items = 0_usize;
    let mut found = None;
    let mut scanner = Scanner::new(content, limits)?;
    expect(&mut scanner, Kind::Array)?;
    scanner.array(|scanner| {
        items += 1;
        if scanner.peek()? != Kind::Object {
            return Err(BAD_RPC);
        }
        scanner.object(|scanner, name| {
            if name.eq("text") && scanner.peek()? == Kind::String {
                found = Some(scanner.string()?.decoded().into_owned());
                return Ok(());
            }
            skip(scanner)
        })
    })?;
    Ok(found.filter(|_| items == 1))
}

/// As much of `said` as counts.
fn start(said: &str) -> &str {
    let end = (0..=MAX_TEXT.min(said.len())).rev().find(|end| said.is_char_boundary(*end));
    said.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// `said` without `name`, once for each place where it stands.
fn without<'t>(name: &'t str, said: &'t str) -> impl Iterator<Item = String> + 't {
    let said = start(said);
    said.match_indices(name).filter(|_| !name.is_empty()).take(8).filter_map(|(at, name)| {
        let (before, rest) = (said.get(..at)?, said.get(at + name.len()..)?);
        Some(format!("{before} {rest}"))
    })
}

/// Whether `said` begins with words for "no such thing". Without the word for the kind of thing
/// only when `bare` says that nothing else can be meant.
fn denies(kind: TargetKind, said: &str, bare: bool) -> bool {
    let words: Vec<_> = start(said)
        .split(|c: char| !c.is_alphanumeric())
        .map(str::to_ascii_lowercase)
        .filter(|word| !is_noise(word))
        .skip_while(|word| is_preface(word))
        .take(5)
        .collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let is_kind = |word: &str| {
        word == match kind {
            TargetKind::Resource | TargetKind::ResourceTemplate => "resource",
            kind => kind.as_str(),
        }
    };
    match words.as_slice() {
        [unknown, thing, ..] if is_unknown(unknown) && is_kind(thing) => true,
        ["no", "such", thing, ..] | ["not", "found", thing, ..] if is_kind(thing) => true,
        ["no", thing, "found" | "exists", ..] if is_kind(thing) => true,
        ["could", "not", "find" | "found", thing, ..]
        | ["couldn", "t", "find", thing, ..]
        | ["cannot", "find", thing, ..]
            if is_kind(thing) =>
        {
            true
        }
        [thing, rest @ ..] if is_kind(thing) => is_absent(rest),
        [unknown] => bare && is_unknown(unknown),
        rest => bare && is_absent(rest),
    }
}

fn is_absent(words: &[&str]) -> bool {
    match words {
        ["not", "found" | "exist" | "registered" | "available" | "known" | "defined", ..]
        | ["does" | "do", "not", "exist", ..]
        | ["doesn", "t", "exist", ..]
        | ["cannot" | "could", "be" | "not", "be" | "found", ..] => true,
        [unknown, ..] => is_unknown(unknown),
        [] => false,
    }
}

fn is_unknown(word: &str) -> bool {
    matches!(word, "unknown" | "nonexistent" | "unrecognized" | "unrecognised" | "undefined")
}

/// Words that come before what is said: `MCP error -32602:`, `Invalid params:`, `ToolError:`.
fn is_preface(word: &str) -> bool {
    matches!(word, "mcp" | "invalid" | "params" | "parameters" | "argument" | "request" | "failed")
        || word.ends_with("error")
        || word.ends_with("exception")
        || word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Words that change nothing.
fn is_noise(word: &str) -> bool {
    matches!(
        word,
        "" | "the"
            | "a"
            | "an"
            | "named"
            | "name"
            | "called"
            | "with"
            | "uri"
            | "template"
            | "is"
            | "was"
            | "requested"
            | "for"
            | "sorry"
    )
}

#[cfg(test)]
mod tests {
    use TargetKind::{Prompt, Resource, ResourceTemplate, Tool};

    use super::*;

    #[test]
    fn errors_about_unknown_targets() {
        let rows = [
            (Tool, -32602, "Unknown tool: x7", true),
            (Tool, -32602, "tool not found", true),
            (Tool, -32602, "Tool x7 not found", true),
            (Tool, -32602, "MCP error -32602: Tool x7 not found", true),
            (Tool, -32602, "unknown tool \"x7\"", true),
            (Tool, -32602, "Unknown tool: 'x7'", true),
            (Tool, -32602, "Invalid params: unknown tool", true),
            (Tool, -32602, "Unknown tool: x7. Did you mean delete_user?", true),
            (Tool, -32602, "x7 not found, try delete_user", true),
            (Tool, -32602, "Tool 'x7' does not exist", true),
            (Tool, -32602, "Tool 'x7' doesn't exist", true),
            (Tool, -32603, "No such tool: x7", true),
            (Tool, 0, "NotFoundError: Unknown tool: 'x7'", true),
            (Tool, 0, "Could not find a tool named x7", true),
            (Tool, -32603, "The tool x7 is not registered", true),
            (Tool, -32601, "Tool not found", true),
            (Prompt, -32602, "Prompt x7 not found", true),
            (Prompt, 0, "Unknown prompt: x7", true),
            (Resource, -32002, "gone fishing", true),
            (Resource, 0, "Unknown resource: x7", true),
            (Resource, -32602, "Resource x7 not found", true),
            (ResourceTemplate, -32602, "Resource template x7 not found", true),
            (Tool, -32602, "Invalid arguments for tool x7: city is missing", false),
            (Tool, -32602, "city not found", false),
            (Tool, -32603, "tool not found", false),
            (Tool, -32602, "Prompt x7 not found", false),
            (Tool, -32002, "gone fishing", false),
            (Tool, -32603, "Internal error", false),
            (Tool, -32602, "", false),
            (Tool, -32602, "x7", false),
            (Resource, -32602, "the tool was not found", false),
        ];
        for (kind, code, said, expected) in rows {
            assert_eq!(is_error(kind, "x7", code, said), expected, "{kind:?} {code} {said}");
        }
    }

    #[test]
    fn a_name_that_is_one_of_the_words() {
        for name in ["tool", "unknown", "not", "found", "unknown tool", "o"] {
            assert!(is_error(Tool, name, 0, &format!("Unknown tool: {name}")), "{name}");
            assert!(is_result(name, &format!("Tool {name} not found")), "{name}");
        }
        assert!(!is_error(Tool, "", 0, ""));
    }

    /// A result is in the tool's own words: only the plainest ones count.
    #[test]
    fn results_about_unknown_tools() {
        let rows = [
            ("Unknown tool: x7", true),
            ("Tool x7 not found", true),
            ("MCP error -32602: Tool x7 not found", true),
            ("Error: Unknown tool: x7. Available tools: delete_user", true),
            ("x7: not found", false),
            ("Tool not found", false),
            ("x7 could not find the file", false),
            ("I asked x7: unknown tool", false),
        ];
        for (said, expected) in rows {
            assert_eq!(is_result("x7", said), expected, "{said}");
        }
    }

    #[test]
    fn one_text_and_nothing_else() {
        let limits = JsonLimits { depth: 8, values: 100 };
        let rows = [
            (r#"[{"type":"text","text":"a"}]"#, Some("a")),
            (r#"[{"type":"text","text":"a"},{"type":"image"}]"#, None),
            (r#"[{"type":"image"}]"#, None),
            ("[]", None),
        ];
        for (content, expected) in rows {
            let found = only_text(content.as_bytes(), limits).unwrap();
            assert_eq!(found.as_deref(), expected, "{content}");
        }
        assert!(only_text(b"{}", limits).is_err());
    }
}
