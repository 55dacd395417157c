//! Who is calling.

use std::sync::Arc;

use crate::Principal;

/// Who is calling, decided once per request by the layer that signs callers in.
///
/// Written by `portcullis-jwt` (or another sign-in layer), read by policy, audit and the tool
/// handler. Its absence means that no sign-in layer ran, which every reader answers with 500; or
/// that the request has only an [`AnonymousPass`](crate::AnonymousPass) yet, of which inspection
/// makes [`Anonymous`](Self::Anonymous).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Caller {
    /// The caller proved who they are.
    Verified(Arc<Principal>),
    /// The caller proved nothing, and the deployment explicitly lets such callers in.
    Anonymous(AnonymousReason),
}

impl Caller {
    /// The verified principal, if there is one.
    #[must_use]
    pub fn principal(&self) -> Option<&Principal> {
        match self {
            Self::Verified(principal) => Some(principal),
            Self::Anonymous(_) => None,
        }
    }
}

/// Why a caller without proof was let in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum AnonymousReason {
    /// The request carried no credentials and this deployment does not insist on any.
    NoCredentials,
}
