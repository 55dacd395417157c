//! The access token in a request, and nowhere else but in `Authorization` (RFC 6750 §2.1).

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Uri};
use portcullis_core::Reason;

/// A bearer token as sent. No `Debug`: it is a secret.
pub(crate) struct Credentials {
    line: HeaderValue,
    start: usize,
}

/// What a request carries instead of one well-formed bearer token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoCredentials {
    /// Nothing.
    Absent,
    /// Credentials of another scheme (R-102).
    OtherScheme,
    /// Too many, in the wrong place, or not as RFC 6750 spells them.
    Malformed(Reason),
}

impl Credentials {
    /// Takes the credentials out of a request: whatever comes of it, no `Authorization` line is
    /// left to forward (R-018, R-300).
    pub(crate) fn take(uri: &Uri, headers: &mut HeaderMap) -> Result<Self, NoCredentials> {
        let found = Self::find(uri, headers);
        headers.remove(AUTHORIZATION);
        found
    }

    fn find(uri: &Uri, headers: &HeaderMap) -> Result<Self, NoCredentials> {
        if uri.query().is_some_and(has_access_token) {
            return Err(NoCredentials::Malformed(Reason::QueryToken));
        }
        let malformed = NoCredentials::Malformed(Reason::MultipleAuth);
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        let line = lines.next().ok_or(NoCredentials::Absent)?;
        if lines.next().is_some() {
            return Err(malformed);
        }
        let text = line.to_str().map_err(|_| malformed)?;
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.is_empty() || !scheme.bytes().all(is_token_byte) {
            return Err(malformed);
        }
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(NoCredentials::OtherScheme);
        }
        let token = rest.trim_start_matches(' ');
        if !is_b64token(token) {
            return Err(malformed);
        }
        let mut line = line.clone();
        line.set_sensitive(true);
        Ok(Self { start: text.len() - token.len(), line })
    }

    /// The token.
    pub(crate) fn token(&self) -> &str {
        // Infallible, as found: an empty token would be refused like any other bad one.
        self.line.to_str().ok().and_then(|line| line.get(self.start..)).unwrap_or_default()
    }
}

/// `token68` (RFC 9110 §11.2), which RFC 6750 §2.1 calls `b64token`.
fn is_b64token(text: &str) -> bool {
    let token = text.trim_end_matches('=');
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

/// `tchar` (RFC 9110 §5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a query has a parameter `access_token`, percent-encoded or not (R-103).
fn has_access_token(query: &str) -> bool {
    query.split(['&', ';']).any(|pair| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        decoded(name.as_bytes()).eq(*b"access_token")
    })
}

/// The bytes that `name` stands for.
fn decoded(mut name: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let hex =
            |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (byte, rest) = match name {
            [b'%', high, low, rest @ ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high * 16 + low, rest),
                _ => name.split_first().map(|(byte, rest)| (*byte, rest))?,
            },
            _ => name.split_first().map(|(byte, rest)| (*byte, rest))?,
        };
        name = rest;
        Some(byte)
    })
}

#[cfg(test)]
mod tests {
    use NoCredentials::{Absent, Malformed, OtherScheme};

    use super::*;

    fn take(lines: &[&[u8]], query: &str) -> Result<String, NoCredentials> {
        let uri = format!("/mcp{query}").parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
        }
        let found = Credentials::take(&uri, &mut headers);
        assert!(headers.is_empty(), "no line is left");
        found.map(|credentials| credentials.token().to_owned())
    }

    #[test]
    fn one_line_one_scheme_one_token() {
        let bad = Err(Malformed(Reason::MultipleAuth));
        type Row<'a> = (&'a str, &'a [&'a [u8]], Result<&'a str, NoCredentials>);
        let rows: &[Row<'_>] = &[
            ("plain", &[b"Bearer a.b.c"], Ok("a.b.c")),
            ("lower case scheme", &[b"bearer x"], Ok("x")),
            ("upper case scheme", &[b"BEARER x"], Ok("x")),
            ("several spaces", &[b"Bearer   x"], Ok("x")),
            ("all of the alphabet", &[b"Bearer aZ09-._~+/=="], Ok("aZ09-._~+/==")),
            ("none", &[], Err(Absent)),
            ("basic", &[b"Basic YTpi"], Err(OtherScheme)),
            ("dpop", &[b"DPoP x"], Err(OtherScheme)),
            ("digest", &[br#"Digest username="a""#], Err(OtherScheme)),
            ("prefix of the scheme", &[b"Bear x"], Err(OtherScheme)),
            ("glued", &[b"Bearerx"], Err(OtherScheme)),
            ("two lines", &[b"Bearer a", b"Bearer b"], bad),
            ("the same line twice", &[b"Bearer a", b"Bearer a"], bad),
            ("two schemes", &[b"Bearer a", b"DPoP b"], bad),
            ("comma list", &[b"Bearer a, Bearer b"], bad),
            ("comma list without space", &[b"Bearer a,Bearer b"], bad),
            ("empty token", &[b"Bearer "], bad),
            ("no token", &[b"Bearer"], bad),
            ("only padding", &[b"Bearer =="], bad),
            ("padding inside", &[b"Bearer a=b"], bad),
            ("trailing junk", &[b"Bearer a b"], bad),
            ("trailing space", &[b"Bearer a "], bad),
            ("leading space", &[b" Bearer a"], bad),
            ("leading tab", &[b"\tBearer a"], bad),
            ("tab", &[b"Bearer\ta"], bad),
            ("tab after the space", &[b"Bearer \ta"], bad),
            ("no-break space", &[b"Bearer\xc2\xa0a"], bad),
            ("latin-1", &[b"Bearer a\xff"], bad),
            ("quoted", &[br#"Bearer "a""#], bad),
            ("empty line", &[b""], bad),
        ];
        for (name, lines, expected) in rows {
            assert_eq!(take(lines, "").as_deref().map_err(|e| *e), *expected, "{name}");
        }
    }

    #[test]
    fn a_token_in_the_query_refuses_the_request() {
        let refused = Err(Malformed(Reason::QueryToken));
        for query in [
            "?access_token=x",
            "?access_token",
            "?a=b&access_token=x",
            "?access%5Ftoken=x",
            "?%61ccess_token=x",
            "?a;access_token=x",
        ] {
            assert_eq!(take(&[], query), refused, "{query}");
            assert_eq!(take(&[b"Bearer good"], query), refused, "{query} with a header");
        }
        for query in ["", "?", "?ACCESS_TOKEN=x", "?xaccess_token=x", "?a=access_token", "?%"] {
            assert_eq!(take(&[b"Bearer good"], query), Ok("good".to_owned()), "{query}");
        }
    }
}
