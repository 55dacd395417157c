//! `portcullis visible`: what callers may see and use.

use std::collections::BTreeSet;

use portcullis_core::{Caller, Method, TargetKind, Version};
use portcullis_rbac::{Access, Audience, Decision, Explanation, Grant, Policy, Query};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::VisibleArgs;
use crate::exit::Said;
use crate::explain::gate;
use crate::gate::Gate;
use crate::names;
use crate::page::{BAD, BOLD, CARE, DIM, GOOD, NAME, PLAIN, Page, Span, span};
use crate::problem::Problem;
use crate::report::{RuleSaid, TargetReport};
use crate::source::{PolicyName, Source};
use crate::who::{CallerReport, Person};

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

/// That somebody may use something.
#[derive(Clone, JsonSchema, Serialize)]
pub(crate) struct AccessReport {
    /// `tool`, `prompt` or `resource`.
    pub(crate) kind: &'static str,
    /// Its name or URI, or the pattern of these.
    pub(crate) target: String,
    /// The rules that allow it, each under its own conditions.
    pub(crate) grants: Vec<GrantReport>,
    /// The rules that deny it again, each under its own conditions.
    pub(crate) except: Vec<GrantReport>,
}

/// What a rule gives or takes, and when.
#[derive(Clone, JsonSchema, Serialize)]
pub(crate) struct GrantReport {
    /// The rule.
    pub(crate) rule: String,
    /// The scopes that it takes.
    pub(crate) scopes: Vec<String>,
    /// Its other conditions, in words.
    pub(crate) conditions: Vec<String>,
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
    /// Rules that deny it for some arguments.
    except: Vec<GrantReport>,
}

impl AccessReport {
    pub(crate) fn new(access: &Access) -> Self {
        Self {
            kind: access.kind.as_str(),
            target: access.target.clone(),
            grants: access.grants.iter().map(GrantReport::new).collect(),
            except: access.except.iter().map(GrantReport::new).collect(),
        }
    }

    /// The conditions in words; empty when there are none.
    pub(crate) fn terms(&self) -> String {
        let mut terms = String::new();
        for grant in &self.grants {
            if !terms.is_empty() {
                terms.push_str("; or ");
            }
            terms.push_str(&grant.terms());
        }
        for denied in &self.except {
            if !terms.is_empty() {
                terms.push_str("; ");
            }
            terms.push_str("except ");
            terms.push_str(&denied.terms());
        }
        terms
    }

    pub(crate) fn rules(&self) -> String {
        self.grants.iter().map(|grant| grant.rule.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl GrantReport {
    fn new(grant: &Grant) -> Self {
        Self {
            rule: grant.rule.clone(),
            scopes: grant.scopes.clone(),
            conditions: grant.conditions.clone(),
        }
    }

    fn terms(&self) -> String {
        let mut terms = self.conditions.clone();
        if !self.scopes.is_empty() {
            terms.push(format!("with scopes {}", self.scopes.join(" ")));
        }
        terms.join(" and ")
    }
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
    Seen {
        kind: kind.as_str(),
        name: name.to_owned(),
        visible: is_visible(&explanation.decision),
        decision: target.decision,
        conditions: deciding.map(arguments).unwrap_or_default(),
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

fn show_audiences(audiences: &[AudienceAccess], page: &mut Page) {
    for (number, AudienceAccess { audience, access }) in audiences.iter().enumerate() {
        if number > 0 {
            page.blank();
        }
        let words = match audience.as_str() {
            "anonymous" => "Who has not signed in".to_owned(),
            "everyone" => "Everyone who has signed in".to_owned(),
            role => format!("Who has the {role}"),
        };
        page.line(0, &[span(BOLD, words)]);
        if access.is_empty() {
            page.line(0, &[span(DIM, "  may use nothing")]);
            continue;
        }
        let rows: Vec<Vec<Span>> = access
            .iter()
            .map(|access| {
                vec![
                    span(PLAIN, access.kind),
                    span(NAME, &*access.target),
                    span(PLAIN, access.rules()),
                    span(PLAIN, access.terms()),
                ]
            })
            .collect();
        page.table(2, &["KIND", "NAME", "BY RULE", "IF"], &rows);
    }
}

fn show_items(items: &[Seen], spelled: bool, page: &mut Page) {
    if items.is_empty() {
        page.line(0, &[span(PLAIN, "This caller may use nothing that the policy names.")]);
        return;
    }
    let rows: Vec<Vec<Span>> = items
        .iter()
        .map(|item| {
            let (style, word) = match item.decision {
                "allow" => (GOOD, "yes"),
                "challenge" => (CARE, "scopes"),
                _ => (BAD, "no"),
            };
            let mut terms = item.conditions.clone();
            if !item.scopes.is_empty() {
                terms.push(format!("with scopes {}", item.scopes.join(" ")));
            }
            let mut terms = terms.join(" and ");
            for except in &item.except {
                if !terms.is_empty() {
                    terms.push_str("; ");
                }
                terms.push_str(&format!("except {}", except.conditions.join(" and ")));
            }
            vec![
                span(style, word),
                span(PLAIN, item.kind.replace('_', " ")),
                span(NAME, &*item.name),
                span(PLAIN, item.rule.as_deref().unwrap_or("-")),
                span(PLAIN, terms),
            ]
        })
        .collect();
    page.table(0, &["MAY USE", "KIND", "NAME", "BY RULE", "IF"], &rows);
    let visible = items.iter().filter(|item| item.visible).count();
    page.blank();
    let summary = if spelled {
        format!(
            "{visible} names and patterns of the policy; what is not here, the caller may not use."
        )
    } else {
        format!("{visible} of {} are in this caller's lists.", items.len())
    };
    page.line(0, &[span(PLAIN, summary)]);
}
