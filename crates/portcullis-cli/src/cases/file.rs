//! Files of cases, as they are written.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::who::Person;

/// What a policy is expected to decide. Paths are relative to this file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CasesFile {
    /// The policy.
    pub(super) policy: Option<PathBuf>,
    /// The name of the server behind the gate.
    pub(super) server: Option<String>,
    /// A JSON file with the answer to `tools/list`, for rules about annotations.
    pub(super) tools: Option<PathBuf>,
    /// Decide as at this time (RFC 3339), not now.
    pub(super) at: Option<String>,
    /// The address that requests come from, for rules about networks.
    pub(super) from: Option<String>,
    /// Callers by name, for cases to use.
    #[serde(default)]
    pub(super) callers: BTreeMap<String, Person>,
    /// The cases.
    #[schemars(with = "Vec<Case>")]
    pub(super) cases: Vec<Spanned<Case>>,
}

/// Who may do what, or who sees what.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// What the case shows, in words.
    pub(super) name: String,
    /// Who calls: the name of one of the `callers`, `anonymous`, `everyone`, or a caller described
    /// here.
    pub(super) who: Who,
    /// The method and the tool, prompt or resource: `tools/call get_note`.
    pub(super) request: Option<String>,
    /// The arguments of the call.
    pub(super) arguments: Option<serde_json::Map<String, Value>>,
    /// The tool is called as a task: the client asks for one (2025-11-25, the default here), or takes one if
    /// the server likes (2026-07-28).
    #[serde(default)]
    pub(super) as_task: bool,
    /// A JSON file with the whole JSON-RPC message, in place of `request`.
    pub(super) message: Option<PathBuf>,
    /// The revision of MCP; otherwise the newest that has the method.
    pub(super) mcp_version: Option<String>,
    /// The name of the server, if it is not that of the file.
    pub(super) server: Option<String>,
    /// The time, if it is not that of the file.
    pub(super) at: Option<String>,
    /// The address that the request comes from, if it is not that of the file.
    pub(super) from: Option<String>,
    /// What becomes of the request.
    pub(super) expect: Option<Expect>,
    /// The rule that decides; `none` when no rule does.
    pub(super) rule: Option<String>,
    /// Every scope that the challenge names, in any order.
    pub(super) scopes: Option<Vec<String>>,
    /// What `sees` and `hides` are about; tools if it is not said.
    #[serde(default)]
    pub(super) list: ListOf,
    /// Names or URIs that are in this caller's list.
    #[serde(default)]
    pub(super) sees: Vec<String>,
    /// Names or URIs that are not.
    #[serde(default)]
    pub(super) hides: Vec<String>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Expect {
    /// The server gets it.
    Allow,
    /// Policy refuses it, however that looks.
    Deny,
    /// Policy refuses it, and it looks like a target that does not exist.
    Hidden,
    /// Policy refuses it, and says so.
    Explained,
    /// Policy refuses it, in a tool result.
    ToolResult,
    /// It is refused, and the client told which scopes would do.
    Challenge,
    /// It is refused, and the client told to sign in.
    SignIn,
    /// Inspection refuses it: no policy is asked.
    Refused,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum ListOf {
    #[default]
    Tools,
    Prompts,
    Resources,
    ResourceTemplates,
}

/// A caller's name, or a caller.
#[derive(JsonSchema)]
#[serde(untagged)]
pub(super) enum Who {
    Named(String),
    Described(Box<Person>),
}

// By hand: an untagged enum could not say what is wrong with a caller.
impl<'de> Deserialize<'de> for Who {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WhoVisitor)
    }
}

struct WhoVisitor;

impl<'de> Visitor<'de> for WhoVisitor {
    type Value = Who;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a caller, or a caller")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Who, E> {
        Ok(Who::Named(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Who, A::Error> {
        let person = Person::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Who::Described(Box::new(person)))
    }
}
