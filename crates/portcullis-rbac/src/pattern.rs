//! Patterns over names and URIs, as configured.

use globset::{Glob, GlobBuilder, escape};

use crate::kind::Kind;
use crate::name;
use crate::rule::Effect;
use crate::stars::Stars;
use crate::uri::{self, Reading, loose};

/// A pattern, ready for an index.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// Exactly these strings: a name; a URI as written and, if that differs, in normal form.
    Exact(Vec<String>),
    /// Whatever the glob matches: of URIs.
    Glob(Glob),
    /// The same of names.
    Stars(Stars),
}

/// A tool's or prompt's name, or a pattern of names.
pub(crate) fn of_names(text: &str) -> Result<Pattern, String> {
    if text.is_empty() {
        return Err("an empty name matches nothing".into());
    }
    if !text.contains('*') {
        return Ok(Pattern::Exact(vec![text.to_owned()]));
    }
    if text.contains("**") {
        return Err(format!("write one `*` in {text:?}: in a name it stands for any text"));
    }
    if name::is_deceptive(text) {
        return Err(format!(
            "the pattern {text:?} has a backslash or an invisible character, which patterns never match"
        ));
    }
    Ok(Pattern::Stars(Stars::new(text)))
}

/// Every target of a kind.
pub(crate) fn all(kind: Kind) -> Pattern {
    match GlobBuilder::new("**").build() {
        Ok(all) if kind == Kind::Resources => Pattern::Glob(all),
        _ => Pattern::Stars(Stars::all()),
    }
}

/// A resource's URI, or a pattern of URIs.
pub(crate) fn of_uris(text: &str, effect: Effect) -> Result<Pattern, String> {
    if !text.contains('*') {
        return exact_uri(text);
    }
    if text == "**" && effect == Effect::Deny {
        return glob(text);
    }
    // A star in a template expression (`{list*}`) could be meant either way.
    if text.contains(['{', '}']) {
        return Err(format!("{text:?} has both braces and `*`: name the template exactly"));
    }
    let scheme = text.split(':').next().unwrap_or_default();
    if scheme.len() == text.len() || scheme.contains('*') {
        return Err(format!(
            "the pattern {text:?} must start with a scheme, such as \"note:///**\""
        ));
    }
    let spans_segments = |(at, _): (usize, &str)| {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + 2..).unwrap_or_default();
        before.ends_with('/') && (after.is_empty() || after.starts_with('/'))
    };
    if !text.match_indices("**").all(spans_segments) {
        return Err(format!("`**` in {text:?} must stand between slashes or at the end after one"));
    }
    let sample = text.replace('*', "x");
    match uri::read(&sample, false) {
        Reading::Plain { normal, .. } if normal == sample => glob(text),
        Reading::Plain { .. } => Err(format!(
            "the pattern {text:?} is not in normal form: write scheme and host in lower case, no \
             default port, and percent-encode only what needs it, in upper case (RFC 3986 section 6.2)"
        )),
        Reading::Odd | Reading::Refused => Err(format!(
            "the pattern {text:?} can match no URI: no dot segments, encoded separators, fragments, \
             user names, empty segments or characters outside RFC 3986"
        )),
    }
}

/// What a deny rule about resources means, however servers spell it. `text` is one that [`of_uris`] takes.
pub(crate) fn of_denied(text: &str) -> Result<Pattern, String> {
    if !text.contains('*') {
        let Pattern::Exact(mut forms) = exact_uri(text)? else { return exact_uri(text) };
        forms.iter_mut().for_each(|form| *form = loose::spelled(form));
        forms.dedup();
        return Ok(Pattern::Exact(forms));
    }
    // An encoded star is none.
    let text = loose::spelled(&text.replace("%2A", "%252A"));
    let literal: Vec<_> = text.split('*').map(|part| escape(&part.replace("%2A", "*"))).collect();
    compiled(&text, &literal)
}

fn exact_uri(text: &str) -> Result<Pattern, String> {
    match uri::read(text, text.contains('{')) {
        Reading::Refused => Err(format!(
            "the URI {text:?} is never allowed: no dot segments, backslashes, encoded separators \
             or control characters"
        )),
        Reading::Odd if text.is_empty() => Err("an empty URI matches nothing".into()),
        Reading::Odd => Ok(Pattern::Exact(vec![text.to_owned()])),
        Reading::Plain { normal, .. } => {
            let mut forms = vec![text.to_owned()];
            if normal != text {
                forms.push(normal.into_owned());
            }
            Ok(Pattern::Exact(forms))
        }
    }
}

fn glob(text: &str) -> Result<Pattern, String> {
    let literal: Vec<_> = text.split('*').map(escape).collect();
    compiled(text, &literal)
}

/// The glob of these parts, with stars between them.
fn compiled(text: &str, literal: &[String]) -> Result<Pattern, String> {
    GlobBuilder::new(&literal.join("*"))
        .literal_separator(true)
        .backslash_escape(false)
        .build()
        .map(Pattern::Glob)
        .map_err(|error| format!("the pattern {text:?} does not compile: {}", error.kind()))
}
