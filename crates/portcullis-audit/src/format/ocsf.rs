//! Records as OCSF 1.8 has them.
//!
//! A record is first put into our own members, which are then given their places. Members without
//! one stay under their own names, in `unmapped`, which is always the last attribute.

use std::io;

use serde::Serialize as _;
use serde_json::{Map, Value, json};

use crate::Record;
use crate::escape::OneLine;
use crate::record::Verdict;

/// The version of the schema that records follow.
const VERSION: &str = "1.8.0";

const API_ACTIVITY: u64 = 6003;
const AUTHENTICATION: u64 = 3002;

const SUCCESS: u64 = 1;
const FAILURE: u64 = 2;

const INFORMATIONAL: u64 = 1;
const LOW: u64 = 2;
const MEDIUM: u64 = 3;

pub(crate) fn encode(record: &Record, line: &mut Vec<u8>) -> io::Result<()> {
    if matches!(record, Record::Chain(_) | Record::Checkpoint(_)) {
        return crate::encode::encode(record, line);
    }
    let Value::Object(mut own) = serde_json::to_value(record)? else {
        return Err(io::Error::other("a record is an object"));
    };
    own.remove("schema");
    let event = map(record, own);
    let mut serializer = serde_json::Serializer::with_formatter(&mut *line, OneLine);
    event.serialize(&mut serializer)?;
    line.push(b'\n');
    Ok(())
}

fn map(record: &Record, mut own: Map<String, Value>) -> Event {
    let signs_in = record.as_decision().is_some_and(|it| {
        it.principal().is_none() && matches!(it.verdict(), Verdict::Challenge | Verdict::Deny)
    });
    let (category, class) = if signs_in { (3, AUTHENTICATION) } else { (6, API_ACTIVITY) };
    // A sign-in is a logon; else, what MCP does is of no one kind that the class has: see `api`.
    let activity = if signs_in { 1 } else { 99 };
    let mut event = Event(Vec::with_capacity(24));
    event.put("category_uid", category);
    event.put("class_uid", class);
    event.put("activity_id", activity);
    if !signs_in {
        let name = own.get("method").or_else(|| own.get("event")).or_else(|| own.get("record"));
        event.put("activity_name", name.cloned().unwrap_or_default());
    }
    event.put("type_uid", class * 100 + activity);
    let millis = u64::try_from(record.at().as_millis()).unwrap_or(u64::MAX);
    event.put("time", millis);
    let (severity, status) = weigh(record);
    event.put("severity_id", severity);
    if let Some(status) = status {
        event.put("status_id", status);
    }
    event.put_some("status_code", own.remove("reason"));
    event.put_some("status_detail", own.remove("rule_id"));
    event.put_some("duration", own.remove("duration_ms"));
    event.put("metadata", metadata(&mut own));
    let user =
        own.remove("principal").map(|principal| user(principal, own.remove("roles").as_ref()));
    let peer = own.remove("source_ip");
    let endpoint = match (peer, signs_in) {
        (Some(ip), _) => Some(json!({ "ip": ip })),
        // The class requires one, and an endpoint must be called something.
        (None, false) => Some(json!({ "name": "unknown" })),
        (None, true) => None,
    };
    event.put_some("src_endpoint", endpoint);
    event.put_some("dst_endpoint", far_side(&mut own));
    if signs_in {
        event.put("user", user.unwrap_or_else(|| json!({ "name": "unknown", "type_id": 0 })));
        event.put("service", service(&mut own));
    } else {
        event.put("actor", actor(user));
        event.put("api", api(&mut own));
        event.put_some("resources", resources(&mut own));
    }
    event.put_some(
        "http_request",
        own.remove("unverified_user_agent").map(|agent| json!({ "user_agent": agent })),
    );
    event.put_some("http_response", own.remove("http_status").map(|code| json!({ "code": code })));
    if let Some(dropped) = own.get("dropped").or_else(|| own.get("count")).cloned() {
        event.put("count", dropped);
    }
    own.remove("ts");
    event.put("unmapped", Value::Object(own));
    event
}

/// How much it matters, and whether it was a success.
fn weigh(record: &Record) -> (u64, Option<u64>) {
    use crate::ResultType;
    match record {
        Record::Decision(decision) => match decision.verdict() {
            Verdict::Allow => (INFORMATIONAL, Some(SUCCESS)),
            Verdict::Undecided => (INFORMATIONAL, None),
            Verdict::Challenge => (LOW, Some(FAILURE)),
            Verdict::Deny | Verdict::Error => (MEDIUM, Some(FAILURE)),
        },
        Record::Outcome(outcome) => match outcome.result_type() {
            ResultType::Error | ResultType::IsError | ResultType::Aborted => (LOW, Some(FAILURE)),
            ResultType::Complete
            | ResultType::Stream
            | ResultType::InputRequired
            | ResultType::Task => (INFORMATIONAL, Some(SUCCESS)),
        },
        Record::Gap(_) | Record::Suppressed(_) => (MEDIUM, None),
        Record::Event(_) | Record::Chain(_) | Record::Checkpoint(_) => (INFORMATIONAL, None),
    }
}

