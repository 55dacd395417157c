//! `WWW-Authenticate` challenges (RFC 6750 §3, RFC 9728 §5.1).

use std::error::Error;
use std::fmt::{self, Write as _};
use std::sync::{Arc, OnceLock};

use http::HeaderValue;

use crate::Denial;

pub(crate) const INVALID_TOKEN: &str = "The access token is invalid or expired";
pub(crate) const INVALID_REQUEST: &str =
    "Exactly one access token in the Authorization header is required";
pub(crate) const MORE_SCOPE: &str = "Additional permission required";
const STRONGER_AUTHENTICATION: &str = "A more recent or stronger sign-in is required";

/// How a client is told to get a token: the metadata document to read and the scopes to ask for.
///
/// Built once from configuration, never from a request, and rendered ahead of time: every
/// challenge is one field line that starts with `Bearer`, with the parameters in the order
/// `error`, `scope`, `resource_metadata`, `error_description`, because deployed
/// clients read only the first line and search it with regular expressions. With
/// [`dpop`](Self::dpop), a second line for the scheme `DPoP` follows, or replaces it.
#[derive(Clone, Debug)]
pub struct Challenge(Arc<Rendered>);

#[derive(Debug)]
struct Rendered {
    resource_metadata: Option<String>,
    scopes: Vec<String>,
    no_token: HeaderValue,
    /// The answer to a request without credentials: it is always the same.
    signed_out: OnceLock<Denial>,
    invalid_token: HeaderValue,
    invalid_request: HeaderValue,
    dpop: Option<Dpop>,
}

