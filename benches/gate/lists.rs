//! A list of tools, filtered on its way out: the filter alone, and the whole layer.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use portcullis::core::{Challenge, Glance, Look, TargetKind, Text, View};
use portcullis::mcp::{InspectLayer, Limits, measure};
use portcullis::rbac::{RbacLayer, Role, Rule};
use portcullis::{Caller, Policy, Principal, RequestFacts as _, Version};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tower::Layer as _;

use crate::corpus::{self, ID};
use crate::serve::{Permitted, succeed};
use crate::support::{Group, keep};

pub fn tools(group: &mut Group, tools: usize) {
    let list = keep(list(tools));
    let allowed = keep((0..tools).step_by(2).map(name).collect::<HashSet<_>>());
    let alone = Permitted::new(Bytes::from_static(list.as_bytes()));
    let mut request = corpus::post("tools/list", None, &ask(), "x");
    request.headers_mut().remove("authorization");
    request.set_caller(Caller::Verified(
        Principal::builder("https://id.example.com", "alice").group("staff").build().into(),
    ));

    let bare = group.work("the service alone", {
        let (service, request) = (alone.clone(), request.clone());
        move || succeed(service.clone(), request.clone())
    });
    let filtered = |names: Vec<String>| {
        let rule = Rule::allow("some").tools(names).roles(["reader"]);
        let role = Role::new("reader").group("staff");
        let policy = Policy::builder().add_role(role).add_rule(rule).build().unwrap();
        let metadata = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
        let challenge = Challenge::new(metadata, ["mcp:read"]).unwrap();
        let inner = RbacLayer::new(policy, challenge).layer(alone.clone());
        (InspectLayer::new().layer(inner), request.clone())
    };
    let half = group.work("half of them kept", {
        let (service, request) = filtered(allowed.iter().cloned().collect());
        let size = succeed(service.clone(), request.clone());
        assert!(size > list.len() / 3 && size < list.len() * 2 / 3, "{size} of {}", list.len());
        move || succeed(service.clone(), request.clone())
    });
    let all = group.work("all of them kept", {
        let (service, request) = filtered((0..tools).map(name).collect());
        move || succeed(service.clone(), request.clone())
    });
    let filtering = |allowed: HashSet<String>| {
        let filter = measure::Filter::new(Arc::new(Only(allowed)), Limits::default());
        let kept = filter.filter(list.as_bytes()).unwrap();
        (filter, kept)
    };
    let filter = group.work("filter alone, half of them kept", {
        let (filter, kept) = filtering(allowed.clone());
        assert!(serde_json::from_slice::<Value>(&kept.unwrap()).unwrap().is_object());
        move || filter.filter(list.as_bytes()).unwrap()
    });
    let filter_all = group.work("filter alone, all of them kept", {
        let (filter, kept) = filtering((0..tools).map(name).collect());
        assert!(kept.is_none(), "the same bytes");
        move || filter.filter(list.as_bytes()).unwrap()
    });
    let value = group.work("Value, retain, to_vec", move || {
        let mut list: Value = serde_json::from_str(list).unwrap();
        let tools = list["result"]["tools"].as_array_mut().unwrap();
        tools.retain(|tool| tool["name"].as_str().is_some_and(|name| allowed.contains(name)));
        serde_json::to_vec(&list).unwrap()
    });
    let raw = group.work("RawValue, splice", move || splice(list, allowed));

    let (over_value, over_raw) = match tools {
        10 | 100 => (9.0, 2.7),
        1_000 => (14.0, 2.7),
        _ => (18.0, 2.4),
    };
    group.faster("T8", filter, value, over_value);
    group.faster("T8", filter, raw, over_raw);
    group.allocations("T8", filter, 2);
    group.faster("T8 all kept", filter_all, value, over_value);
    group.allocations("T8 all kept", filter_all, 0);
    group.faster("the layer", half.over(bare), value, over_value);
    group.faster("the layer", half.over(bare), raw, over_raw);
    group.allocations("the layer", half.over(bare), 2);
    group.faster("the layer, all kept", all.over(bare), value, over_value);
    group.note(format!("{} bytes a tool.", list.len() / tools));
}

/// Shows tools by their names, as the others do.
#[derive(Debug)]
struct Only(HashSet<String>);

impl View for Only {
    fn glance(&self, _: &Caller, _: Version, _: TargetKind, name: &str) -> Glance {
        if self.0.contains(name) { Glance::Shown } else { Glance::Hidden }
    }

    fn look(&self, _: Caller, _: Version, items: Vec<(TargetKind, Text)>) -> Look {
        Box::pin(std::future::ready(vec![false; items.len()]))
    }
}

/// The fastest way with `serde_json`: items are found, then named, then copied.
fn splice(list: &str, allowed: &HashSet<String>) -> Vec<u8> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        result: Tools<'a>,
    }
    #[derive(Deserialize)]
    struct Tools<'a> {
        #[serde(borrow)]
        tools: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Named<'a> {
        name: &'a str,
    }
    let answer: Answer<'_> = serde_json::from_str(list).unwrap();
    let mut kept = Vec::with_capacity(list.len());
    kept.extend_from_slice(
        br#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","tools":["#,
    );
    let mut first = true;
    for tool in answer.result.tools {
        let named: Named<'_> = serde_json::from_str(tool.get()).unwrap();
        if allowed.contains(named.name) {
            if !first {
                kept.push(b',');
            }
            first = false;
            kept.extend_from_slice(tool.get().as_bytes());
        }
    }
    kept.extend_from_slice(b"]}}");
    kept
}

fn name(n: usize) -> String {
    format!("{}_{n}", corpus::tool(n))
}

fn ask() -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{ID},"method":"tools/list","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    )
}

/// Tools of about 600 bytes, as servers describe them.
fn list(tools: usize) -> String {
    let tool = |n: usize| {
        let name = name(n);
        format!(
            r#"{{"name":"{name}","title":"Tool number {n}","description":"Finds what was asked for and says so.\nUse it when a \"customer\" has a question about an order, an invoice or a delivery, and not before.","inputSchema":{{"type":"object","properties":{{"query":{{"type":"string","description":"What to look for"}},"limit":{{"type":"integer","minimum":1,"maximum":100,"default":20}},"filter":{{"type":"object","properties":{{"open":{{"type":"boolean"}},"since":{{"type":"string","format":"date"}}}}}}}},"required":["query"]}},"annotations":{{"readOnlyHint":true}}}}"#
        )
    };
    let tools: Vec<_> = (0..tools).map(tool).collect();
    format!(
        r#"{{"jsonrpc":"2.0","id":{ID},"result":{{"resultType":"complete","tools":[{}],"cacheScope":"private","ttlMs":0}}}}"#,
        tools.join(",")
    )
}
