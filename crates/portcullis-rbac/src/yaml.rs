//! Policies from YAML.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use serde_saphyr::{DuplicateKeyPolicy, Location, MergeKeyPolicy, Spanned};

use crate::error::Place;
use crate::rule::{Effect, Word};
use crate::{ConfigError, DenialStyle, Policy, PolicyBuilder, Role, Rule};

/// The largest policy file that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyDoc {
    name: Option<String>,
    #[serde(default)]
    scope_hierarchy: BTreeMap<String, Vec<Spanned<String>>>,
    #[serde(default)]
    roles: BTreeMap<String, Spanned<RoleDoc>>,
    rules: Vec<RuleDoc>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleDoc {
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    clients: Vec<String>,
    #[serde(default)]
    anonymous: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleDoc {
    id: Spanned<String>,
    allow: Option<TargetsDoc>,
    deny: Option<TargetsDoc>,
    #[serde(default)]
    roles: Vec<Spanned<String>>,
    #[serde(default)]
    everyone: bool,
    #[serde(default)]
    requires_scopes: Vec<Spanned<String>>,
    denial: Option<DenialDoc>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetsDoc {
    #[serde(default)]
    tools: Vec<Spanned<String>>,
    #[serde(default)]
    prompts: Vec<Spanned<String>>,
    #[serde(default)]
    resources: Vec<Spanned<String>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DenialDoc {
    Hide,
    Explain,
    ToolResult,
}

impl Policy {
    /// Reads a policy from YAML; the [crate docs](crate#a-policy-in-yaml) show one.
    ///
    /// Unknown and repeated keys, merge keys and booleans other than `true` and `false` are errors.
    ///
    /// # Errors
    /// As [`PolicyBuilder::build`], and when the text is not YAML of the right shape. The error
    /// names the line and column.
    pub fn from_yaml(text: &str) -> Result<Self, ConfigError> {
        let options = serde_saphyr::options! {
            duplicate_keys: DuplicateKeyPolicy::Error,
            merge_keys: MergeKeyPolicy::Error,
            strict_booleans: true,
            reject_unsupported_tags: true,
        };
        let document: PolicyDoc =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| broken(&error))?;
        document.into_builder()?.build()
    }

    /// Reads a policy from a YAML file of at most 16 MiB.
    ///
    /// # Errors
    /// As [`Policy::from_yaml`], and when the file cannot be read. The error names the file.
    pub fn from_yaml_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
            .map_err(|error| ConfigError::new("cannot be read").caused_by(error).in_file(path))?;
        if text.len() as u64 > MAX_FILE {
            return Err(ConfigError::new("is larger than 16 MiB").in_file(path));
        }
        Self::from_yaml(&text).map_err(|error| error.in_file(path))
    }
}

impl PolicyDoc {
    fn into_builder(self) -> Result<PolicyBuilder, ConfigError> {
        let roles = self.roles.into_iter().map(|(name, role)| {
            let place = place(role.referenced);
            let RoleDoc { groups, scopes, roles, clients, anonymous } = role.value;
            Role { name, groups, scopes, roles, clients, anonymous, place }
        });
        let implied = self.scope_hierarchy.into_iter().map(|(scope, others)| {
            let others = words(others);
            let place = others.first().and_then(|other| other.place);
            (Word { text: scope, place }, others)
        });
        Ok(PolicyBuilder {
            name: self.name,
            roles: roles.collect(),
            rules: self.rules.into_iter().map(RuleDoc::into_rule).collect::<Result<_, _>>()?,
            implied: implied.collect(),
        })
    }
}

impl RuleDoc {
    fn into_rule(self) -> Result<Rule, ConfigError> {
        let id = word(self.id);
        let (effect, targets) = match (self.allow, self.deny) {
            (Some(targets), None) => (Effect::Allow, targets),
            (None, Some(targets)) => (Effect::Deny, targets),
            (Some(_), Some(_)) => {
                let message =
                    format!("rule {} has both allow and deny: make it two rules", id.text);
                return Err(ConfigError::new(message).at(id.place));
            }
            (None, None) => {
                let message = format!("rule {} has neither allow nor deny", id.text);
                return Err(ConfigError::new(message).at(id.place));
            }
        };
        Ok(Rule {
            effect,
            tools: words(targets.tools),
            prompts: words(targets.prompts),
            resources: words(targets.resources),
            roles: words(self.roles),
            everyone: self.everyone,
            requires_scopes: words(self.requires_scopes),
            denial: self.denial.map(|style| match style {
                DenialDoc::Hide => DenialStyle::Hide,
                DenialDoc::Explain => DenialStyle::Explain,
                DenialDoc::ToolResult => DenialStyle::ToolResult,
            }),
            ..Rule::new(id, effect)
        })
    }
}

fn words(all: Vec<Spanned<String>>) -> Vec<Word> {
    all.into_iter().map(word).collect()
}

fn word(spanned: Spanned<String>) -> Word {
    Word { place: place(spanned.referenced), text: spanned.value }
}

fn place(location: Location) -> Option<Place> {
    let place = Place { line: location.line(), column: location.column() };
    (place.line > 0).then_some(place)
}

/// One line, in our form: the reader's own text repeats the place, shows the source and names
/// options of the reader.
fn broken(error: &serde_saphyr::Error) -> ConfigError {
    let at = error.location().and_then(place);
    let error = error.without_snippet();
    let text = match error {
        serde_saphyr::Error::MultipleDocuments { .. } => "more than one YAML document".into(),
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key {key} appears twice")
        }
        serde_saphyr::Error::Unexpected { expected: "sequence start", .. } => {
            "expected a list".into()
        }
        serde_saphyr::Error::Unexpected { expected: "mapping start", .. } => {
            "expected a mapping".into()
        }
        error => error.to_string(),
    };
    let line = text.lines().next().unwrap_or_default();
    let line = line.rsplit_once(" at line ").map_or(line, |(message, _)| message);
    ConfigError::new(line.trim_end_matches('.')).at(at)
}

#[cfg(test)]
mod tests;
