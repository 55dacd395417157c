//! From the headers of a trusted peer to a principal: pure, and strict.

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::Principal;
use serde_json::{Map, Value};

use crate::names::same;
use crate::{IdentityError, IdentityErrorKind as Kind, Profile, value};

/// Who the headers of `profile` say is calling; `None` when they name nobody.
pub(crate) fn read(
    profile: &Profile,
    issuer: &str,
    headers: &HeaderMap,
) -> Result<Option<Principal>, IdentityError> {
    for name in profile.names() {
        // All of them, also when there is no user: what cannot be trusted is refused, not ignored.
        only_line(headers, name)?;
        not_hop_by_hop(headers, name)?;
    }
    let subject = field(headers, Some(&profile.user), value::subject)?.unwrap_or_default();
    if subject.is_empty() {
        return Ok(None);
    }
    let mut principal = Principal::builder(issuer, subject).method("forwarded");
    let mut claims = Map::new();
    if let Some(email) = field(headers, profile.email.as_ref(), value::email)?
        && !email.is_empty()
    {
        claims.insert("email".to_owned(), email.into());
    }
    let display = |bytes| Ok(value::display(bytes));
    if let Some(name) = field(headers, profile.preferred_username.as_ref(), display)?.flatten() {
        claims.insert("preferred_username".to_owned(), name.into());
    }
    if let Some(name) = &profile.client_id {
        let client = field(headers, Some(name), value::subject)?.unwrap_or_default();
        if client.is_empty() {
            return Err(IdentityError::new(Kind::Missing, name.as_str()));
        }
        principal = principal.client_id(client);
    }
    if let Some(scopes) = field(headers, profile.scopes.as_ref(), value::scopes)? {
        principal = principal.scopes(scopes);
    }
    if let Some((name, format)) = &profile.groups {
        match field(headers, Some(name), |bytes| value::list(bytes, *format))? {
            Some(groups) => {
                claims.insert("groups".to_owned(), strings(&groups));
                principal = principal.groups(groups);
            }
            None if profile.absent_lists_are_empty => {}
            // Perhaps the caller has none, and perhaps the caller made a proxy drop the header.
            None => principal = principal.groups_unknown(),
        }
    }
    if let Some((name, format)) = &profile.roles {
        match field(headers, Some(name), |bytes| value::list(bytes, *format))? {
            Some(roles) => {
                claims.insert("roles".to_owned(), strings(&roles));
                principal = principal.roles(roles);
            }
            None if profile.absent_lists_are_empty => {}
            None => return Err(IdentityError::new(Kind::Missing, name.as_str())),
        }
    }
    Ok(Some(principal.claims(claims).build()))
}

/// The only line of the header `name`, if there is one. A second line, and the same name in another
/// spelling, is what somebody smuggled past the sidecar, or a sidecar that adds where it should
/// replace: there is no telling which line is the sidecar's own.
pub(crate) fn only_line<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, IdentityError> {
    let mut only = None;
    for (found, value) in headers {
        if same(found.as_str(), name.as_str()) {
            if only.is_some() || found != name {
                return Err(IdentityError::new(Kind::Repeated, name.as_str()));
            }
            only = Some(value);
        }
    }
    Ok(only)
}

/// RFC 9110 §7.6.1: a header that `Connection` names ends at the next hop. A sidecar that lets such
/// a `Connection` through has let through what it names as well.
pub(crate) fn not_hop_by_hop(headers: &HeaderMap, name: &HeaderName) -> Result<(), IdentityError> {
    let options = headers
        .get_all(CONNECTION)
        .into_iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','));
    for option in options {
        if str::from_utf8(option.trim_ascii()).is_ok_and(|option| same(option, name.as_str())) {
            return Err(IdentityError::new(Kind::HopByHop, name.as_str()));
        }
    }
    Ok(())
}

/// Reads the header `name`; `None` when the request has none.
fn field<'a, T>(
    headers: &'a HeaderMap,
    name: Option<&HeaderName>,
    parse: impl FnOnce(&'a [u8]) -> Result<T, Kind>,
) -> Result<Option<T>, IdentityError> {
    let Some(name) = name else { return Ok(None) };
    let Some(line) = only_line(headers, name)? else { return Ok(None) };
    parse(line.as_bytes()).map(Some).map_err(|kind| IdentityError::new(kind, name.as_str()))
}

pub(crate) fn strings(items: &[String]) -> Value {
    items.iter().map(String::as_str).collect()
}

#[cfg(test)]
#[path = "read/tests.rs"]
mod tests;
