//! Paths, of which servers must not be able to make others.

use crate::truth::Truth;

pub(super) fn under(base: &str, path: &str) -> Truth {
    let trimmed = if path == "/" { path } else { path.strip_suffix('/').unwrap_or(path) };
    if trimmed.is_empty() || is_odd(trimmed) || base.starts_with('/') != path.starts_with('/') {
        return Truth::Unknown;
    }
    let rest = trimmed.strip_prefix(base);
    rest.is_some_and(|rest| base == "/" || rest.is_empty() || rest.starts_with('/')).into()
}

/// Whether servers may read a path in different ways.
pub(super) fn is_odd(path: &str) -> bool {
    let body = path.strip_prefix('/').unwrap_or(path);
    // Some drop dots and spaces at the end of a segment.
    let climbs = |segment: &str| segment.trim_end_matches(|c| c == ' ' || is_dot(c)).is_empty();
    path.chars().any(|c| c.is_control() || matches!(c, '\\' | '%') || turns_into_separator(c))
        || (path != "/" && body.split('/').any(climbs))
}

/// A dot, and what some servers make dots of: by compatibility normalisation (UAX #15).
fn is_dot(c: char) -> bool {
    matches!(c, '.' | '\u{2024}'..='\u{2026}' | '\u{fe52}' | '\u{ff0e}')
}

/// Whether some servers make a slash, a backslash or a percent sign of it: by compatibility
/// normalisation, or as what fits best in another character set.
fn turns_into_separator(c: char) -> bool {
    let slash = matches!(c, '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\u{ff0f}');
    let backslash =
        matches!(c, '\u{a5}' | '\u{20a9}' | '\u{2216}' | '\u{29f5}' | '\u{fe68}' | '\u{ff3c}');
    slash || backslash || matches!(c, '\u{fe6a}' | '\u{ff05}')
}
