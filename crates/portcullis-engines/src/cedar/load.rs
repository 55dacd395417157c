//! Reads and checks policies, once.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    CedarSchemaError, Effect, EntityUid, Policy, PolicyId, PolicySet, ResourceConstraint, Schema,
    ValidationMode, ValidationWarning, Validator,
};
use miette::Diagnostic;
use portcullis_core::{Challenge, Text};
use portcullis_rbac::DenialStyle;

use super::arguments::Declared;
use super::{Cedar, spelling};
use crate::ConfigError;
use crate::error::Place;

/// The largest text of policies, in bytes.
const MAX_TEXT: usize = 16 << 20;

/// Policies, arranged so that few are looked at for each question.
#[derive(Debug)]
pub(super) struct Policies {
    /// Those about no certain thing.
    any: PolicySet,
    /// Those about one thing, or about one server.
    of: HashMap<EntityUid, PolicySet>,
    meta: HashMap<PolicyId, Meta>,
    /// Whether any is about a group.
    pub(super) about_groups: bool,
    pub(super) warnings: Vec<String>,
}

/// What annotations say about a policy.
#[derive(Debug)]
pub(super) struct Meta {
    /// Its place in the text.
    pub(super) number: usize,
    pub(super) rule: Text,
    pub(super) scopes: Vec<String>,
    pub(super) style: DenialStyle,
    pub(super) explanation: Option<Text>,
}

/// The schema, with this type of arguments.
pub(super) fn schema(arguments: &str) -> Result<(String, Schema), ConfigError> {
    let text =
        Cedar::SCHEMA.replace("type Arguments = {};", &format!("type Arguments = {arguments};"));
    match Schema::from_cedarschema_str(&text) {
        Ok((schema, _)) => Ok((text, schema)),
        Err(error) => Err(fault("the type of the arguments: ", &error as &CedarSchemaError, None)),
    }
}

impl Policies {
    pub(super) fn read(
        text: &str,
        schema: Schema,
        declared: &Declared,
    ) -> Result<Self, ConfigError> {
        if text.len() > MAX_TEXT {
            return Err(ConfigError::new("the policies are larger than 16 MiB"));
        }
        let read: PolicySet = text.parse().map_err(|error| fault("", &error, Some(text)))?;
        if read.num_of_templates() > 0 {
            return Err(ConfigError::new(
                "templates (?principal, ?resource) have nobody to link them",
            ));
        }
        let mut meta = HashMap::new();
        let mut named = Vec::new();
        let mut names = HashSet::new();
        for (number, policy) in read.policies().enumerate() {
            let id = policy.annotation("id").map_or_else(|| policy.id().clone(), PolicyId::new);
            let about = |what: &str| format!("the policy {:?} {what}", id.to_string());
            if id.to_string().is_empty() || !names.insert(id.clone()) {
                return Err(ConfigError::new(about("has no name of its own")));
            }
            let policy = policy.new_id(id.clone());
            let facts = Meta::of(&policy, number).map_err(|what| ConfigError::new(about(what)))?;
            meta.insert(id, facts);
            named.push(policy);
        }
        if named.is_empty() {
            return Err(ConfigError::new("there is no policy: nothing would ever be allowed"));
        }
        let set = PolicySet::from_policies(named.iter().cloned())
            .map_err(|error| fault("", &error, None))?;
        let checked = Validator::new(schema).validate(&set, ValidationMode::Strict);
        if let Some(error) = checked.validation_errors().next() {
            return Err(fault("", error, Some(text)));
        }
        for policy in &named {
            let json = policy.to_json().map_err(|error| fault("", &error, None))?;
            if let Some(path) = spelling::unknown(&json, declared) {
                let id = policy.id();
                return Err(ConfigError::new(format!(
                    "the policy {:?}: nothing has {path}",
                    id.to_string()
                )));
            }
        }
        let void = checked.validation_warnings().find(|warning| {
            matches!(warning, ValidationWarning::ImpossiblePolicy(_))
                && set
                    .policy(warning.policy_id())
                    .is_none_or(|policy| policy.effect() == Effect::Forbid)
        });
        if let Some(warning) = void {
            return Err(fault("this forbids nothing: ", warning, Some(text)));
        }
        let warnings = checked.validation_warnings().map(|warning| {
            ConfigError::new(warning.to_string()).at(place(warning, text)).to_string()
        });
        let group = |uid: &EntityUid| uid.type_name().to_string() == "MCP::Group";
        Ok(Self {
            about_groups: named.iter().any(|policy| policy.entity_literals().iter().any(group)),
            warnings: warnings.collect(),
            meta,
            ..Self::arranged(named)?
        })
    }

