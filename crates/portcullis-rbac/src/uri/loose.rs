//! What else a server may take a URI for. Of use for denials alone: what a rule denies stays denied in every
//! spelling that some server would follow there.

use std::borrow::Cow;

/// Whether [`forms`] of a URI in normal form may be others than it and its bare form.
pub(crate) fn is_loose(normal: &str) -> bool {
    normal.bytes().any(|b| matches!(b, b'%' | b';')) || !authority_as_read(normal).eq(normal)
}

/// Whether a URI in normal form can be written in another way that servers take for the same: with a
/// character percent-encoded that need not be, or with another authority.
pub(crate) fn has_twin(normal: &str) -> bool {
    let encoded = normal.split('%').skip(1).filter_map(|rest| rest.get(..2));
    let mut encoded = encoded.filter_map(|digits| u8::from_str_radix(digits, 16).ok());
    encoded.any(|byte| b"!$&'()*+,;=:@".contains(&byte)) || authority_as_read(normal) != normal
}

/// The forms of a URI in normal form, or of any text that is no such URI: without percent-encoding; that
/// without query and fragment; and that without parameters of segments (`;v=1`) and what is empty then.
pub(crate) fn forms(normal: &str) -> Vec<String> {
    let whole = spelled(normal);
    let path = whole.get(..whole.find(['?', '#']).unwrap_or(whole.len())).unwrap_or(&whole);
    let mut forms = vec![super::without_slashes(path).to_owned()];
    if path.contains(';') {
        let (start, rest) = path.split_at_checked(path_at(path)).unwrap_or(("", path));
        let segments = rest.split('/').filter_map(|segment| segment.split(';').next());
        let segments: Vec<_> = segments.filter(|segment| !segment.is_empty()).collect();
        let slash = if rest.starts_with('/') { "/" } else { "" };
        let without = format!("{start}{slash}{}", segments.join("/"));
        forms.push(super::without_slashes(&without).to_owned());
    }
    if !forms.contains(&whole) {
        forms.push(whole);
    }
    forms
}

/// Without percent-encoding, and with the authority as servers read it.
pub(crate) fn spelled(uri: &str) -> String {
    authority_as_read(&percent_decoded(uri)).into_owned()
}

/// Undoes what percent-encoding is valid.
fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        match (byte, ahead.next().and_then(super::hex), ahead.next().and_then(super::hex)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                bytes = ahead;
            }
            _ => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Files are on this machine, whatever host is named (RFC 8089), and a host is the same with a dot at its end.
fn authority_as_read(uri: &str) -> Cow<'_, str> {
    let file = uri.strip_prefix("file:");
    let at = path_at(uri);
    let (start, path) = uri.split_at_checked(at).unwrap_or((uri, ""));
    if file.is_some_and(|rest| rest.starts_with('/')) && start != "file://" {
        return Cow::Owned(format!("file://{path}"));
    }
    let (host, port) = match start.rsplit_once(':') {
        Some((host, port)) if host.contains("://") => (host, Some(port)),
        _ => (start, None),
    };
    match host.strip_suffix('.').filter(|host| host.contains("://")) {
        Some(host) => {
            let colon = if port.is_some() { ":" } else { "" };
            Cow::Owned(format!("{host}{colon}{}{path}", port.unwrap_or_default()))
        }
        None => Cow::Borrowed(uri),
    }
}

/// Where the path begins.
fn path_at(uri: &str) -> usize {
    let scheme = uri.find(':').map_or(0, |colon| colon + 1);
    let rest = uri.get(scheme..).unwrap_or_default();
    match rest.strip_prefix("//") {
        Some(rest) => scheme + 2 + rest.find(['/', '?', '#']).unwrap_or(rest.len()),
        None => scheme,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::uri::{Reading, read};

    #[test]
    fn what_servers_may_take_a_uri_for() {
        let rows = [
            ("as it is", "note:///a", vec!["note:///a"]),
            ("a query", "note:///a?b", vec!["note:///a", "note:///a?b"]),
            ("an encoded query", "note:///a%3Fb", vec!["note:///a", "note:///a?b"]),
            ("an encoded fragment", "note:///a%23b", vec!["note:///a", "note:///a#b"]),
            ("encoded letters", "note:///%C3%A9%2B%20", vec!["note:///\u{e9}+ "]),
            ("an encoding that is none", "note:///%zz%2", vec!["note:///%zz%2"]),
            ("no UTF-8", "note:///%ff", vec!["note:///%ff"]),
            (
                "parameters",
                "note:///a;b/c;d=1/",
                vec!["note:///a;b/c;d=1", "note:///a/c", "note:///a;b/c;d=1/"],
            ),
            ("encoded parameters", "note:///a%3Bb", vec!["note:///a;b", "note:///a"]),
            ("nothing but parameters", "note:///a/;x/b", vec!["note:///a/;x/b", "note:///a/b"]),
            ("parameters of the host", "note://h;x/b;y", vec!["note://h;x/b;y", "note://h;x/b"]),
            ("no authority", "note:a;b", vec!["note:a;b", "note:a"]),
            ("all of it", "note:///;a", vec!["note:///;a", "note:///"]),
            ("a file of this machine", "file://localhost/a", vec!["file:///a"]),
            ("a file of another", "file://host/a", vec!["file:///a"]),
            ("a file, in short", "file:/a", vec!["file:///a"]),
            ("a file", "file:///a", vec!["file:///a"]),
            ("a file of nobody", "file:a", vec!["file:a"]),
            ("the dot of the root", "https://a.example./x", vec!["https://a.example/x"]),
            ("the same with a port", "https://a.example.:8443/x", vec!["https://a.example:8443/x"]),
            ("a port", "https://a.example:8443", vec!["https://a.example:8443"]),
            ("a name with a dot", "note:a.", vec!["note:a."]),
        ];
        for (name, uri, expected) in rows {
            assert_eq!(forms(uri), expected, "{name}");
        }
    }

    proptest! {
        /// What is not looked at has no other forms.
        #[test]
        fn what_is_not_loose_is_what_it_is(
            uri in "(file|note)://?(/|a/|b\\.|b:1)?[a-c%41;/?.=]{0,12}",
        ) {
            if let Reading::Plain { normal, bare } = read(&uri, false) && !is_loose(&normal) {
                let known = [&*normal, normal.get(..bare).unwrap()];
                prop_assert!(forms(&normal).iter().all(|form| known.contains(&form.as_str())));
            }
        }
    }
}
