//! Who a token speaks for: a person or a client, and by which name.

use std::borrow::Cow;

use portcullis_core::Reason;

use crate::check::client_id;
use crate::claim::{self, Claims};
use crate::issuer::Rules;
use crate::json::Json;

/// The longest subject, in characters.
const MAX_SUBJECT: usize = 255;

/// What stands between the parts of a subject that several claims make up.
const SEPARATOR: char = '.';

/// The subject, by the claims that the issuer's rules name, else `sub`. A client that lacks these
/// claims, as they are about people, has its `sub`.
pub(crate) fn subject<'a>(rules: &Rules, claims: &'a Claims<'_>) -> Result<Cow<'a, str>, Reason> {
    let parts = rules.subject_claims.iter().map(|path| match path.get(claims) {
        None => Ok(None),
        Some(Json::String(text)) if !text.is_empty() => Ok(Some(&**text)),
        Some(_) => Err(Reason::BadClaim),
    });
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let known: Vec<&str> = parts.iter().flatten().copied().collect();
    let subject = match known.as_slice() {
        [one] if parts.len() == 1 => Cow::Borrowed(*one),
        several if !several.is_empty() && several.len() == parts.len() => {
            // Two subjects must never join to the same text.
            if several.iter().any(|part| part.contains(SEPARATOR)) {
                return Err(Reason::BadClaim);
            }
            Cow::Owned(several.join("."))
        }
        _ if parts.is_empty() || is_client(rules, claims)? => {
            Cow::Borrowed(claim::text(claims, "sub")?.ok_or(Reason::BadClaim)?)
        }
        _ => return Err(Reason::BadClaim),
    };
    if subject.chars().count() > MAX_SUBJECT { Err(Reason::BadClaim) } else { Ok(subject) }
}

/// Whether no person is behind the token.
pub(crate) fn is_client(rules: &Rules, claims: &Claims<'_>) -> Result<bool, Reason> {
    let client = client_id(rules, claims)?;
    let named = claim::text(claims, "sub")?.is_some_and(|sub| {
        let suffix = rules.client_subject_suffix.unwrap_or_default();
        client.is_some() && (client == Some(sub) || client == sub.strip_suffix(suffix))
    });
    let app = claims.get("idtyp").is_some_and(|kind| kind.as_str() == Some("app"));
    Ok(named || app || rules.client_marks.iter().any(|mark| mark.holds(claims)))
}
