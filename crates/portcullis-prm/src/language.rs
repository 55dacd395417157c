//! Members in a language: `resource_name#de` (RFC 9728 §2.1).

use serde_json::Value;

use crate::url;

const LINKS: [&str; 3] = ["resource_documentation", "resource_policy_uri", "resource_tos_uri"];

/// Checks a member whose name ends in `#` and a language tag; any other is not looked at.
pub(crate) fn check(name: &str, value: &Value) -> Result<(), &'static str> {
    let Some((base, tag)) = name.split_once('#') else { return Ok(()) };
    if base.is_empty() || !is_tag(tag) {
        return Err("does not end in a language tag (BCP 47)");
    }
    let text = match value.as_str() {
        Some(text) if !text.trim().is_empty() => text,
        _ => return Err("is not text"),
    };
    if LINKS.contains(&base) {
        return url::link(text);
    }
    Ok(())
}

/// The shape of a language tag (RFC 5646 §2.1); whether the language exists is not asked.
fn is_tag(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let language = parts.next().unwrap_or_default();
    (2..=8).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_a_tag_and_a_text() {
        let rows = [
            ("resource_name#de", "Beispiel", true),
            ("resource_name#zh-Hant-TW", "x", true),
            ("resource_tos_uri#fr", "https://a.example/fr", true),
            ("x_limits", "", true),
            ("resource_tos_uri#fr", "javascript:alert(1)", false),
            ("resource_name#de", " ", false),
            ("resource_name#", "x", false),
            ("resource_name#d", "x", false),
            ("resource_name#de_DE", "x", false),
            ("resource_name#de-", "x", false),
            ("resource_name#de#fr", "x", false),
            ("#de", "x", false),
        ];
        for (name, value, accepted) in rows {
            assert_eq!(check(name, &value.into()).is_ok(), accepted, "{name} {value:?}");
        }
        assert!(check("resource_name#de", &1.into()).is_err());
    }
}
