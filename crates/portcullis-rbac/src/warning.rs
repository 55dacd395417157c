//! What in a policy is probably not meant so.

use std::collections::HashSet;
use std::fmt;

use portcullis_core::{Method, ToolHints};

use crate::bits::Bits;
use crate::condition::Right;
use crate::error::{Place, one_line};
use crate::judge::{Entry, Law};
use crate::kind::Kind;
use crate::rule::{Effect, Through, Word};
use crate::tables::Tables;
use crate::who::{ANONYMOUS, SIGNED_IN};
use crate::{Rule, describe};

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
        if let Some(denier) = shadow(tables, rule, law) {
            found.push(warn(format!(
                "rule {} never allows: rule {denier} denies all of it",
                rule.id.text
            )));
        }
        if let Some(denier) = contradicted(tables, rule, law) {
            found.push(warn(format!(
                "rule {} never allows: rule {denier} denies it whenever its conditions hold",
                rule.id.text
            )));
        }
        found.extend(pointless(tables, rule, law).map(warn));
    }
    unused(tables, &mut found);
    found
}

/// The deny rule that leaves nothing of an allow rule.
fn shadow<'a>(tables: &'a Tables, rule: &Rule, law: &Law) -> Option<&'a str> {
    if law.effect == Effect::Deny {
        return None;
    }
    let mut denier = None;
    for kind in [Kind::Tools, Kind::Prompts, Kind::Resources] {
        let index = match kind {
            Kind::Tools => &tables.tools,
            Kind::Prompts => &tables.prompts,
            Kind::Resources => &tables.resources,
        };
        for Word { text, .. } in kind.words(rule) {
            for sample in kind.samples(text) {
                let denies = |entry: &Entry| covers(entry.denied_roles(), &law.roles);
                let covered = match index.exact(&sample) {
                    Some(entry) => denies(entry),
                    None => index.matching(&sample, |mut entries| entries.any(denies)),
                };
                if !covered {
                    return None;
                }
            }
            denier = denier.or_else(|| {
                let covering = |(_, law): &(&Rule, &Law)| law.effect == Effect::Deny;
                let mut laws = tables.source.rules.iter().zip(&tables.laws).filter(covering);
                laws.find(|(rule, deny)| {
                    deny.conditions.is_none()
                        && covers(&deny.roles, &law.roles)
                        && kind.words(rule).iter().any(|word| overlaps(kind, &word.text, text))
                })
                .map(|(rule, _)| rule.id.text.as_str())
            });
        }
    }
    denier
}

/// The deny rule that asks no more than an allow rule does, and so denies whatever that allows.
fn contradicted<'a>(tables: &'a Tables, rule: &Rule, law: &Law) -> Option<&'a str> {
    let conditions = law.conditions.as_deref().filter(|_| law.effect == Effect::Allow)?;
    let asked: Vec<String> = conditions.parts().map(|part| describe::part(rule, part)).collect();
    let denies = |number: &usize| {
        let (Some(denying), Some(law_of)) =
            (tables.source.rules.get(*number), tables.laws.get(*number))
        else {
            return false;
        };
        let mut parts = law_of.conditions.iter().flat_map(|conditions| conditions.parts());
        covers(&law_of.roles, &law.roles)
            && parts.all(|part| asked.contains(&describe::part(denying, part)))
    };
    let mut deniers: Option<Vec<usize>> = None;
    for kind in [Kind::Tools, Kind::Prompts, Kind::Resources] {
        let index = match kind {
            Kind::Tools => &tables.tools,
            Kind::Prompts => &tables.prompts,
            Kind::Resources => &tables.resources,
        };
        for sample in kind.words(rule).iter().flat_map(|word| kind.samples(&word.text)) {
            let here: Vec<usize> = match index.exact(&sample) {
                Some(entry) => entry.denying_if().to_vec(),
                None => index.matching(&sample, |entries| {
                    entries.flat_map(Entry::denying_if).copied().collect()
                }),
            };
            let still = match deniers {
                None => here.into_iter().filter(denies).collect(),
                Some(before) => before.into_iter().filter(|number| here.contains(number)).collect(),
            };
            let still: Vec<usize> = still;
            if still.is_empty() {
                return None;
            }
            deniers = Some(still);
        }
    }
    let first = deniers?.into_iter().min()?;
    tables.source.rules.get(first).map(|rule| rule.id.text.as_str())
}

/// Whether a deny of `denied` reaches everybody who has one of `roles`.
fn covers(denied: &Bits, roles: &Bits) -> bool {
    // Everybody has signed in or has not.
    denied.contains(SIGNED_IN) && (denied.contains(ANONYMOUS) || !roles.contains(ANONYMOUS))
        || denied.contains_all(roles)
}

fn overlaps(kind: Kind, denied: &str, allowed: &str) -> bool {
    let pattern = match kind {
        Kind::Resources => crate::pattern::of_uris(denied, Effect::Deny),
        _ => crate::pattern::of_names(denied),
    };
    kind.samples(allowed).iter().all(|sample| match &pattern {
        Ok(crate::pattern::Pattern::Exact(forms)) => forms.contains(sample),
        Ok(crate::pattern::Pattern::Glob(glob)) => glob.compile_matcher().is_match(sample),
        Ok(crate::pattern::Pattern::Stars(stars)) => stars.matches(sample),
        Err(_) => false,
    })
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
