//! What tokens of well-known identity providers look like.

use serde_json::{Map, Value, json};

use crate::testing::Token;
use crate::testing::key::sha256;

/// Whose tokens a [`Token`] looks like: their claims, under their names, with values of their form.
///
/// `iss` is the authority's own name: for the name of a real provider, see
/// [`AuthorityBuilder::name`](crate::testing::AuthorityBuilder::name). The audience is what
/// [`Authority::token`](crate::testing::Authority::token) was asked for. Where a provider has no
/// claim for roles or groups, those of the token are left out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum IdentityProvider {
    /// The JWT profile for access tokens (RFC 9068), which few follow.
    #[default]
    Rfc9068,
    /// Microsoft Entra ID, token version 1: `https://sts.windows.net/{tenant}/`.
    EntraV1,
    /// Microsoft Entra ID, token version 2: `https://login.microsoftonline.com/{tenant}/v2.0`.
    EntraV2,
    /// Okta with a custom authorization server: `https://{domain}/oauth2/{server}`.
    Okta,
    /// Keycloak: `https://{host}/realms/{realm}`.
    Keycloak,
    /// Auth0: `https://{tenant}.auth0.com/`.
    Auth0,
    /// PingOne: `https://auth.pingone.com/{environment}/as`.
    PingOne,
    /// Amazon Cognito: `https://cognito-idp.{region}.amazonaws.com/{pool}`. No `aud`.
    Cognito,
    /// ID tokens of Google's service accounts: `https://accounts.google.com`. The subject is a number
    /// of 21 digits.
    Google,
    /// GitHub Actions: `https://token.actions.githubusercontent.com`. The subject is the workflow's.
    GitHubActions,
    /// CI jobs of GitLab: `https://gitlab.com`.
    GitLab,
    /// A JWT-SVID of SPIFFE: the subject is a SPIFFE id.
    Spiffe,
}

