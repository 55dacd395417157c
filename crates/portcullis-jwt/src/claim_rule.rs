//! What an issuer's tokens must say, claim by claim.

use serde_json::Value;

use crate::claim::{ClaimPath, Claims};
use crate::json::Json;

/// What may stand before the `*` of a pattern: without it `repo:acme*` would let `repo:acme-evil` in.
const DELIMITERS: [char; 6] = [':', '/', '|', '.', '#', '='];

/// A condition on one claim, for [`Issuer::require_claim`](crate::Issuer::require_claim) and
/// [`Issuer::client_only_when`](crate::Issuer::client_only_when).
///
/// A claim is named as [`Issuer`](crate::Issuer) says: by its name, or by a JSON pointer. Values
/// are compared as JSON values, byte by byte where they are strings; nothing is normalised.
///
/// ```
/// use portcullis_jwt::ClaimRule;
///
/// let ours = [
///     ClaimRule::equals("tid", "5dbf1a52-3c0e-4a3b-9d4a-8f6d3f0a1c2e"),
///     ClaimRule::one_of("azp", ["7c9d0f4e-ide", "2b1e6a58-agent"]),
///     ClaimRule::matches("sub", ["repo:acme/notes:*"]),
///     ClaimRule::equals("email_verified", true),
///     ClaimRule::absent("nonce"),
/// ];
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimRule {
    claim: ClaimPath,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Present,
    Absent,
    OneOf(Vec<Value>),
    Matches(Vec<String>),
    AnyMatches(Vec<String>),
    SameAs(ClaimPath),
}

impl ClaimRule {
    fn new(claim: &str, test: Test) -> Self {
        Self { claim: ClaimPath::new(claim), test }
    }

    /// The claim is there, with any value but `null`.
    #[must_use]
    pub fn present(claim: &str) -> Self {
        Self::new(claim, Test::Present)
    }

    /// The claim is not there, not even as `null`.
    #[must_use]
    pub fn absent(claim: &str) -> Self {
        Self::new(claim, Test::Absent)
    }

    /// The claim has exactly this value.
    #[must_use]
    pub fn equals(claim: &str, value: impl Into<Value>) -> Self {
        Self::new(claim, Test::OneOf(vec![value.into()]))
    }

    /// The claim has exactly one of these values.
    #[must_use]
    pub fn one_of<V: Into<Value>>(claim: &str, values: impl IntoIterator<Item = V>) -> Self {
        Self::new(claim, Test::OneOf(values.into_iter().map(Into::into).collect()))
    }

    /// The claim is a string that matches one of `patterns`: the very same text, or, where the
    /// pattern ends with `*`, any longer text that begins like it. Before the `*` must stand one of
    /// `: / | . # =`, so that a name cannot be continued; elsewhere there is no `*`.
    #[must_use]
    pub fn matches<P: Into<String>>(claim: &str, patterns: impl IntoIterator<Item = P>) -> Self {
        Self::new(claim, Test::Matches(patterns.into_iter().map(Into::into).collect()))
    }

    /// The claim is a list (an array of strings, or a string with spaces between its parts) of which
    /// a part matches one of `patterns`, as [`matches`](Self::matches) says.
    #[must_use]
    pub fn any_matches<P: Into<String>>(
        claim: &str,
        patterns: impl IntoIterator<Item = P>,
    ) -> Self {
        Self::new(claim, Test::AnyMatches(patterns.into_iter().map(Into::into).collect()))
    }

    /// The claim has the same value as the claim `other`, which must be there.
    #[must_use]
    pub fn same_as(claim: &str, other: &str) -> Self {
        Self::new(claim, Test::SameAs(ClaimPath::new(other)))
    }

    /// Whether `claims` keep the rule.
    pub(crate) fn holds(&self, claims: &Claims<'_>) -> bool {
        let value = self.claim.get(claims);
        let given = value.filter(|value| !value.is_null());
        match &self.test {
            Test::Present => given.is_some(),
            Test::Absent => value.is_none(),
            Test::OneOf(values) => {
                given.is_some_and(|given| values.iter().any(|value| given.is(value)))
            }
            Test::Matches(patterns) => {
                given.and_then(Json::as_str).is_some_and(|text| matches(patterns, text))
            }
            Test::AnyMatches(patterns) => match given {
                Some(Json::String(list)) => list.split(' ').any(|part| matches(patterns, part)),
                Some(Json::Array(list)) => {
                    list.iter().filter_map(Json::as_str).any(|part| matches(patterns, part))
                }
                _ => false,
            },
            Test::SameAs(other) => {
                given.zip(other.get(claims)).is_some_and(|(given, other)| given.same(other))
            }
        }
    }

