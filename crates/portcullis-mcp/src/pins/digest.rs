//! What is the same definition, however it is written.

use std::fmt;

use portcullis_crypto::sha256;

use crate::json::{JsonError, JsonLimits, Kind, Scanner};

/// The members that a model reads, or a client acts on. In any letter case: some clients do not tell.
const MEMBERS: [&str; 6] =
    ["name", "title", "description", "inputSchema", "outputSchema", "annotations"];
const PREFIX: &str = "sha256:";

/// The digest of a definition.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix(PREFIX)?.as_bytes();
        let mut bytes = [0; 32];
        let (pairs, []) = hex.as_chunks::<2>() else { return None };
        if pairs.len() != bytes.len() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let digit = |digit: u8| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            };
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The digest of a tool's definition.
pub(crate) fn of(definition: &[u8], limits: JsonLimits) -> Result<Digest, JsonError> {
    let mut out = Vec::with_capacity(definition.len());
    let mut scanner = Scanner::new(definition, limits)?;
    members(&mut scanner, &mut out, |name| MEMBERS.iter().any(|it| it.eq_ignore_ascii_case(name)))?;
    scanner.finish()?;
    Ok(Digest(sha256(&out)))
}

/// The same, and the tool's name. `None` when it has none.
pub(crate) fn named(
    definition: &[u8],
    limits: JsonLimits,
) -> Result<Option<(Box<str>, Digest)>, JsonError> {
    let mut scanner = Scanner::new(definition, limits)?;
    if scanner.peek()? != Kind::Object {
        return Ok(None);
    }
    let mut found = None;
    scanner.object(|scanner, name| {
        if name.eq("name") && scanner.peek()? == Kind::String {
            found = Some(Box::from(&*scanner.string()?.decoded()));
            return Ok(());
        }
        scanner.pass()
    })?;
    let digest = of(definition, limits)?;
    Ok(found.map(|name| (name, digest)))
}

/// Writes an object with its members in order of their names (as RFC 8785 does, but for the order of
/// characters past U+FFFF): those that `counts`.
fn members(
    scanner: &mut Scanner<'_>,
    out: &mut Vec<u8>,
    counts: impl Fn(&str) -> bool,
) -> Result<(), JsonError> {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    scanner.object(|scanner, name| {
        let name = name.decoded();
        if !counts(&name) {
            return scanner.pass();
        }
        let mut written = Vec::new();
        value(scanner, &mut written)?;
        found.push((name.into_owned(), written));
        Ok(())
    })?;
    found.sort_unstable();
    out.push(b'{');
    for (place, (name, written)) in found.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_text(out, name);
        out.push(b':');
        out.extend_from_slice(written);
    }
    out.push(b'}');
    Ok(())
}

fn value(scanner: &mut Scanner<'_>, out: &mut Vec<u8>) -> Result<(), JsonError> {
    match scanner.peek()? {
        Kind::Object => members(scanner, out, |_| true)?,
        Kind::Array => {
            out.push(b'[');
            let mut first = true;
            scanner.array(|scanner| {
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                value(scanner, out)
            })?;
            out.push(b']');
        }
        Kind::String => write_text(out, &scanner.string()?.decoded()),
        // As written: whoever reads 1.0 as 1 must not say so for all.
        Kind::Number => out.extend_from_slice(scanner.number()?.as_bytes()),
        Kind::Bool | Kind::Null => {
            let range = scanner.skip()?;
            out.extend_from_slice(scanner.slice(range).as_bytes());
        }
    }
    Ok(())
}

/// Writes a JSON string with no more escapes than it needs.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            0..=0x1f => out.extend(format!("\\u{byte:04x}").bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
