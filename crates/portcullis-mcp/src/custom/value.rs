//! An argument, and the header that repeats it (R-055).

use std::borrow::Cow;

use super::schema::ParamKind;
use crate::chars;
use crate::json::{JsonError, JsonLimits, Kind, Scanner};

/// The largest integer that every JSON parser reads exactly.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// An argument's value.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    /// Anything else, as it stands in the body.
    Other(&'a str),
}

impl Value<'_> {
    /// What a header says that repeats it.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Other(raw) => raw,
        }
    }
}

/// The value at `path`; `None` where there is none, or `null`.
pub(super) fn find<'a>(
    json: &'a [u8],
    path: &[String],
    limits: JsonLimits,
) -> Result<Option<Value<'a>>, JsonError> {
    let mut found = None;
    walk(&mut Scanner::new(json, limits)?, path, &mut found)?;
    Ok(found)
}

fn walk<'a>(
    scanner: &mut Scanner<'a>,
    path: &[String],
    found: &mut Option<Value<'a>>,
) -> Result<(), JsonError> {
    match (path, scanner.peek()?) {
        ([next, rest @ ..], Kind::Object) => {
            scanner.object(
                |scanner, name| {
                    if name.eq(next) { walk(scanner, rest, found) } else { scanner.pass() }
                },
            )
        }
        ([], Kind::String) => {
            *found = Some(Value::Text(scanner.string()?.decoded()));
            Ok(())
        }
        ([], kind) if kind != Kind::Null => {
            let range = scanner.skip()?;
            *found = Some(Value::Other(scanner.slice(range)));
            Ok(())
        }
        _ => scanner.pass(),
    }
}

/// Whether `header` says the same as `value`. A value of another type than the schema has is for
/// the server to refuse; its header must be its text all the same.
pub(super) fn agree(kind: ParamKind, value: &Value<'_>, header: &str) -> bool {
    match value {
        Value::Text(text) => text == header,
        Value::Other(raw) => match (kind, integer(raw)) {
            (ParamKind::Integer, Some(integer_sent)) => integer(header) == Some(integer_sent),
            _ => *raw == header,
        },
    }
}

/// The integer that a JSON number stands for, if it is one that every parser reads exactly: `42`,
/// `42.0` and `4.2e1` are the same.
fn integer(token: &str) -> Option<i64> {
    if chars::number_len(token.as_bytes()) != Some(token.len()) {
        return None;
    }
    let (negative, token) = token.strip_prefix('-').map_or((false, token), |rest| (true, rest));
    let (mantissa, exponent) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let exponent = exponent.parse::<i32>().ok()?;
    let dropped = digits.len() - significant.len();
    let point = i32::try_from(dropped).ok()? - i32::try_from(fraction.len()).ok()?;
    let zeros = u32::try_from(exponent.checked_add(point)?).ok()?;
    let value = significant.parse::<u64>().ok()?.checked_mul(10_u64.checked_pow(zeros)?)?;
    let value = i64::try_from(Some(value).filter(|value| *value <= MAX_SAFE)?).ok()?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: JsonLimits = JsonLimits { depth: 64, values: 1000 };

    #[test]
    fn integers() {
        let rows = [
            ("42", Some(42)),
            ("42.0", Some(42)),
            ("4.2e1", Some(42)),
            ("420E-1", Some(42)),
            ("4200e-2", Some(42)),
            ("-42", Some(-42)),
            ("-0", Some(0)),
            ("0e999999999999", Some(0)),
            ("9007199254740991", Some(9_007_199_254_740_991)),
            ("-9007199254740991", Some(-9_007_199_254_740_991)),
            ("9007199254740992", None),
            ("1e400", None),
            ("1e99999999999", None),
            ("4.25e1", None),
            ("0.5", None),
            ("042", None),
            ("+42", None),
            (" 42", None),
            ("42 ", None),
            ("0x2A", None),
            ("NaN", None),
            ("true", None),
            ("", None),
        ];
        for (token, expected) in rows {
            assert_eq!(integer(token), expected, "{token:?}");
        }
    }

    #[test]
    fn values_and_their_headers() {
        use ParamKind::{Boolean, Integer, String};
        let rows = [
            (String, r#""safe""#, "safe", true),
            (String, r#""s\u0061fe""#, "safe", true),
            (String, r#""safe""#, "Safe", false),
            (String, r#""safe""#, r#""safe""#, false),
            (String, r#""""#, "", true),
            (Boolean, "true", "true", true),
            (Boolean, "true", "True", false),
            (Boolean, "true", "1", false),
            (Integer, "42", "42.0", true),
            (Integer, "4.2e1", "42", true),
            (Integer, "42", "43", false),
            (Integer, "42", "", false),
            (Integer, "42.5", "42.5", true),
            (Integer, "42.5", "4.25e1", false),
            (Integer, "9007199254740993", "9007199254740993", true),
            (Integer, "9007199254740993", "9007199254740992", false),
            // Of another type than the schema has.
            (Integer, r#""42""#, "42", true),
            (String, "42", "42", true),
            (String, "42", "42.0", false),
            (Boolean, "[1, 2]", "[1, 2]", true),
            (Boolean, "[1, 2]", "[1,2]", false),
        ];
        for (kind, json, header, expected) in rows {
            let json = format!(r#"{{"p":{json}}}"#);
            let value = find(json.as_bytes(), &["p".to_owned()], LIMITS).unwrap().unwrap();
            assert_eq!(agree(kind, &value, header), expected, "{kind:?} {json} {header}");
        }
    }

    #[test]
    fn paths() {
        let json = br#"{"a":{"b":{"c":1},"n":null,"s":"x"},"b":2,"l":[{"b":3}]}"#;
        let rows: &[(&[&str], Option<Value<'_>>)] = &[
            (&["b"], Some(Value::Other("2"))),
            (&["a", "b", "c"], Some(Value::Other("1"))),
            (&["a", "s"], Some(Value::Text(Cow::Borrowed("x")))),
            (&["a", "n"], None),
            (&["a", "x"], None),
            (&["l", "b"], None),
            (&["b", "c"], None),
        ];
        for (path, expected) in rows {
            let owned: Vec<_> = path.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(&find(json, &owned, LIMITS).unwrap(), expected, "{path:?}");
        }
    }
}
