//! What looks like a secret.

/// The shortest run of characters that may be a secret by its looks alone.
const RUN_MIN: usize = 24;
/// How evenly its characters must be spread, in bits for each: base64 of random bytes reaches 4.5 in 24
/// characters, words and paths do not reach 4.
const ENTROPY_MIN: f64 = 4.0;
/// How often the kind of character changes at least in what may otherwise be a path: half as often as
/// in random ones of 40 characters.
const CHANGES_MIN: usize = 10;

/// The kind of secret that `text` seems to hold; `None` when it seems to hold none.
///
/// It errs on the side of finding one: a value that is left out by mistake costs less than a
/// password on record.
pub(crate) fn find(text: &str) -> Option<&'static str> {
    if let Some(kind) = find_token(text) {
        return Some(kind);
    }
    if has_assignment(text) || has_option(text) {
        return Some("password");
    }
    if has_user_info(text) {
        return Some("url_password");
    }
    (runs(text).any(looks_random) || has_base64_key(text)).then_some("high_entropy")
}

/// Like [`find`], for text that names something: what may be an id or a word as well is none.
pub(crate) fn find_certain(text: &str) -> Option<&'static str> {
    find_token(text).or_else(|| has_user_info(text).then_some("url_password"))
}

/// The length of the shortest token. Most texts are names of tools and arguments, and shorter.
const TOKEN_MIN: usize = 11;
/// How private keys and certificates begin.
const PEM: &[u8] = b"-----BEGIN ";

/// The kind of a token that is known by how it is written.
fn find_token(text: &str) -> Option<&'static str> {
    if text.len() < TOKEN_MIN {
        return None;
    }
    if has_jwt(text) {
        return Some("jwt");
    }
    if text.as_bytes().windows(PEM.len()).any(|part| part == PEM) {
        return Some("pem");
    }
    find_known(text).map(|known| known.kind)
}

/// Whether a member of this name holds a secret, whatever it looks like.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['-', ' '], "_");
    WORDS.iter().any(|word| name.contains(word))
}

/// Tokens that are known by how they begin.
struct Known {
    kind: &'static str,
    prefix: &'static str,
    /// How many characters of a token follow at least.
    length: usize,
}

const KNOWN: [Known; 24] = [
    known("aws_key", "AKIA", 16),
    known("aws_key", "ASIA", 16),
    known("github_token", "ghp_", 20),
    known("github_token", "gho_", 20),
    known("github_token", "ghu_", 20),
    known("github_token", "ghs_", 20),
    known("github_token", "ghr_", 20),
    known("github_token", "github_pat_", 20),
    known("gitlab_token", "glpat-", 16),
    known("slack_token", "xoxb-", 10),
    known("slack_token", "xoxp-", 10),
    known("slack_token", "xoxa-", 10),
    known("slack_token", "xoxr-", 10),
    known("slack_token", "xoxs-", 10),
    known("slack_token", "xapp-", 10),
    known("slack_url", "hooks.slack.com/services/", 8),
    known("google_key", "AIza", 30),
    known("google_token", "ya29.", 16),
    known("stripe_key", "sk_live_", 12),
    known("stripe_key", "rk_live_", 12),
    known("npm_token", "npm_", 30),
    known("api_key", "sk-", 20),
    known("bearer_token", "Bearer ", 12),
    known("basic_auth", "Basic ", 12),
];

const fn known(kind: &'static str, prefix: &'static str, length: usize) -> Known {
    Known { kind, prefix, length }
}

/// Parts of names under which secrets are kept.
const WORDS: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "access_key",
    "private_key",
    "credential",
    "authorization",
    "cookie",
];

impl Known {
    fn begins(&self, text: &[u8]) -> bool {
        text.strip_prefix(self.prefix.as_bytes()).is_some_and(|after| {
            after.iter().take_while(|byte| is_token(**byte)).count() >= self.length
        })
    }
}

