//! The access token in a request, and nowhere else but in `Authorization` (RFC 6750 §2.1,
//! RFC 9449 §7.1).

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use portcullis_core::Reason;

/// The name of the field with the proof.
static DPOP: HeaderName = HeaderName::from_static("dpop");

/// What was sent as an access token. No `Debug`: it is a secret.
pub(crate) struct Credentials {
    scheme: Scheme,
    line: HeaderValue,
    start: usize,
    proof: Option<HeaderValue>,
}

/// How a token is presented.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scheme {
    Bearer,
    Dpop,
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

const MALFORMED: NoCredentials = NoCredentials::Malformed(Reason::MultipleAuth);

impl Credentials {
    /// Takes the credentials out of a request: whatever comes of it, no `Authorization` and no
    /// `DPoP` line is left to forward (R-018, R-300). `in_query` is what
    /// [`in_query`] says of its URI, and `dpop` whether that scheme is one of ours.
    ///
    /// Whether the bytes are those of a token is not looked at: see [`check`](Self::check).
    pub(crate) fn take(
        in_query: bool,
        headers: &mut HeaderMap,
        dpop: bool,
    ) -> Result<Self, NoCredentials> {
        let several = headers.get_all(AUTHORIZATION).iter().nth(1).is_some();
        let line = headers.remove(AUTHORIZATION);
        let proof = take_proof(headers);
        if in_query {
            return Err(NoCredentials::Malformed(Reason::QueryToken));
        }
        let mut line = line.ok_or(NoCredentials::Absent)?;
        if several {
            return Err(MALFORMED);
        }
        let (scheme, start) = scheme(&line, dpop)?;
        line.set_sensitive(true);
        Ok(Self { scheme, line, start, proof })
    }

    /// How the token is presented.
    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The DPoP proof, if there is exactly one line of it (R-017).
    pub(crate) fn proof(&self) -> Option<&HeaderValue> {
        self.proof.as_ref()
    }

    /// What was sent in a token's place.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.line.as_bytes().get(self.start..).unwrap_or_default()
    }

    /// Refuses what no token looks like. Not needed of bytes that were found to be a good token
    /// before.
    pub(crate) fn check(&self) -> Result<(), NoCredentials> {
        // Whatever is in the line besides ASCII is refused here.
        if is_b64token(self.bytes()) { Ok(()) } else { Err(MALFORMED) }
    }

    /// The token.
    pub(crate) fn token(&self) -> &str {
        // Infallible once checked: an empty token would be refused like any other bad one.
        str::from_utf8(self.bytes()).unwrap_or_default()
    }
}

/// The scheme of an `Authorization` line, and where what follows it starts.
fn scheme(line: &HeaderValue, dpop: bool) -> Result<(Scheme, usize), NoCredentials> {
    let value = line.as_bytes();
    // As nearly everybody writes it.
    let (scheme, rest) = if let Some(rest) = value.strip_prefix(b"Bearer ") {
        (Scheme::Bearer, rest)
    } else {
        let space = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
        let (scheme, rest) = value.split_at_checked(space).ok_or(MALFORMED)?;
        if scheme.is_empty() || !scheme.iter().copied().all(is_token_byte) {
            return Err(MALFORMED);
        }
        if scheme.eq_ignore_ascii_case(b"Bearer") {
            (Scheme::Bearer, rest)
        } else if dpop && scheme.eq_ignore_ascii_case(b"DPoP") {
            (Scheme::Dpop, rest)
        } else if line.to_str().is_err() {
            return Err(MALFORMED);
        } else {
            return Err(NoCredentials::OtherScheme);
        }
    };
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    Ok((scheme, value.len().saturating_sub(rest.len()).saturating_add(spaces)))
}

/// Takes the proof out of a request, if there is exactly one.
fn take_proof(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let lines = headers.get_all(&DPOP).iter().take(2).count();
    if lines == 0 {
        return None;
    }
    let mut proof = headers.remove(&DPOP)?;
    proof.set_sensitive(true);
    (lines == 1).then_some(proof)
}

/// `token68` (RFC 9110 §11.2), which RFC 6750 §2.1 calls `b64token`.
pub(crate) fn is_b64token(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let token = text.get(..text.len().saturating_sub(padding)).unwrap_or_default();
    // No early exit and no branch, so that the compiler looks at many bytes at a time: tokens are
    // long, and nearly all are good.
    let bad = token.iter().fold(0, |bad, byte| bad | u8::from(!is_b64token_byte(*byte)));
    !token.is_empty() && bad == 0
}

/// Letters, `-`, `.`, `/` and digits, which are neighbours in ASCII, and four more.
fn is_b64token_byte(byte: u8) -> bool {
    (byte | 0x20).wrapping_sub(b'a') < 26
        || byte.wrapping_sub(b'-') <= b'9' - b'-'
        || byte == b'_'
        || byte == b'~'
        || byte == b'+'
}

/// `tchar` (RFC 9110 §5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether there is a token in the query, where none belongs (R-103).
pub(crate) fn in_query(uri: &Uri) -> bool {
    uri.query().is_some_and(has_access_token)
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
        found(lines, query, false).map(|credentials| credentials.token().to_owned())
    }

    fn found(lines: &[&[u8]], query: &str, dpop: bool) -> Result<Credentials, NoCredentials> {
        let uri: Uri = format!("/mcp{query}").parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
        }
        headers.append(&DPOP, HeaderValue::from_static("proof"));
        let found = Credentials::take(in_query(&uri), &mut headers, dpop);
        assert!(headers.is_empty(), "no line is left");
        found.and_then(|credentials| credentials.check().map(|()| credentials))
    }

    #[test]
    fn the_scheme_dpop_only_where_it_is_on() {
        for line in ["DPoP x", "dpop x", "DPOP   x"] {
            let credentials = found(&[line.as_bytes()], "", true).ok().unwrap();
            assert_eq!((credentials.scheme(), credentials.token()), (Scheme::Dpop, "x"), "{line}");
            assert_eq!(found(&[line.as_bytes()], "", false).err(), Some(OtherScheme), "{line}");
        }
        let bearer = found(&[b"Bearer x"], "", true).ok().unwrap();
        assert_eq!(bearer.scheme(), Scheme::Bearer);
        let malformed = Some(Malformed(Reason::MultipleAuth));
        assert_eq!(found(&[b"DPoP"], "", true).err(), malformed);
        assert_eq!(found(&[b"DPoP a", b"Bearer a"], "", true).err(), malformed);
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
            ("latin-1 after another scheme", &[b"Basic a\xff"], bad),
        ];
        for (name, lines, expected) in rows {
            assert_eq!(take(lines, "").as_deref().map_err(|e| *e), *expected, "{name}");
        }
    }

    #[test]
    fn one_bad_byte_anywhere_spoils_a_token() {
        const ALLOWED: &[u8] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
        for byte in 0..=u8::MAX {
            for at in 0..40 {
                let mut token = [b'x'; 40];
                token[at] = byte;
                let padding = byte == b'=' && at == 39;
                assert_eq!(is_b64token(&token), ALLOWED.contains(&byte) || padding, "{byte} {at}");
            }
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
