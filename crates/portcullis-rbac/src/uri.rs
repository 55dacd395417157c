//! Resource URIs: what a pattern may be matched against.
//!
//! Servers take URIs apart in their own ways. So a URI is refused when two ways of reading it can
//! differ in what it points to, and a pattern must allow it both as sent and in normal form.

use std::borrow::Cow;

pub(crate) mod loose;

/// What a URI is to a policy.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Reading<'a> {
    /// It tries to be read in two ways: nothing can allow it.
    Refused,
    /// Legal perhaps, but no pattern can tell what it points to: only a rule that spells it out
    /// means it.
    Odd,
    /// It means one thing.
    Plain {
        /// RFC 3986 §6.2.2 and §6.2.3.
        normal: Cow<'a, str>,
        /// How much of `normal` is left without query and trailing slashes: what a server that
        /// ignores these would use.
        bare: usize,
    },
}

/// Reads `uri`. A `template` may hold expressions in braces (RFC 6570).
pub(crate) fn read(uri: &str, template: bool) -> Reading<'_> {
    let Some(decoded) = decode(uri) else { return Reading::Refused };
    if climbs(&decoded) {
        return Reading::Refused;
    }
    // Expressions stand for text that is judged when it is there.
    let filled = if template { fill(uri) } else { Some(Cow::Borrowed(uri)) };
    let Some(filled) = filled else { return Reading::Odd };
    let Some(parts) = Parts::of(&filled) else {
        // What rules say of a template says nothing of a URI that looks like it.
        return if is_template(uri) { Reading::Refused } else { Reading::Odd };
    };
    if template && filled != uri {
        return Reading::Plain { normal: Cow::Borrowed(uri), bare: uri.len() };
    }
    let normal = parts.normal(uri);
    let end = normal.find('?').unwrap_or(normal.len());
    let path = normal.get(..end).unwrap_or(&normal);
    let bare = without_slashes(path).len();
    Reading::Plain { normal, bare }
}

/// Whether `uri` is a template, and as such one that patterns can judge.
fn is_template(uri: &str) -> bool {
    fill(uri).is_some_and(|filled| Parts::of(&filled).is_some())
}

fn without_slashes(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    // The root keeps its slash: `note:///` is not `note:`.
    if trimmed.ends_with(':') { path } else { trimmed }
}

/// Undoes percent-encoding once. `None` for what is broken, is not UTF-8 behind, or hides a
/// separator, a control character or another percent-encoding.
fn decode(uri: &str) -> Option<Cow<'_, str>> {
    if uri.bytes().any(|b| b == b'\\' || b == 0) {
        return None;
    }
    if !uri.contains('%') {
        return Some(Cow::Borrowed(uri));
    }
    let mut decoded = Vec::with_capacity(uri.len());
    let mut bytes = uri.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let byte = hex(bytes.next()?)? << 4 | hex(bytes.next()?)?;
        let twice = byte == b'%' && {
            let mut ahead = bytes.clone();
            ahead.next().and_then(hex).is_some() && ahead.next().and_then(hex).is_some()
        };
        if matches!(byte, b'/' | b'\\') || byte.is_ascii_control() || twice {
            return None;
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// Whether a segment is `.` or `..`, also with parameters behind (`..;x`), anywhere.
fn climbs(decoded: &str) -> bool {
    decoded
        .split([':', '/', '?', '#'])
        .any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

/// Replaces template expressions by a letter; `None` when braces do not pair.
fn fill(template: &str) -> Option<Cow<'_, str>> {
    if !template.contains(['{', '}']) {
        return Some(Cow::Borrowed(template));
    }
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (expression, after) = after.split_once('}')?;
        if before.contains('}') || expression.is_empty() || expression.contains('{') {
            return None;
        }
        filled.push_str(before);
        filled.push('x');
        rest = after;
    }
    filled.push_str(rest);
    (!rest.contains('}')).then_some(Cow::Owned(filled))
}

/// The parts of a URI that normalisation treats differently.
struct Parts<'a> {
    scheme: &'a str,
    authority: Option<Authority<'a>>,
    /// Path and query.
    rest: &'a str,
}

struct Authority<'a> {
    host: &'a str,
    port: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// `None` for what only an exact rule can mean: no scheme, user information, a fragment, an
    /// empty segment inside the path, an international or percent-encoded host, and characters
    /// that RFC 3986 does not have.
    fn of(uri: &'a str) -> Option<Self> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&b);
        let (scheme, rest) = uri.split_once(':')?;
        let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        if !scheme_ok || !uri.bytes().all(legal) {
            return None;
        }
        let (authority, rest) = match rest.strip_prefix("//") {
            None => (None, rest),
            Some(rest) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let (authority, rest) = rest.split_at_checked(end)?;
                (Some(Authority::of(authority)?), rest)
            }
        };
        let path = rest.split('?').next().unwrap_or_default();
        (!path.contains("//")).then_some(Self { scheme, authority, rest })
    }

    fn normal<'u>(&self, uri: &'u str) -> Cow<'u, str> {
        let upper = |text: &str| text.bytes().any(|b| b.is_ascii_uppercase());
        let authority = self.authority.as_ref();
        if !upper(self.scheme)
            && !self.rest.contains('%')
            && authority.is_none_or(|authority| authority.port.is_none() && !upper(authority.host))
        {
            return Cow::Borrowed(uri);
        }
        let mut normal = String::with_capacity(uri.len());
        normal.push_str(&self.scheme.to_ascii_lowercase());
        normal.push(':');
        if let Some(Authority { host, port }) = authority {
            normal.push_str("//");
            normal.push_str(&host.to_ascii_lowercase());
            let default = match normal.split(':').next() {
                Some("http" | "ws") => "80",
                Some("https" | "wss") => "443",
                _ => "",
            };
            if let Some(port) = port.filter(|port| !port.is_empty() && *port != default) {
                normal.push(':');
                normal.push_str(port);
            }
        }
        unescape_unreserved(self.rest, &mut normal);
        Cow::Owned(normal)
    }
}

impl<'a> Authority<'a> {
    fn of(authority: &'a str) -> Option<Self> {
        let (host, port) = match authority.rsplit_once(':') {
            // A colon inside brackets belongs to an IPv6 address.
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let digits = port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()));
        let name =
            host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&b));
        let address = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .is_some_and(|host| host.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b)));
        (digits && (name || address)).then_some(Self { host, port })
    }
}

/// Decodes what never needed encoding and writes the rest in upper case (RFC 3986 §6.2.2).
fn unescape_unreserved(text: &str, into: &mut String) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        into.push_str(before);
        let (digits, after) = after.split_at_checked(2).unwrap_or((after, ""));
        match u8::from_str_radix(digits, 16) {
            Ok(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                into.push(char::from(byte));
            }
            _ => {
                into.push('%');
                into.push_str(&digits.to_ascii_uppercase());
            }
        }
        rest = after;
    }
    into.push_str(rest);
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests;
