//! What a list keeps is byte for byte what it was, and what it loses is what had to go.
#![no_main]

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{Server, post, run};
use portcullis_mcp::InspectLayer;
use serde_json::Value;
use serde_json::value::RawValue;
use tower_layer::Layer as _;
use tower_service::Service as _;

const LIST: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const KEYS: [(&str, &str); 4] = [
    ("tools", "name"),
    ("prompts", "name"),
    ("resources", "uri"),
    ("resourceTemplates", "uriTemplate"),
];

type Members<'a> = BTreeMap<String, &'a RawValue>;

fn members(document: &[u8]) -> Option<Members<'_>> {
    serde_json::from_slice(document).ok()
}

/// The items of a list, by their bytes.
fn items<'a>(result: &Members<'a>, list: &str) -> Option<Vec<&'a str>> {
    let items: Vec<&RawValue> = serde_json::from_str(result.get(list)?.get()).ok()?;
    Some(items.into_iter().map(RawValue::get).collect())
}

fn is_shown(item: &str, key: &str) -> bool {
    let item: Value = serde_json::from_str(item).unwrap_or_default();
    item[key].as_str().is_some_and(|name| !name.contains("secret"))
}

/// Pieces of a list, so that the fuzzer need not find out about JSON first.
#[derive(arbitrary::Arbitrary, Debug)]
enum Input<'a> {
    Raw(&'a str),
    Items(u8, Vec<&'a str>, &'a str),
    Names(u8, Vec<&'a str>),
}

impl Input<'_> {
    fn document(&self) -> String {
        let result = |which: &u8, items: Vec<String>, more: &str| {
            let (list, _) = KEYS[usize::from(*which) % KEYS.len()];
            let items = items.join(" ,");
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"{list}":[{items}]{more}}}}}"#)
        };
        match self {
            Self::Raw(text) => (*text).to_owned(),
            Self::Items(which, items, more) => {
                let items = items.iter().map(|item| (*item).to_owned()).collect();
                result(which, items, more)
            }
            Self::Names(which, names) => {
                let (_, key) = KEYS[usize::from(*which) % KEYS.len()];
                let item = |name: &&str| format!(r#"{{"{key}" : {}}}"#, Value::from(*name));
                result(which, names.iter().map(item).collect(), "")
            }
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    thread_local!(static LAYER: InspectLayer = InspectLayer::new());
    let document = input.document();
    let server = Server {
        content_type: "application/json",
        chunks: vec![Bytes::from(document.clone())],
        ..Server::default()
    };
    let request = post(Bytes::from_static(LIST), &[("mcp-protocol-version", "2025-11-25")]);
    let mut service = LAYER.with(|layer| layer.layer(server));
    let (status, body) = run(async {
        let Ok(response) = service.call(request.expect("a request")).await;
        let status = response.status();
        (status, response.into_body().collect().await.expect("a body").to_bytes())
    });
    if status != 200 {
        assert_eq!(status, 502, "{document}");
        return;
    }
    let sent = members(document.as_bytes()).expect("only JSON objects pass");
    let got = members(&body).expect("JSON");
    assert!(sent.keys().eq(got.keys()), "{document}");
    let (Some(sent), Some(got)) = (sent.get("result"), got.get("result")) else { return };
    let sent = members(sent.get().as_bytes()).expect("an object");
    let got = members(got.get().as_bytes()).expect("an object");
    assert!(sent.keys().eq(got.keys()), "{document}");
    for (member, value) in &sent {
        match KEYS.iter().find(|(list, _)| list == member) {
            Some((list, key)) => {
                let mut kept = items(&sent, list).expect("a list");
                kept.retain(|item| is_shown(item, key));
                assert_eq!(items(&got, list), Some(kept), "{document}");
            }
            None if member != "tasks" && member != "contents" => {
                assert_eq!(got[member].get(), value.get(), "{document}");
            }
            None => {}
        }
    }
});
