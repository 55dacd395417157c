//! Whose a child is.

use std::fmt::Write as _;
use std::sync::Arc;

use portcullis_core::{Caller, Denial, Principal};
use sha2::{Digest as _, Sha256};

/// Who has children of their own: an issuer's subject with one client, or, where the deployment
/// says so, everybody who is nobody.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Person(Option<Arc<Known>>);

#[derive(Debug, Eq, Hash, PartialEq)]
struct Known {
    issuer: String,
    subject: String,
    client_id: Option<String>,
}

impl Person {
    /// Who that is. Without a fact about the caller there is no answer, and without a principal only
    /// where `anonymous` callers share a child.
    pub(super) fn of(caller: Option<&Caller>, anonymous: bool) -> Result<Self, Denial> {
        match caller {
            Some(Caller::Verified(principal)) => Ok(Self::known(principal)),
            Some(_) if anonymous => Ok(Self(None)),
            Some(_) => Err(Denial::miswired("a command serves nobody without a principal")),
            None => Err(Denial::miswired("no sign-in layer outside a command")),
        }
    }

    fn known(principal: &Principal) -> Self {
        Self(Some(Arc::new(Known {
            issuer: principal.issuer().to_owned(),
            subject: principal.subject().to_owned(),
            client_id: principal.client_id().map(str::to_owned),
        })))
    }

    /// A name that no other person has: 64 hexadecimal digits, from which nobody is known.
    pub(super) fn directory(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"portcullis stdio person v1");
        let known = self.0.as_deref();
        for field in [
            known.map(|known| &*known.issuer),
            known.map(|known| &*known.subject),
            known.and_then(|known| known.client_id.as_deref()),
        ] {
            // Lengths in front, so that no two lists of fields read the same.
            let length = field.map_or(u64::MAX, |field| field.len() as u64);
            hash.update(length.to_be_bytes());
            hash.update(field.unwrap_or_default());
        }
        hex(&hash.finalize())
    }
}

/// The bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Infallible: writing to a `String`.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::AnonymousReason;

    #[test]
    fn no_two_people_are_the_same() {
        let person = |issuer: &str, subject: &str, client: Option<&str>| {
            let mut principal = Principal::builder(issuer, subject);
            if let Some(client) = client {
                principal = principal.client_id(client);
            }
            Person::of(Some(&Caller::Verified(principal.build().into())), false).unwrap()
        };
        let people = [
            person("https://a.example", "alice", None),
            person("https://b.example", "alice", None),
            person("https://a.example", "bob", None),
            person("https://a.example", "alice", Some("app")),
            person("https://a.example", "alice", Some("")),
            person("https://a.examplealice", "", None),
            Person::of(Some(&Caller::Anonymous(AnonymousReason::NoCredentials)), true).unwrap(),
        ];
        for (at, one) in people.iter().enumerate() {
            for (also, other) in people.iter().enumerate() {
                assert_eq!(one == other, at == also, "{one:?} {other:?}");
                assert_eq!(one.directory() == other.directory(), at == also, "{one:?} {other:?}");
            }
        }
        assert_eq!(person("i", "s", None), person("i", "s", None));
    }

    #[test]
    fn nobody_is_served_by_default() {
        let nobody = Caller::Anonymous(AnonymousReason::NoCredentials);
        for caller in [None, Some(&nobody)] {
            assert_eq!(Person::of(caller, false).unwrap_err().status(), 500);
        }
        assert_eq!(Person::of(None, true).unwrap_err().status(), 500);
    }
}
