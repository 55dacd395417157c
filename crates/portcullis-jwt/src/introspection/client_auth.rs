//! How we prove to an endpoint which client we are (RFC 6749 §2.3, RFC 7523 §2.2).

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde_json::json;

use super::form::{encode, form};
use crate::{ClientKey, ConfigError};

/// The type of a client assertion (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long a client assertion is valid.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

/// Our own credentials as a client of an issuer. `Debug` shows the client id only.
#[derive(Clone)]
pub struct ClientAuth {
    client: String,
    proof: Proof,
}

#[derive(Clone)]
enum Proof {
    Basic(String),
    Post(String),
    Key { key: ClientKey, audience: Option<String> },
}

/// A form, and what goes into `Authorization`.
pub(super) struct Signed {
    pub(super) form: String,
    pub(super) authorization: Option<HeaderValue>,
}

impl ClientAuth {
    /// With a secret in the `Authorization` field: `client_secret_basic`. Id and secret are encoded
    /// as RFC 6749 §2.3.1 says.
    pub fn secret_basic(client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { client: client_id.into(), proof: Proof::Basic(secret.into()) }
    }

    /// With a secret in the form: `client_secret_post`.
    pub fn secret_post(client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { client: client_id.into(), proof: Proof::Post(secret.into()) }
    }

    /// With assertions that `key` signs, a new one for each question: `private_key_jwt` (RFC 7523).
    /// They are valid for 60 seconds, for the issuer's name as audience.
    pub fn private_key_jwt(client_id: impl Into<String>, key: ClientKey) -> Self {
        Self { client: client_id.into(), proof: Proof::Key { key, audience: None } }
    }

    /// Makes assertions for this audience: the token endpoint, where the issuer asks for that. Of no
    /// effect for secrets.
    #[must_use]
    pub fn assertion_audience(mut self, audience: impl Into<String>) -> Self {
        if let Proof::Key { audience: slot, .. } = &mut self.proof {
            *slot = Some(audience.into());
        }
        self
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let blank = match &self.proof {
            Proof::Basic(secret) | Proof::Post(secret) => secret.is_empty(),
            Proof::Key { audience, .. } => audience.as_ref().is_some_and(String::is_empty),
        };
        if blank || self.client.is_empty() {
            return Err(ConfigError::new("our client id, secret or audience is empty"));
        }
        Ok(())
    }

    /// A form of `fields`, and the proof of who asks; `None` when it cannot be made.
    pub(super) fn sign(
        &self,
        fields: &[(&str, &str)],
        issuer: &str,
        now: Duration,
    ) -> Option<Signed> {
        let mut fields = fields.to_vec();
        let mut authorization = None;
        let assertion;
        match &self.proof {
            Proof::Basic(secret) => {
                let pair = format!("{}:{}", encode(&self.client), encode(secret));
                let line = format!("Basic {}", STANDARD.encode(pair));
                let mut line = HeaderValue::try_from(line).ok()?;
                line.set_sensitive(true);
                authorization = Some(line);
            }
            Proof::Post(secret) => {
                fields.extend([("client_id", &*self.client), ("client_secret", secret)]);
            }
            Proof::Key { key, audience } => {
                let expires = now.saturating_add(ASSERTION_LIFETIME);
                assertion = key.sign(&json!({
                    "iss": self.client,
                    "sub": self.client,
                    "aud": audience.as_deref().unwrap_or(issuer),
                    "jti": key.random_id()?,
                    "iat": now.as_secs(),
                    "exp": expires.as_secs(),
                }))?;
                fields.extend([
                    ("client_id", &*self.client),
                    ("client_assertion_type", ASSERTION_TYPE),
                    ("client_assertion", &assertion),
                ]);
            }
        }
        Some(Signed { form: form(&fields), authorization })
    }
}

// By hand: secrets.
impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuth").field("client", &self.client).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of `Basic` is that of the encoded pair (RFC 6749 §2.3.1).
    #[test]
    fn basic_credentials_are_encoded_first() {
        let auth = ClientAuth::secret_basic("my app", "a:b%ü");
        let signed = auth.sign(&[("token", "t")], "i", Duration::ZERO).unwrap();
        assert_eq!(signed.form, "token=t");
        let line = signed.authorization.unwrap();
        assert!(line.is_sensitive());
        let pair = STANDARD.decode(line.to_str().unwrap().strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(pair, b"my+app:a%3Ab%25%C3%BC");
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", ClientAuth::secret_post("app", "hunter2"));
        assert!(shown.contains("app") && !shown.contains("hunter2"), "{shown}");
    }
}
