//! What stands in an identity header, read strictly.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::{IdentityErrorKind as Kind, ListFormat};

/// The longest subject, group or role, in bytes.
const MAX_NAME: usize = 255;
/// The longest e-mail address (RFC 5321 §4.5.3.1.3).
const MAX_EMAIL: usize = 254;
/// The longest list, in bytes.
const MAX_LIST: usize = 32 * 1024;
/// The most groups, roles or scopes.
const MAX_ITEMS: usize = 512;

/// Some senders pad and some do not; what decodes is the same either way.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The text without the white space around it (RFC 9110 §5.5); empty where a sidecar had nothing to
/// say. Apache's mod_headers writes `(null)` for a variable that is not set, log-style formats `-`.
pub(crate) fn text(value: &[u8], limit: usize) -> Result<&str, Kind> {
    let text = str::from_utf8(value).map_err(|_| Kind::NotText)?.trim_matches([' ', '\t']);
    if text.len() > limit {
        return Err(Kind::TooLarge);
    }
    if !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return Err(Kind::NotText);
    }
    Ok(if matches!(text, "(null)" | "-") { "" } else { text })
}

/// A caller's name. With two `@`, one reader takes the first half of the address for the mailbox and
/// another the last (CVE-2026-40574).
pub(crate) fn subject(value: &[u8]) -> Result<&str, Kind> {
    let name = text(value, MAX_NAME)?;
    if name.matches('@').count() > 1 { Err(Kind::Malformed) } else { Ok(name) }
}

/// An e-mail address in the plain form (dot-atoms, RFC 5322 §3.4.1), or empty.
pub(crate) fn email(value: &[u8]) -> Result<&str, Kind> {
    let address = text(value, MAX_EMAIL)?;
    if address.is_empty() {
        return Ok(address);
    }
    let (local, domain) = address.split_once('@').ok_or(Kind::Malformed)?;
    let dotted = |part: &str, allowed: fn(u8) -> bool| {
        part.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(allowed))
    };
    let atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    let label = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if dotted(local, atext) && dotted(domain, label) { Ok(address) } else { Err(Kind::Malformed) }
}

/// A name for show, which no decision turns on: what is not plain text is left out.
pub(crate) fn display(value: &[u8]) -> Option<&str> {
    text(value, MAX_NAME).ok().filter(|name| !name.is_empty())
}

/// Scopes, separated by single spaces and never by commas (RFC 6749 §3.3, R-131).
pub(crate) fn scopes(value: &[u8]) -> Result<Vec<String>, Kind> {
    let token = |b: u8| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    let scopes = split(text(value, MAX_LIST)?, ' ')?;
    if scopes.iter().all(|scope| scope.bytes().all(token)) {
        Ok(scopes)
    } else {
        Err(Kind::Malformed)
    }
}

/// Groups or roles.
pub(crate) fn list(value: &[u8], format: ListFormat) -> Result<Vec<String>, Kind> {
    let value = text(value, MAX_LIST)?;
    let items = match format {
        ListFormat::Delimited(delimiter) => split(value, delimiter)?,
        ListFormat::Quoted => quoted(value)?,
        ListFormat::Base64UrlJson => json(value)?,
    };
    if items.len() > MAX_ITEMS || items.iter().any(|item| item.len() > MAX_NAME) {
        return Err(Kind::TooLarge);
    }
    Ok(items)
}

fn split(value: &str, delimiter: char) -> Result<Vec<String>, Kind> {
    if value.is_empty() {
        return Ok(Vec::new());
    }
    let mut items = Vec::new();
    for item in value.split(delimiter) {
        // Trimmed, a group that anybody may create (` admins`) would become one that they may not.
        if item.is_empty() || item.starts_with(' ') || item.ends_with(' ') {
            return Err(Kind::Malformed);
        }
        if items.len() == MAX_ITEMS {
            return Err(Kind::TooLarge);
        }
        items.push(item.to_owned());
    }
    Ok(items)
}

/// `"a","b c"`, or one item alone without quotes. Vouch does not escape quotes, so none may stand
/// inside.
fn quoted(value: &str) -> Result<Vec<String>, Kind> {
    if !value.contains('"') {
        return if value.is_empty() { Ok(Vec::new()) } else { Ok(vec![value.to_owned()]) };
    }
    let inside = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|inside| !inside.is_empty())
        .ok_or(Kind::Malformed)?;
    let items: Vec<String> = inside.split("\",\"").take(MAX_ITEMS + 1).map(str::to_owned).collect();
    if items.len() <= MAX_ITEMS && items.iter().any(|item| item.is_empty() || item.contains('"')) {
        return Err(Kind::Malformed);
    }
    Ok(items)
}

fn json(value: &str) -> Result<Vec<String>, Kind> {
    if value.is_empty() {
        return Ok(Vec::new());
    }
    let json = BASE64URL.decode(value).map_err(|_| Kind::Malformed)?;
    let items: Vec<String> = serde_json::from_slice(&json).map_err(|_| Kind::Malformed)?;
    if items.iter().any(|item| item.is_empty() || !item.bytes().all(|b| matches!(b, b' '..=b'~'))) {
        return Err(Kind::NotText);
    }
    Ok(items)
}

#[cfg(test)]
#[path = "value/tests.rs"]
mod tests;
