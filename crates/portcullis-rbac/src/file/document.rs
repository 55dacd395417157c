//! The shape of a policy file. Comments here are the descriptions in the JSON Schema.

use std::collections::BTreeMap;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Deserialize;

use super::at::At;
use super::filled::Filled;

/// Who may use which tools, prompts and resources. Nothing is allowed unless a rule allows it, and
/// a deny rule beats every allow rule.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "Policy"))]
#[serde(deny_unknown_fields, expecting = "a mapping with rules")]
pub(crate) struct PolicyDoc {
    /// Stands before the digest in the version that records carry.
    pub(crate) name: Option<At<String>>,
    /// The servers that rules can name, and what their annotations are worth.
    #[serde(default)]
    pub(crate) servers: BTreeMap<String, At<ServerDoc>>,
    /// Names for groups: their ids at the issuer, such as Entra's object ids. Once there is one,
    /// roles can use no other groups.
    #[serde(default)]
    pub(crate) groups: BTreeMap<String, At<OneOrMany<String>>>,
    /// The agents that rules can name.
    #[serde(default)]
    pub(crate) agents: BTreeMap<String, At<AgentDoc>>,
    /// Scopes that stand for others as well: a token with the first has the others too.
    #[serde(default)]
    pub(crate) scope_hierarchy: BTreeMap<String, Vec<At<String>>>,
    /// The scopes that callers can get. Who lacks another one is denied, not sent to get it.
    /// Without this key, all that rules require.
    pub(crate) grantable_scopes: Option<Vec<At<String>>>,
    /// Who has which role.
    #[serde(default)]
    pub(crate) roles: BTreeMap<String, At<RoleDoc>>,
    /// What roles may and may not do. Their order decides nothing but which of several allowing
    /// rules is recorded, and which scopes are asked for first.
    #[cfg_attr(feature = "schema", schemars(extend("minItems" = 1)))]
    pub(crate) rules: Vec<At<RuleDoc>>,
}

/// A server behind a gate.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "Server"))]
#[serde(deny_unknown_fields, expecting = "a mapping about a server")]
pub(crate) struct ServerDoc {
    /// Whether to believe what the server says about its tools. It can then give its tools to
    /// whoever has a rule for such tools.
    #[serde(default)]
    pub(crate) trust_annotations: bool,
    /// What is true of tools, by name, whatever the server says.
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, HintsDoc>,
}

/// Annotations of a tool, as MCP has them.
#[derive(Clone, Copy, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "Annotations"))]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "a mapping of hints")]
pub(crate) struct HintsDoc {
    /// The tool changes nothing.
    pub(crate) read_only_hint: Option<bool>,
    /// The tool may destroy something.
    pub(crate) destructive_hint: Option<bool>,
    /// Calling the tool again with the same arguments changes nothing more.
    pub(crate) idempotent_hint: Option<bool>,
    /// The tool deals with whatever is outside.
    pub(crate) open_world_hint: Option<bool>,
}

/// A program that acts for people. A call comes through it when the token was issued to one of its
/// clients, or names it as the current actor.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "Agent"))]
#[serde(deny_unknown_fields, expecting = "a mapping about an agent")]
pub(crate) struct AgentDoc {
    /// Only this issuer may vouch for the agent; otherwise whoever issued the person's token.
    pub(crate) issuer: Option<String>,
    /// Its OAuth client ids.
    #[serde(default)]
    pub(crate) clients: Vec<String>,
    /// The `sub` of its `act` claims.
    #[serde(default)]
    pub(crate) actors: Vec<String>,
}

/// Who has a role: callers with any one of these. Strings are compared exactly.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "Role"))]
#[serde(deny_unknown_fields, expecting = "a mapping that says who has the role")]
pub(crate) struct RoleDoc {
    /// Members of these groups.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// Tokens with one of these scopes.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// Callers to whom the issuer assigned one of these roles.
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    /// Tokens issued to one of these OAuth clients.
    #[serde(default)]
    pub(crate) clients: Vec<String>,
    /// These people and programs, by `sub`.
    #[serde(default)]
    pub(crate) subjects: Vec<String>,
    /// Tokens with these claims: a claim's name, or a JSON Pointer that starts with a slash, and
    /// the value that it is or holds.
    #[serde(default)]
    pub(crate) claims: BTreeMap<String, OneOrMany<ScalarDoc>>,
    /// Only callers from here; all of them, when nothing else is named.
    #[serde(default)]
    pub(crate) from: Filled<FromDoc>,
    /// Callers who have not signed in, where they are let in at all.
    #[serde(default)]
    pub(crate) anonymous: bool,
}

