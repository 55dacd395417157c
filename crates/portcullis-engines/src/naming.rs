//! The name of a caller at a decision point.

#[cfg(feature = "cedar")]
use portcullis_core::Actor;
use portcullis_core::Principal;

/// Whom the decision point knows under which name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Naming {
    /// The one issuer whose names count without it.
    bare: Option<String>,
}

impl Naming {
    pub(crate) fn bare(issuer: String) -> Self {
        Self { bare: Some(issuer) }
    }

    /// The name of `actor`, who acts for `principal`; `None` where it could be somebody else's.
    #[cfg(feature = "cedar")]
    pub(crate) fn of_actor(&self, principal: &Principal, actor: &Actor) -> Option<String> {
        let issuer = actor.issuer().unwrap_or(principal.issuer());
        match &self.bare {
            Some(bare) => (bare == issuer).then(|| actor.subject().to_owned()),
            None => Some(qualified(issuer, actor.subject())),
        }
    }

    /// Whether two callers could not be told apart, were this one asked about.
    pub(crate) fn is_stranger(&self, principal: &Principal) -> bool {
        self.bare.as_ref().is_some_and(|bare| bare != principal.issuer())
    }

    /// `name` as the caller's issuer knows it: with the issuer before it, unless only that one counts.
    /// Different issuers and names never make the same.
    pub(crate) fn of(&self, principal: &Principal, name: &str) -> String {
        match self.bare {
            Some(_) => name.to_owned(),
            None => qualified(principal.issuer(), name),
        }
    }
}

fn qualified(issuer: &str, name: &str) -> String {
    let issuer = issuer.replace('%', "%25").replace('|', "%7C");
    format!("{issuer}|{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(issuer: &str, subject: &str) -> Principal {
        Principal::builder(issuer, subject).build()
    }

    #[test]
    fn no_two_callers_have_one_name() {
        let callers = [
            ("https://a", "alice"),
            ("https://b", "alice"),
            ("https://a|alice", ""),
            ("https://a", "|alice"),
            ("https://a|", "alice"),
            ("https://a%7C", "alice"),
            ("https://a%257C", "alice"),
            ("", "https://a|alice"),
        ];
        let names: std::collections::HashSet<_> = callers
            .iter()
            .map(|(issuer, subject)| Naming::default().of(&principal(issuer, subject), subject))
            .collect();
        assert_eq!(names.len(), callers.len());
    }

    #[test]
    fn without_issuers_there_is_one() {
        let naming = Naming::bare("https://a".into());
        assert!(!naming.is_stranger(&principal("https://a", "alice")));
        assert_eq!(naming.of(&principal("https://a", "alice"), "alice"), "alice");
        for other in ["https://b", "https://a/", "HTTPS://a", ""] {
            assert!(naming.is_stranger(&principal(other, "alice")), "{other}");
        }
    }
}
