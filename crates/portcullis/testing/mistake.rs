//! What can be wrong with a token.

use serde_json::{Value, json};

use crate::testing::Token;
use crate::testing::key::SigningKey;
use crate::testing::token::{Draft, Signature};

/// A fault that makes a token one to refuse, whatever else it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Mistake {
    /// `exp` was an hour ago.
    Expired,
    /// There is no `exp`.
    NoExpiry,
    /// `exp` is a text.
    ExpiryAsText,
    /// `nbf` is in an hour.
    NotYetValid,
    /// `iat` is in an hour.
    IssuedInTheFuture,
    /// It is good for ten years.
    TooLongLived,
    /// `aud` names another resource.
    WrongAudience,
    /// `aud` begins as the resource's URI does, and goes on.
    LongerAudience,
    /// There is no `aud`.
    NoAudience,
    /// `iss` is an issuer that is not trusted.
    WrongIssuer,
    /// `iss` is the trusted issuer in another spelling: one slash more.
    IssuerWithSlash,
    /// There is no `iss`.
    NoIssuer,
    /// There is no `sub`, and nothing that takes its place.
    NoSubject,
    /// `sub` is a number.
    SubjectAsNumber,
    /// It is an ID token (OpenID Connect Core §2).
    IdToken,
    /// It is a logout token (OpenID Connect Back-Channel Logout §2.4).
    LogoutToken,
    /// It is an assertion to get a token with (ID-JAG), and not a token.
    IdentityAssertion,
    /// Its type is that of a proof of possession (RFC 9449).
    ProofAsToken,
    /// It names a key that the authority does not have.
    UnknownKey,
    /// It names the authority's key, and another has signed it.
    ForeignSignature,
    /// One bit of the signature is wrong.
    BrokenSignature,
    /// The signature is cut off.
    NoSignature,
    /// `alg` is `none`, and there is no signature (RFC 8725 §2.1).
    AlgNone,
    /// `alg` is `HS256`, with the public key as the secret (RFC 8725 §2.1).
    PublicKeyAsSecret,
    /// It brings the key along that it is signed with (RFC 8725 §3.10).
    OwnKey,
    /// It says where to fetch the key it is signed with (RFC 8725 §3.10).
    OwnKeyUrl,
    /// It demands an extension that nobody knows (RFC 7515 §4.1.11).
    CriticalExtension,
    /// It is bound to a key, and there is no proof (RFC 9449).
    BoundToKey,
    /// It is bound to a client certificate, and there is none (RFC 8705).
    BoundToCertificate,
    /// It is bound in a way that nobody knows (RFC 7800 §3.1).
    BoundOtherwise,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 30] = [
        Self::Expired,
        Self::NoExpiry,
        Self::ExpiryAsText,
        Self::NotYetValid,
        Self::IssuedInTheFuture,
        Self::TooLongLived,
        Self::WrongAudience,
        Self::LongerAudience,
        Self::NoAudience,
        Self::WrongIssuer,
        Self::IssuerWithSlash,
        Self::NoIssuer,
        Self::NoSubject,
        Self::SubjectAsNumber,
        Self::IdToken,
        Self::LogoutToken,
        Self::IdentityAssertion,
        Self::ProofAsToken,
        Self::UnknownKey,
        Self::ForeignSignature,
        Self::BrokenSignature,
        Self::NoSignature,
        Self::AlgNone,
        Self::PublicKeyAsSecret,
        Self::OwnKey,
        Self::OwnKeyUrl,
        Self::CriticalExtension,
        Self::BoundToKey,
        Self::BoundToCertificate,
        Self::BoundOtherwise,
    ];

    pub(super) fn make(self, token: &Token, draft: &mut Draft) {
        const HOUR: u64 = 3600;
        let now = token.now();
        let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        match self {
            Self::Expired => {
                draft.claim("iat", json!(now.saturating_sub(2 * HOUR)));
                draft.claim("exp", json!(now.saturating_sub(HOUR)));
            }
            Self::NoExpiry => draft.claim("exp", Value::Null),
            Self::ExpiryAsText => draft.claim("exp", json!((now + HOUR).to_string())),
            Self::NotYetValid => draft.claim("nbf", json!(now + HOUR)),
            Self::IssuedInTheFuture => {
                draft.claim("iat", json!(now + HOUR));
                draft.claim("exp", json!(now + 2 * HOUR));
            }
            Self::TooLongLived => draft.claim("exp", json!(now + 87_600 * HOUR)),
            Self::WrongAudience => draft.claim("aud", json!("https://elsewhere.example/mcp")),
            Self::LongerAudience => draft.claim("aud", json!(format!("{}2", token.audience))),
            Self::NoAudience => draft.claim("aud", Value::Null),
            Self::WrongIssuer => draft.claim("iss", json!("https://evil.example")),
            Self::IssuerWithSlash => {
                draft.claim("iss", json!(format!("{}/", token.authority.name())));
            }
            Self::NoIssuer => draft.claim("iss", Value::Null),
            Self::NoSubject => draft.subject(&Value::Null),
            Self::SubjectAsNumber => draft.subject(&json!(7)),
            Self::IdToken => {
                draft.header("typ", json!("JWT"));
                draft.claim("nonce", json!("n-0S6_WzA2Mj"));
                draft.claim("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ"));
            }
            Self::LogoutToken => {
                draft.header("typ", json!("logout+jwt"));
                let event = "http://schemas.openid.net/event/backchannel-logout";
                draft.claim("events", json!({ event: {} }));
            }
            Self::IdentityAssertion => draft.header("typ", json!("oauth-id-jag+jwt")),
            Self::ProofAsToken => draft.header("typ", json!("dpop+jwt")),
            Self::UnknownKey => {
                draft.header("kid", json!("nobody's"));
                draft.signature = Signature::Stranger;
            }
            Self::ForeignSignature => draft.signature = Signature::Stranger,
            Self::BrokenSignature => draft.signature = Signature::Broken,
            Self::NoSignature => draft.signature = Signature::None,
            Self::AlgNone => {
                draft.header("alg", json!("none"));
                draft.signature = Signature::None;
            }
            Self::PublicKeyAsSecret => {
                draft.header("alg", json!("HS256"));
                draft.signature = Signature::PublicKeyAsSecret;
            }
            Self::OwnKey => {
                let key = SigningKey::stranger(token.authority.algorithm());
                draft.header("jwk", Value::Object(key.public_jwk()));
                draft.signature = Signature::Stranger;
            }
            Self::OwnKeyUrl => draft.header("jku", json!("https://evil.example/jwks")),
            Self::CriticalExtension => {
                draft.header("crit", json!(["x-unknown"]));
                draft.header("x-unknown", json!(true));
            }
            Self::BoundToKey => draft.claim("cnf", json!({ "jkt": other })),
            Self::BoundToCertificate => draft.claim("cnf", json!({ "x5t#S256": other })),
            Self::BoundOtherwise => draft.claim("cnf", json!({ "x-unknown": other })),
        }
    }
}

impl Draft {
    fn claim(&mut self, name: &str, value: Value) {
        set(&mut self.claims, name, value);
    }

    /// In some providers' tokens another claim takes the place of `sub`.
    fn subject(&mut self, value: &Value) {
        for name in ["sub", "oid", "uid"] {
            if self.claims.contains_key(name) {
                self.claim(name, value.clone());
            }
        }
    }

    fn header(&mut self, name: &str, value: Value) {
        set(&mut self.header, name, value);
    }
}

fn set(members: &mut serde_json::Map<String, Value>, name: &str, value: Value) {
    match value {
        Value::Null => members.remove(name),
        value => members.insert(name.to_owned(), value),
    };
}