/// What is said in the scheme `DPoP` (RFC 9449 §7.1).
#[derive(Debug)]
struct Dpop {
    algs: String,
    required: bool,
    /// The line that follows the one for `Bearer`.
    offer: HeaderValue,
    invalid_proof: HeaderValue,
    use_nonce: HeaderValue,
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
        let absolute = ["https://", "http://"].iter().any(|s| resource_metadata.starts_with(s));
        if !absolute || !resource_metadata.bytes().all(is_url_byte) || misleads(resource_metadata) {
            return Err(ChallengeError("the metadata URL is not a plain absolute URL".into()));
        }
        let scopes = checked(scopes)?;
        Self::render(Some(resource_metadata.to_owned()), scopes, None)
    }

    /// A challenge without metadata. MCP clients cannot find the authorization server from it:
    /// this is for other resource servers.
    ///
    /// # Errors
    /// As [`Challenge::new`].
    pub fn without_metadata<S: AsRef<str>>(
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Self, ChallengeError> {
        Self::render(None, checked(scopes)?, None)
    }

    /// Offers DPoP too (RFC 9449 §7.1), with proofs signed by one of `algs`: a second field line
    /// after the one for `Bearer`. Where it is `required`, there is only the line for `DPoP`
    ///
    ///
    /// # Errors
    /// When there is no algorithm, or one that is not letters and digits.
    pub fn dpop(&self, algs: &[&str], required: bool) -> Result<Self, ChallengeError> {
        let name = |alg: &&str| !alg.is_empty() && alg.bytes().all(|b| b.is_ascii_alphanumeric());
        if algs.is_empty() || !algs.iter().all(name) {
            return Err(ChallengeError("DPoP needs the names of its algorithms".into()));
        }
        let (metadata, scopes) = (self.0.resource_metadata.clone(), self.0.scopes.clone());
        Self::render(metadata, scopes, Some((algs.join(" "), required)))
    }

    /// Whether a challenge may name `acr`, an authentication context class, in `acr_values`
    /// (RFC 9470 §3): visible ASCII without quotes and backslashes.
    ///
    /// # Errors
    /// Says why not.
    pub fn check_acr(acr: &str) -> Result<(), ChallengeError> {
        if is_quotable_word(acr) {
            Ok(())
        } else {
            Err(ChallengeError(format!("{acr:?} cannot stand in acr_values")))
        }
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
        if !is_quotable_word(scope) {
            return Err(ChallengeError::not_a_scope(scope));
        }
        if matches!(scope, "offline_access" | "openid") {
            return Err(ChallengeError(format!(
                "the scope {scope} is not this resource's to ask for"
            )));
        }
        if misleads(scope) {
            return Err(ChallengeError(format!("the scope {scope:?} reads like a parameter")));
        }
        if scope.contains('*') {
            return Err(ChallengeError(format!("the scope {scope:?} is a wildcard")));
        }
        Ok(())
    }

    fn render(
        resource_metadata: Option<String>,
        scopes: Vec<String>,
        dpop: Option<(String, bool)>,
    ) -> Result<Self, ChallengeError> {
        let scope = scopes.join(" ");
        let metadata = resource_metadata.as_deref();
        let dpop =
            dpop.map(|(algs, required)| Dpop::render(algs, required, metadata)).transpose()?;
        let line = |error: Option<&str>, scope: &str, description| {
            let algs = required_algs(dpop.as_ref());
            parameters(algs, error, &[], scope, metadata, description)
        };
        Ok(Self(Arc::new(Rendered {
            no_token: line(None, &scope, None)?,
            signed_out: OnceLock::new(),
            invalid_token: line(Some("invalid_token"), &scope, Some(INVALID_TOKEN))?,
            invalid_request: line(Some("invalid_request"), "", Some(INVALID_REQUEST))?,
            resource_metadata,
            scopes,
            dpop,
        })))
    }

    pub(crate) fn no_token(&self) -> HeaderValue {
        self.0.no_token.clone()
    }

    /// What `make` made when it was first called.
    pub(crate) fn signed_out(&self, make: impl FnOnce() -> Denial) -> Denial {
        self.0.signed_out.get_or_init(make).clone()
    }

    pub(crate) fn invalid_token(&self) -> HeaderValue {
        self.0.invalid_token.clone()
    }

    pub(crate) fn invalid_request(&self) -> HeaderValue {
        self.0.invalid_request.clone()
    }

    /// The line that follows the first one of a 401.
    pub(crate) fn second_line(&self) -> Option<HeaderValue> {
        self.0.dpop.as_ref().filter(|dpop| !dpop.required).map(|dpop| dpop.offer.clone())
    }

    pub(crate) fn invalid_dpop_proof(&self) -> Option<HeaderValue> {
        self.0.dpop.as_ref().map(|dpop| dpop.invalid_proof.clone())
    }

    pub(crate) fn use_dpop_nonce(&self) -> Option<HeaderValue> {
        self.0.dpop.as_ref().map(|dpop| dpop.use_nonce.clone())
    }

    pub(crate) fn insufficient_scope(&self, scope: &str) -> Result<HeaderValue, ChallengeError> {
        scope.split(' ').try_for_each(Self::check_scope)?;
        let metadata = self.resource_metadata();
        let algs = required_algs(self.0.dpop.as_ref());
        parameters(algs, Some("insufficient_scope"), &[], scope, metadata, Some(MORE_SCOPE))
    }

    pub(crate) fn insufficient_authentication(
        &self,
        acr_values: &[String],
        max_age: Option<u64>,
    ) -> Result<HeaderValue, ChallengeError> {
        acr_values.iter().try_for_each(|acr| Self::check_acr(acr))?;
        let (acr_values, max_age) = (acr_values.join(" "), max_age.map(|age| age.to_string()));
        let needs = [
            ("acr_values", (!acr_values.is_empty()).then_some(acr_values.as_str())),
            ("max_age", max_age.as_deref()),
        ];
        parameters(
            required_algs(self.0.dpop.as_ref()),
            Some("insufficient_user_authentication"),
            &needs,
            &self.0.scopes.join(" "),
            self.resource_metadata(),
            Some(STRONGER_AUTHENTICATION),
        )
    }
}

impl Dpop {
    fn render(
        algs: String,
        required: bool,
        metadata: Option<&str>,
    ) -> Result<Self, ChallengeError> {
        let line = |error| parameters(Some(&algs), error, &[], "", metadata, None);
        Ok(Self {
            offer: line(None)?,
            invalid_proof: line(Some("invalid_dpop_proof"))?,
            use_nonce: line(Some("use_dpop_nonce"))?,
            algs,
            required,
        })
    }
}

/// The algorithms of DPoP proofs, where challenges are to be in that scheme.
fn required_algs(dpop: Option<&Dpop>) -> Option<&str> {
    dpop.filter(|dpop| dpop.required).map(|dpop| dpop.algs.as_str())
}

fn checked<S: AsRef<str>>(
    scopes: impl IntoIterator<Item = S>,
) -> Result<Vec<String>, ChallengeError> {
    let scopes: Vec<String> = scopes.into_iter().map(|s| s.as_ref().to_owned()).collect();
    scopes.iter().try_for_each(|scope| Challenge::check_scope(scope))?;
    Ok(scopes)
}