impl IdentityProvider {
    /// The `typ` of the header.
    pub(super) fn typ(self) -> Option<&'static str> {
        match self {
            Self::Rfc9068 => Some("at+jwt"),
            Self::Okta | Self::Cognito | Self::PingOne => None,
            _ => Some("JWT"),
        }
    }

    /// All claims but `iss`, `iat` and `exp`.
    pub(super) fn claims(self, token: &Token) -> Map<String, Value> {
        let Token { audience, subject, client, scopes, groups, roles, .. } = token;
        let (scope, now) = (scopes.join(" "), token.now());
        let claims = match self {
            Self::Rfc9068 => json!({
                "sub": subject, "aud": audience, "client_id": client, "scope": scope,
                "groups": groups, "roles": roles, "jti": Token::id(),
            }),
            Self::EntraV1 => json!({
                "sub": pairwise(subject, client), "oid": guid(subject), "tid": tenant(token.authority.name()),
                "aud": audience, "appid": client, "appidacr": "0", "ver": "1.0", "acr": "1",
                "amr": ["pwd", "mfa"], "unique_name": mail(subject), "upn": mail(subject),
                "scp": scope, "groups": groups, "roles": roles, "nbf": now, "uti": Token::id(),
            }),
            Self::EntraV2 => json!({
                "sub": pairwise(subject, client), "oid": guid(subject), "tid": tenant(token.authority.name()),
                "aud": audience, "azp": client, "azpacr": "0", "ver": "2.0",
                "preferred_username": mail(subject), "name": subject,
                "scp": scope, "groups": groups, "roles": roles, "nbf": now, "uti": Token::id(),
            }),
            Self::Okta => json!({
                "ver": 1, "jti": format!("AT.{}", Token::id()), "aud": audience, "cid": client,
                "uid": format!("00u{}", short(subject)), "sub": mail(subject), "scp": scopes,
                "auth_time": now, "groups": groups,
            }),
            Self::Keycloak => json!({
                "jti": guid(&Token::id()), "sub": guid(subject), "aud": audience, "typ": "Bearer",
                "azp": client, "sid": guid("session"), "acr": "1", "scope": scope,
                "realm_access": { "roles": roles }, "groups": groups, "email_verified": true,
                "preferred_username": subject, "resource_access": { client: { "roles": roles } },
            }),
            Self::Auth0 => json!({
                "sub": format!("auth0|{}", short(subject)), "azp": client, "scope": scope,
                "aud": [audience, format!("{}userinfo", token.authority.name())],
                "permissions": scopes, "https://example.com/groups": groups,
                "https://example.com/roles": roles,
            }),
            Self::PingOne => json!({
                "client_id": client, "aud": [audience], "scope": scope, "sub": guid(subject),
                "sid": guid("session"), "auth_time": now, "acr": "Single_Factor",
                "env": guid("environment"), "org": guid("organization"), "groups": groups,
                "jti": guid(&Token::id()),
            }),
            Self::Cognito => json!({
                "sub": guid(subject), "token_use": "access", "client_id": client, "scope": scope,
                "cognito:groups": groups, "username": subject, "version": 2, "auth_time": now,
                "event_id": guid("event"), "origin_jti": guid("origin"), "jti": guid(&Token::id()),
            }),
            Self::Google => json!({
                "aud": audience, "azp": subject, "sub": subject,
                "email": "robot@project.iam.gserviceaccount.com",
                "email_verified": true,
            }),
            Self::GitHubActions => json!({
                "jti": guid(&Token::id()), "sub": subject, "aud": audience, "nbf": now,
                "ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true",
                "sha": "f1e2d3c4b5a6f1e2d3c4b5a6f1e2d3c4b5a6f1e2", "repository": "acme/notes",
                "repository_id": "74", "repository_owner": "acme", "repository_owner_id": "65",
                "repository_visibility": "private", "actor": "rita", "actor_id": "12",
                "workflow": "deploy", "event_name": "push", "run_id": "1", "run_number": "1",
                "run_attempt": "1", "runner_environment": "github-hosted",
                "job_workflow_ref": "acme/notes/.github/workflows/deploy.yml@refs/heads/main",
            }),
            Self::GitLab => json!({
                "jti": guid(&Token::id()), "sub": subject, "aud": audience, "nbf": now,
                "namespace_id": "72", "namespace_path": "acme", "project_id": "20",
                "project_path": "acme/notes", "user_id": "1", "user_login": "rita",
                "user_email": "rita@example.com", "pipeline_id": "574", "pipeline_source": "push",
                "job_id": "302", "ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main",
                "ref_protected": "true", "runner_environment": "gitlab-hosted",
            }),
            Self::Spiffe => json!({ "sub": subject, "aud": [audience], "jti": Token::id() }),
        };
        let mut claims = claims.as_object().cloned().unwrap_or_default();
        // Providers leave out what is empty.
        claims.retain(|_, value| match value {
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => true,
        });
        claims
    }
}

/// Always the same for the same text, in the form of a GUID.
fn guid(text: &str) -> String {
    let hex = hex(text);
    let mut guid = String::new();
    for (place, digit) in hex.chars().take(32).enumerate() {
        if [8, 12, 16, 20].contains(&place) {
            guid.push('-');
        }
        guid.push(digit);
    }
    guid
}

fn hex(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn short(text: &str) -> String {
    hex(text).chars().take(17).collect()
}

fn mail(subject: &str) -> String {
    if subject.contains('@') { subject.to_owned() } else { format!("{subject}@example.com") }
}

/// The tenant that an issuer of Entra names in its URL.
fn tenant(issuer: &str) -> String {
    issuer.split('/').nth(3).unwrap_or_default().to_owned()
}

/// Entra's `sub` is another for each client.
fn pairwise(subject: &str, client: &str) -> String {
    sha256(format!("{subject} {client}").as_bytes())
}
