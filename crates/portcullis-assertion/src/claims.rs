//! What an assertion says about a caller.

use portcullis_core::{Actor, Principal};
use serde::Serialize;

/// The claims besides those of RFC 7519, which the signer sets.
#[derive(Serialize)]
pub(crate) struct Claims<'a> {
    sub_id: SubjectId<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<&'a [String]>,
    roles: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Box<Act<'a>>>,
    amr_gate: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    client_only: bool,
}

/// RFC 9493 §3.2.2.
#[derive(Serialize)]
struct SubjectId<'a> {
    format: &'static str,
    iss: &'a str,
    sub: &'a str,
}

#[derive(Serialize)]
struct Act<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Box<Act<'a>>>,
}

impl<'a> Claims<'a> {
    pub(crate) fn of(principal: &'a Principal) -> Self {
        let scopes = principal.scopes();
        Self {
            sub_id: SubjectId {
                format: "iss_sub",
                iss: principal.issuer(),
                sub: principal.subject(),
            },
            client_id: principal.client_id(),
            tenant: principal.tenant(),
            scope: (!scopes.is_empty()).then(|| scopes.join(" ")),
            // Absent says "not known"; a list would say "these and no others".
            groups: (!principal.groups_unknown()).then(|| principal.groups()),
            roles: principal.roles(),
            act: principal.actors().iter().rev().fold(None, |inner, actor: &Actor| {
                Some(Box::new(Act { iss: actor.issuer(), sub: actor.subject(), act: inner }))
            }),
            amr_gate: principal.method(),
            client_only: principal.is_client(),
        }
    }
}

/// Whether assertions about the two would say the same. `==` compares identities only, and the
/// same person comes back with another token, other groups and other scopes.
pub(crate) fn same(a: &Principal, b: &Principal) -> bool {
    a == b
        && a.tenant() == b.tenant()
        && a.scopes() == b.scopes()
        && a.groups_unknown() == b.groups_unknown()
        && a.groups() == b.groups()
        && a.roles() == b.roles()
        && a.actors() == b.actors()
        && a.method() == b.method()
        && a.is_client() == b.is_client()
        && a.expires_at() == b.expires_at()
}
