//! Identities that a sidecar signed.

use std::convert::Infallible;
use std::future::Ready;
use std::time::Duration;

use portcullis_core::{Principal, Reason};

/// Verifies a signed assertion, such as the JWT in `Cf-Access-Jwt-Assertion`.
///
/// Closures from the assertion's text to a future are verifiers. A `portcullis_jwt::Verifier` becomes
/// one as below. Give it nothing to trust but the sidecar: its issuer, the audience that the sidecar
/// has for this application, and, since such assertions are of type `JWT`, a claim that marks them
/// (`accept_jwt_typ(["type"])` for Cloudflare Access).
///
/// ```
/// use portcullis_forwarded::{AssertionError, VerifyAssertion};
/// use portcullis_jwt::Verifier;
///
/// fn assertions(verifier: Verifier) -> impl VerifyAssertion {
///     move |assertion: String| {
///         let verifier = verifier.clone();
///         async move {
///             verifier.verify_token(&assertion).await.map_err(|error| match error.retry_after() {
///                 Some(after) => AssertionError::unavailable(after),
///                 None => AssertionError::refused(error.reason()),
///             })
///         }
///     }
/// }
/// ```
pub trait VerifyAssertion: Send + Sync + 'static {
    /// Resolves to who is calling.
    type Verdict: Future<Output = Result<Principal, AssertionError>>;

    /// Starts to verify `assertion`: its signature, issuer, audience and lifetime. It is visible
    /// ASCII of at most 16 KiB, and otherwise as hostile as a header from the Internet.
    fn verify(&self, assertion: String) -> Self::Verdict;
}

impl<F, V> VerifyAssertion for F
where
    F: Fn(String) -> V + Send + Sync + 'static,
    V: Future<Output = Result<Principal, AssertionError>>,
{
    type Verdict = V;

    fn verify(&self, assertion: String) -> V {
        self(assertion)
    }
}

/// Why an assertion was not accepted. The client never learns the reason (R-133).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AssertionError {
    pub(crate) reason: Reason,
    pub(crate) retry_after: Option<Duration>,
}

impl AssertionError {
    /// It does not verify: the caller is answered 401.
    #[must_use]
    pub const fn refused(reason: Reason) -> Self {
        Self { reason, retry_after: None }
    }

    /// Nothing is known about it, because keys cannot be had: the caller is answered 503, and told
    /// when to ask again.
    #[must_use]
    pub const fn unavailable(retry_after: Duration) -> Self {
        Self { reason: Reason::JwksUnavailable, retry_after: Some(retry_after) }
    }
}

/// No signed assertions: plain headers from a trusted peer.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned(Infallible);

impl VerifyAssertion for Unsigned {
    type Verdict = Ready<Result<Principal, AssertionError>>;

    fn verify(&self, _: String) -> Self::Verdict {
        match self.0 {}
    }
}
