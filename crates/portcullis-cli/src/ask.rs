//! What is asked: one JSON-RPC message, and the headers that go with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use portcullis_core::{Era, Method, Version};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::problem::Problem;

const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// A message, as a client would send it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) body: Bytes,
    pub(crate) version: Version,
    /// What the body says that headers repeat.
    method: Option<String>,
    name: Option<String>,
    /// The tool that runs as the task which this is about: whose id the gate gives, and knows.
    pub(crate) task_of: Option<String>,
}

impl Asked {
    /// The message for `method` on `name`, with the JSON text `arguments`; a call may be one as a task.
    pub(crate) fn new(
        method: &str,
        name: Option<&str>,
        arguments: Option<&str>,
        version: Option<Version>,
        as_task: bool,
    ) -> Result<Self, Problem> {
        if let Some(text) = arguments
            && !serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get().starts_with('{'))
        {
            return Err(Problem::new("the arguments are not a JSON object"));
        }
        let known = Method::parse(method);
        let version = version.or_else(|| as_task.then_some(Version::V2025_11_25));
        let version = version.or_else(|| newest(known)).unwrap_or(Version::V2026_07_28);
        if as_task && known != Some(Method::ToolsCall) {
            return Err(Problem::new(format!("{method} cannot run as a task: tools/call can")));
        }
        if as_task && !Method::TasksGet.is_in(version) {
            return Err(Problem::new(format!("{} has no tasks", version.as_str())));
        }
        if name.is_some() && known.is_some_and(|method| !takes_name(method)) {
            return Err(Problem::new(format!("{method} takes no name")));
        }
        let task_of = name.filter(|_| known.is_some_and(Method::is_about_task)).map(str::to_owned);
        if name.is_none() && known.is_some_and(Method::is_about_task) {
            return Err(Problem::new(format!(
                "{method} needs the name of the tool that the task runs"
            )));
        }
        if name.is_none() && known.is_some_and(Method::names_target) {
            return Err(Problem::new(format!("{method} needs a name or URI")));
        }
        let mut params = params(known, name, version);
        match params.as_object_mut() {
            Some(members) if as_task && version.era() == Era::Legacy => {
                members.insert("task".to_owned(), json!({}));
            }
            Some(_) if as_task => with_meta(&mut params, version, &knows_tasks()),
            _ => {}
        }
        let mut body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        if known.is_some_and(Method::is_notification) {
            body.as_object_mut().and_then(|members| members.remove("id"));
        }
        let mut body = body.to_string();
        if let Some(arguments) = arguments {
            // As it was written, numbers and all: the object of parameters is the last that begins.
            let place = body.find("\"params\":{").map(|at| at + "\"params\":{".len());
            let (before, after) =
                place.and_then(|at| body.split_at_checked(at)).unwrap_or_default();
            let comma = if after.starts_with('}') { "" } else { "," };
            body = format!("{before}\"arguments\":{arguments}{comma}{after}");
        }
        Ok(Self {
            body: body.into(),
            version,
            method: Some(method.to_owned()),
            name: name.map(str::to_owned),
            task_of,
        })
    }

    /// The call of `tool` as a task.
    pub(crate) fn task(tool: &str) -> Self {
        let version = Version::V2025_11_25;
        let params = json!({ "name": tool, "arguments": {}, "task": {} });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let body = body.to_string().into();
        Self { body, version, method: None, name: None, task_of: None }
    }

    /// The same about the task with this id.
    pub(crate) fn about(&self, task: &str) -> Self {
        let mut params = json!({ "taskId": task });
        if self.version.era() == Era::Modern {
            with_meta(&mut params, self.version, &knows_tasks());
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": self.method, "params": params });
        let name = Some(task.to_owned());
        Self { body: body.to_string().into(), name, task_of: None, ..self.clone() }
    }

    /// The message that somebody has written.
    pub(crate) fn written(body: Vec<u8>, version: Option<Version>) -> Self {
        let read: Option<Value> = serde_json::from_slice(&body).ok();
        let text = |pointer: &str| {
            read.as_ref().and_then(|body| body.pointer(pointer)?.as_str()).map(str::to_owned)
        };
        let meta = read.as_ref().and_then(|body| body.pointer("/params/_meta"));
        let stated = meta.and_then(|meta| meta.get(META_VERSION)?.as_str());
        let version = version.or_else(|| stated.and_then(Version::parse)).unwrap_or({
            let batch = matches!(read, Some(Value::Array(_)));
            if batch { Version::V2025_03_26 } else { Version::V2025_11_25 }
        });
        let name = text("/params/name").or_else(|| text("/params/uri"));
        Self { body: body.into(), version, method: text("/method"), name, task_of: None }
    }

    /// The member of the result that a list is in, if a list is asked for.
    pub(crate) fn list_member(&self) -> Option<&'static str> {
        match Method::parse(self.method.as_deref()?)? {
            Method::ToolsList => Some("tools"),
            Method::PromptsList => Some("prompts"),
            Method::ResourcesList => Some("resources"),
            Method::ResourceTemplatesList => Some("resourceTemplates"),
            _ => None,
        }
    }

    /// The HTTP request.
    pub(crate) fn request(&self) -> Request<http_body_util::Full<Bytes>> {
        let mut request = Request::new(http_body_util::Full::new(self.body.clone()));
        *request.method_mut() = http::Method::POST;
        let headers = request.headers_mut();
        let json = HeaderValue::from_static("application/json");
        let accept = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::ACCEPT, accept);
        let version = HeaderValue::from_static(self.version.as_str());
        headers.insert("mcp-protocol-version", version);
        if self.version.era() == Era::Modern {
            let mirrored = [("mcp-method", &self.method), ("mcp-name", &self.name)];
            for (header, value) in mirrored {
                if let Some(value) = value.as_deref().and_then(mirror) {
                    headers.insert(header, value);
                }
            }
        }
        request
    }
}

