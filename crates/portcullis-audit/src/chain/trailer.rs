//! The last members of a chained line. They are written and read as bytes: whoever checks a line
//! need not agree with us on what its JSON means.

use std::io::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::CheckpointSigner;
use crate::chain::hex::{push_hex, unhex};
use crate::id::EventId;

/// What a signature is over, before the line itself: no signature of anything else is one of a
/// checkpoint.
const CONTEXT: &[u8] = b"portcullis audit checkpoint 1\n";

/// The length of a chain's id.
const ID: usize = 36;

/// What chains a line to the one before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) chain: EventId,
    pub(crate) seq: u64,
    pub(crate) prev: [u8; 32],
}

/// The same, as read; and the signature, if the line is a checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Trailer<'a> {
    pub(crate) chain: &'a str,
    pub(crate) seq: u64,
    pub(crate) prev: [u8; 32],
    pub(crate) signature: Option<[u8; 64]>,
    /// What the signature is over.
    signed: &'a [u8],
}

impl Trailer<'_> {
    /// What the signature is over.
    pub(crate) fn message(&self) -> Vec<u8> {
        [CONTEXT, self.signed].concat()
    }
}

/// Appends `line`, a JSON object and a newline, to `out` with `link` as its last members. Where our
/// members are in an object `unmapped` at the end, as in OCSF, they go there.
pub(crate) fn append(line: &[u8], link: &Link, out: &mut Vec<u8>) -> io::Result<()> {
    let body = line.strip_suffix(b"\n").unwrap_or(line);
    let end: &[u8] = if is_own(body) || !body.ends_with(b"}}") { b"}" } else { b"}}" };
    let inside = body
        .strip_suffix(end)
        .filter(|inside| inside.len() > 1 && !inside.contains(&b'\n'))
        .ok_or_else(|| io::Error::other("only lines of JSON can be chained"))?;
    out.extend_from_slice(inside);
    out.extend_from_slice(b",\"chain\":\"");
    out.extend_from_slice(link.chain.encode(&mut EventId::buffer()).as_bytes());
    out.extend_from_slice(b"\",\"seq\":");
    write!(out, "{}", link.seq)?;
    out.extend_from_slice(b",\"prev\":\"");
    push_hex(&link.prev, out);
    out.push(b'"');
    out.extend_from_slice(end);
    out.push(b'\n');
    Ok(())
}

/// Signs the line that begins at `from` and is the last of `out`.
pub(crate) fn sign(
    out: &mut Vec<u8>,
    from: usize,
    signer: &mut dyn CheckpointSigner,
) -> io::Result<()> {
    let signed = out.get(from..).and_then(|line| line.strip_suffix(b"}\n")).unwrap_or_default();
    let signature = signer.sign(&[CONTEXT, signed].concat())?;
    out.truncate(out.len().saturating_sub(2));
    out.extend_from_slice(b",\"signature\":\"");
    out.extend_from_slice(URL_SAFE_NO_PAD.encode(signature).as_bytes());
    out.extend_from_slice(b"\"}\n");
    Ok(())
}

/// Reads the trailer of `line`, which has no newline.
pub(crate) fn read(line: &[u8]) -> Option<Trailer<'_>> {
    let mut rest = line.strip_suffix(b"}")?;
    if !is_own(line) {
        rest = rest.strip_suffix(b"}").unwrap_or(rest);
    }
    let mut signature = None;
    let mut signed = rest;
    if let Some((before, value)) = quoted(rest, b",\"signature\":\"", 86) {
        signature = Some(URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok()?);
        (rest, signed) = (before, before);
    }
    let (rest, prev) = quoted(rest, b",\"prev\":\"", 64)?;
    let prev = unhex(prev)?;
    let digits = rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (rest, seq) = rest.split_at_checked(rest.len().checked_sub(digits)?)?;
    let seq = std::str::from_utf8(seq).ok()?;
    if seq.len() > 1 && seq.starts_with('0') {
        return None;
    }
    let rest = rest.strip_suffix(b",\"seq\":")?;
    let (_, chain) = quoted(rest, b",\"chain\":\"", ID)?;
    let chain = std::str::from_utf8(chain).ok().filter(|id| is_id(id))?;
    Some(Trailer { chain, seq: seq.parse().ok()?, prev, signature, signed })
}

