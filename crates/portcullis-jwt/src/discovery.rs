//! Finding an issuer's keys through its metadata (RFC 8414 §3, OpenID Connect Discovery §4).

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::Uri;

use crate::fetch::{Fetch, FetchError, Fetched, HttpClient, check_url, within_time};
use crate::{ConfigError, IssuerMetadata};

/// The metadata last fetched, for those who want to look.
pub(crate) type Found = Arc<ArcSwapOption<IssuerMetadata>>;

/// Fetches metadata and keys together, so that keys that move are found, and a failure of either
/// is a failure of the keys: the last good set serves on, then 503.
pub(crate) struct DiscoveryFetch {
    http: HttpClient,
    issuer: String,
    url: Uri,
    places: Vec<Uri>,
    internal: bool,
    found: Found,
}

impl DiscoveryFetch {
    pub(crate) fn new(issuer: &str, internal: bool, found: Found) -> Result<Self, ConfigError> {
        let url = check_url(issuer, internal).map_err(|error| {
            ConfigError::new(format!("the issuer {issuer} cannot be discovered: {error}"))
        })?;
        let places = places(issuer, &url).ok_or_else(|| {
            ConfigError::new(format!("the issuer {issuer} has a query or fragment"))
        })?;
        let http = HttpClient::new(&url, internal)?;
        Ok(Self { http, issuer: issuer.to_owned(), url, places, internal, found })
    }

    async fn keys(&self) -> Result<Fetched, FetchError> {
        let metadata = self.metadata().await?;
        let url = self.jwks_url(&metadata)?;
        let keys = self.http.keys(&url).await;
        self.remember(metadata);
        keys
    }

    /// The first of the places that has a document of this very issuer. One that names another
    /// issuer is never used, but some servers answer for all paths alike, so the next is tried.
    async fn metadata(&self) -> Result<IssuerMetadata, FetchError> {
        let mut errors = Vec::new();
        for place in &self.places {
            let read = match self.http.json(place).await {
                Ok(answer) => {
                    IssuerMetadata::read(&self.issuer, answer.body).map_err(str::to_owned)
                }
                Err(error) => Err(error.to_string()),
            };
            match read {
                Ok(metadata) => return Ok(metadata),
                Err(error) => errors.push(format!("{place}: {error}")),
            }
        }
        Err(FetchError::new(format!("no metadata; {}", errors.join("; "))))
    }

    fn jwks_url(&self, metadata: &IssuerMetadata) -> Result<Uri, FetchError> {
        let url = check_url(metadata.jwks_uri(), self.internal)
            .map_err(|error| FetchError::new(format!("jwks_uri: {error}")))?;
        if url.scheme_str() != Some("https") && url.authority() != self.url.authority() {
            return Err(FetchError::new("jwks_uri leads to another host without TLS"));
        }
        Ok(url)
    }

    /// Warns once of what clients will stumble over, and again when that changes.
    fn remember(&self, metadata: IssuerMetadata) {
        let shortcomings = metadata.shortcomings();
        let before = self.found.swap(Some(Arc::new(metadata)));
        let known = before.map(|metadata| metadata.shortcomings()).unwrap_or_default();
        if !shortcomings.is_empty() && shortcomings != known {
            tracing::warn!(
                issuer = self.issuer,
                fields = shortcomings.join(", "),
                "the issuer's metadata lacks what MCP clients need to sign in"
            );
        }
    }
}

impl Fetch for DiscoveryFetch {
    async fn fetch(&self) -> Result<Fetched, FetchError> {
        within_time(self.keys()).await
    }
}

/// Where the metadata may be, in the order of R-121. A final slash of the issuer is dropped
/// (RFC 8414 §3.1).
fn places(issuer: &str, url: &Uri) -> Option<Vec<Uri>> {
    if url.query().is_some() || issuer.contains('#') {
        return None;
    }
    let path = url.path();
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut places = vec![
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        places.push(format!("{path}/.well-known/openid-configuration"));
    }
    let at = |path: String| {
        let mut parts = url.clone().into_parts();
        parts.path_and_query = Some(path.parse().ok()?);
        Uri::from_parts(parts).ok()
    };
    places.into_iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    ///
    #[test]
    fn places_are_tried_in_this_order() {
        let rows: &[(&str, &[&str])] = &[
            (
                "https://id.example.com",
                &["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"],
            ),
            (
                "https://id.example.com/",
                &["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"],
            ),
            (
                "https://id.example.com/a/t",
                &[
                    "/.well-known/oauth-authorization-server/a/t",
                    "/.well-known/openid-configuration/a/t",
                    "/a/t/.well-known/openid-configuration",
                ],
            ),
            (
                "https://id.example.com/t/",
                &[
                    "/.well-known/oauth-authorization-server/t",
                    "/.well-known/openid-configuration/t",
                    "/t/.well-known/openid-configuration",
                ],
            ),
        ];
        for (issuer, expected) in rows {
            let found = places(issuer, &issuer.parse().unwrap()).unwrap();
            let expected: Vec<_> =
                expected.iter().map(|path| format!("https://id.example.com{path}")).collect();
            assert_eq!(found.iter().map(Uri::to_string).collect::<Vec<_>>(), expected, "{issuer}");
        }
        for issuer in ["https://id.example.com/?a", "https://id.example.com/#a"] {
            assert!(places(issuer, &issuer.parse().unwrap()).is_none(), "{issuer}");
        }
    }
}
