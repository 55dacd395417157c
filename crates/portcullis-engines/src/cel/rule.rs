//! Rules, and how they are read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use cel::{Context, Env, Program, Value};
use portcullis_core::Text;
use serde::Deserialize;
use toml::Spanned;

use super::bounds::{self, Looks, MAX_LENGTH};
use crate::ConfigError;
use crate::error::Place;

/// The stack of the thread that reads expressions, in bytes: the parser calls itself, and some more
/// depth than it allows itself should be an error and not an end.
const STACK: usize = 32 << 20;
/// The most rules.
const MAX_RULES: usize = 1000;

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// A rule as it is written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) id: String,
    pub(super) effect: Effect,
    pub(super) when: String,
    pub(super) place: Option<Place>,
}

/// A rule, ready to apply.
pub(super) struct Rule {
    pub(super) id: Text,
    pub(super) effect: Effect,
    when: Program,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    rule: Vec<RuleDoc>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleDoc {
    id: String,
    effect: Effect,
    when: Spanned<String>,
}

/// The rules that `text`, in TOML, has.
pub(super) fn from_toml(text: &str) -> Result<Vec<Written>, ConfigError> {
    let document: Document = toml::from_str(text).map_err(|error| {
        let place = error.span().map(|span| Place::of(text, span.start));
        ConfigError::new(error.message()).at(place)
    })?;
    let rules = document.rule.into_iter().map(|RuleDoc { id, effect, when }| {
        let place = Some(Place::of(text, when.span().start));
        Written { id, effect, when: when.into_inner(), place }
    });
    Ok(rules.collect())
}

/// Rules to apply, and what they look at.
pub(super) fn compile(
    written: &[Written],
    env: &Arc<Env>,
) -> Result<(Vec<Rule>, Looks), ConfigError> {
    if written.is_empty() || written.len() > MAX_RULES {
        return Err(ConfigError::new(format!("there must be between 1 and {MAX_RULES} rules")));
    }
    for (number, rule) in written.iter().enumerate() {
        let before = written.iter().take(number);
        if rule.id.is_empty() || before.clone().any(|other| other.id == rule.id) {
            let text = format!("the rule {:?} has no name of its own", rule.id);
            return Err(ConfigError::new(text).at(rule.place));
        }
    }
    let fault = || ConfigError::new("the expressions cannot be read");
    // A panic of the parser ends its thread.
    thread::scope(|scope| {
        let read = || written.iter().map(|rule| rule.compile(env)).collect::<Result<Vec<_>, _>>();
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, read);
        let rules = thread.map_err(|_| fault())?.join().map_err(|_| fault())??;
        let (rules, looks): (_, Vec<_>) = rules.into_iter().unzip();
        Ok((rules, looks.into_iter().fold(Looks::default(), Looks::and)))
    })
}

impl Written {
    fn compile(&self, env: &Env) -> Result<(Rule, Looks), ConfigError> {
        let fault = |what: String| {
            ConfigError::new(format!("the rule {:?}: {what}", self.id)).at(self.place)
        };
        if self.when.len() > MAX_LENGTH {
            return Err(fault(format!("the expression is longer than {MAX_LENGTH} bytes")));
        }
        let when = env.compile(&self.when).map_err(|errors| {
            fault(match errors.errors.first() {
                Some(error) => {
                    let (line, column) = error.pos;
                    format!("line {line}, column {column} of the expression: {}", error.msg)
                }
                None => "the expression cannot be read".into(),
            })
        })?;
        let looks = bounds::check(when.expression()).map_err(fault)?;
        Ok((Rule { id: Text::from(self.id.as_str()), effect: self.effect, when }, looks))
    }
}

impl Rule {
    /// Whether the rule applies; `None` where it cannot be said.
    pub(super) fn applies(&self, context: &Context<'_, '_>) -> Option<bool> {
        // No expression is known that makes the evaluator panic. One that does decides nothing.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.when.execute(context)));
        match outcome {
            Ok(Ok(Value::Bool(truth))) => Some(truth),
            _ => None,
        }
    }
}