/// Where callers come from. Each list that is there must name the caller's.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "From"))]
#[serde(deny_unknown_fields, expecting = "a mapping with issuers or tenants")]
pub(crate) struct FromDoc {
    /// Issuers (`iss`).
    #[serde(default)]
    pub(crate) issuers: Filled<Vec<String>>,
    /// Tenants of issuers that have several.
    #[serde(default)]
    pub(crate) tenants: Filled<Vec<String>>,
}

/// Some roles may, or may not, use something. Give it either `allow` or `deny`, and `roles` or
/// `everyone`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "Rule", extend(
    "oneOf" = [{ "required": ["allow"] }, { "required": ["deny"] }],
    "anyOf" = [
        { "required": ["roles"], "properties": { "roles": { "minItems": 1 } } },
        { "required": ["everyone"], "properties": { "everyone": { "const": true } } },
    ],
)))]
#[serde(deny_unknown_fields, expecting = "a mapping with an id")]
pub(crate) struct RuleDoc {
    /// Recorded with every decision of the rule.
    #[cfg_attr(feature = "schema", schemars(extend("minLength" = 1)))]
    pub(crate) id: At<String>,
    /// What the rule is for. It decides nothing.
    pub(crate) description: Option<String>,
    /// What the rule allows.
    pub(crate) allow: Option<TargetsDoc>,
    /// What the rule denies.
    pub(crate) deny: Option<TargetsDoc>,
    /// To whom it applies.
    #[serde(default)]
    pub(crate) roles: Vec<At<String>>,
    /// Applies to every signed-in caller; a deny rule to every caller.
    #[serde(default)]
    pub(crate) everyone: bool,
    /// Only for calls without an agent in between (`direct`), through any (`agent`), or through one
    /// of those named.
    pub(crate) through: Option<At<OneOrMany<At<String>>>>,
    /// Only for calls from these networks: addresses, or CIDR notation such as `10.1.0.0/16` or
    /// `2001:db8::/32`. The gate must be told where requests come from; where it is not, nobody can say
    /// it.
    #[serde(default)]
    pub(crate) networks: Filled<Vec<At<String>>>,
    /// Scopes that the token must have, all of them. Who lacks only these is told to get them.
    #[serde(default)]
    pub(crate) requires_scopes: Filled<Vec<At<String>>>,
    /// What arguments must be: their names, or JSON Pointers that start with a slash.
    #[serde(default)]
    pub(crate) arguments: Filled<BTreeMap<String, At<ArgumentDoc>>>,
    /// Only in this part of the week, or in one of these.
    pub(crate) when: Option<Filled<OneOrMany<At<WindowDoc>>>>,
    /// Only between these moments.
    pub(crate) valid: Option<Filled<ValidDoc>>,
    /// How a denial looks to a signed-in caller: `hide` (the default), `explain`, or `tool_result`.
    pub(crate) denial: Option<DenialDoc>,
    /// A text that the denial carries where it is not hidden.
    pub(crate) explanation: Option<At<String>>,
}

