//! Byte sequences of structured fields (RFC 8941 §3.3.5), read strictly.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::IdentityErrorKind as Kind;

/// The longest field line that holds a certificate, in bytes: one of 12 KiB.
pub(super) const MAX_CERTIFICATE: usize = 16 * 1024;
/// The longest chain, over all its lines.
const MAX_CHAIN: usize = 64 * 1024;
/// The most certificates in a chain.
const MAX_CERTIFICATES: usize = 16;

/// `Client-Cert`: one byte sequence and nothing else (RFC 9440 §2.2).
///
/// Parameters are refused, and base64 without its padding or with bits left over, which other
/// parsers let pass: proxies must not send it (RFC 8941 §4.1.8), and one certificate should have
/// one spelling.
pub(super) fn certificate(line: &[u8]) -> Result<Bytes, Kind> {
    let line = trim(line);
    if line.len() > MAX_CERTIFICATE {
        return Err(Kind::TooLarge);
    }
    let base64 = line
        .strip_prefix(b":")
        .and_then(|rest| rest.strip_suffix(b":"))
        .filter(|base64| !base64.is_empty())
        .ok_or(Kind::Malformed)?;
    STANDARD.decode(base64).map(Bytes::from).map_err(|_| Kind::Malformed)
}

/// `Client-Cert-Chain`: a list of byte sequences, which may be on several lines (RFC 9440 §2.3).
pub(super) fn chain(lines: &[&[u8]]) -> Result<Vec<Bytes>, Kind> {
    let (mut chain, mut length) = (Vec::new(), 0_usize);
    for line in lines {
        length = length.saturating_add(line.len());
        if length > MAX_CHAIN {
            return Err(Kind::TooLarge);
        }
        // No byte sequence holds a comma.
        for item in line.split(|b| *b == b',') {
            if chain.len() == MAX_CERTIFICATES {
                return Err(Kind::TooLarge);
            }
            chain.push(certificate(item)?);
        }
    }
    Ok(chain)
}

/// Optional white space between the items of a list (RFC 9110 §5.6.3).
fn trim(mut text: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\t', rest)) = text.split_first() {
        text = rest;
    }
    while let Some((b' ' | b'\t', rest)) = text.split_last() {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn certificates() {
        let long = format!(":{}:", STANDARD.encode(vec![0; MAX_CERTIFICATE / 4 * 3]));
        for (name, line, expected) in [
            ("a byte sequence", &b":bGVhZg==:"[..], Ok(&b"leaf"[..])),
            ("white space around it", b" \t:bGVhZg==: ", Ok(b"leaf")),
            ("every character", b":+/+/:", Ok(&[0xfb, 0xff, 0xbf])),
            ("nothing", b"", Err(Kind::Malformed)),
            ("one colon", b":", Err(Kind::Malformed)),
            ("empty", b"::", Err(Kind::Malformed)),
            ("bare base64", b"bGVhZg==", Err(Kind::Malformed)),
            ("quoted", b"\":bGVhZg==:\"", Err(Kind::Malformed)),
            ("no end", b":bGVhZg==", Err(Kind::Malformed)),
            ("no padding", b":bGVhZg:", Err(Kind::Malformed)),
            ("bits left over", b":bGVhZh==:", Err(Kind::Malformed)),
            ("base64url", b":-_-_:", Err(Kind::Malformed)),
            ("white space inside", b":bGVh Zg==:", Err(Kind::Malformed)),
            ("a line break", b":bGVh\nZg==:", Err(Kind::Malformed)),
            ("a parameter", b":bGVhZg==:;a=1", Err(Kind::Malformed)),
            ("two", b":bGVhZg==:, :bGVhZg==:", Err(Kind::Malformed)),
            ("URL-encoded PEM", b"-----BEGIN%20CERTIFICATE-----", Err(Kind::Malformed)),
            ("not ASCII", b":bGVhZ\xe9==:", Err(Kind::Malformed)),
            ("too long", long.as_bytes(), Err(Kind::TooLarge)),
        ] {
            assert_eq!(certificate(line).as_deref(), expected.as_ref().copied(), "{name}");
        }
    }

    #[test]
    fn chains() {
        let of =
            |lines: &[&str]| chain(&lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>());
        assert_eq!(of(&[":YQ==:, :Yg==:"]).unwrap(), ["a", "b"]);
        assert_eq!(of(&[":YQ==:,:Yg==:", ":Yw==:"]).unwrap(), ["a", "b", "c"]);
        assert_eq!(of(&[]).unwrap(), [""; 0]);
        for bad in [&[""][..], &[":YQ==:,"], &[",:YQ==:"], &[":YQ==:", ""], &[":YQ==: :Yg==:"]] {
            assert_eq!(of(bad), Err(Kind::Malformed), "{bad:?}");
        }
        assert_eq!(of(&[":YQ==:"; MAX_CERTIFICATES]).unwrap().len(), MAX_CERTIFICATES);
        assert_eq!(of(&[":YQ==:"; MAX_CERTIFICATES + 1]), Err(Kind::TooLarge), "too many");
        let large = format!(":{}:", STANDARD.encode(vec![0; 12_000]));
        assert_eq!(of(&[large.as_str(); 5]), Err(Kind::TooLarge), "too long");
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(der in prop::collection::vec(any::<u8>(), 1..200)) {
            let line = format!(":{}:", STANDARD.encode(&der));
            prop_assert_eq!(&certificate(line.as_bytes()).unwrap(), &der);
            prop_assert_eq!(chain(&[line.as_bytes(), line.as_bytes()]).unwrap(), [&der, &der]);
        }

        /// One certificate has one spelling.
        #[test]
        fn what_is_read_is_canonical(line in prop::collection::vec(any::<u8>(), 0..60)) {
            let bare: Vec<u8> = [b":", &line[..], b":"].concat();
            for line in [&line, &bare] {
                if let Ok(der) = certificate(line) {
                    let again = format!(":{}:", STANDARD.encode(&der));
                    prop_assert_eq!(trim(line), again.as_bytes());
                }
            }
        }
    }
}
