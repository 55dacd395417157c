//! From the shape of a file to a policy.

use std::fmt;
use std::marker::PhantomData;

use portcullis_core::ToolHints;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::at::{At, ONE_OR_MANY};
use super::document::{
    ArgumentDoc, DenialDoc, HintsDoc, NumberDoc, OneOrMany, PolicyDoc, RoleDoc, RuleDoc, ScalarDoc,
    WindowDoc,
};
use crate::error::Place;
use crate::rule::{Effect, Through, Word};
use crate::{Agent, Argument, ConfigError, DenialStyle, PolicyBuilder, Role, Rule, Server, Window};

/// How many digits of a number that is no integer of 64 bits are surely kept.
const MAX_DIGITS: usize = f64::DIGITS as usize;

impl PolicyDoc {
    pub(crate) fn into_builder(self) -> Result<PolicyBuilder, ConfigError> {
        let servers = self.servers.into_iter().map(|(name, server)| {
            let hints = server.value.annotations.into_iter();
            Server {
                name,
                trusted: server.value.trust_annotations,
                hints: hints.map(|(tool, hints)| (tool, hints.into())).collect(),
                place: server.place,
            }
        });
        let groups = self
            .groups
            .into_iter()
            .map(|(text, ids)| (Word { text, place: ids.place }, ids.value.0));
        let agents = self.agents.into_iter().map(|(name, agent)| {
            let At { value, place } = agent;
            Agent {
                name,
                issuer: value.issuer,
                clients: value.clients,
                actors: value.actors,
                place,
            }
        });
        let implied = self.scope_hierarchy.into_iter().map(|(text, others)| {
            let others = words(others);
            let place = others.first().and_then(|other| other.place);
            (Word { text, place }, others)
        });
        Ok(PolicyBuilder {
            name: self.name.map(|name| name.value),
            servers: servers.collect(),
            groups: groups.collect(),
            agents: agents.collect(),
            roles: self.roles.into_iter().map(role).collect(),
            rules: self.rules.into_iter().map(rule).collect::<Result<_, _>>()?,
            implied: implied.collect(),
            grantable: self.grantable_scopes.map(words),
            ..PolicyBuilder::default()
        })
    }
}

fn role((name, role): (String, At<RoleDoc>)) -> Role {
    let At { value, place } = role;
    let claims = value
        .claims
        .into_iter()
        .map(|(claim, values)| (claim, values.0.into_iter().map(|value| value.0).collect()));
    Role {
        name,
        groups: value.groups,
        scopes: value.scopes,
        roles: value.roles,
        clients: value.clients,
        subjects: value.subjects,
        claims: claims.collect(),
        issuers: value.from.0.issuers.0,
        tenants: value.from.0.tenants.0,
        anonymous: value.anonymous,
        place,
    }
}

fn rule(rule: At<RuleDoc>) -> Result<Rule, ConfigError> {
    let rule = rule.value;
    let id = Word::from(rule.id);
    let (effect, targets) = match (rule.allow, rule.deny) {
        (Some(targets), None) => (Effect::Allow, targets),
        (None, Some(targets)) => (Effect::Deny, targets),
        (Some(_), Some(_)) => {
            let message = format!("rule {} has both allow and deny: make it two rules", id.text);
            return Err(ConfigError::new(message).at(id.place));
        }
        (None, None) => {
            let message = format!("rule {} has neither allow nor deny", id.text);
            return Err(ConfigError::new(message).at(id.place));
        }
    };
    let arguments = rule
        .arguments
        .0
        .into_iter()
        .map(|(text, asked)| (Word { text, place: asked.place }, argument(asked.value)));
    let windows = rule.when.into_iter().flat_map(|windows| windows.0.0);
    let windows = windows.map(|doc| window(&id.text, doc)).collect::<Result<_, _>>()?;
    let (from, until) = rule.valid.map_or((None, None), |valid| (valid.0.from, valid.0.until));
    Ok(Rule {
        tools: words(targets.tools),
        prompts: words(targets.prompts),
        resources: words(targets.resources),
        methods: words(targets.methods.0),
        servers: words(targets.servers.0),
        annotations: targets.annotations.0.into(),
        roles: words(rule.roles),
        everyone: rule.everyone,
        through: rule.through.map(|through| self::through(through.value)),
        networks: words(rule.networks.0),
        requires_scopes: words(rule.requires_scopes.0),
        arguments: arguments.collect(),
        windows,
        from: from.map(Word::from),
        until: until.map(Word::from),
        denial: rule.denial.map(|style| match style {
            DenialDoc::Hide => DenialStyle::Hide,
            DenialDoc::Explain => DenialStyle::Explain,
            DenialDoc::ToolResult => DenialStyle::ToolResult,
        }),
        explanation: rule.explanation.map(Word::from),
        description: rule.description,
        ..Rule::new(id, effect)
    })
}