/// The newest revision that has `method`.
fn newest(method: Option<Method>) -> Option<Version> {
    let method = method?;
    Version::ALL.into_iter().find(|version| method.is_in(*version))
}

fn takes_name(method: Method) -> bool {
    method.names_target()
        || method.is_about_task()
        || matches!(method, Method::SubscriptionsListen | Method::LoggingSetLevel)
}

fn params(method: Option<Method>, name: Option<&str>, version: Version) -> Value {
    let mut params = match (method, name) {
        (Some(Method::ToolsCall | Method::PromptsGet), Some(name)) => json!({ "name": name }),
        (
            Some(Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe),
            Some(uri),
        ) => json!({ "uri": uri }),
        (Some(Method::CompletionComplete), Some(name)) => {
            let reference = if name.contains("://") || name.contains(":///") {
                json!({ "type": "ref/resource", "uri": name })
            } else {
                json!({ "type": "ref/prompt", "name": name })
            };
            json!({ "ref": reference, "argument": { "name": "x", "value": "" } })
        }
        (Some(Method::SubscriptionsListen), uri) => {
            let uris: Vec<_> = uri.into_iter().collect();
            json!({ "notifications": { "resourceSubscriptions": uris } })
        }
        (Some(Method::LoggingSetLevel), level) => json!({ "level": level.unwrap_or("info") }),
        (Some(Method::Initialize), _) => json!({
            "protocolVersion": version.as_str(),
            "capabilities": {},
            "clientInfo": { "name": "portcullis", "version": env!("CARGO_PKG_VERSION") },
        }),
        _ => json!({}),
    };
    if version.era() == Era::Modern {
        with_meta(&mut params, version, &json!({}));
    }
    params
}

/// The capabilities of a client that knows the tasks of 2026-07-28.
fn knows_tasks() -> Value {
    json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } })
}

/// Adds what every modern request says about its client.
fn with_meta(params: &mut Value, version: Version, capabilities: &Value) {
    if let Some(members) = params.as_object_mut() {
        let meta = json!({ META_VERSION: version.as_str(), META_CAPABILITIES: capabilities });
        members.insert("_meta".to_owned(), meta);
    }
}

/// A header that repeats `value` (the sentinel encoding where it is not plain).
fn mirror(value: &str) -> Option<HeaderValue> {
    let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && value.trim() == value
        && !value.is_empty()
        && !value.starts_with("=?base64?");
    let encoded =
        if plain { value.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(value)) };
    HeaderValue::from_str(&encoded).ok()
}
