//! An issuer's signing key, and the tokens it signs.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::key::{Algorithm, Key};
use crate::{ProofBuilder, TokenBuilder};

/// Signs access tokens as an issuer would, and publishes the key to verify them.
///
/// Each call of a constructor makes a new key, except that all RSA mints of a process share one,
/// because making it takes long. The `kid` names algorithm and key, so that two mints of the same
/// key but of different algorithms are told apart.
///
/// ```
/// use portcullis_test::Mint;
///
/// let mint = Mint::es256("https://id.example");
/// let token = mint.token().subject("bob").scope("notes:read").sign();
/// assert_eq!(token.split('.').count(), 3);
/// assert!(mint.jwks().contains(mint.kid()));
/// ```
#[derive(Clone)]
pub struct Mint {
    key: Arc<Key>,
    algorithm: Algorithm,
    issuer: String,
    kid: String,
}

macro_rules! constructors {
    ($($name:ident $algorithm:ident $doc:literal;)+) => {$(
        #[doc = concat!("A mint of ", $doc, " tokens.")]
        #[must_use]
        pub fn $name(issuer: impl Into<String>) -> Self {
            Self::new(issuer.into(), Algorithm::$algorithm, Key::generate(Algorithm::$algorithm))
        }
    )+};
}

impl Mint {
    constructors! {
        es256 Es256 "`ES256`";
        es384 Es384 "`ES384`";
        eddsa EdDsa "`EdDSA` (Ed25519)";
        rs256 Rs256 "`RS256`";
        rs384 Rs384 "`RS384`";
        rs512 Rs512 "`RS512`";
        ps256 Ps256 "`PS256`";
        ps384 Ps384 "`PS384`";
        ps512 Ps512 "`PS512`";
    }

    /// A mint of `HS256` tokens under `secret`, for attacks that confuse algorithms: sign with
    /// another mint's [`public_pem`](Self::public_pem) or [`public_der`](Self::public_der).
    #[must_use]
    pub fn hs256_with(issuer: impl Into<String>, secret: &[u8]) -> Self {
        Self::new(issuer.into(), Algorithm::Hs256, Key::secret(secret))
    }

    fn new(issuer: String, algorithm: Algorithm, key: Key) -> Self {
        let kid = format!("{}-{}", algorithm.name().to_lowercase(), key.thumbprint());
        Self { key: Arc::new(key), algorithm, issuer, kid }
    }

    /// The same key under another `kid`.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = kid.into();
        self
    }

    /// The `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The `kid` of its tokens and of its public key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The `alg` of its tokens.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        self.algorithm.name()
    }

    /// The public key as a JWK with `kid`, `alg` and `use`; `null` for [`hs256_with`](Self::hs256_with).
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = self.key.public_jwk();
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".into(), json!(self.kid));
            members.insert("alg".into(), json!(self.algorithm.name()));
            members.insert("use".into(), json!("sig"));
        }
        jwk
    }

    /// A JWK set (RFC 7517 §5) that holds the public key.
    #[must_use]
    pub fn jwks(&self) -> String {
        Self::jwks_of(&[self])
    }

    /// A JWK set that holds the public keys of several mints.
    #[must_use]
    pub fn jwks_of(mints: &[&Self]) -> String {
        let keys: Vec<Value> = mints.iter().map(|mint| mint.jwk()).collect();
        json!({ "keys": keys }).to_string()
    }

    /// The public key as a `SubjectPublicKeyInfo` in DER; empty for a secret.
    #[must_use]
    pub fn public_der(&self) -> Vec<u8> {
        self.key.public_der()
    }

    /// The public key as a `SubjectPublicKeyInfo` in PEM; empty for a secret.
    #[must_use]
    pub fn public_pem(&self) -> String {
        self.key.public_pem()
    }

    /// A token that a strict verifier accepts for `https://mcp.example.com/mcp`, unless changed.
    pub fn token(&self) -> TokenBuilder {
        TokenBuilder::new(self.clone())
    }

    /// The thumbprint of the key (RFC 7638), as `cnf.jkt` of a token that is bound to it.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.key.thumbprint()
    }

    /// A DPoP proof by this key, which a strict verifier accepts for a request with `method` and
    /// `token` to `uri`, unless changed.
    pub fn proof(&self, method: &str, uri: &str, token: &str) -> ProofBuilder {
        ProofBuilder::new(self.clone(), &self.key.public_jwk(), method, uri, token)
    }

    /// Signs exactly these bytes, which need not be JSON: duplicate members, odd spacing and odd
    /// algorithm names survive.
    #[must_use]
    pub fn sign_raw(&self, header: &str, claims: &str) -> String {
        self.sign_segments(&URL_SAFE_NO_PAD.encode(header), &URL_SAFE_NO_PAD.encode(claims))
    }

    /// Signs two segments as they are, encoded or not.
    #[must_use]
    pub fn sign_segments(&self, header: &str, claims: &str) -> String {
        let message = format!("{header}.{claims}");
        let signature = self.key.sign(self.algorithm, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mint")
            .field("issuer", &self.issuer)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
