//! What in a policy is probably not meant so.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use portcullis_core::{Method, ToolHints};

use crate::bits::Bits;
use crate::condition::Right;
use crate::error::{Place, one_line};
use crate::index::Index;
use crate::judge::{Entry, Law};
use crate::kind::Kind;
use crate::rule::{Effect, Through, Word};
use crate::tables::Tables;
use crate::who::{ANONYMOUS, SIGNED_IN};
use crate::{Rule, describe};

mod misread;

/// The most rules about one thing that a rule with conditions is compared with. Policies with more are written by
/// programs, and should load quickly.
const MAX_COMPARED: usize = 1000;

/// Something in a policy that is allowed, and probably not meant so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    message: String,
    place: Option<Place>,
}

impl Warning {
    /// What it is, without line and column.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The line of the policy file, from 1.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        self.place.map(|place| place.line)
    }

    /// The column in that line, from 1.
    #[must_use]
    pub fn column(&self) -> Option<u64> {
        self.place.map(|place| place.column)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Looks for all of it.
pub(crate) fn find(tables: &Tables) -> Vec<Warning> {
    let mut found = Vec::new();
    for (rule, law) in tables.source.rules.iter().zip(&tables.laws) {
        let warn = |message| Warning { message: one_line(message), place: rule.id.place };
        let id = &rule.id.text;
        if let Some(deniers) = shadow(tables, rule, law) {
            found.push(warn(format!("rule {id} never allows: {deniers} all of it")));
        } else if let Some(denier) = contradicted(tables, rule, law) {
            found.push(warn(format!(
                "rule {id} never allows: rule {denier} denies it whenever its conditions hold"
            )));
        } else if let Some(allower) = unlimited(tables, rule, law) {
            found.push(warn(format!(
                "rule {id} limits nothing: {allower} the same people all of it without such limits"
            )));
        }
        found.extend(pointless(tables, rule, law).map(warn));
        found.extend(misread::names(rule));
    }
    unused(tables, &mut found);
    misread::groups(&tables.source.groups, &mut found);
    found
}

/// The rules about targets of a kind.
fn index(tables: &Tables, kind: Kind) -> &Index {
    match kind {
        Kind::Tools => &tables.tools,
        Kind::Prompts => &tables.prompts,
        Kind::Resources => &tables.resources,
    }
}

/// What stands for all that a rule is about.
fn samples(rule: &Rule) -> impl Iterator<Item = (Kind, String)> {
    let words = |kind: Kind| kind.words(rule).iter().map(move |word| (kind, word.text.as_str()));
    let all = [Kind::Tools, Kind::Prompts, Kind::Resources].into_iter().flat_map(words);
    all.flat_map(|(kind, text)| kind.samples(text).into_iter().map(move |sample| (kind, sample)))
}

/// The rules of this effect that together reach everybody and everything that a rule is about, without
/// conditions and scopes. None if something is left.
fn covering<'a>(tables: &'a Tables, rule: &Rule, law: &Law, effect: Effect) -> Vec<&'a str> {
    let mut numbers = BTreeSet::new();
    for (kind, sample) in samples(rule) {
        let covered = index(tables, kind).about(&sample, |entries| {
            let mut reached = law.roles.clone();
            reached.clear();
            for entry in entries {
                reached.add_all(entry.roles(effect));
                numbers.extend(law.roles.iter().filter_map(|role| {
                    let mut one = law.roles.clone();
                    one.clear();
                    one.insert(role);
                    entry.unconditional(effect, &one).or_else(|| {
                        one.insert(SIGNED_IN);
                        entry.unconditional(effect, &one)
                    })
                }));
            }
            covers(tables, rule, &reached, law)
        });
        if !covered {
            return Vec::new();
        }
    }
    let rules = numbers.into_iter().filter_map(|number: usize| tables.source.rules.get(number));
    rules.map(|rule| rule.id.text.as_str()).collect()
}