/// The first of [`KNOWN`] that is in `text`, at the start of a word. One look at each byte: every text of every
/// record comes through here.
fn find_known(text: &str) -> Option<&'static Known> {
    let bytes = text.as_bytes();
    let mut found = KNOWN.len();
    let mut in_word = false;
    for (at, byte) in bytes.iter().enumerate() {
        if !in_word && matches!(byte, b'A' | b'B' | b'g' | b'h' | b'n' | b'r' | b's' | b'x' | b'y')
        {
            let rest = bytes.get(at..).unwrap_or_default();
            let known = KNOWN.iter().take(found).position(|known| known.begins(rest));
            found = known.unwrap_or(found);
        }
        in_word = byte.is_ascii_alphanumeric();
    }
    KNOWN.get(found)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b'+' | b'=' | b'~')
}

/// Three parts of base64url, of which the first begins as every JSON object does.
fn has_jwt(text: &str) -> bool {
    let base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let bytes = text.as_bytes();
    bytes.windows(3).enumerate().filter(|(_, part)| part == b"eyJ").any(|(at, _)| {
        let mut rest = bytes.get(at..).unwrap_or_default();
        for least in [8, 2] {
            let length = rest.iter().take_while(|byte| base64url(byte)).count();
            match rest.split_at_checked(length) {
                Some((_, [b'.', after @ ..])) if length >= least => rest = after,
                _ => return false,
            }
        }
        true
    })
}

/// `password=…`, `"token": "…"`, and the like.
fn has_assignment(text: &str) -> bool {
    if !text.bytes().any(|byte| matches!(byte, b'=' | b':')) {
        return false;
    }
    let lower = text.to_ascii_lowercase().replace('-', "_");
    WORDS.iter().any(|word| {
        lower.match_indices(word).any(|(at, word)| {
            let rest = lower.get(at + word.len()..).unwrap_or_default();
            let rest = rest.trim_start_matches(['"', '\'', '\\', ' ']);
            let Some(value) = rest.strip_prefix(['=', ':']) else { return false };
            let value = value.trim_start_matches(['=', '"', '\'', '\\', ' ']);
            value.chars().next().is_some_and(|first| !first.is_whitespace())
        })
    })
}

/// `--password …`: an option and its value.
fn has_option(text: &str) -> bool {
    if !text.as_bytes().windows(2).any(|part| part == b"--") {
        return false;
    }
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let name = word.strip_prefix("--").filter(|name| !name.contains(['=', ':']));
        let value = words.peek().is_some_and(|next| !next.starts_with('-'));
        if value && name.is_some_and(is_secret_name) {
            return true;
        }
    }
    false
}

/// `scheme://user:password@host`.
fn has_user_info(text: &str) -> bool {
    text.bytes().any(|byte| byte == b'@')
        && text.match_indices("://").any(|(at, _)| {
            let rest = text.get(at + 3..).unwrap_or_default();
            let end = rest.find(['/', '?', '#', ' ', '"']).unwrap_or(rest.len());
            let authority = rest.get(..end).unwrap_or_default();
            authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
        })
}

/// Runs of characters that tokens are made of.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '_' | '=' | '-');
    let text = if text.len() < RUN_MIN { "" } else { text };
    text.split(move |c| !inside(c)).filter(|run| run.len() >= RUN_MIN)
}

fn looks_random(run: &str) -> bool {
    if !run.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    // Keys in hexadecimal, with or without something before them; an id with hyphens is none.
    let tail = run.trim_end_matches(|c: char| c.is_ascii_hexdigit()).len();
    let tail = run.get(tail..).unwrap_or_default();
    if tail.len() >= 32 && has_letters_and_digits(tail) {
        return true;
    }
    let parts = || run.split(['-', '_', '+', '=']).filter(|part| part.len() >= 32);
    if parts().any(|part| is_base32(part) || is_single_case(part)) {
        return true;
    }
    entropy(run) >= ENTROPY_MIN && has_mixed_case(run)
}

/// Base32 of 20 bytes or more (RFC 4648 §6), as one-time passwords are made from.
fn is_base32(part: &str) -> bool {
    part.len().is_multiple_of(8)
        && part.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'))
        && has_letters_and_digits(part)
        && entropy(part) >= 3.0
}

/// Letters of one case and digits, without a word in between.
fn is_single_case(part: &str) -> bool {
    !has_mixed_case(part) && has_letters_and_digits(part) && entropy(part) >= ENTROPY_MIN
}

