//! What a query is in the words of AuthZEN.

use portcullis_core::{Principal, TargetKind};
use portcullis_rbac::Query;
use serde_json::{Map, Value, json};

use crate::lookalike::may_pass_for;
use crate::naming::Naming;
use crate::point::Question;

#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) naming: Naming,
    pub(super) arguments: Vec<String>,
    /// Whether calls as tasks are asked about on their own.
    pub(super) tasks: bool,
}

impl Mapping {
    /// The question, unless it is one for nobody.
    pub(super) fn question(&self, query: &Query<'_>) -> Option<Question> {
        let principal = query.caller().principal()?;
        if self.naming.is_stranger(principal) {
            return None;
        }
        let subject = self.subject(principal);
        let action = match self.tasks && query.runs_as_task() {
            true => "tasks/create",
            false => query.method().as_str(),
        };
        let action = json!({ "name": action });
        let resource = resource(query)?;
        let context = self.context(query)?;
        Some(Question {
            shared: format!(r#""subject":{subject}"#).into(),
            own: format!(r#""action":{action},"resource":{resource},"context":{context}"#),
            ends: principal.expires_at(),
            listed: None,
        })
    }

    fn subject(&self, principal: &Principal) -> Value {
        let mut properties = Map::new();
        let mut put = |name: &str, value: Value| properties.insert(name.to_owned(), value);
        put("iss", principal.issuer().into());
        put("sub", principal.subject().into());
        put("scopes", principal.scopes().into());
        put("groups", principal.groups().into());
        put("roles", principal.roles().into());
        if principal.groups_unknown() {
            put("groups_unknown", true.into());
        }
        let texts = [("client_id", principal.client_id()), ("tenant", principal.tenant())];
        for (name, text) in texts {
            text.map(|text| put(name, text.into()));
        }
        for name in ["acr", "auth_time"] {
            principal.claims().get(name).map(|claim| put(name, claim.clone()));
        }
        let actors = principal.actors().iter();
        let actors: Vec<_> =
            actors.map(|actor| json!({ "iss": actor.issuer(), "sub": actor.subject() })).collect();
        if !actors.is_empty() {
            put("act", actors.into());
        }
        json!({
            "type": if principal.is_client() { "client" } else { "user" },
            "id": self.naming.of(principal, principal.subject()),
            "properties": properties,
        })
    }

    fn context(&self, query: &Query<'_>) -> Option<Value> {
        let version = query.version().as_str();
        if self.arguments.is_empty() {
            return Some(json!({ "mcp_version": version }));
        }
        let mut arguments = Map::new();
        if let Some(sent) = query.arguments() {
            let mut sent: Map<String, Value> = serde_json::from_slice(sent.json()).ok()?;
            // The server may read another member than the decision point is shown.
            if self.arguments.iter().any(|key| sent.keys().any(|name| may_pass_for(name, key))) {
                return None;
            }
            for key in &self.arguments {
                sent.remove(key).map(|value| arguments.insert(key.clone(), value));
            }
        }
        let listing = query.is_listing();
        Some(json!({ "mcp_version": version, "arguments": arguments, "listing": listing }))
    }
}

fn resource(query: &Query<'_>) -> Option<Value> {
    let server = query.server();
    let (kind, id) = match query.target() {
        None => ("mcp_server", server.unwrap_or("server")),
        Some((TargetKind::Tool, name)) => ("mcp_tool", name),
        Some((TargetKind::Prompt, name)) => ("mcp_prompt", name),
        Some((TargetKind::Resource, uri)) => ("mcp_resource", uri),
        Some((TargetKind::ResourceTemplate, uri)) => ("mcp_resource_template", uri),
        // Who owns a task is not the decision point's to know.
        Some(_) => return None,
    };
    Some(match server {
        Some(server) => json!({ "type": kind, "id": id, "properties": { "server": server } }),
        None => json!({ "type": kind, "id": id }),
    })
}
