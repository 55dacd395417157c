//! What a query is in the words of OpenFGA.

use std::fmt::Write as _;
use std::sync::Arc;

use portcullis_core::{Principal, TargetKind};
use portcullis_rbac::Query;
use serde_json::{Value, json};

use crate::ConfigError;
use crate::naming::Naming;
use crate::point::{Listed, Question};

/// The longest names, in bytes, and how many groups a question may hold.
const MAX_USER: usize = 512;
const MAX_OBJECT: usize = 256;
const MAX_GROUPS: usize = 100;

#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) naming: Naming,
    pub(super) targets: Vec<(TargetKind, Relation)>,
    pub(super) groups: Option<Groups>,
    /// The relation to a tool that allows to call it as a task.
    pub(super) tasks: Option<String>,
    /// Whether items of lists may be asked about all together.
    pub(super) list_objects: bool,
    /// What all questions have in common, once checked.
    shared: Arc<str>,
}

/// The type of an object, and the relation to it that allows its use.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub(super) object: String,
    pub(super) relation: String,
}

/// The type of groups, and how members are related to them.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    pub(super) kind: String,
    pub(super) relation: String,
}

impl Default for Mapping {
    fn default() -> Self {
        let relation = |object: &str, relation: &str| Relation {
            object: object.to_owned(),
            relation: relation.to_owned(),
        };
        Self {
            naming: Naming::default(),
            targets: vec![
                (TargetKind::Tool, relation("tool", "can_call")),
                (TargetKind::Prompt, relation("prompt", "can_get")),
                (TargetKind::Resource, relation("resource", "can_read")),
                (TargetKind::ResourceTemplate, relation("resource_template", "can_read")),
            ],
            groups: None,
            tasks: None,
            list_objects: false,
            shared: "".into(),
        }
    }
}

impl Mapping {
    /// Refuses words that the protocol does not allow.
    pub(super) fn checked(
        mut self,
        model: &str,
        higher_consistency: bool,
    ) -> Result<Self, ConfigError> {
        let targets = self.targets.iter();
        let words = targets.flat_map(|(_, to)| [&to.object, &to.relation]);
        let groups = self.groups.iter().flat_map(|groups| [&groups.kind, &groups.relation]);
        for word in words.chain(groups).chain(&self.tasks) {
            let bad = |c: char| c.is_whitespace() || c.is_control() || ":#@*".contains(c);
            if !(1..=50).contains(&word.len()) || word.contains(bad) {
                return Err(ConfigError::new(format!(
                    "{word:?} is no type or relation of OpenFGA"
                )));
            }
        }
        let consistency =
            if higher_consistency { "HIGHER_CONSISTENCY" } else { "MINIMIZE_LATENCY" };
        let model = Value::from(model);
        let shared = format!(r#""authorization_model_id":{model},"consistency":"{consistency}""#);
        self.shared = shared.into();
        Ok(self)
    }

    /// The question, unless it is one for nobody.
    pub(super) fn question(&self, query: &Query<'_>) -> Option<Question> {
        let principal = query.caller().principal()?;
        if self.naming.is_stranger(principal) {
            return None;
        }
        let kind = if principal.is_client() { "client" } else { "user" };
        let user = self.name(kind, principal, principal.subject())?;
        if user.len() > MAX_USER {
            return None;
        }
        let (object, relation) = self.object(query)?;
        let tuple = json!({ "user": user, "relation": relation, "object": object });
        let groups = self.memberships(principal, &user)?;
        let groups = if groups.is_empty() {
            String::new()
        } else {
            format!(r#","contextual_tuples":{{"tuple_keys":{}}}"#, Value::from(groups))
        };
        let listed = (self.list_objects && query.is_listing()).then(|| {
            let kind = Value::from(object.split_once(':').map_or("", |(kind, _)| kind));
            let (user, relation) = (Value::from(user.as_str()), Value::from(relation));
            let shared = &self.shared;
            let body = format!(
                r#"{{"type":{kind},"relation":{relation},"user":{user}{groups},{shared}}}"#
            );
            Listed { body: body.into(), name: object.clone() }
        });
        Some(Question {
            shared: Arc::clone(&self.shared),
            own: format!(r#""tuple_key":{tuple}{groups}"#),
            ends: principal.expires_at(),
            listed,
        })
    }

    fn object(&self, query: &Query<'_>) -> Option<(String, &str)> {
        // Its slashes are not those between server and name.
        let server = query.server().map(|server| escaped(server).replace('/', "%2F"));
        let Some((kind, name)) = query.target() else {
            let object = format!("server:{}", server.filter(|server| !server.is_empty())?);
            return (object.len() <= MAX_OBJECT).then_some((object, "can_use"));
        };
        let (_, to) = self.targets.iter().find(|(target, _)| *target == kind)?;
        if name.is_empty() || matches!(kind, TargetKind::Task) {
            return None;
        }
        let object = match server {
            Some(server) => format!("{}:{server}/{}", to.object, escaped(name)),
            None => format!("{}:{}", to.object, escaped(name)),
        };
        let relation = match &self.tasks {
            Some(relation) if query.runs_as_task() => relation,
            _ => &to.relation,
        };
        (object.len() <= MAX_OBJECT).then_some((object, relation.as_str()))
    }

    /// The groups of the caller, where they are sent; `None` where they are not all known.
    fn memberships(&self, principal: &Principal, user: &str) -> Option<Vec<Value>> {
        let Some(Groups { kind, relation }) = &self.groups else { return Some(Vec::new()) };
        let groups = principal.groups();
        if principal.groups_unknown() || groups.len() > MAX_GROUPS {
            return None;
        }
        let tuple = |group: &String| {
            let object = self.name(kind, principal, group)?;
            (object.len() <= MAX_OBJECT)
                .then(|| json!({ "user": user, "relation": relation, "object": object }))
        };
        groups.iter().map(tuple).collect()
    }

    fn name(&self, kind: &str, principal: &Principal, name: &str) -> Option<String> {
        (!name.is_empty()).then(|| format!("{kind}:{}", escaped(&self.naming.of(principal, name))))
    }
}

/// Without the characters that mean something (`:`, `#`, `*`, white space); different texts stay so.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/@|".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_stay_apart_and_mean_nothing_else(a in ".{0,12}", b in ".{0,12}") {
            prop_assert_eq!(escaped(&a) == escaped(&b), a == b);
            prop_assert!(!escaped(&a).contains(|c: char| ":#* ".contains(c) || !c.is_ascii_graphic()));
        }
    }

    #[test]
    fn what_is_escaped() {
        let rows = [
            ("alice@example.com", "alice@example.com"),
            ("*", "%2A"),
            ("group:x#member", "group%3Ax%23member"),
            ("a%2A", "a%252A"),
            ("é \n", "%C3%A9%20%0A"),
        ];
        for (text, expected) in rows {
            assert_eq!(escaped(text), expected, "{text}");
        }
    }
}
