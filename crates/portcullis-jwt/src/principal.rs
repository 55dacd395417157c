//! From verified claims to a principal.

use std::time::Duration;

use portcullis_core::{Actor, Principal, PrincipalBuilder, Reason, TokenInfo};

use crate::binding::Confirmation;
use crate::check::client_id;
use crate::claim::{self, ClaimPath, Claims};
use crate::issuer::Rules;
use crate::json::Json;
use crate::subject::{is_client, subject};

/// How many actors may act for one another.
const MAX_ACTORS: usize = 8;

/// Reads the principal out of claims that were checked, and that the issuer is known to vouch for.
/// `token` says what else is known of their token; its id is read here. The claims themselves are
/// for the caller to add.
pub(crate) fn principal(
    rules: &Rules,
    issuer: &str,
    claims: &Claims<'_>,
    token: TokenInfo,
) -> Result<PrincipalBuilder, Reason> {
    let subject = subject(rules, claims)?;
    let client = client_id(rules, claims)?;
    let expires = claim::date(claims, "exp")?.ok_or(Reason::BadClaim)?;
    let mut principal = Principal::builder(issuer, &*subject)
        .method(Confirmation::of(claims)?.method())
        .expires_at(Duration::from_secs(expires))
        .audiences(audiences(claims))
        .scopes(scopes(rules, claims))
        .roles(roles(rules, claims))
        .actors(actors(claims)?)
        .token(TokenInfo { id: claim::text(claims, "jti")?.map(str::to_owned), ..token });
    if let Some(client) = client {
        principal = principal.client_id(client);
    }
    if is_client(rules, claims)? {
        principal = principal.client_only();
    }
    if let Some(tenant) =
        rules.tenant_claim.as_ref().and_then(|path| path.get(claims)).and_then(Json::as_str)
    {
        principal = principal.tenant(tenant);
    }
    principal = match groups(rules, claims) {
        Some(groups) => principal.groups(groups),
        None => principal.groups_unknown(),
    };
    Ok(principal)
}

fn audiences(claims: &Claims<'_>) -> Vec<String> {
    match claims.get("aud") {
        Some(Json::String(audience)) => vec![audience.to_string()],
        Some(audiences) => claim::strings(audiences).unwrap_or_default(),
        None => Vec::new(),
    }
}

/// a claim of the wrong type contributes nothing, and nothing is split at commas.
fn scopes(rules: &Rules, claims: &Claims<'_>) -> Vec<String> {
    let (value, list_allowed) = match &rules.scope_claim {
        Some(path) => (path.get(claims), true),
        None => match claims.get("scope") {
            Some(scope) => (Some(scope), false),
            None => (claims.get("scp"), true),
        },
    };
    let found = match value {
        Some(Json::String(text)) => text.split(' ').map(str::to_owned).collect(),
        Some(list @ Json::Array(_)) if list_allowed => claim::strings(list).unwrap_or_default(),
        _ => Vec::new(),
    };
    let prefix = &rules.scope_prefix;
    let good = found.into_iter().filter(|scope| is_scope(scope));
    good.map(|scope| if prefix.is_empty() { scope } else { format!("{prefix}{scope}") }).collect()
}

/// A scope token (RFC 6749 §3.3).
fn is_scope(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

/// a claim of the wrong type contributes nothing.
fn roles(rules: &Rules, claims: &Claims<'_>) -> Vec<String> {
    let lists = rules.roles_claims.iter().filter_map(|path| path.get(claims));
    let mut roles = Vec::new();
    lists.filter_map(claim::strings).for_each(|list| add(&mut roles, list));
    roles
}

/// Adds what is not there yet.
fn add(to: &mut Vec<String>, list: Vec<String>) {
    if to.is_empty() {
        *to = list;
    } else {
        list.into_iter().for_each(|item| {
            if !to.contains(&item) {
                to.push(item);
            }
        });
    }
}

/// The groups, or `None` when the token says or suggests that it does not list them all. A
/// claim of the wrong type counts as that: to drop it could let someone past a rule that denies a
/// group.
fn groups(rules: &Rules, claims: &Claims<'_>) -> Option<Vec<String>> {
    let elsewhere = |path: &ClaimPath| match claims.get("_claim_names") {
        None => false,
        Some(names) => names.as_object().is_none_or(|names| names.contains_key(path.first())),
    };
    let more = match claims.get("hasgroups") {
        None => false,
        Some(flag) => *flag != Json::Bool(false),
    };
    if more || rules.groups_claims.iter().any(elsewhere) {
        return None;
    }
    let mut groups = Vec::new();
    for value in rules.groups_claims.iter().filter_map(|path| path.get(claims)) {
        add(&mut groups, claim::strings(value)?);
    }
    Some(groups)
}

/// The chain of `act` (RFC 8693 §4.1), nearest first. One that cannot be read whole is refused:
/// policy must see everybody who acts.
fn actors(claims: &Claims<'_>) -> Result<Vec<Actor>, Reason> {
    let mut actors = Vec::new();
    let mut claims = claims;
    while let Some(act) = claims.get("act") {
        claims = act.as_object().ok_or(Reason::BadClaim)?;
        let subject = claim::text(claims, "sub")?.ok_or(Reason::BadClaim)?;
        let issuer = claim::text(claims, "iss")?.map(str::to_owned);
        if actors.len() == MAX_ACTORS {
            return Err(Reason::BadClaim);
        }
        actors.push(Actor::new(issuer, subject));
    }
    Ok(actors)
}
