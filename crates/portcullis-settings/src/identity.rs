//! How a server learns who is calling.

use std::path::PathBuf;

use portcullis_assertion::{AssertionLayer, SigningKey};
use portcullis_proxy::IdentityHeaders;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{At, Problem, Sources};

/// How a server learns who is calling.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Identity {
    /// Not at all.
    None,
    /// In a header that the gateway signs (`X-Portcullis-Assertion`).
    Signed(Signed),
    /// In plain headers: for servers that nobody but the gateway can reach.
    Headers(Headers),
}

/// A plain identity.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Headers {
    /// Which headers.
    pub family: Family,
    /// The only issuer of callers, whose bare subject is then the user; by default the user is the issuer, `#`
    /// and the subject.
    pub plain_subjects_of: Option<String>,
}

/// A family of headers.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Family {
    /// `X-Auth-Request-User`, `-Email`, `-Preferred-Username`, `-Groups`.
    AuthRequest,
    /// `X-Forwarded-User`, `-Email`, `-Preferred-Username`, `-Groups`.
    ForwardedUser,
    /// `Remote-User`, `-Email`, `-Name`, `-Groups`.
    RemoteUser,
}

/// A signed identity. The key set to verify it with is at `/.well-known/portcullis/NAME/jwks.json`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// PEM file (PKCS#8) of the key, P-256 or Ed25519.
    pub key: At<PathBuf>,
    /// For whom it is; the server's own address at the gateway by default.
    pub audience: Option<String>,
}

impl Headers {
    /// The headers.
    pub fn build(&self) -> IdentityHeaders {
        let names = match self.family {
            Family::AuthRequest => IdentityHeaders::auth_request(),
            Family::ForwardedUser => IdentityHeaders::forwarded_user(),
            Family::RemoteUser => IdentityHeaders::remote_user(),
        };
        match &self.plain_subjects_of {
            Some(issuer) => names.plain_subjects(issuer),
            None => names,
        }
    }
}

impl Signed {
    /// What signs for the server at `resource`, in the name of `issuer`.
    ///
    /// # Errors
    /// The key is not there, or is none.
    pub fn build(
        &self,
        issuer: &str,
        resource: &str,
        sources: &Sources,
    ) -> Result<AssertionLayer, Problem> {
        let pem = &sources.text(&self.key).map_err(|it| it.at(&self.key))?;
        let key = SigningKey::es256_from_pem(pem).or_else(|_| SigningKey::ed25519_from_pem(pem));
        let key = key.map_err(|_| {
            let file = self.key.display();
            let problem = format!("{file} holds no private key, P-256 or Ed25519, as PKCS#8");
            Problem::new(problem).at(&self.key)
        })?;
        let audience = self.audience.as_deref().unwrap_or(resource);
        let layer = AssertionLayer::builder(issuer, audience).key(key).build();
        layer.map_err(|error| Problem::of(&error).at(&self.key))
    }
}