    /// Why the rule cannot be honoured.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        match &self.test {
            Test::Present | Test::Absent | Test::SameAs(_) => None,
            Test::OneOf(values) => {
                let never = |value: &Value| value.is_null() || value == "";
                (values.is_empty() || values.iter().any(never))
                    .then_some("has a claim rule without a value")
            }
            Test::Matches(patterns) | Test::AnyMatches(patterns) => (patterns.is_empty()
                || !patterns.iter().all(|pattern| is_pattern(pattern)))
            .then_some("has a claim rule whose pattern is empty or has a '*' out of place"),
        }
    }

    /// Whether the rule says which values one of `names` may have.
    pub(crate) fn narrows(&self, names: &[&str]) -> bool {
        let valued = matches!(self.test, Test::OneOf(_) | Test::Matches(_));
        valued && matches!(&self.claim, ClaimPath::Name(name) if names.contains(&name.as_str()))
    }
}

fn matches(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => text.len() > start.len() && text.starts_with(start),
        None => pattern == text,
    })
}

fn is_pattern(pattern: &str) -> bool {
    let text = pattern.strip_suffix('*');
    let bounded = text.is_none_or(|start| start.ends_with(DELIMITERS));
    bounded && !pattern.is_empty() && !text.unwrap_or(pattern).contains('*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_rule_lets_through_what_it_says() {
        let claims = json!({
            "s": "a", "n": 1, "t": true, "null": null, "list": ["x/1", 2], "words": "x/1 y",
            "sub": "repo:acme/notes:ref", "same": "a", "o": {"in": "a"}
        });
        let claims = &Claims::of(claims.as_object().unwrap());
        let rows = [
            ("present", ClaimRule::present("s"), true),
            ("present, null", ClaimRule::present("null"), false),
            ("present, not there", ClaimRule::present("none"), false),
            ("absent", ClaimRule::absent("none"), true),
            ("absent, null", ClaimRule::absent("null"), false),
            ("absent, there", ClaimRule::absent("s"), false),
            ("equals", ClaimRule::equals("s", "a"), true),
            ("equals, other case", ClaimRule::equals("s", "A"), false),
            ("equals, a longer value", ClaimRule::equals("s", "ab"), false),
            ("equals, number", ClaimRule::equals("n", 1), true),
            ("equals, number as text", ClaimRule::equals("n", "1"), false),
            ("equals, true", ClaimRule::equals("t", true), true),
            ("equals, true as text", ClaimRule::equals("t", "true"), false),
            ("equals, by pointer", ClaimRule::equals("/o/in", "a"), true),
            ("equals, one of a list", ClaimRule::equals("list", "x/1"), false),
            ("one of", ClaimRule::one_of("s", ["b", "a"]), true),
            ("none of", ClaimRule::one_of("s", ["b", "c"]), false),
            ("one of, not there", ClaimRule::one_of("none", ["a"]), false),
            ("matches whole", ClaimRule::matches("s", ["a"]), true),
            ("matches part", ClaimRule::matches("sub", ["repo:acme/notes"]), false),
            ("matches start", ClaimRule::matches("sub", ["repo:b/*", "repo:acme/notes:*"]), true),
            ("matches other start", ClaimRule::matches("sub", ["repo:acme/note:*"]), false),
            ("matches nothing more", ClaimRule::matches("sub", ["repo:acme/notes:ref*"]), false),
            ("matches a number", ClaimRule::matches("n", ["1"]), false),
            ("a word", ClaimRule::any_matches("words", ["x/*"]), true),
            ("an element", ClaimRule::any_matches("list", ["x/*"]), true),
            ("no word", ClaimRule::any_matches("words", ["z/*"]), false),
            ("inside a word", ClaimRule::any_matches("words", ["/*"]), false),
            ("words, not there", ClaimRule::any_matches("none", ["x/*"]), false),
            ("same", ClaimRule::same_as("s", "same"), true),
            ("same, by pointer", ClaimRule::same_as("s", "/o/in"), true),
            ("not the same", ClaimRule::same_as("s", "n"), false),
            ("both not there", ClaimRule::same_as("none", "neither"), false),
            ("null both", ClaimRule::same_as("null", "null"), false),
        ];
        for (name, rule, expected) in rows {
            assert_eq!(rule.holds(claims), expected, "{name}");
        }
    }

    #[test]
    fn rules_that_cannot_be_meant_are_faults() {
        let rows = [
            ("present", ClaimRule::present("a"), true),
            ("value", ClaimRule::equals("a", "b"), true),
            ("empty value", ClaimRule::equals("a", ""), false),
            ("null", ClaimRule::equals("a", Value::Null), false),
            ("no values", ClaimRule::one_of::<&str>("a", []), false),
            ("an empty value among them", ClaimRule::one_of("a", ["b", ""]), false),
            ("pattern", ClaimRule::matches("a", ["repo:acme/*"]), true),
            ("no patterns", ClaimRule::matches::<&str>("a", []), false),
            ("any", ClaimRule::matches("a", ["*"]), false),
            ("a name that goes on", ClaimRule::matches("a", ["repo:acme*"]), false),
            ("two stars", ClaimRule::matches("a", ["repo:*/*"]), false),
            ("star inside", ClaimRule::any_matches("a", ["a/*/b"]), false),
            ("empty pattern", ClaimRule::any_matches("a", [""]), false),
        ];
        for (name, rule, good) in rows {
            assert_eq!(rule.fault().is_none(), good, "{name}");
        }
    }
}
