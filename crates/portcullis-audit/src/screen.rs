//! Names that a client chose, without the secrets in them.
//!
//! Who read what is what records are for, so as much of a name stays as can: of a URI, all but the
//! part that looks like a secret. What may just as well be an id stays in names, and goes where names
//! are made up by the caller (arguments) or are not needed to say what was read (a query).

use portcullis_core::TargetKind;

use crate::record::Decision;
use crate::secrets;
use crate::text::Span;

/// What stands for what is left out.
const REDACTED: &str = "(redacted)";

/// What is recorded instead of some texts of a record, and what those looked like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Screened {
    texts: Vec<(Span, String)>,
    pub(crate) kinds: Vec<&'static str>,
}

impl Screened {
    /// `None`: everything may be shown.
    pub(crate) fn of(decision: &Decision) -> Option<Box<Self>> {
        let mut screened = Self::default();
        let resource = decision.target_type.is_some_and(|kind| kind.starts_with("resource"));
        let target = if resource { uri } else { word };
        screened.look(decision, decision.target, target);
        for &span in &decision.more_targets {
            screened.look(decision, span, target);
        }
        for &span in &decision.argument_keys {
            screened.look(decision, span, key);
        }
        for span in [decision.jsonrpc_id, decision.user_agent, decision.traceparent] {
            screened.look(decision, span, word);
        }
        (!screened.kinds.is_empty()).then(|| Box::new(screened))
    }

    fn look(&mut self, decision: &Decision, span: Span, screen: Screen) {
        let Some((shown, kind)) = decision.texts.get(span).and_then(screen) else { return };
        self.texts.push((span, shown));
        self.kinds.push(kind);
    }

    pub(crate) fn text(&self, span: Span) -> Option<&str> {
        self.texts.iter().find(|(at, _)| *at == span).map(|(_, text)| text.as_str())
    }
}

/// Says what to show of a text instead of it, and why; `None`: all of it.
type Screen = fn(&str) -> Option<(String, &'static str)>;

/// What a message acts on.
pub(crate) fn target(kind: TargetKind, name: &str) -> Option<(String, &'static str)> {
    match kind {
        TargetKind::Resource | TargetKind::ResourceTemplate => uri(name),
        _ => word(name),
    }
}

/// A tool's name, a prompt's, an id.
pub(crate) fn word(text: &str) -> Option<(String, &'static str)> {
    secrets::find_certain(text).map(|kind| (REDACTED.to_owned(), kind))
}

/// An argument's name.
fn key(text: &str) -> Option<(String, &'static str)> {
    secrets::find(text).map(|kind| (REDACTED.to_owned(), kind))
}

/// A resource's.
fn uri(text: &str) -> Option<(String, &'static str)> {
    let mut found = None;
    let (place, query) = match text.find(['?', '#']) {
        Some(at) => text.split_at_checked(at)?,
        None => (text, ""),
    };
    let (start, authority, path) = parts(place);
    let mut shown = start.to_owned();
    let host = match authority.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => {
            found = Some("url_password");
            shown.push_str(REDACTED);
            shown.push('@');
            host
        }
        _ => authority,
    };
    shown.push_str(host);
    // A random part is an id more often than not.
    let secret = |text: &str| in_uri(text).filter(|kind| *kind != "high_entropy");
    if let Some(kind) = secret(path) {
        found = found.or(Some(kind));
        let segments = path.split('/').map(|it| if secret(it).is_some() { REDACTED } else { it });
        let kept = segments.collect::<Vec<_>>().join("/");
        // A secret that is none in its parts.
        shown.push_str(if secret(&kept).is_some() || kept == path { REDACTED } else { &kept });
    } else if let Some(kind) = secret(&[host, path].concat()) {
        found = found.or(Some(kind));
        shown.push('/');
        shown.push_str(REDACTED);
    } else {
        shown.push_str(path);
    }
    if let Some(kind) = in_uri(query) {
        found = found.or(Some(kind));
        shown.push_str(query.get(..1).unwrap_or_default());
        shown.push_str(REDACTED);
    } else {
        shown.push_str(query);
    }
    found.map(|kind| (shown, kind))
}