    fn arranged(policies: Vec<Policy>) -> Result<Self, ConfigError> {
        let mut any = Vec::new();
        let mut of: HashMap<EntityUid, Vec<Policy>> = HashMap::new();
        for policy in policies {
            match policy.resource_constraint() {
                ResourceConstraint::Eq(uid)
                | ResourceConstraint::In(uid)
                | ResourceConstraint::IsIn(_, uid) => of.entry(uid).or_default().push(policy),
                _ => any.push(policy),
            }
        }
        let set = |some: Vec<Policy>| {
            PolicySet::from_policies(some).map_err(|error| fault("", &error, None))
        };
        let of = of.into_iter().map(|(uid, some)| Ok((uid, set(some)?)));
        Ok(Self {
            any: set(any)?,
            of: of.collect::<Result<_, ConfigError>>()?,
            meta: HashMap::new(),
            about_groups: false,
            warnings: Vec::new(),
        })
    }

    /// All policies that can be about `resource`, which is in `server`.
    // INVARIANT: the scope of no other policy matches. `in` matches the thing and its ancestors, and
    // servers are the only ones, which have none themselves.
    pub(super) fn about<'a>(
        &'a self,
        resource: &'a EntityUid,
        server: Option<&'a EntityUid>,
    ) -> impl Iterator<Item = &'a PolicySet> {
        let server = server.filter(|server| *server != resource);
        let of = [Some(resource), server].into_iter().flatten().filter_map(|uid| self.of.get(uid));
        std::iter::once(&self.any).chain(of)
    }

    pub(super) fn meta(&self, id: &PolicyId) -> Option<&Meta> {
        self.meta.get(id)
    }
}

impl Meta {
    fn of(policy: &Policy, number: usize) -> Result<Self, &'static str> {
        let permits = policy.effect() == Effect::Permit;
        let scopes = policy.annotation("requires_scopes").map(str::split_whitespace);
        let scopes: Vec<String> = scopes.into_iter().flatten().map(str::to_owned).collect();
        let explanation = policy.annotation("explanation").map(Text::from);
        let style = match policy.annotation("denial") {
            None | Some("hide") => DenialStyle::Hide,
            Some("explain") => DenialStyle::Explain,
            Some("tool_result") => DenialStyle::ToolResult,
            Some(_) => return Err("has a `@denial` that is not hide, explain or tool_result"),
        };
        if policy.annotation("requires_scopes").is_some() && (!permits || scopes.is_empty()) {
            return Err("has `@requires_scopes` without scopes, or without being a permit");
        }
        if scopes.iter().any(|scope| Challenge::check_scope(scope).is_err()) {
            return Err("requires a scope that no token can be asked to have");
        }
        if permits && (explanation.is_some() || policy.annotation("denial").is_some()) {
            return Err("permits: `@denial` and `@explanation` are for `forbid`");
        }
        let rule = Text::from(policy.id().to_string());
        Ok(Self { number, rule, scopes, style, explanation })
    }
}

/// An error of Cedar, as ours.
pub(super) fn fault<E: Diagnostic>(prefix: &str, error: &E, text: Option<&str>) -> ConfigError {
    let place = text.and_then(|text| place(error, text));
    ConfigError::new(format!("{prefix}{}", message(error))).at(place)
}

fn place(error: &dyn Diagnostic, text: &str) -> Option<Place> {
    let label = error.labels()?.next()?;
    Some(Place::of(text, label.offset()))
}

/// What is wrong, and what was expected where Cedar knows it.
fn message(error: &dyn Diagnostic) -> String {
    let mut message = error.to_string();
    if let Some(label) = error.labels().and_then(|mut labels| labels.next())
        && let Some(text) = label.label()
    {
        message = format!("{message}: {text}");
    }
    if let Some(help) = error.help() {
        message = format!("{message} ({help})");
    }
    message
}