/// `direct` and `agent` are words; anything else names agents, which cannot be called so.
fn through(OneOrMany(names): OneOrMany<At<String>>) -> Through {
    match names.as_slice() {
        [one] if one.value == "direct" => Through::Direct,
        [one] if one.value == "agent" => Through::Agent,
        _ => Through::Named(words(names)),
    }
}

fn argument(asked: ArgumentDoc) -> Argument {
    Argument {
        present: asked.present,
        equals: asked.equals.map(|value| value.0),
        one_of: asked.one_of.map(|values| values.into_iter().map(|value| value.0).collect()),
        min: asked.min.map(|number| number.0),
        max: asked.max.map(|number| number.0),
        prefix: asked.prefix,
        suffix: asked.suffix,
        under: asked.under,
        matches: asked.matches,
        min_length: asked.min_length,
        max_length: asked.max_length,
        each: asked.each.map(|item| Box::new(argument(*item))),
    }
}

fn window(rule: &str, window: At<WindowDoc>) -> Result<(Window, Option<Place>), ConfigError> {
    let WindowDoc { time_zone, days, hours } = window.value;
    let days = days.0.0;
    if days.is_empty() && hours.is_none() {
        let message = format!("rule {rule}: a time zone alone is always: give days, hours or both");
        return Err(ConfigError::new(message).at(window.place));
    }
    Ok((Window { time_zone, days, hours, never: false }, window.place))
}

fn words(all: Vec<At<String>>) -> Vec<Word> {
    all.into_iter().map(Word::from).collect()
}

impl From<HintsDoc> for ToolHints {
    fn from(doc: HintsDoc) -> Self {
        let mut hints = Self::default();
        hints.read_only = doc.read_only_hint;
        hints.destructive = doc.destructive_hint;
        hints.idempotent = doc.idempotent_hint;
        hints.open_world = doc.open_world_hint;
        hints
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple_struct(ONE_OR_MANY, 1, Many(PhantomData))
    }
}

struct Many<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Many<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a list of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<OneOrMany<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items)).map(OneOrMany)
    }
}

impl<'de> Deserialize<'de> for ScalarDoc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalar).map(Self)
    }
}

impl<'de> Deserialize<'de> for NumberDoc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(Scalar)? {
            number @ serde_json::Value::Number(_) => Ok(Self(number)),
            _ => Err(D::Error::custom("expected a number")),
        }
    }
}

struct Scalar;

impl Visitor<'_> for Scalar {
    type Value = serde_json::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number, a boolean or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(serde_json::Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        let Some(exact) = serde_json::Number::from_f64(number) else {
            return Err(E::custom("expected a finite number"));
        };
        // With more digits it may not be the number that was written.
        let written = format!("{number:e}");
        let digits = written.bytes().take_while(|byte| *byte != b'e');
        if digits.filter(u8::is_ascii_digit).count() > MAX_DIGITS {
            return Err(E::custom(format_args!(
                "a number like {number:?} is not kept exactly: write at most {MAX_DIGITS} digits"
            )));
        }
        Ok(serde_json::Value::Number(exact))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.into())
    }
}
