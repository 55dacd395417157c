//! The metadata document of one resource, and the URLs that lead to it.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use portcullis_core::Challenge;

use crate::ResourceMetadataBuilder;

/// The well-known segment (RFC 9728 §3), which is inserted between authority and path.
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The protected resource metadata of one MCP server (RFC 9728 §2), ready to serve.
///
/// Everything in it comes from configuration and never from a request. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ResourceMetadata(pub(crate) Arc<Rendered>);

#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) resource: String,
    /// Where the path starts in `resource`.
    pub(crate) origin_len: usize,
    pub(crate) url: String,
    pub(crate) document: Bytes,
    /// What is said of the document besides.
    pub(crate) headers: HeaderMap,
    pub(crate) challenge: Challenge,
    pub(crate) at_root: bool,
}

impl ResourceMetadata {
    /// Metadata for the resource with this identifier: the URL that users type into their clients,
    /// and the `aud` of its tokens.
    pub fn builder(resource: impl Into<String>) -> ResourceMetadataBuilder {
        ResourceMetadataBuilder::new(resource.into())
    }

    /// The resource identifier, byte for byte as configured.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.0.resource
    }

    /// The path of the identifier, such as `/mcp`. Empty for `https://host`, and `/` for
    /// `https://host/`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.resource.get(self.0.origin_len..).unwrap_or_default()
    }

    /// The path where the document is served: the well-known segment, then the path of the
    /// identifier. For a resource at the root it is the segment alone.
    #[must_use]
    pub fn well_known_path(&self) -> &str {
        self.0.url.get(self.0.origin_len..).unwrap_or_default()
    }

    /// All paths where the document is served: [`well_known_path`](Self::well_known_path), and the
    /// root copy if there is one.
    pub fn well_known_paths(&self) -> impl Iterator<Item = &str> {
        let root = self.0.at_root.then_some(WELL_KNOWN);
        std::iter::once(self.well_known_path())
            .chain(root.filter(|root| *root != self.well_known_path()))
    }

    /// The absolute URL of the document: the `resource_metadata` of challenges.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The document: compact JSON, the same bytes for every request.
    #[must_use]
    pub fn document(&self) -> &Bytes {
        &self.0.document
    }

    /// The challenge that leads to this document and asks for its base scopes.
    #[must_use]
    pub fn challenge(&self) -> Challenge {
        self.0.challenge.clone()
    }
}
