//! Scopes that stand for others.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ChallengeError;

/// Which scopes stand for others as well: `files:write` for `files:read`, say.
///
/// An authorization server that grants the broad scope need not list the narrow ones in the token.
/// Without a hierarchy, scopes are compared exactly. One value serves the layer that requires base
/// scopes and the policy that requires scopes of tools.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ScopeHierarchy(Arc<BTreeMap<String, Implied>>);

#[derive(Clone, Debug, Default)]
struct Implied {
    directly: Vec<String>,
    /// Followed to the ends.
    all: Vec<String>,
}

impl ScopeHierarchy {
    /// Scopes that stand for themselves only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that `scope` stands for each of `others` as well, and for what these stand for.
    ///
    /// # Errors
    /// When one of them is empty or has white space in it.
    pub fn implies<T: Into<String>>(
        mut self,
        scope: impl Into<String>,
        others: impl IntoIterator<Item = T>,
    ) -> Result<Self, ChallengeError> {
        let scope = scope.into();
        let others: Vec<String> = others.into_iter().map(Into::into).collect();
        std::iter::once(&scope).chain(&others).try_for_each(|scope| Self::check(scope))?;
        let scopes = Arc::make_mut(&mut self.0);
        scopes.entry(scope).or_default().directly.extend(others);
        let direct = scopes.clone();
        for implied in scopes.values_mut() {
            implied.all.clear();
            let mut open = implied.directly.clone();
            while let Some(next) = open.pop() {
                if !implied.all.contains(&next) {
                    open.extend(direct.get(&next).into_iter().flat_map(|it| it.directly.clone()));
                    implied.all.push(next);
                }
            }
        }
        Ok(self)
    }

    /// Whether `scope` may be in a hierarchy: one word. Unlike what a challenge may name, a scope
    /// that is held may be a wildcard.
    ///
    /// # Errors
    /// Says why not.
    pub fn check(scope: &str) -> Result<(), ChallengeError> {
        if scope.is_empty() || scope.contains(char::is_whitespace) {
            return Err(ChallengeError::not_a_scope(scope));
        }
        Ok(())
    }

    /// Whether `held` is `wanted`, or stands for it.
    #[must_use]
    pub fn covers(&self, held: &str, wanted: &str) -> bool {
        held == wanted || self.implied_by(held).iter().any(|implied| implied == wanted)
    }

    /// Whether one of `held` is `wanted`, or stands for it.
    #[must_use]
    pub fn grants(&self, held: &[String], wanted: &str) -> bool {
        held.iter().any(|held| self.covers(held, wanted))
    }

    /// What `scope` stands for besides itself.
    #[must_use]
    pub fn implied_by(&self, scope: &str) -> &[String] {
        self.0.get(scope).map_or(&[], |implied| &implied.all)
    }

    /// The scopes that stand for others.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_followed_to_their_ends() {
        let scopes = ScopeHierarchy::new()
            .implies("write", ["read"])
            .and_then(|scopes| scopes.implies("admin", ["write", "audit"]))
            .and_then(|scopes| scopes.implies("a", ["b"]))
            .and_then(|scopes| scopes.implies("b", ["a"]))
            .and_then(|scopes| scopes.implies("write", ["list"]))
            .unwrap();
        for (held, wanted, covers) in [
            ("read", "read", true),
            ("write", "read", true),
            ("write", "list", true),
            ("admin", "read", true),
            ("admin", "list", true),
            ("admin", "audit", true),
            ("a", "b", true),
            ("b", "a", true),
            ("unknown", "unknown", true),
            ("read", "write", false),
            ("write", "admin", false),
            ("write", "audit", false),
            ("Write", "read", false),
            ("writes", "read", false),
            ("", "read", false),
        ] {
            assert_eq!(scopes.covers(held, wanted), covers, "{held} for {wanted}");
        }
        assert!(scopes.grants(&["x".into(), "admin".into()], "read"));
        assert!(!scopes.grants(&[], "read"));
        assert!(!ScopeHierarchy::new().covers("write", "read"));
        assert_eq!(scopes.scopes().collect::<Vec<_>>(), ["a", "admin", "b", "write"]);
        for bad in ["", "a b", "a\tb"] {
            assert!(ScopeHierarchy::new().implies(bad, ["a"]).is_err(), "{bad:?}");
            assert!(ScopeHierarchy::new().implies("a", [bad]).is_err(), "{bad:?}");
        }
    }
}
