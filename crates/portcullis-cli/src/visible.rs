//! `portcullis visible`: what callers may see and use.

use std::collections::BTreeSet;

use portcullis_core::{Caller, Method, TargetKind, Version};
use portcullis_rbac::{Audience, Decision, Explanation, Policy, Query};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::VisibleArgs;
use crate::exit::Said;
use crate::explain::gate;
use crate::gate::Gate;
use crate::names;
use crate::page::{CARE, Page, span};
use crate::problem::Problem;
use crate::report::{RuleSaid, TargetReport};
use crate::source::{PolicyName, Source};
use crate::who::{CallerReport, Person};

mod access;
mod text;

pub(crate) use access::{AccessReport, GrantReport};
use text::{show_audiences, show_items};

/// What `portcullis visible --json` writes.
#[derive(JsonSchema, Serialize)]
pub(crate) struct VisibleReport {
    /// The version of this format: 1.
    schema: u32,
    /// `visible`.
    command: &'static str,
    /// The policy.
    policy: PolicyName,
    /// Who calls, where one caller is asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<CallerReport>,
    /// What each audience may use: told from the policy alone, at the names and patterns it spells out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    audiences: Vec<AudienceAccess>,
    /// What the caller may use, judged one by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<Seen>,
}

/// What one audience may use.
#[derive(JsonSchema, Serialize)]
struct AudienceAccess {
    /// `anonymous`, `everyone` (who has signed in) or `role …`.
    audience: String,
    /// What they may use.
    access: Vec<AccessReport>,
}

/// Whether the caller may see and use one thing.
#[derive(JsonSchema, Serialize)]
struct Seen {
    /// `tool`, `prompt`, `resource` or `resource_template`.
    kind: &'static str,
    /// Its name or URI, or the pattern of these where the policy has one.
    name: String,
    /// Whether it is in the caller's lists.
    visible: bool,
    /// `allow`, `challenge` (after getting the scopes) or `deny`.
    decision: &'static str,
    /// The rule that decides; absent when no rule does.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// The scopes that the token must get.
    scopes: Vec<String>,
    /// What must hold of the arguments.
    conditions: Vec<String>,
    /// Other rules that allow it as well, for these or other arguments, each with the scopes that the token
    /// must get for it.
    or: Vec<GrantReport>,
    /// Rules that deny it for some arguments.
    except: Vec<GrantReport>,
}

pub(crate) fn run(args: &VisibleArgs) -> Result<Said, Problem> {
    let source = Source::read(&args.policy)?;
    let person = Person::of(&args.who)?;
    let mut page = Page::new();
    let mut report = VisibleReport {
        schema: 1,
        command: "visible",
        policy: source.name(),
        caller: None,
        audiences: Vec::new(),
        items: Vec::new(),
    };
    let told = match &person {
        None => Some(audiences(&source.policy)),
        Some(Person { anonymous: true, .. }) => Some(vec![Audience::Anonymous]),
        Some(Person { everyone: true, .. }) => Some(vec![Audience::Everyone]),
        Some(Person { role: Some(role), .. }) => Some(vec![Audience::Role(role.clone())]),
        Some(_) => None,
    };
    match told.filter(|_| args.at.tools.is_none()) {
        Some(audiences) => {
            if let Some(person) = &person {
                // Refuses what cannot be combined, and roles that there are not.
                report.caller = Some(person.caller(&source.policy, None)?.1);
            }
            report.audiences = audiences.iter().map(|who| told_to(&source.policy, who)).collect();
            show_audiences(&report.audiences, &mut page);
        }
        None => {
            let (gate, caller, who) = gate(&source, &args.at, || Ok(person))?;
            report.items = items(&gate, &caller);
            show_items(&report.items, gate.lists.items.is_empty(), &mut page);
            for note in &who.notes {
                page.line(0, &[span(CARE, format!("Note: {note}."))]);
            }
            report.caller = Some(who);
        }
    }
    Ok(Said::new(page, &report, false))
}

/// Everybody whom the policy tells apart.
fn audiences(policy: &Policy) -> Vec<Audience> {
    let roles = policy.outline().roles.into_iter().map(|role| Audience::Role(role.name));
    [Audience::Anonymous, Audience::Everyone].into_iter().chain(roles).collect()
}

