//! What an issuer says about itself (RFC 8414 §2, OpenID Connect Discovery §3).

use std::fmt;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::json;

/// The metadata document of an issuer, whose `issuer` is exactly the one that is trusted.
///
/// Only `jwks_uri` and `introspection_endpoint` are used here. The rest is for checks of one's own at start-up.
#[derive(Clone)]
pub struct IssuerMetadata {
    bytes: Bytes,
    document: Map<String, Value>,
    jwks_uri: String,
}

impl IssuerMetadata {
    /// The document of `issuer`: without any normalisation, its `issuer` member is that text
    /// (RFC 8414 §3.3, R-121).
    pub(crate) fn read(issuer: &str, bytes: Bytes) -> Result<Self, &'static str> {
        let document = json::object(&bytes).ok_or("the metadata is not a strict JSON object")?;
        match document.get("issuer") {
            Some(Value::String(said)) if said == issuer => {}
            _ => return Err("the metadata names another issuer"),
        }
        let Some(Value::String(jwks_uri)) = document.get("jwks_uri") else {
            return Err("the metadata has no jwks_uri");
        };
        Ok(Self { bytes, jwks_uri: jwks_uri.clone(), document })
    }

    /// Where the issuer's keys are.
    #[must_use]
    pub fn jwks_uri(&self) -> &str {
        &self.jwks_uri
    }

    /// Where the issuer is asked about tokens (RFC 7662), if it says so.
    #[must_use]
    pub fn introspection_endpoint(&self) -> Option<&str> {
        self.document.get("introspection_endpoint")?.as_str()
    }

    /// The whole document.
    #[must_use]
    pub fn document(&self) -> &Map<String, Value> {
        &self.document
    }

    /// The document as the issuer wrote it.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The members that are missing or unfit for MCP clients to sign people in with (R-173):
    /// `token_endpoint`, `response_types_supported` with `code`, and
    /// `code_challenge_methods_supported` with `S256`, without which many clients refuse.
    ///
    /// Empty for an issuer without `authorization_endpoint`: nobody signs in there.
    #[must_use]
    pub fn shortcomings(&self) -> Vec<&'static str> {
        if !self.document.contains_key("authorization_endpoint") {
            return Vec::new();
        }
        let is_url = |name: &str| self.document.get(name).is_some_and(Value::is_string);
        let lists = |name: &str, value: &str| match self.document.get(name) {
            Some(Value::Array(values)) => values.iter().any(|item| item == value),
            _ => false,
        };
        let fit = [
            ("authorization_endpoint", is_url("authorization_endpoint")),
            ("token_endpoint", is_url("token_endpoint")),
            ("response_types_supported", lists("response_types_supported", "code")),
            ("code_challenge_methods_supported", lists("code_challenge_methods_supported", "S256")),
        ];
        fit.into_iter().filter(|(_, fit)| !fit).map(|(name, _)| name).collect()
    }
}

impl fmt::Debug for IssuerMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerMetadata").field("jwks_uri", &self.jwks_uri).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://id.example.com/t";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "jwks_uri": "https://id.example.com/keys",
            "authorization_endpoint": "https://id.example.com/authorize",
            "token_endpoint": "https://id.example.com/token",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["plain", "S256"],
        })
    }

    /// X-18, R-121.
    #[test]
    fn the_issuer_is_the_very_one() {
        for other in [
            json!("https://id.example.com/t/"),
            json!("https://id.example.com/T"),
            json!("https://ID.example.com/t"),
            json!("https://id.example.com:443/t"),
            json!("https://id.example.com/{tenantid}"),
            json!([ISSUER]),
            json!(null),
        ] {
            let mut document = document();
            document["issuer"] = other.clone();
            let read = IssuerMetadata::read(ISSUER, document.to_string().into());
            assert_eq!(read.unwrap_err(), "the metadata names another issuer", "{other}");
        }
        let twice =
            r#"{"issuer":"https://evil","issuer":"https://id.example.com/t","jwks_uri":""}"#;
        assert!(IssuerMetadata::read(ISSUER, twice.into()).is_err());
    }

    #[test]
    fn shortcomings_are_named() {
        let read = |document: &Value| {
            IssuerMetadata::read(ISSUER, document.to_string().into()).unwrap().shortcomings()
        };
        assert!(read(&document()).is_empty());
        for (name, value) in [
            ("code_challenge_methods_supported", json!(["plain"])),
            ("code_challenge_methods_supported", json!("S256")),
            ("code_challenge_methods_supported", json!(null)),
            ("response_types_supported", json!(["id_token"])),
            ("token_endpoint", json!(5)),
        ] {
            let mut document = document();
            document[name] = value;
            assert_eq!(read(&document), [name]);
        }
        let machine = json!({ "issuer": ISSUER, "jwks_uri": "https://id.example.com/keys" });
        assert!(read(&machine).is_empty(), "nobody signs in there");
    }
}
