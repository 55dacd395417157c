//! Ids of tasks where they stand in a message.

use std::ops::Range;

use crate::json::{JsonError, JsonLimits, Kind, Scanner, Str};
use crate::names::META_RELATED;
use crate::splice::Splice;
use crate::violation::{BAD_RPC, Violation};

/// Where the `_meta` at `path` in `message` is, and what to put there so that the task it belongs to
/// has the name that `new` gives it. Where there is none, nobody is told that it belongs to a task.
/// `None` when it does not say that.
pub(crate) fn relate(
    message: &[u8],
    path: &[&str],
    limits: JsonLimits,
    new: impl FnOnce(&str) -> Result<Option<String>, Violation>,
) -> Result<Option<(Range<usize>, String)>, Violation> {
    if !may_relate(message) {
        return Ok(None);
    }
    let Some(range) = object(message, path, limits)? else { return Ok(None) };
    let object = message.get(range.clone()).unwrap_or_default();
    let mut id = None;
    Scanner::new(object, limits)?.object(|scanner, name| {
        if !name.eq(META_RELATED) {
            return scanner.pass().map_err(Violation::from);
        }
        let mut said = None;
        walk(scanner, &["taskId"], &mut said)?;
        id = Some(said.ok_or(BAD_RPC)?.1);
        Ok(())
    })?;
    let Some(id) = id else { return Ok(None) };
    let new = new(&id)?.map(|id| related_object(&id));
    let members = members(object, limits, |name, value| match name {
        META_RELATED => new.clone(),
        _ => Some(value.to_owned()),
    })?;
    Ok(Some((range, members)))
}

/// What says in `_meta` that a message belongs to the task `id`. Nothing in an id needs escaping: that
/// is why it was sealed.
pub(crate) fn related_object(id: &str) -> String {
    format!(r#"{{"taskId":"{id}"}}"#)
}

/// Whether a message may say that it belongs to a task. What looks so and does not costs another
/// reading.
fn may_relate(message: &[u8]) -> bool {
    memchr::memmem::find(message, b"related-task").is_some()
        || memchr::memmem::find(message, b"\\u").is_some()
}

/// The shortest id that is looked for in texts: shorter ones may be anything.
pub(crate) const MIN_ID: usize = 8;

/// A text of the service's, between its quotes, with the id that the client knows wherever the task's own
/// stands as a word. `None` when it stands nowhere. A text with escapes in it goes as a whole.
pub(crate) fn reworded(said: Str<'_>, upstream_id: &str, client_id: &str) -> Option<String> {
    if upstream_id.len() < MIN_ID {
        return None;
    }
    let text = said.decoded();
    let is_apart =
        |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    let mut new = String::new();
    let mut copied = 0;
    for (start, found) in text.match_indices(upstream_id) {
        let end = start + found.len();
        let before = text.get(..start).unwrap_or_default().chars().next_back();
        let after = text.get(end..).unwrap_or_default().chars().next();
        if is_apart(before) && is_apart(after) {
            new.push_str(text.get(copied..start).unwrap_or_default());
            new.push_str(client_id);
            copied = end;
        }
    }
    if copied == 0 {
        return None;
    }
    if said.escaped() {
        return Some(String::new());
    }
    new.push_str(text.get(copied..).unwrap_or_default());
    Some(new)
}

/// `message` with `new` of the string at `path` in its place; `None` when nothing is there.
pub(crate) fn replace(
    message: &[u8],
    path: &[&str],
    limits: JsonLimits,
    new: impl FnOnce(&str) -> Option<String>,
) -> Result<Option<Vec<u8>>, Violation> {
    let Some((range, said)) = find(message, path, limits)? else { return Ok(None) };
    let mut splice = Splice::new(message, 0);
    splice.replace(range, &new(&said).ok_or(BAD_RPC)?);
    Ok(splice.finish(message.len()))
}

/// Where the string at `path` in `message` is, between its quotes, and what it says.
pub(crate) fn find(
    message: &[u8],
    path: &[&str],
    limits: JsonLimits,
) -> Result<Option<(Range<usize>, String)>, Violation> {
    let mut found = None;
    walk(&mut Scanner::new(message, limits)?, path, &mut found)?;
    Ok(found)
}

fn walk(
    scanner: &mut Scanner<'_>,
    path: &[&str],
    found: &mut Option<(Range<usize>, String)>,
) -> Result<(), Violation> {
    match (path, scanner.peek()?) {
        ([first, rest @ ..], Kind::Object) => scanner.object(|scanner, name| {
            if name.eq(first) {
                return walk(scanner, rest, found);
            }
            scanner.pass().map_err(Violation::from)
        }),
        ([], Kind::String) => {
            let text = scanner.string()?;
            *found = Some((text.range(), text.decoded().into_owned()));
            Ok(())
        }
        // An id of another type is none that anybody could name.
        ([], _) => Err(BAD_RPC),
        _ => scanner.pass().map_err(Violation::from),
    }
}

/// Where the object at `path` in `message` is.
pub(crate) fn object(
    message: &[u8],
    path: &[&str],
    limits: JsonLimits,
) -> Result<Option<Range<usize>>, Violation> {
    let mut found = None;
    object_at(&mut Scanner::new(message, limits)?, path, &mut found)?;
    Ok(found)
}

/// Finds the object at `path`.
fn object_at(
    scanner: &mut Scanner<'_>,
    path: &[&str],
    found: &mut Option<Range<usize>>,
) -> Result<(), Violation> {
    match (path, scanner.peek()?) {
        ([first, rest @ ..], Kind::Object) => scanner.object(|scanner, name| {
            if name.eq(first) {
                return object_at(scanner, rest, found);
            }
            scanner.pass().map_err(Violation::from)
        }),
        ([], Kind::Object) => {
            *found = Some(scanner.skip()?);
            Ok(())
        }
        _ => scanner.pass().map_err(Violation::from),
    }
}

/// The members of `object`, each with the value that `value` gives it; those without one are left
/// out.
pub(crate) fn members(
    object: &[u8],
    limits: JsonLimits,
    mut value: impl FnMut(&str, &str) -> Option<String>,
) -> Result<String, JsonError> {
    let mut kept = Vec::new();
    Scanner::new(object, limits)?.object(|scanner, name| {
        let range = scanner.skip()?;
        if let Some(value) = value(&name.decoded(), scanner.slice(range)) {
            kept.push(format!("\"{}\":{value}", name.raw()));
        }
        Ok::<_, JsonError>(())
    })?;
    Ok(format!("{{{}}}", kept.join(",")))
}