/// The scheme with its slashes, who is asked, and the rest.
fn parts(place: &str) -> (&str, &str, &str) {
    let Some(start) = place.find("://").and_then(|at| place.split_at_checked(at + 3)) else {
        return ("", "", place);
    };
    let (start, rest) = start;
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    (start, authority, path)
}

/// The kind of secret in a part of a URI, encoded or not.
fn in_uri(text: &str) -> Option<&'static str> {
    secrets::find(text).or_else(|| {
        let decoded = text.contains('%').then(|| percent_decoded(text))?;
        secrets::find(&decoded)
    })
}

fn percent_decoded(text: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = (byte == b'%').then(|| digit(bytes.get(at + 1)).zip(digit(bytes.get(at + 2))));
        match digits.flatten().and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name, how it is looked at, what, and what comes of it.
    type Row = (&'static str, Screen, String, Option<(String, &'static str)>);

    #[test]
    fn what_looks_like_a_secret_is_left_out_and_the_rest_stays() {
        let jwt = ["eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0", ".c2ln"].concat();
        let github = ["ghp_", "0123456789abcdefghij0123"].concat();
        let rows: [Row; 19] = [
            ("a file", uri, "file:///home/a/notes.txt".into(), None),
            (
                "a password",
                uri,
                "postgres://app:hunter2@db/x".into(),
                Some(("postgres://(redacted)@db/x".into(), "url_password")),
            ),
            ("a user", uri, "postgres://app@db/x".into(), None),
            (
                "a query",
                uri,
                format!("https://h/x?access_token={jwt}"),
                Some(("https://h/x?(redacted)".into(), "jwt")),
            ),
            (
                "a query, encoded",
                uri,
                "https://h/x?access%5Ftoken%3Dabc".into(),
                Some(("https://h/x?(redacted)".into(), "password")),
            ),
            ("an honest query", uri, "https://h/x?page=2#top".into(), None),
            (
                "a fragment",
                uri,
                "https://h/x#token=abc".into(),
                Some(("https://h/x#(redacted)".into(), "password")),
            ),
            (
                "a segment",
                uri,
                format!("https://h/a/{github}/b"),
                Some(("https://h/a/(redacted)/b".into(), "github_token")),
            ),
            (
                "a place where a path is a secret",
                uri,
                "https://hooks.slack.com/services/T0000/B0000".into(),
                Some(("https://hooks.slack.com/(redacted)".into(), "slack_url")),
            ),
            ("an id", uri, "https://h/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgVE2upms".into(), None),
            (
                "a random query",
                uri,
                "https://h/d?sig=1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgVE2upms".into(),
                Some(("https://h/d?(redacted)".into(), "high_entropy")),
            ),
            ("no slashes", uri, format!("x:{jwt}"), Some(("(redacted)".into(), "jwt"))),
            ("a template", uri, "db://{user}/{table}".into(), None),
            ("a tool", word, "tokens:list".into(), None),
            ("a tool with a hash", word, "read_9f86d081884c7d659a2feaa0c55ad015".into(), None),
            (
                "a token for a tool",
                word,
                github.clone(),
                Some(("(redacted)".into(), "github_token")),
            ),
            ("an argument", key, "path".into(), None),
            ("a token for an argument", key, github, Some(("(redacted)".into(), "github_token"))),
            (
                "a random argument",
                key,
                "9f86d081884c7d659a2feaa0c55ad015".into(),
                Some(("(redacted)".into(), "high_entropy")),
            ),
        ];
        for (name, screen, text, expected) in rows {
            assert_eq!(screen(&text), expected, "{name}: {text}");
        }
    }
}