/// One challenge: of the scheme `DPoP` when there are `algs`, else of the scheme `Bearer`.
fn parameters(
    algs: Option<&str>,
    error: Option<&str>,
    needs: &[(&str, Option<&str>)],
    scope: &str,
    resource_metadata: Option<&str>,
    description: Option<&str>,
) -> Result<HeaderValue, ChallengeError> {
    let scope = (!scope.is_empty()).then_some(scope);
    let first = [("error", error), ("algs", algs)];
    let last = [
        ("scope", scope),
        ("resource_metadata", resource_metadata),
        ("error_description", description),
    ];
    let mut line = String::from(if algs.is_some() { "DPoP" } else { "Bearer" });
    let mut separator = " ";
    for (name, value) in first.iter().chain(needs).chain(&last) {
        if let Some(value) = value {
            // Infallible: writing to a `String`.
            let _ = write!(line, "{separator}{name}=\"{value}\"");
            separator = ", ";
        }
    }
    HeaderValue::try_from(line).map_err(|_| ChallengeError("the challenge is not ASCII".into()))
}

/// `scope-token` (RFC 6749 §3.3): visible ASCII that needs no escape in a quoted string.
fn is_quotable_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

/// Whether a client that searches the line for a parameter could find it in `value`.
fn misleads(value: &str) -> bool {
    ["scope=", "error=", "resource_metadata=", "error_description="]
        .iter()
        .any(|parameter| value.contains(parameter))
}

/// Bytes of a URI (RFC 3986 §2); all of them may stand in a quoted string.
fn is_url_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b)
}

/// A setting that a challenge cannot carry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChallengeError(String);

impl ChallengeError {
    pub(crate) fn not_a_scope(scope: &str) -> Self {
        Self(format!("{scope:?} is not a scope (RFC 6749 section 3.3)"))
    }
}

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
        for metadata in ["", "/.well-known/x", "resource_metadata=", "https://a.example/scope=b"] {
            assert!(Challenge::new(metadata, ["a"]).is_err(), "{metadata:?}");
        }
        for scope in
            ["", "a b", "a\"b", "a\\b", "offline_access", "openid", "files:*", "ä", "scope=a"]
        {
            assert!(Challenge::new(METADATA, [scope]).is_err(), "{scope:?}");
        }
    }

    #[test]
    fn without_metadata_and_scopes_the_challenge_is_bare() {
        let challenge = Challenge::without_metadata::<&str>([]).unwrap();
        assert_eq!(challenge.no_token(), "Bearer");
    }

    #[test]
    fn dpop_comes_second_or_alone() {
        let challenge = Challenge::new(METADATA, ["mcp:read"]).unwrap();
        assert_eq!(challenge.second_line(), None);
        assert_eq!(challenge.invalid_dpop_proof(), None);
        let optional = challenge.dpop(&["ES256", "EdDSA"], false).unwrap();
        assert_eq!(optional.no_token(), challenge.no_token(), "the first line is as before");
        assert_eq!(
            optional.second_line().unwrap(),
            format!("DPoP algs=\"ES256 EdDSA\", resource_metadata=\"{METADATA}\"").as_str()
        );
        let required = challenge.dpop(&["ES256"], true).unwrap();
        assert_eq!(required.second_line(), None);
        assert_eq!(
            required.no_token(),
            format!("DPoP algs=\"ES256\", scope=\"mcp:read\", resource_metadata=\"{METADATA}\"")
                .as_str()
        );
        let more = required.insufficient_scope("a").unwrap();
        assert!(more.to_str().unwrap().starts_with("DPoP error=\"insufficient_scope\""));
        for algs in [&[][..], &[""], &["ES 256"], &["\""]] {
            assert!(challenge.dpop(algs, false).is_err(), "{algs:?}");
        }
    }

    #[test]
    fn authentication_strength_is_named() {
        let challenge = Challenge::new(METADATA, ["mcp:read"]).unwrap();
        let acr = ["urn:mfa".to_owned(), "phr".to_owned()];
        let line = challenge.insufficient_authentication(&acr, Some(300)).unwrap();
        assert_eq!(
            line,
            format!(
                "Bearer error=\"insufficient_user_authentication\", acr_values=\"urn:mfa phr\", \
                 max_age=\"300\", scope=\"mcp:read\", resource_metadata=\"{METADATA}\", \
                 error_description=\"A more recent or stronger sign-in is required\""
            )
            .as_str()
        );
        for acr in ["", "a b", "a\"b", "ä"] {
            assert!(challenge.insufficient_authentication(&[acr.to_owned()], None).is_err());
        }
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
