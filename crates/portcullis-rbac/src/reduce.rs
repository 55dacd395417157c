//! A subscription without the resources that the caller may not read (R-209), where an error would tell which
//! of them there are, and take the others away as well; and a call without what its client declares of
//! tasks, where the caller may not begin any (R-216).

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use portcullis_core::{McpRequest, McpRequestParts, Method, Target, TaskUse};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::argument::find::Pointer;

/// What a client declares that knows the tasks of 2026-07-28.
const TASKS: &str = "io.modelcontextprotocol/tasks";
const URIS: &str = "/params/notifications/resourceSubscriptions";

/// Whether targets of such a request can be left out.
pub(crate) fn is_reducible(method: Method) -> bool {
    method == Method::SubscriptionsListen
}

/// `request` without what stands at these places, which are in order; all other bytes stay. `None` when its bytes do not
/// say what it is said to ask for.
pub(crate) fn without(request: &McpRequest, left_out: &[usize]) -> Option<McpRequest> {
    match request.task_use() {
        TaskUse::Offered(extensions) => without_tasks(request, extensions.clone()),
        _ => without_targets(request, left_out),
    }
}

/// `request` of a client that does not say that it knows tasks; `extensions` are what it declares.
fn without_tasks(request: &McpRequest, extensions: Range<usize>) -> Option<McpRequest> {
    let raw = request.raw();
    let declared = raw.get(extensions.clone())?;
    let mut object = serde_json::Deserializer::from_slice(declared);
    let kept = object.deserialize_map(Others).ok()?;
    object.end().ok()?;
    let others = format!("{{{}}}", kept.join(","));
    let (before, after) = (raw.get(..extensions.start)?, raw.get(extensions.end..)?);
    Some(of_bytes(request, [before, others.as_bytes(), after].concat(), request.targets().cloned()))
}

/// The members of an object of extensions, but for tasks.
struct Others;

impl<'de> Visitor<'de> for Others {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of extensions")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            if name != TASKS {
                kept.push(format!("{}:{}", serde_json::Value::from(name), value.get()));
            }
        }
        Ok(kept)
    }
}

/// `request` with other bytes, about these targets.
fn of_bytes(
    request: &McpRequest,
    raw: Vec<u8>,
    mut targets: impl Iterator<Item = Target>,
) -> McpRequest {
    let parts = McpRequestParts {
        version: request.version(),
        method: request.method(),
        id: request.id().clone(),
        target: targets.next(),
        more_targets: targets.collect(),
        arguments: request.arguments().cloned(),
        raw: Bytes::from(raw),
    };
    parts.into()
}

fn without_targets(request: &McpRequest, left_out: &[usize]) -> Option<McpRequest> {
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

    let targets = request
        .targets()
        .enumerate()
        .filter(|(place, _)| left_out.binary_search(place).is_err())
        .map(|(_, target)| target.clone());
    Some(of_bytes(request, reduced, targets))
}

#[cfg(test)]
mod tests {
    use portcullis_core::{TargetKind, Version};

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
    fn what_is_declared_of_tasks_goes_alone() {
        let with = |extensions: &str| {
            format!(
                r#"{{"id":1,"params":{{"_meta":{{"c":{{"extensions":{extensions},"x":1.50}}}},"name":"t"}}}}"#
            )
        };
        let of = |raw: &str, at: Range<usize>| {
            let parts = McpRequestParts {
                version: Version::V2026_07_28,
                method: Method::ToolsCall,
                id: "1".into(),
                target: Some(Target::new(TargetKind::Tool, "t".into())),
                more_targets: Vec::new(),
                arguments: None,
                raw: Bytes::copy_from_slice(raw.as_bytes()),
            };
            McpRequest::from(parts).with_task_use(TaskUse::Offered(at))
        };
        for (sent, kept) in [
            (r#"{"io.modelcontextprotocol/tasks":{}}"#, "{}"),
            (
                r#"{ "a/b" : { "c":1.0 } ,"io.modelcontextprotocol\u002ftasks":{} }"#,
                r#"{"a/b":{ "c":1.0 }}"#,
            ),
            (r#"{"io.modelcontextprotocol/tasks":{"x":[1]},"\"\\":[ ]}"#, r#"{"\"\\":[ ]}"#),
        ] {
            let raw = with(sent);
            let start = raw.find(sent).unwrap();
            let reduced = without(&of(&raw, start..start + sent.len()), &[1]).unwrap();
            assert_eq!(std::str::from_utf8(reduced.raw()).unwrap(), with(kept));
            assert_eq!(*reduced.task_use(), TaskUse::None);
            assert!(reduced.targets().map(Target::name).eq(["t"]));
        }
        let raw = with("{}");
        let start = raw.find("{}").unwrap();
        for wrong in [0..1, 0..raw.len() + 1, 0..0, start..start + 3, start..start + 1] {
            assert!(without(&of(&raw, wrong.clone()), &[1]).is_none(), "{wrong:?}");
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
