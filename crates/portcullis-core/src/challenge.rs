//! `WWW-Authenticate` challenges (RFC 6750 §3, RFC 9728 §5.1).

use std::error::Error;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use http::HeaderValue;

pub(crate) const INVALID_TOKEN: &str = "The access token is invalid or expired";
pub(crate) const INVALID_REQUEST: &str =
    "Exactly one access token in the Authorization header is required";
pub(crate) const MORE_SCOPE: &str = "Additional permission required";

/// How a client is told to get a token: the metadata document to read and the scopes to ask for.
///
/// Built once from configuration, never from a request, and rendered ahead of time: every
/// challenge is one field line that starts with `Bearer`, with the parameters in the order
/// `error`, `scope`, `resource_metadata`, `error_description`, because deployed
/// clients read only the first line and search it with regular expressions.
#[derive(Clone, Debug)]
pub struct Challenge(Arc<Rendered>);

#[derive(Debug)]
struct Rendered {
    resource_metadata: Option<String>,
    scopes: Vec<String>,
    no_token: HeaderValue,
    invalid_token: HeaderValue,
    invalid_request: HeaderValue,
}

impl Challenge {
    /// A challenge that points to the metadata document at `resource_metadata` and asks for
    /// `scopes`, the base set of the resource.
    ///
    /// # Errors
    /// When the URL or a scope holds characters that a quoted parameter cannot carry, or a
    /// scope is one that a challenge must not name (`offline_access`, `openid`, wildcards: R-165).
    pub fn new<S: AsRef<str>>(
        resource_metadata: &str,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Self, ChallengeError> {
        if !resource_metadata.bytes().all(is_url_byte) || resource_metadata.is_empty() {
            return Err(ChallengeError("the metadata URL is not a plain ASCII URL".into()));
        }
        Self::render(Some(resource_metadata.to_owned()), scopes)
    }

    /// A challenge without metadata. MCP clients cannot find the authorization server from it:
    /// this is for other resource servers.
    ///
    /// # Errors
    /// As [`Challenge::new`].
    pub fn without_metadata<S: AsRef<str>>(
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Self, ChallengeError> {
        Self::render(None, scopes)
    }

    /// The URL of the metadata document.
    #[must_use]
    pub fn resource_metadata(&self) -> Option<&str> {
        self.0.resource_metadata.as_deref()
    }

    /// The base scopes.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// Whether a challenge may name `scope`: a scope token (RFC 6749 §3.3) that is not one of those
    /// reserved to the client's own dealings with its authorization server.
    ///
    /// # Errors
    /// Says why not.
    pub fn check_scope(scope: &str) -> Result<(), ChallengeError> {
        let token = |b: u8| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if scope.is_empty() || !scope.bytes().all(token) {
            return Err(ChallengeError(format!("{scope:?} is not a scope (RFC 6749 section 3.3)")));
        }
        if matches!(scope, "offline_access" | "openid") {
            return Err(ChallengeError(format!(
                "the scope {scope} is not this resource's to ask for"
            )));
        }
        if scope.contains('*') {
            return Err(ChallengeError(format!("the scope {scope:?} is a wildcard")));
        }
        Ok(())
    }

    fn render<S: AsRef<str>>(
        resource_metadata: Option<String>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Self, ChallengeError> {
        let scopes: Vec<String> = scopes.into_iter().map(|s| s.as_ref().to_owned()).collect();
        scopes.iter().try_for_each(|scope| Self::check_scope(scope))?;
        let scope = scopes.join(" ");
        let metadata = resource_metadata.as_deref();
        let line = |error, description| parameters(error, &scope, metadata, description);
        Ok(Self(Arc::new(Rendered {
            no_token: line(None, None)?,
            invalid_token: line(Some("invalid_token"), Some(INVALID_TOKEN))?,
            invalid_request: parameters(
                Some("invalid_request"),
                "",
                metadata,
                Some(INVALID_REQUEST),
            )?,
            resource_metadata,
            scopes,
        })))
    }

    pub(crate) fn no_token(&self) -> HeaderValue {
        self.0.no_token.clone()
    }

    pub(crate) fn invalid_token(&self) -> HeaderValue {
        self.0.invalid_token.clone()
    }

    pub(crate) fn invalid_request(&self) -> HeaderValue {
        self.0.invalid_request.clone()
    }

    pub(crate) fn insufficient_scope(&self, scope: &str) -> Result<HeaderValue, ChallengeError> {
        scope.split(' ').try_for_each(Self::check_scope)?;
        let metadata = self.resource_metadata();
        parameters(Some("insufficient_scope"), scope, metadata, Some(MORE_SCOPE))
    }
}

fn parameters(
    error: Option<&str>,
    scope: &str,
    resource_metadata: Option<&str>,
    description: Option<&str>,
) -> Result<HeaderValue, ChallengeError> {
    let scope = (!scope.is_empty()).then_some(scope);
    let all = [
        ("error", error),
        ("scope", scope),
        ("resource_metadata", resource_metadata),
        ("error_description", description),
    ];
    let mut line = String::from("Bearer");
    let mut separator = " ";
    for (name, value) in all {
        if let Some(value) = value {
            // Infallible: writing to a `String`.
            let _ = write!(line, "{separator}{name}=\"{value}\"");
            separator = ", ";
        }
    }
    HeaderValue::try_from(line).map_err(|_| ChallengeError("the challenge is not ASCII".into()))
}

/// Bytes of a URI (RFC 3986 §2); all of them may stand in a quoted string.
fn is_url_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b)
}

/// A setting that a challenge cannot carry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChallengeError(String);

impl fmt::Display for ChallengeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ChallengeError {}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

    #[test]
    fn what_cannot_be_quoted_or_asked_for_is_refused() {
        assert!(Challenge::new("https://a.example/\"x", ["a"]).is_err());
        assert!(Challenge::new("", ["a"]).is_err());
        for scope in ["", "a b", "a\"b", "a\\b", "offline_access", "openid", "files:*", "ä"] {
            assert!(Challenge::new(METADATA, [scope]).is_err(), "{scope:?}");
        }
    }

    #[test]
    fn without_metadata_and_scopes_the_challenge_is_bare() {
        let challenge = Challenge::without_metadata::<&str>([]).unwrap();
        assert_eq!(challenge.no_token(), "Bearer");
    }

    /// How TypeScript, Python (regular expressions) and rmcp (substring) find `scope`.
    #[test]
    fn naive_client_parsers_find_the_scope() {
        let challenge = Challenge::new(METADATA, ["mcp:read"]).unwrap();
        for line in [challenge.no_token(), challenge.invalid_token()] {
            let line = line.to_str().unwrap();
            assert_eq!(line.matches("scope=").count(), 1, "{line}");
            assert_eq!(line.matches("resource_metadata=").count(), 1, "{line}");
            assert!(line.starts_with("Bearer "), "{line}");
        }
    }
}