/// The deny rules that leave nothing of an allow rule, and that they deny.
fn shadow(tables: &Tables, rule: &Rule, law: &Law) -> Option<String> {
    if law.effect == Effect::Deny {
        return None;
    }
    match covering(tables, rule, law, Effect::Deny).as_slice() {
        [] => None,
        [one] => Some(format!("rule {one} denies")),
        several => Some(format!("rules {} together deny", several.join(", "))),
    }
}

/// The deny rule that asks no more than an allow rule does, and so denies whatever that allows.
fn contradicted<'a>(tables: &'a Tables, rule: &Rule, law: &Law) -> Option<&'a str> {
    let conditions = law.conditions.as_deref().filter(|_| law.effect == Effect::Allow)?;
    let asked: Vec<String> = conditions.parts().map(|part| describe::part(rule, part)).collect();
    let denies = |number: usize| {
        asks_no_more(tables, number, &asked)
            && tables.laws.get(number).is_some_and(|deny| covers(tables, rule, &deny.roles, law))
    };
    about_all(tables, rule, Entry::denying_if, denies)
}

/// The rules that allow whatever an allow rule does, and ask for less: what that rule asks for is then never of
/// effect.
fn unlimited(tables: &Tables, rule: &Rule, law: &Law) -> Option<String> {
    let conditions = law.conditions.as_deref();
    // Rules that name the right to call as a task are the only ones that give it.
    let is_own = conditions.is_some_and(|conditions| conditions.names(Right::BeginTask));
    if law.effect == Effect::Deny || !law.is_limited() || is_own {
        return None;
    }
    match covering(tables, rule, law, Effect::Allow).as_slice() {
        [] => {}
        [one] => return Some(format!("rule {one} allows")),
        several => return Some(format!("rules {} together allow", several.join(", "))),
    }
    let asked: Vec<String> = conditions
        .into_iter()
        .flat_map(|conditions| conditions.parts())
        .map(|part| describe::part(rule, part))
        .collect();
    let asks = |law: &Law| {
        law.conditions.as_ref().map_or(0, |conditions| conditions.parts().count())
            + law.scopes.iter().count()
    };
    let allows = |number: usize| {
        tables.laws.get(number).is_some_and(|other| {
            covers(tables, rule, &other.roles, law)
                && law.scopes.contains_all(&other.scopes)
                && asks(other) < asks(law)
        }) && asks_no_more(tables, number, &asked)
    };
    about_all(tables, rule, Entry::allowing_if, allows).map(|one| format!("rule {one} allows"))
}

/// Whether the rule with this number asks nothing besides what is `asked`.
fn asks_no_more(tables: &Tables, number: usize, asked: &[String]) -> bool {
    let (Some(rule), Some(law)) = (tables.source.rules.get(number), tables.laws.get(number)) else {
        return false;
    };
    let mut parts = law.conditions.iter().flat_map(|conditions| conditions.parts());
    parts.all(|part| asked.contains(&describe::part(rule, part)))
}

/// The first of the rules that `listed` gives and `fits` takes which is about everything that `rule` is about.
fn about_all<'a>(
    tables: &'a Tables,
    rule: &Rule,
    listed: fn(&Entry) -> &[usize],
    fits: impl Fn(usize) -> bool,
) -> Option<&'a str> {
    let mut left: Option<Vec<usize>> = None;
    for (kind, sample) in samples(rule) {
        let here: Vec<usize> = index(tables, kind)
            .about(&sample, |entries| entries.flat_map(listed).copied().collect());
        if here.len() > MAX_COMPARED {
            return None;
        }
        let still: Vec<usize> = match left {
            None => here.into_iter().filter(|number| fits(*number)).collect(),
            Some(before) => before.into_iter().filter(|number| here.contains(number)).collect(),
        };
        if still.is_empty() {
            return None;
        }
        left = Some(still);
    }
    let first = left?.into_iter().min()?;
    tables.source.rules.get(first).map(|rule| rule.id.text.as_str())
}