/// What a rule is about.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "Targets"))]
#[serde(deny_unknown_fields, expecting = "a mapping with tools, prompts, resources or methods")]
pub(crate) struct TargetsDoc {
    /// Tools, by name; `*` stands for any text.
    #[serde(default)]
    pub(crate) tools: Vec<At<String>>,
    /// Prompts, by name; `*` stands for any text.
    #[serde(default)]
    pub(crate) prompts: Vec<At<String>>,
    /// Resources by URI, and templates by URI template. In patterns of URIs `*` stands for text
    /// without a slash, and `**` for any number of segments.
    #[serde(default)]
    pub(crate) resources: Vec<At<String>>,
    /// Only these methods. `tasks/create` is the right to call a tool as a task: where an allow rule names it,
    /// calls run as tasks only by rules that name it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("items" = { "enum": [
        "tools/call", "prompts/get", "resources/read", "resources/subscribe", "resources/unsubscribe",
        "subscriptions/listen", "completion/complete", "logging/setLevel", "tasks/create",
    ] })))]
    pub(crate) methods: Filled<Vec<At<String>>>,
    /// Only on these servers.
    #[serde(default)]
    pub(crate) servers: Filled<Vec<At<String>>>,
    /// Only tools with these annotations.
    #[serde(default)]
    pub(crate) annotations: Filled<HintsDoc>,
}

/// What an argument must be. All that is named must hold. Of a missing argument, or one of another
/// type, nobody can say it: then an allow rule does not allow, and a deny rule denies.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "Argument", extend("minProperties" = 1)))]
#[serde(deny_unknown_fields, expecting = "a mapping of conditions")]
pub(crate) struct ArgumentDoc {
    /// It is there, or it is not.
    pub(crate) present: Option<bool>,
    /// It is this value.
    pub(crate) equals: Option<ScalarDoc>,
    /// It is one of these values, which have one type.
    #[serde(rename = "in")]
    #[cfg_attr(feature = "schema", schemars(extend("minItems" = 1)))]
    pub(crate) one_of: Option<Vec<ScalarDoc>>,
    /// It is this number or a greater one.
    pub(crate) min: Option<NumberDoc>,
    /// It is this number or a smaller one.
    pub(crate) max: Option<NumberDoc>,
    /// It is a string that starts so.
    pub(crate) prefix: Option<String>,
    /// It is a string that ends so.
    pub(crate) suffix: Option<String>,
    /// It is this path or one below it, without `..` and other ways out.
    pub(crate) under: Option<String>,
    /// It is a string all of which matches this regular expression.
    pub(crate) matches: Option<String>,
    /// It is a string of at least so many characters, or a list of so many items.
    pub(crate) min_length: Option<u64>,
    /// It is a string of at most so many characters, or a list of so many items.
    pub(crate) max_length: Option<u64>,
    /// It is a list, and this holds of every item.
    pub(crate) each: Option<Box<ArgumentDoc>>,
}

/// A part of each week: give it days, hours or both.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "Window", extend("minProperties" = 2)))]
#[serde(deny_unknown_fields, expecting = "a mapping with a time_zone")]
pub(crate) struct WindowDoc {
    /// A name of the IANA database, such as `Europe/Berlin` or `UTC`.
    pub(crate) time_zone: String,
    /// `mon` to `sun`, or spans of them such as `mon-fri`. Every day by default.
    #[serde(default)]
    pub(crate) days: Filled<OneOrMany<String>>,
    /// A span such as `08:00-18:00`, the end not included. All day by default.
    #[cfg_attr(feature = "schema", schemars(extend(
        "pattern" = "^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
    )))]
    pub(crate) hours: Option<String>,
}

/// When a rule is of effect.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "Valid"))]
#[serde(deny_unknown_fields, expecting = "a mapping with from or until")]
pub(crate) struct ValidDoc {
    /// From this moment on: RFC 3339, such as `2027-01-31T18:00:00Z`.
    pub(crate) from: Option<At<String>>,
    /// Until this moment: RFC 3339, such as `2027-01-31T18:00:00Z`.
    pub(crate) until: Option<At<String>>,
}

/// How a denial looks.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "Denial"))]
#[serde(rename_all = "snake_case")]
pub(crate) enum DenialDoc {
    /// Like a target that does not exist.
    Hide,
    /// An error that says so.
    Explain,
    /// A tool result that the model reads.
    ToolResult,
}

/// One value, or a list of them.
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

/// A string, a number, a boolean or `null`.
pub(crate) struct ScalarDoc(pub(crate) serde_json::Value);

/// A number.
pub(crate) struct NumberDoc(pub(crate) serde_json::Value);
