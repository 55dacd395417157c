//! A pattern means what it says, read in the slowest way there is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{Method, TargetKind, Version};
use portcullis_fuzz::caller;
use portcullis_rbac::{Decision, Policy, Query, Rule};

/// `*` is any text.
fn names(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| names(rest, &name[at..])),
        Some((byte, rest)) => name.first() == Some(byte) && names(rest, &name[1..]),
    }
}

/// `*` is any text without a slash, `**` between slashes any number of segments.
fn uris(pattern: &[&str], uri: &[&str]) -> bool {
    match pattern.split_first() {
        None => uri.is_empty(),
        Some((&"**", rest)) => (0..=uri.len()).any(|at| uris(rest, &uri[at..])),
        Some((segment, rest)) => uri.split_first().is_some_and(|(first, more)| {
            names(segment.as_bytes(), first.as_bytes()) && uris(rest, more)
        }),
    }
}

/// The normal form of a URI (RFC 3986 section 6.2): a rule that spells a URI out in another one means this as well.
fn normal(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once(':') else { return uri.to_owned() };
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            let host = host.to_ascii_lowercase();
            let default = match &*scheme {
                "http" | "ws" => ":80",
                "https" | "wss" => ":443",
                _ => ":",
            };
            let host = host.strip_suffix(default).or(host.strip_suffix(':')).unwrap_or(&host);
            (format!("//{host}"), path)
        }
        None => (String::new(), rest),
    };
    let mut parts = path.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, part.split_at_checked(2)) {
            (Some(byte), Some((_, rest)))
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) =>
            {
                decoded.push(char::from(byte));
                decoded.push_str(rest);
            }
            (Some(_), Some((digits, rest))) => {
                decoded.push('%');
                decoded.push_str(&digits.to_ascii_uppercase());
                decoded.push_str(rest);
            }
            _ => {
                decoded.push('%');
                decoded.push_str(part);
            }
        }
    }
    format!("{scheme}:{authority}{decoded}")
}

fn is_allowed(policy: &Policy, kind: TargetKind, method: Method, name: &str) -> bool {
    let caller = caller();
    let query = Query::new(&caller, Version::V2026_07_28, method).on(kind, name);
    matches!(policy.decide(&query), Decision::Allow { .. })
}

fuzz_target!(|input: (bool, &str, &str)| {
    let (tool, pattern, name) = input;
    // The slowest way is too slow for more.
    if pattern.len() > 24 || name.len() > 48 {
        return;
    }
    let rule = Rule::allow("r").everyone();
    if tool {
        let Ok(policy) = Policy::builder().add_rule(rule.tools([pattern])).build() else { return };
        let allowed = is_allowed(&policy, TargetKind::Tool, Method::ToolsCall, name);
        let meant = names(pattern.as_bytes(), name.as_bytes());
        let plain = name.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'\\');
        if plain {
            assert_eq!(allowed, meant, "{pattern:?} {name:?}");
        } else {
            // Only a rule that spells such a name out means it.
            assert!(
                !allowed || (meant && !pattern.contains('*')) || !name.is_ascii(),
                "{pattern:?} {name:?}"
            );
            assert!(!allowed || meant, "{pattern:?} {name:?}");
        }
    } else {
        let Ok(policy) = Policy::builder().add_rule(rule.resources([pattern])).build() else {
            return;
        };
        let allowed = is_allowed(&policy, TargetKind::Resource, Method::ResourcesRead, name);
        let spelled_out = !pattern.contains('*') && normal(pattern) == normal(name);
        let pattern: Vec<&str> = pattern.split('/').collect();
        let uri: Vec<&str> = name.split('/').collect();
        // Some URIs are never allowed, so this says one thing only.
        assert!(!allowed || spelled_out || uris(&pattern, &uri), "{pattern:?} {name:?}");
    }
});