/// Whether what is for `reached` reaches everybody whom a rule is about.
fn covers(tables: &Tables, rule: &Rule, reached: &Bits, law: &Law) -> bool {
    let is_public = |word: &Word| {
        let mut roles = tables.source.roles.iter();
        roles.any(|role| role.anonymous && role.name == word.text)
    };
    // Everybody has signed in or has not.
    reached.contains(SIGNED_IN)
        && (reached.contains(ANONYMOUS)
            || !law.roles.contains(ANONYMOUS) && !rule.roles.iter().any(is_public))
        || reached.contains_all(&law.roles)
}

/// Why a rule can have no effect, or more than it seems.
fn pointless(tables: &Tables, rule: &Rule, law: &Law) -> Option<String> {
    let id = &rule.id.text;
    let conditions = law.conditions.as_deref()?;
    if conditions.until.is_some_and(|until| until <= tables.clock.unix()) {
        return Some(format!("rule {id} is over: its valid time has ended"));
    }
    let networks = || rule.networks.iter().zip(&conditions.networks).enumerate();
    for (number, (word, network)) in networks() {
        let covering = networks().find(|(other, (_, wider))| {
            *other != number && wider.covers(network) && (*wider != network || *other < number)
        });
        if let Some((_, (wider, _))) = covering {
            return Some(format!(
                "rule {id} names the network {} for nothing: {} holds all of it",
                word.text, wider.text
            ));
        }
    }
    if conditions.hints != ToolHints::default() {
        let servers = tables.source.servers.iter();
        let mut meant = servers.filter(|server| {
            rule.servers.is_empty() || rule.servers.iter().any(|word| word.text == server.name)
        });
        if !meant.any(|server| server.trusted || !server.hints.is_empty()) {
            return Some(match rule.effect {
                Effect::Allow => format!(
                    "rule {id} never allows: no server's annotations are trusted, and none are stated"
                ),
                Effect::Deny => format!(
                    "rule {id} denies whatever the annotations: no server's are trusted, and none are stated"
                ),
            });
        }
    }
    let needs = |method: Method, words: &[Word]| {
        let rights = [Right::Use(method), Right::Use(Method::CompletionComplete)];
        let named = rights.into_iter().any(|right| conditions.names(right))
            || method == Method::ToolsCall && conditions.names(Right::BeginTask);
        conditions.methods.is_none() || named || words.is_empty()
    };
    if !needs(Method::ToolsCall, &rule.tools) || !needs(Method::PromptsGet, &rule.prompts) {
        return Some(format!("rule {id} names targets that none of its methods use"));
    }
    None
}

/// Definitions that no rule uses.
fn unused(tables: &Tables, found: &mut Vec<Warning>) {
    let source = &tables.source;
    let texts = |words: &'_ [Word]| words.iter().map(|word| word.text.clone()).collect::<Vec<_>>();
    let roles: HashSet<String> = source.rules.iter().flat_map(|rule| texts(&rule.roles)).collect();
    let agents: HashSet<String> = source
        .rules
        .iter()
        .flat_map(|rule| match &rule.through {
            Some(Through::Named(agents)) => texts(agents),
            _ => Vec::new(),
        })
        .collect();
    let groups: HashSet<&String> = source.roles.iter().flat_map(|role| &role.groups).collect();
    let mut warn = |what: &str, name: &str, by: &str, place| {
        let message = one_line(format!("the {what} {name} is used by no {by}"));
        found.push(Warning { message, place });
    };
    for role in source.roles.iter().filter(|role| !roles.contains(&role.name)) {
        warn("role", &role.name, "rule", role.place);
    }
    // An agent that rules do not name still makes calls of its clients indirect.
    for agent in source.agents.iter().filter(|agent| !agents.contains(&agent.name)) {
        let matters = |rule: &Rule| matches!(rule.through, Some(Through::Direct | Through::Agent));
        if !source.rules.iter().any(matters) {
            warn("agent", &agent.name, "rule", agent.place);
        }
    }
    for (group, _) in source.groups.iter().filter(|(group, _)| !groups.contains(&group.text)) {
        warn("group", &group.text, "role", group.place);
    }
}
