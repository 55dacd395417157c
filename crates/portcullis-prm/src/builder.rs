//! From settings to a document.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, header};
use portcullis_core::Challenge;
use serde_json::Value;

use crate::answer::fields;
use crate::metadata::{Rendered, WELL_KNOWN};
use crate::{ConfigError, ResourceMetadata, url};

/// How long clients may cache the document unless told otherwise.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// Settings of [`ResourceMetadata`]; made by [`ResourceMetadata::builder`].
///
/// The document holds the identifier, the authorization servers, the base scopes,
/// `bearer_methods_supported: ["header"]`, and what else is set here. What is not set is absent.
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until they are built"]
pub struct ResourceMetadataBuilder {
    pub(crate) resource: String,
    pub(crate) authorization_servers: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) links: Vec<(&'static str, String)>,
    pub(crate) name: Option<String>,
    pub(crate) signing_algs: Vec<(&'static str, String)>,
    pub(crate) details_types: Vec<String>,
    pub(crate) flags: Vec<&'static str>,
    pub(crate) members: Vec<(String, Value)>,
    at_root: bool,
    max_age: Duration,
}

impl ResourceMetadataBuilder {
    pub(crate) fn new(resource: String) -> Self {
        Self {
            resource,
            authorization_servers: Vec::new(),
            scopes: Vec::new(),
            links: Vec::new(),
            name: None,
            signing_algs: Vec::new(),
            details_types: Vec::new(),
            flags: Vec::new(),
            members: Vec::new(),
            at_root: false,
            max_age: MAX_AGE,
        }
    }

    /// Adds an authorization server that issues tokens for this resource. At least one is needed.
    ///
    /// Must be byte-identical to the `issuer` in that server's own metadata, trailing slash
    /// included: clients compare.
    pub fn authorization_server(mut self, issuer: impl Into<String>) -> Self {
        add(&mut self.authorization_servers, issuer.into());
        self
    }

    /// Adds a base scope: what a client without a token is told to ask for. Keep the set
    /// minimal; what single operations need is asked for when they are refused.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        add(&mut self.scopes, scope.into());
        self
    }

    /// Sets the name that clients show to people.
    pub fn resource_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the name in another language, given by its tag, such as `de` (RFC 9728 §2.1, BCP 47).
    /// For other members, add the [`member`](Self::member), such as `resource_tos_uri#de`.
    pub fn resource_name_in(self, language: &str, name: impl Into<String>) -> Self {
        self.member(format!("resource_name#{language}"), name.into())
    }

    /// Sets `resource_documentation`, a page for developers.
    pub fn documentation(self, url: impl Into<String>) -> Self {
        self.link("resource_documentation", url.into())
    }

    /// Sets `resource_policy_uri`, a page on how the data may be used.
    pub fn policy_uri(self, url: impl Into<String>) -> Self {
        self.link("resource_policy_uri", url.into())
    }

    /// Sets `resource_tos_uri`, the terms of service.
    pub fn tos_uri(self, url: impl Into<String>) -> Self {
        self.link("resource_tos_uri", url.into())
    }

    /// Sets `jwks_uri`, the resource's own public keys. These do not verify access tokens.
    pub fn jwks_uri(self, url: impl Into<String>) -> Self {
        self.link("jwks_uri", url.into())
    }

    /// Adds an algorithm to `resource_signing_alg_values_supported`, with which the resource signs
    /// responses.
    pub fn resource_signing_alg(mut self, alg: impl Into<String>) -> Self {
        add(&mut self.signing_algs, ("resource_signing_alg_values_supported", alg.into()));
        self
    }

    /// Adds an algorithm to `dpop_signing_alg_values_supported` (RFC 9449).
    pub fn dpop_signing_alg(mut self, alg: impl Into<String>) -> Self {
        add(&mut self.signing_algs, ("dpop_signing_alg_values_supported", alg.into()));
        self
    }

    /// Says that only DPoP-bound tokens are accepted. The layer that verifies tokens enforces it.
    pub fn dpop_bound_access_tokens_required(mut self) -> Self {
        add(&mut self.flags, "dpop_bound_access_tokens_required");
        self
    }

    /// Says that tokens bound to a client certificate are supported (RFC 8705). The layer that
    /// verifies tokens enforces it.
    pub fn tls_client_certificate_bound_access_tokens(mut self) -> Self {
        add(&mut self.flags, "tls_client_certificate_bound_access_tokens");
        self
    }

    /// Adds a type to `authorization_details_types_supported` (RFC 9396).
    pub fn authorization_details_type(mut self, name: impl Into<String>) -> Self {
        add(&mut self.details_types, name.into());
        self
    }

    /// Adds any other member, for example `signed_metadata` (RFC 9728 §2.2): a JWT whose claims about
    /// the resource must be in the document too, and the same. Its signature is not verified. A
    /// member given twice keeps its last value.
    pub fn member(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.members.retain(|(other, _)| *other != name);
        self.members.push((name, value));
        self
    }

    /// Serves the same document at the root well-known path too, where clients look second.
    ///
    /// Only for a host with exactly one MCP resource: with several on one
    /// [`PrmLayer`](crate::PrmLayer) there is no root copy.
    pub fn serve_at_root(mut self) -> Self {
        self.at_root = true;
        self
    }

    /// Sets how long clients may cache the document, in whole seconds. One hour unless set.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    fn link(mut self, name: &'static str, url: String) -> Self {
        self.links.retain(|(other, _)| *other != name);
        self.links.push((name, url));
        self
    }

    /// The document.
    ///
    /// # Errors
    /// When clients could not use a setting or must not be shown it: see the
    /// [crate docs](crate#what-it-refuses-by-default).
    pub fn build(self) -> Result<ResourceMetadata, ConfigError> {
        let parts = url::identifier(&self.resource).map_err(|problem| {
            ConfigError::new("resource", format!("{:?} {problem}", self.resource))
        })?;
        let origin_len = parts.origin.len();
        let path = if parts.path == "/" { "" } else { parts.path };
        let url = format!("{}{WELL_KNOWN}{path}", parts.origin);
        let document = self.document()?;
        let challenge = Challenge::new(&url, &self.scopes)
            .map_err(|error| ConfigError::new("scopes_supported", error.to_string()))?;
        let cache_control = format!("public, max-age={}", self.max_age.as_secs());
        let cache_control = HeaderValue::try_from(cache_control)
            .map_err(|error| ConfigError::new("max_age", error.to_string()))?;
        Ok(ResourceMetadata(Arc::new(Rendered {
            headers: fields([
                (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (header::CACHE_CONTROL, cache_control),
                (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
                (header::CONTENT_LENGTH, HeaderValue::from(document.len())),
            ]),
            resource: self.resource,
            origin_len,
            url,
            document,
            challenge,
            at_root: self.at_root,
        })))
    }
}

/// Adds to a set that keeps its order.
fn add<T: PartialEq>(set: &mut Vec<T>, value: T) {
    if !set.contains(&value) {
        set.push(value);
    }
}

#[cfg(test)]
mod tests;
