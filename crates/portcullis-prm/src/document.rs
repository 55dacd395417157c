//! The document: which members, in which order.

use bytes::Bytes;
use serde_json::Value;

use crate::{ConfigError, ResourceMetadataBuilder, language, signed, url};

/// Members with a setting of their own, which checks them.
const OWN: [&str; 14] = [
    "resource",
    "authorization_servers",
    "scopes_supported",
    "bearer_methods_supported",
    "resource_name",
    "resource_documentation",
    "resource_policy_uri",
    "resource_tos_uri",
    "jwks_uri",
    "resource_signing_alg_values_supported",
    "dpop_signing_alg_values_supported",
    "dpop_bound_access_tokens_required",
    "tls_client_certificate_bound_access_tokens",
    "authorization_details_types_supported",
];

impl ResourceMetadataBuilder {
    /// The members in the order of RFC 9728 §2, then the others in the order given. Written member
    /// by member because the order of a `serde_json::Map` is another crate's choice.
    pub(crate) fn document(&self) -> Result<Bytes, ConfigError> {
        let mut members: Vec<(&str, Value)> = vec![("resource", self.resource.as_str().into())];
        members.push(("authorization_servers", self.checked_servers()?));
        if !self.scopes.is_empty() {
            members.push(("scopes_supported", self.scopes.clone().into()));
        }
        members.push(("bearer_methods_supported", vec!["header"].into()));
        if let Some(name) = &self.name {
            members.push(("resource_name", text("resource_name", name)?));
        }
        for (name, target) in &self.links {
            url::link(target)
                .map_err(|problem| ConfigError::new(name, format!("{target:?} {problem}")))?;
            members.push((name, target.as_str().into()));
        }
        for name in ["resource_signing_alg_values_supported", "dpop_signing_alg_values_supported"] {
            let algs = self.signing_algs.iter().filter(|(of, _)| *of == name);
            let algs =
                algs.map(|(_, alg)| signing_alg(name, alg)).collect::<Result<Vec<_>, _>>()?;
            if !algs.is_empty() {
                members.push((name, algs.into()));
            }
        }
        let types = self.details_types.iter();
        let types = types
            .map(|name| text("authorization_details_types_supported", name))
            .collect::<Result<Vec<_>, _>>()?;
        if !types.is_empty() {
            members.push(("authorization_details_types_supported", types.into()));
        }
        members.extend(self.flags.iter().map(|name| (*name, Value::Bool(true))));
        for (name, value) in &self.members {
            check_member(name, value)?;
            members.push((name, value.clone()));
        }
        if let Some((_, jwt)) = self.members.iter().find(|(name, _)| name == "signed_metadata") {
            signed::check(jwt, &members)
                .map_err(|problem| ConfigError::new("signed_metadata", problem))?;
        }
        Ok(write(&members))
    }

    fn checked_servers(&self) -> Result<Value, ConfigError> {
        const NAME: &str = "authorization_servers";
        if self.authorization_servers.is_empty() {
            return Err(ConfigError::new(NAME, "at least one authorization server is needed"));
        }
        for issuer in &self.authorization_servers {
            url::issuer(issuer)
                .map_err(|problem| ConfigError::new(NAME, format!("{issuer:?} {problem}")))?;
        }
        Ok(self.authorization_servers.clone().into())
    }
}

fn text(setting: &'static str, value: &str) -> Result<Value, ConfigError> {
    if value.trim().is_empty() {
        return Err(ConfigError::new(setting, "must not be empty"));
    }
    Ok(value.into())
}

/// RFC 9728 §2: `none` must not be used; and a shared secret would not be a public key's algorithm.
fn signing_alg(setting: &'static str, alg: &str) -> Result<Value, ConfigError> {
    if alg.eq_ignore_ascii_case("none") || alg.starts_with("HS") {
        return Err(ConfigError::new(setting, format!("{alg:?} is not an asymmetric algorithm")));
    }
    text(setting, alg)
}

/// a member has a value or is absent.
fn check_member(name: &str, value: &Value) -> Result<(), ConfigError> {
    let problem = if name.trim().is_empty() {
        "a member needs a name"
    } else if OWN.contains(&name) {
        "has a setting of its own"
    } else if is_empty(value) {
        "has no value"
    } else if let Err(problem) = language::check(name, value) {
        problem
    } else {
        return Ok(());
    };
    Err(ConfigError::new("member", format!("{name:?}: {problem}")))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn write(members: &[(&str, Value)]) -> Bytes {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{}:{value}", Value::from(*name))).collect();
    format!("{{{}}}", members.join(",")).into()
}
