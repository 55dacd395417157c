//! One access token in the making.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::testing::key::{SigningKey, base64url, random_id, sha256};
use crate::testing::{Authority, DpopKey, IdentityProvider, Mistake};

/// An access token that is not signed yet; made by [`Authority::token`].
///
/// Unless changed it is as RFC 9068 says: type `at+jwt`, for `alice`, from the client `client-1`, for
/// the resource it was asked for, valid for an hour from now.
#[derive(Clone, Debug)]
#[must_use = "a token is text once it is signed"]
pub struct Token {
    pub(super) authority: Authority,
    pub(super) audience: String,
    pub(super) subject: String,
    pub(super) client: String,
    pub(super) scopes: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) roles: Vec<String>,
    like: IdentityProvider,
    issued_ago: Duration,
    lifetime: Duration,
    header: Vec<(String, Value)>,
    claims: Vec<(String, Value)>,
    mistake: Option<Mistake>,
}

/// A token just before it is signed.
pub(super) struct Draft {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    pub(super) signature: Signature,
}

/// Who signs, or what takes the place of a signature.
pub(super) enum Signature {
    Authority,
    /// A key that the authority does not publish.
    Stranger,
    /// One bit is wrong.
    Broken,
    None,
    /// A MAC whose secret is the public key (RFC 8725 §2.1).
    PublicKeyAsSecret,
}

impl Token {
    pub(crate) fn new(authority: Authority, resource: &str) -> Self {
        Self {
            authority,
            audience: resource.to_owned(),
            subject: "alice".to_owned(),
            client: "client-1".to_owned(),
            scopes: Vec::new(),
            groups: Vec::new(),
            roles: Vec::new(),
            like: IdentityProvider::Rfc9068,
            issued_ago: Duration::ZERO,
            lifetime: Duration::from_secs(3600),
            header: Vec::new(),
            claims: Vec::new(),
            mistake: None,
        }
    }

    /// Says who it is about.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// Says which client it was issued to.
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.client = client.into();
        self
    }

    /// Adds a scope.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Adds a group.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.groups.push(group.into());
        self
    }

    /// Adds a role.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Says that `actor` acts for the subject (RFC 8693 §4.1).
    pub fn actor(self, actor: &str) -> Self {
        self.claim("act", json!({ "sub": actor }))
    }

    /// Takes the claims that tokens of this identity provider have, under its names.
    pub fn like(mut self, provider: IdentityProvider) -> Self {
        self.like = provider;
        self
    }

    /// Sets how long ago it was issued; now by default.
    pub fn issued_ago(mut self, ago: Duration) -> Self {
        self.issued_ago = ago;
        self
    }

    /// Sets its lifetime; an hour by default.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Binds it to a key (RFC 9449 §6): it is then sent with the scheme `DPoP` and a
    /// [proof](DpopKey::proof).
    pub fn bound_to(self, key: &DpopKey) -> Self {
        self.claim("cnf", json!({ "jkt": key.thumbprint() }))
    }

    /// Binds it to a TLS client certificate in DER (RFC 8705 §3.1).
    pub fn bound_to_certificate(self, der: &[u8]) -> Self {
        self.claim("cnf", json!({ "x5t#S256": sha256(der) }))
    }

    /// Sets any claim to any value; `null` removes it.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.push((name.into(), value.into()));
        self
    }

    /// Sets any header parameter to any value; `null` removes it.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.header.push((name.into(), value.into()));
        self
    }

    /// Makes a mistake, for which every gate must refuse it. It comes last, whatever else is set.
    pub fn mistake(mut self, mistake: Mistake) -> Self {
        self.mistake = Some(mistake);
        self
    }

    /// The token as it is sent.
    #[must_use]
    pub fn sign(&self) -> String {
        let signer = self.authority.published().signer();
        let mut draft = Draft {
            header: Map::new(),
            claims: self.like.claims(self),
            signature: Signature::Authority,
        };
        draft.header.insert("alg".into(), json!(signer.key.algorithm().as_str()));
        draft.header.insert("kid".into(), json!(signer.kid));
        if let Some(typ) = self.like.typ() {
            draft.header.insert("typ".into(), json!(typ));
        }
        let issued = self.now().saturating_sub(self.issued_ago.as_secs());
        for (name, value) in [
            ("iss", json!(self.authority.name())),
            ("iat", json!(issued)),
            ("exp", json!(issued.saturating_add(self.lifetime.as_secs()))),
        ] {
            draft.claims.insert(name.to_owned(), value);
        }
        change(&mut draft.header, &self.header);
        change(&mut draft.claims, &self.claims);
        if let Some(mistake) = self.mistake {
            mistake.make(self, &mut draft);
        }
        draft.sign(&signer.key)
    }

    pub(super) fn now(&self) -> u64 {
        self.authority.clock().unix().as_secs()
    }

    /// A value that is new each time.
    pub(super) fn id() -> String {
        random_id()
    }
}

fn change(members: &mut Map<String, Value>, changes: &[(String, Value)]) {
    for (name, value) in changes {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
}

impl Draft {
    fn sign(self, key: &SigningKey) -> String {
        let header = base64url(Value::Object(self.header).to_string());
        let claims = base64url(Value::Object(self.claims).to_string());
        let message = format!("{header}.{claims}");
        let bytes = message.as_bytes();
        let signature = match self.signature {
            Signature::Authority => key.sign(bytes),
            Signature::Stranger => SigningKey::stranger(key.algorithm()).sign(bytes),
            Signature::Broken => {
                let mut signature = key.sign(bytes);
                if let Some(byte) = signature.last_mut() {
                    *byte ^= 1;
                }
                signature
            }
            Signature::None => Vec::new(),
            Signature::PublicKeyAsSecret => mac(&key.public_jwk(), bytes),
        };
        format!("{message}.{}", base64url(signature))
    }
}

fn mac(public: &Map<String, Value>, message: &[u8]) -> Vec<u8> {
    let secret = Value::Object(public.clone()).to_string();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    aws_lc_rs::hmac::sign(&key, message).as_ref().to_vec()
}
