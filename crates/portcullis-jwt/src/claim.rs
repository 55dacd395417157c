//! Reading claims by name or path.

use portcullis_core::{Principal, Reason};
use serde_json::Number;

use crate::json::{Json, Object};

/// What a token says, as long as its text is there.
pub(crate) type Claims<'t> = Object<'t>;

/// The last second of the year 9999: no token means to live longer (R-127).
pub(crate) const MAX_DATE: u64 = 253_402_300_799;

/// A claim's name, or a JSON pointer to it (RFC 6901).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ClaimPath {
    Name(String),
    Pointer(Vec<String>),
}

impl ClaimPath {
    pub(crate) fn new(text: &str) -> Self {
        match text.strip_prefix('/') {
            None => Self::Name(text.to_owned()),
            Some(path) => Self::Pointer(
                path.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect(),
            ),
        }
    }

    /// The claim; a pointer leads through objects only.
    pub(crate) fn get<'a, 't>(&self, claims: &'a Claims<'t>) -> Option<&'a Json<'t>> {
        match self {
            Self::Name(name) => claims.get(name),
            Self::Pointer(parts) => {
                let (first, rest) = parts.split_first()?;
                rest.iter().try_fold(claims.get(first)?, |value, part| {
                    value.as_object().and_then(|object| object.get(part))
                })
            }
        }
    }

    /// The first member on the way: what an overage marker names.
    pub(crate) fn first(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Pointer(parts) => parts.first().map_or("", String::as_str),
        }
    }
}

/// A string that is not empty, or nothing where the claim is absent.
pub(crate) fn text<'a>(claims: &'a Claims<'_>, name: &str) -> Result<Option<&'a str>, Reason> {
    match claims.get(name) {
        None => Ok(None),
        Some(Json::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(Reason::BadClaim),
    }
}

/// A NumericDate (RFC 7519 §2) in whole seconds, or nothing where the claim is absent.
pub(crate) fn date(claims: &Claims<'_>, name: &str) -> Result<Option<u64>, Reason> {
    claims.get(name).map(|value| seconds(value.as_number())).transpose()
}

/// As [`date`], of a principal's claims.
pub(crate) fn date_of(principal: &Principal, name: &str) -> Result<Option<u64>, Reason> {
    principal.claims().get(name).map(|value| seconds(value.as_number())).transpose()
}

fn seconds(date: Option<&Number>) -> Result<u64, Reason> {
    let date = date.ok_or(Reason::BadClaim)?;
    let seconds = match (date.as_u64(), date.as_f64()) {
        (Some(seconds), _) => seconds,
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range is checked; fractions of a second are cut off"
        )]
        (None, Some(seconds)) if (0.0..=MAX_DATE as f64).contains(&seconds) => seconds as u64,
        _ => return Err(Reason::BadClaim),
    };
    if seconds > MAX_DATE { Err(Reason::BadClaim) } else { Ok(seconds) }
}

/// The strings of an array of nothing but strings.
pub(crate) fn strings(value: &Json<'_>) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_through_objects_only() {
        let claims = json!({
            "roles": 1, "https://x/roles": 2, "a": {"b/c": {"~d": 3}}, "list": [{"x": 4}], "": {"": 5}
        });
        let claims = &Object::of(claims.as_object().unwrap());
        let rows = [
            ("roles", Some(1)),
            ("https://x/roles", Some(2)),
            ("a.b", None),
            ("/roles", Some(1)),
            ("/a/b~1c/~0d", Some(3)),
            ("/list/0/x", None),
            ("/a/none", None),
            ("//", Some(5)),
        ];
        for (path, expected) in rows {
            let found =
                ClaimPath::new(path).get(claims).and_then(Json::as_number).and_then(Number::as_i64);
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn dates_are_finite_numbers_in_range() {
        let rows = [
            ("1700000000", Ok(Some(1_700_000_000))),
            ("1.7e9", Ok(Some(1_700_000_000))),
            ("1700000000.999", Ok(Some(1_700_000_000))),
            ("0", Ok(Some(0))),
            ("253402300799", Ok(Some(MAX_DATE))),
            ("253402300799.5", Err(Reason::BadClaim)),
            ("253402300800", Err(Reason::BadClaim)),
            ("9223372036854775807", Err(Reason::BadClaim)),
            ("9223372036854775808", Err(Reason::BadClaim)),
            ("1e308", Err(Reason::BadClaim)),
            ("-1", Err(Reason::BadClaim)),
            ("-0.5", Err(Reason::BadClaim)),
            ("\"1700000000\"", Err(Reason::BadClaim)),
            ("null", Err(Reason::BadClaim)),
            ("[1]", Err(Reason::BadClaim)),
            ("true", Err(Reason::BadClaim)),
            (r#"{"$serde_json::private::Number":"1700000000"}"#, Err(Reason::BadClaim)),
        ];
        for (value, expected) in rows {
            let text = format!(r#"{{"exp":{value}}}"#);
            let claims = crate::json::parse(&text).unwrap();
            assert_eq!(date(&claims, "exp"), expected, "{value}");
        }
        assert_eq!(date(&Claims::default(), "exp"), Ok(None));
    }
}