/// Splits a member whose value is a string of `length` bytes off the end.
fn quoted<'a>(text: &'a [u8], name: &[u8], length: usize) -> Option<(&'a [u8], &'a [u8])> {
    let text = text.strip_suffix(b"\"")?;
    let (before, value) = text.split_at_checked(text.len().checked_sub(length)?)?;
    Some((before.strip_suffix(name)?, value))
}

fn is_id(text: &str) -> bool {
    text.len() == ID && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Whether the line is in our own format, in which our members are the outermost.
fn is_own(line: &[u8]) -> bool {
    line.starts_with(b"{\"schema\":")
}

#[cfg(test)]
mod tests {
    use portcullis_core::Clock;

    use super::*;
    use crate::SigningKey;
    use crate::id::Ids;

    fn link(seq: u64) -> Link {
        let chain = Ids::new().unwrap().next(&Clock::manual(1_795_000_000).0);
        Link { chain, seq, prev: [0xa9; 32] }
    }

    #[test]
    fn what_is_written_is_read() {
        for (name, line) in [
            ("own", "{\"schema\":1,\"a\":{\"b\":{}}}\n"),
            ("inside unmapped", "{\"class_uid\":6003,\"unmapped\":{\"b\":1}}\n"),
            ("other", "{\"a\":1}\n"),
        ] {
            for seq in [0, 7, u64::MAX] {
                let (mut out, link) = (b"before\n".to_vec(), link(seq));
                append(line.as_bytes(), &link, &mut out).unwrap();
                let text = std::str::from_utf8(&out[7..]).unwrap().trim_end();
                let value: serde_json::Value = serde_json::from_str(text).unwrap();
                let inside = if name == "inside unmapped" { &value["unmapped"] } else { &value };
                assert_eq!(inside["seq"], seq, "{name}");
                let read = read(text.as_bytes()).unwrap();
                assert_eq!((read.chain, read.seq), (link.chain.to_string().as_str(), seq));
                assert_eq!((read.prev, read.signature), (link.prev, None));
            }
        }
    }

    #[test]
    fn a_signature_is_over_all_before_it() {
        let mut key = SigningKey::from_seed(&[7; 32]).unwrap();
        let mut out = Vec::new();
        append(b"{\"schema\":1}\n", &link(3), &mut out).unwrap();
        sign(&mut out, 0, &mut key).unwrap();
        let text = std::str::from_utf8(&out).unwrap().trim_end();
        let trailer = read(text.as_bytes()).unwrap();
        let message = trailer.message();
        let verifying = key.verifying_key();
        assert!(verifying.verify(&message, &trailer.signature.unwrap()));
        for at in 0..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[at] ^= 1;
            let holds = read(&changed).is_some_and(|it| {
                it.signature.is_some_and(|s| verifying.verify(&it.message(), &s))
            });
            assert!(!holds, "byte {at}");
        }
    }

    #[test]
    fn what_is_no_trailer() {
        let mut out = Vec::new();
        append(b"{\"schema\":1}\n", &link(12), &mut out).unwrap();
        let good = String::from_utf8(out).unwrap().trim_end().to_owned();
        assert!(read(good.as_bytes()).is_some());
        let rows = [
            ("nothing", String::new()),
            ("no object", "x".into()),
            ("leading zero", good.replace("\"seq\":12", "\"seq\":012")),
            ("no number", good.replace("\"seq\":12", "\"seq\":")),
            ("too large", good.replace("\"seq\":12", "\"seq\":99999999999999999999")),
            ("upper case", good.replace("a9", "A9")),
            ("a space", good.replace(",\"prev\"", ", \"prev\"")),
            ("cut", good.trim_end_matches('}').to_owned()),
            ("more behind", good.replace('}', ",\"x\":1}")),
        ];
        for (name, line) in rows {
            assert_eq!(read(line.as_bytes()), None, "{name}: {line}");
        }
    }

    #[test]
    fn only_json_is_chained() {
        for line in ["CEF:0|portcullis\n", "\n", "{}\n", "{\"a\":1}\n{\"b\":2}\n"] {
            append(line.as_bytes(), &link(0), &mut Vec::new()).unwrap_err();
        }
    }
}