/// Base64 with its slashes, which paths have too: the length of such keys (30 bytes), or a sign that
/// paths seldom have.
fn has_base64_key(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let text = if text.len() < 40 { "" } else { text };
    text.split(|c| !inside(c)).any(|run| {
        let key = run.len() == 40 && !run.starts_with('/');
        let long = run.len() > 40 && (run.contains('+') || run.ends_with('='));
        (key || long)
            && has_mixed_case(run)
            && has_letters_and_digits(run)
            && entropy(run) >= ENTROPY_MIN
            && changes(run) >= CHANGES_MIN
    })
}

/// How often the kind of character changes between capitals, small letters and digits: in words it
/// seldom does.
fn changes(text: &str) -> usize {
    let kind = |byte: u8| (byte.is_ascii_uppercase(), byte.is_ascii_digit());
    let bytes = text.as_bytes();
    bytes
        .iter()
        .zip(bytes.iter().skip(1))
        .filter(|(one, next)| one.is_ascii_alphanumeric() && next.is_ascii_alphanumeric())
        .filter(|(one, next)| kind(**one) != kind(**next))
        .count()
}

fn has_letters_and_digits(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit()) && !text.bytes().all(|b| b.is_ascii_digit())
}

/// How evenly characters are spread, in bits for each.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 128];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let length = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| {
            let share = f64::from(count) / length;
            -share * share.log2()
        })
        .sum()
}