fn metadata(own: &mut Map<String, Value>) -> Value {
    let mut metadata = json!({
        "version": VERSION,
        "product": { "name": "portcullis", "vendor_name": "portcullis", "version": env!("CARGO_PKG_VERSION") },
        "log_name": "audit",
    });
    if let Some(members) = metadata.as_object_mut() {
        let id = own.get("event_id").cloned().unwrap_or_default();
        // A decision and its outcome are two events with one correlation.
        let kind = own.get("record").and_then(Value::as_str).unwrap_or_default();
        let uid = format!("{}-{kind}", id.as_str().unwrap_or_default());
        members.insert("uid".into(), uid.into());
        members.insert("correlation_uid".into(), id);
        members.extend(own.remove("truncated").map(|it| ("is_truncated".to_owned(), it)));
        members.extend(own.remove("resource").map(|it| ("log_provider".to_owned(), it)));
    }
    metadata
}

fn user(mut principal: Value, roles: Option<&Value>) -> Value {
    let mut take = |name: &str| principal.get_mut(name).map(Value::take);
    let (sub, iss, client) = (take("sub"), take("iss"), take("client_id"));
    let mut user = Map::new();
    user.insert("type_id".into(), if take("kind") == Some("client".into()) { 4 } else { 1 }.into());
    match sub {
        Some(sub) => user.extend([("uid".to_owned(), sub.clone()), ("name".to_owned(), sub)]),
        None => user.extend([("name".to_owned(), "anonymous".into())]),
    }
    user.extend(iss.map(|iss| ("domain".to_owned(), iss)));
    let roles = roles.and_then(Value::as_array).filter(|roles| !roles.is_empty());
    let groups = roles.map(|roles| roles.iter().map(|role| json!({ "name": role })).collect());
    user.extend(groups.map(|groups: Vec<Value>| ("groups".to_owned(), groups.into())));
    user.extend(client.map(|client| ("uid_alt".to_owned(), client)));
    user.into()
}

fn actor(user: Option<Value>) -> Value {
    match user {
        Some(user) => json!({ "user": user }),
        // The class requires one, and an actor must be something.
        None => json!({ "app_name": "portcullis" }),
    }
}

fn api(own: &mut Map<String, Value>) -> Value {
    let operation = own.remove("method").or_else(|| own.remove("event"));
    let operation = operation.or_else(|| own.get("record").cloned()).unwrap_or_default();
    let mut api = json!({ "operation": operation });
    if let Some(members) = api.as_object_mut() {
        members
            .extend(own.remove("server").map(|it| ("service".to_owned(), json!({ "name": it }))));
        members.extend(own.remove("mcp_version").map(|it| ("version".to_owned(), it)));
        members.extend(
            own.remove("request_id").map(|it| ("request".to_owned(), json!({ "uid": it }))),
        );
        let code =
            own.remove("error_code").map(|code| ("response".to_owned(), json!({ "code": code })));
        members.extend(code);
    }
    api
}

fn resources(own: &mut Map<String, Value>) -> Option<Value> {
    let target = own.remove("target")?;
    let kind = own.remove("target_type").unwrap_or_default();
    Some(json!([{ "name": target, "type": kind }]))
}

/// Where the request is forwarded to.
fn far_side(own: &mut Map<String, Value>) -> Option<Value> {
    let mut endpoint = json!({ "name": own.remove("upstream")? });
    if let (Some(members), Some(server)) = (endpoint.as_object_mut(), own.get("server")) {
        members.insert("svc_name".into(), server.clone());
    }
    Some(endpoint)
}

/// What somebody wanted to sign in to.
fn service(own: &mut Map<String, Value>) -> Value {
    let name = own.remove("server").or_else(|| own.get("transport").cloned());
    json!({ "name": name.unwrap_or_else(|| "mcp".into()) })
}

/// Attributes in the order in which they were put: `unmapped` must be the last.
struct Event(Vec<(&'static str, Value)>);

impl Event {
    fn put(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push((name, value.into()));
    }

    fn put_some(&mut self, name: &'static str, value: Option<Value>) {
        self.0.extend(value.map(|value| (name, value)));
    }
}

impl serde::Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests;