fn told_to(policy: &Policy, audience: &Audience) -> AudienceAccess {
    let access = policy.visible(audience);
    AudienceAccess {
        audience: names::audience(audience),
        access: access.iter().map(AccessReport::new).collect(),
    }
}

/// Every item of the lists, or everything that the policy spells out.
fn items(gate: &Gate, caller: &Caller) -> Vec<Seen> {
    if !gate.lists.items.is_empty() {
        let items = gate.lists.items.iter();
        return items.map(|item| seen(gate, caller, item.kind, &item.name)).collect();
    }
    let mut named: BTreeSet<(usize, String)> = BTreeSet::new();
    for rule in gate.policy.outline().rules {
        for (kind, names) in [rule.tools, rule.prompts, rule.resources].into_iter().enumerate() {
            named.extend(names.into_iter().map(|name| (kind, name)));
        }
    }
    let kinds = [TargetKind::Tool, TargetKind::Prompt, TargetKind::Resource];
    let items = named
        .into_iter()
        .filter_map(|(kind, name)| Some(seen(gate, caller, *kinds.get(kind)?, &name)));
    items.filter(|item| item.visible).collect()
}

pub(crate) fn listed(gate: &Gate, caller: &Caller, kind: TargetKind, name: &str) -> Explanation {
    let method = match kind {
        TargetKind::Tool => Method::ToolsCall,
        TargetKind::Prompt => Method::PromptsGet,
        _ => Method::ResourcesRead,
    };
    let mut query = Query::new(caller, Version::V2026_07_28, method).on(kind, name).in_a_list();
    if let Some(server) = &gate.server {
        query = query.of_server(server);
    }
    if let Some(address) = gate.from {
        query = query.from_address(address);
    }
    if let Some(hints) = gate.lists.hints(kind, name) {
        query = query.with_hints(hints);
    }
    gate.policy.explain(&query)
}

/// Whether a list shows it: what can be called, at once or after getting scopes.
pub(crate) fn is_visible(decision: &Decision) -> bool {
    matches!(decision, Decision::Allow { .. } | Decision::NeedsScopes { .. })
}

fn seen(gate: &Gate, caller: &Caller, kind: TargetKind, name: &str) -> Seen {
    // A pattern stands for the names that only it means.
    let spelled = gate.lists.items.is_empty();
    let sample = if spelled { name.replace('*', "zqxjkv") } else { name.to_owned() };
    let explanation = listed(gate, caller, kind, &sample);
    let target = TargetReport::new(None, Some((kind, name)), &explanation);
    let deciding = target.rules.iter().find(|rule| Some(&rule.id) == target.rule.as_ref());
    let except = target.rules.iter().filter(|rule| denies_some(rule));
    // A rule without terms leaves nothing to others.
    let limited = deciding.is_some_and(|rule| {
        rule.conditions.iter().any(|said| said.condition.starts_with("argument "))
            || rule.outcome == "needs_scopes"
    });
    let others = target.rules.iter().filter(|rule| {
        limited
            && matches!(rule.outcome, "allows" | "needs_scopes")
            && Some(&rule.id) != target.rule.as_ref()
    });
    Seen {
        kind: kind.as_str(),
        name: name.to_owned(),
        visible: is_visible(&explanation.decision),
        decision: target.decision,
        conditions: deciding.map(arguments).unwrap_or_default(),
        or: others
            .map(|rule| GrantReport {
                rule: rule.id.clone(),
                scopes: rule.missing_scopes.clone(),
                conditions: arguments(rule),
            })
            .collect(),
        except: except
            .map(|rule| GrantReport {
                rule: rule.id.clone(),
                scopes: Vec::new(),
                conditions: arguments(rule),
            })
            .collect(),
        scopes: target.scopes.clone(),
        rule: target.rule,
    }
}

/// The conditions about arguments, which lists leave open.
fn arguments(rule: &RuleSaid) -> Vec<String> {
    let conditions = rule.conditions.iter().map(|condition| &condition.condition);
    conditions.filter(|condition| condition.starts_with("argument ")).cloned().collect()
}

/// Whether a rule denies the caller some arguments: nothing but these keeps it silent.
fn denies_some(rule: &RuleSaid) -> bool {
    let others = rule.conditions.iter().filter(|said| !said.condition.starts_with("argument "));
    rule.effect == "deny"
        && rule.outcome == "silent"
        && (rule.by_role.is_some() || rule.perhaps)
        && others.into_iter().all(|said| said.holds != Some(false))
}
