//! A subscription without the resources that the caller may not read (R-209).
//!
//! An error would tell which of them there are, and take the others away as well.

use bytes::Bytes;
use portcullis_core::{McpRequest, McpRequestParts, Method};
use serde_json::value::RawValue;

use crate::argument::find::Pointer;

const URIS: &str = "/params/notifications/resourceSubscriptions";

/// Whether targets of such a request can be left out.
pub(crate) fn is_reducible(method: Method) -> bool {
    method == Method::SubscriptionsListen
}

/// `request` without the targets at these places, which are in order; all other bytes stay. `None` when its bytes do not
/// say what it is said to ask for.
pub(crate) fn without(request: &McpRequest, left_out: &[usize]) -> Option<McpRequest> {
    let raw = request.raw();
    let uris = Pointer::parse(URIS).ok()?.find(raw).ok()??.get();
    let all: Vec<&RawValue> = serde_json::from_str(uris).ok()?;
    if all.len() != request.targets().count() {
        return None;
    }
    let kept: Vec<_> = all
        .iter()
        .enumerate()
        .filter(|(place, _)| left_out.binary_search(place).is_err())
        .map(|(_, uri)| uri.get())
        .collect();
    // The list is a part of `raw`.
    let start = (uris.as_ptr() as usize).checked_sub(raw.as_ptr() as usize)?;
    let end = start.checked_add(uris.len())?;
    let list = format!("[{}]", kept.join(","));
    let reduced = [raw.get(..start)?, list.as_bytes(), raw.get(end..)?].concat();

    let mut targets = request
        .targets()
        .enumerate()
        .filter(|(place, _)| left_out.binary_search(place).is_err())
        .map(|(_, target)| target.clone());
    let parts = McpRequestParts {
        version: request.version(),
        method: request.method(),
        id: request.id().clone(),
        target: targets.next(),
        more_targets: targets.collect(),
        arguments: request.arguments().cloned(),
        raw: Bytes::from(reduced),
    };
    Some(parts.into())
}

#[cfg(test)]
mod tests {
    use portcullis_core::{Target, TargetKind, Version};

    use super::*;

    fn listen(raw: &str, uris: &[&str]) -> McpRequest {
        let mut targets = uris.iter().map(|uri| Target::new(TargetKind::Resource, (*uri).into()));
        McpRequestParts {
            version: Version::V2026_07_28,
            method: Method::SubscriptionsListen,
            id: "1".into(),
            target: targets.next(),
            more_targets: targets.collect(),
            arguments: None,
            raw: Bytes::copy_from_slice(raw.as_bytes()),
        }
        .into()
    }

    #[test]
    fn all_else_stays() {
        let with = |uris: &str| {
            format!(
                r#" {{"id":1.0,"params":{{"notifications":{{"x":[1],"resourceSubscriptions":{uris} ,"toolsListChanged":true}},"resourceSubscriptions":["a"]}}}} "#
            )
        };
        let asked = listen(&with(r#"[ "a:\u0061" , "b:b","c:c" ]"#), &["a:a", "b:b", "c:c"]);
        for (left_out, uris, kept) in [
            (&[1][..], r#"["a:\u0061","c:c"]"#, &["a:a", "c:c"][..]),
            (&[0, 2], r#"["b:b"]"#, &["b:b"]),
            (&[0, 1, 2], "[]", &[]),
        ] {
            let reduced = without(&asked, left_out).unwrap();
            assert_eq!(std::str::from_utf8(reduced.raw()).unwrap(), with(uris));
            assert!(reduced.targets().map(Target::name).eq(kept.iter().copied()), "{uris}");
        }
    }

    #[test]
    fn bytes_that_say_something_else() {
        for raw in [
            r#"{"params":{"notifications":{}}}"#,
            r#"{"params":{"notifications":{"resourceSubscriptions":["a:a","b:b"]}}}"#,
            r#"{"params":{"notifications":{"resourceSubscriptions":{}}}}"#,
            "{",
        ] {
            assert!(without(&listen(raw, &["a:a"]), &[0]).is_none(), "{raw}");
        }
    }
}