fn has_mixed_case(run: &str) -> bool {
    run.bytes().any(|byte| byte.is_ascii_lowercase())
        && run.bytes().any(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_found_and_other_text_is_not() {
        // In two parts each, so that nobody takes this file for a leak.
        let hex = "9f86d081884c7d659a2feaa0c55ad015";
        let rows = [
            (
                "aws secret",
                ["wJalrXUtnFEMI/K7MDENG", "/bPxRfiCYEXAMPLEKEY"].concat(),
                Some("high_entropy"),
            ),
            ("DigitalOcean", ["dop_v1_", hex, hex].concat(), Some("high_entropy")),
            ("Shopify", ["shpat_", hex].concat(), Some("high_entropy")),
            ("Databricks", ["dapi", hex].concat(), Some("high_entropy")),
            ("base36", "k3j9x0q8m2z7w5v4b6n1a0s9d8f7g6h5".into(), Some("high_entropy")),
            ("base32", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".into(), Some("high_entropy")),
            (
                "base64 of 32 bytes",
                "q83vEjRWeJCrze8SNFZ4/kKvN7wq83vEjRWeJCrze8S=".into(),
                Some("high_entropy"),
            ),
            ("option", "run --password hunter2 now".into(), Some("password")),
            ("option of two words", "--api-key hunter2".into(), Some("password")),
            ("option without a value", "--password".into(), None),
            ("option before another", "--ask-password --verbose".into(), None),
            (
                "a path of many parts",
                "/home/Alice/Projects/2026/portcullis/src/main/Report7/rows".into(),
                None,
            ),
            ("a path as long as a key", "docs/Alice/Reports2026/quarter/three/all".into(), None),
            ("two uuids", "0193a2b4-5e6f-7abc-8def-0123456789ab-0193a2b4-5e6f".into(), None),
            ("shouting", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF".into(), None),
            ("token", ["eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0", ".c2ln"].concat(), Some("jwt")),
            (
                "token inside",
                ["x=eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0", ". y"].concat(),
                Some("jwt"),
            ),
            ("key", ["-----BEGIN ", "PRIVATE KEY-----"].concat(), Some("pem")),
            ("aws", ["AKIA", "IOSFODNN7EXAMPLE"].concat(), Some("aws_key")),
            ("github", ["ghp_", "0123456789abcdefghij0123"].concat(), Some("github_token")),
            ("slack", ["xoxb-", "123456789012-abc"].concat(), Some("slack_token")),
            ("google", ["AIza", "SyA0123456789012345678901234567890"].concat(), Some("google_key")),
            ("stripe", ["sk_live_", "0123456789abcd"].concat(), Some("stripe_key")),
            ("header", "Authorization: Bearer abcdefghijklmnop".into(), Some("bearer_token")),
            ("assignment", "password=hunter2".into(), Some("password")),
            ("assignment in JSON", r#"{"Password" : "hunter2"}"#.into(), Some("password")),
            ("in escaped JSON", r#"{\"api_key\": \"hunter2\"}"#.into(), Some("password")),
            ("in a query", "https://a.example/?api-key=hunter2".into(), Some("password")),
            ("in a URL", "postgres://app:hunter2@db/x".into(), Some("url_password")),
            ("random base64", "q83vEjRWeJCrze8SNFZ4kKvN7w".into(), Some("high_entropy")),
            ("hex key", "9f86d081884c7d659a2feaa0c55ad015".into(), Some("high_entropy")),
            ("word", "report".into(), None),
            (
                "sentence",
                "the quick brown fox jumps over the lazy dog again and again".into(),
                None,
            ),
            ("path", "/home/alice/projects/portcullis/src/main.rs".into(), None),
            ("a long name", "a_function_with_a_very_long_name_2_and_more".into(), None),
            ("a version", "portcullis-audit-0.1.0-x86_64-unknown-linux-gnu".into(), None),
            ("uuid", "0193a2b4-5e6f-7abc-8def-0123456789ab".into(), None),
            ("URL", "https://mcp.example.com/a/b?page=2".into(), None),
            ("mail", "mailto:alice@example.com".into(), None),
            ("a port", "https://example.com:8443/x@y".into(), None),
            ("date", "2026-11-21T09:00:00.000Z".into(), None),
            ("number", "12345678901234567890123456789012".into(), None),
            ("word in a sentence", "what is a token".into(), None),
            ("not a token", "task-force".into(), None),
            ("not AWS", "MAKIAVELLI0123456789".into(), None),
            ("nothing", String::new(), None),
            ("a dotted name", "eyJ.a.b".into(), None),
        ];
        for (name, text, expected) in rows {
            assert_eq!(find(&text), expected, "{name}: {text}");
        }
    }

    /// What [`find_token`] finds, without its short cuts.
    fn plainly(text: &str) -> Option<&'static str> {
        let known = |known: &&Known| {
            text.match_indices(known.prefix).any(|(at, prefix)| {
                let (before, found) = text.split_at(at);
                let token = found.bytes().skip(prefix.len()).take_while(|it| is_token(*it));
                before.chars().next_back().is_none_or(|it| !it.is_ascii_alphanumeric())
                    && token.count() >= known.length
            })
        };
        if has_jwt(text) {
            return Some("jwt");
        }
        if text.contains("-----BEGIN ") {
            return Some("pem");
        }
        KNOWN.iter().find(known).map(|known| known.kind)
    }

    #[test]
    fn no_token_is_too_short_to_be_looked_for() {
        let shortest = KNOWN.iter().map(|known| known.prefix.len() + known.length).min().unwrap();
        assert!(TOKEN_MIN <= shortest.min(PEM.len()));
        for known in &KNOWN {
            for before in ["", "x=", "é", "ghp", "sk-", "Bearer "] {
                let text = [before, known.prefix, &"a".repeat(known.length)].concat();
                let found = find_token(&text);
                assert_eq!(found, plainly(&text), "{text}");
                assert_eq!(found.is_some(), before != "ghp", "{text}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn short_cuts_lead_to_the_same(
            parts in proptest::collection::vec((0..KNOWN.len() + 4, "[a-z0-9 .é=_-]{0,24}"), 0..4),
        ) {
            let text: String = parts.iter().map(|(index, more)| {
                let others = ["eyJhbGci.", "-----BEGIN ", "", "Basic"];
                let begin = KNOWN.get(*index).map_or_else(|| others[*index - KNOWN.len()], |it| it.prefix);
                [begin, more.as_str()].concat()
            }).collect();
            prop_assert_eq!(find_token(&text), plainly(&text));
        }
    }

    #[test]
    fn a_password_in_a_url_is_certain_whatever_else_is_there() {
        assert_eq!(find_certain("password=x postgres://app:hunter2@db"), Some("url_password"));
        assert_eq!(find_certain("password=hunter2"), None);
    }

    #[test]
    fn names_that_hold_secrets() {
        for name in ["password", "dbPassword", "x-api-key", "Client Secret", "accessToken"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["path", "query", "key", "user"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
