//! `portcullis diff`: who gains and who loses what.

use std::collections::BTreeSet;

use portcullis_rbac::{AccessChange, Audience, Direction, Policy, RoleOutline};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{DiffArgs, FailOn};
use crate::exit::Said;
use crate::names;
use crate::page::{BAD, BOLD, CARE, DIM, GOOD, NAME, PLAIN, Page, span};
use crate::problem::Problem;
use crate::source::{PolicyName, Source};
use crate::visible::AccessReport;

/// What `portcullis diff --json` writes.
#[derive(JsonSchema, Serialize)]
pub(crate) struct DiffReport {
    /// The version of this format: 1.
    schema: u32,
    /// `diff`.
    command: &'static str,
    /// The policy before.
    old: PolicyName,
    /// The policy after.
    new: PolicyName,
    /// Whether the two decide alike.
    same: bool,
    /// Whether somebody gains access, or may: it has other conditions, more people have a role, or
    /// not everything could be compared.
    gained: bool,
    /// Whether somebody loses access, or may.
    lost: bool,
    /// Whether there was too much to compare all of it.
    incomplete: bool,
    /// What changes for whom. What changes for everyone changes for each role as well.
    changes: Vec<Change>,
    /// What changes in definitions: who has which role, mostly.
    definitions: Vec<Definition>,
}

/// A change of access.
#[derive(JsonSchema, Serialize)]
struct Change {
    /// `anonymous`, `everyone` (who has signed in) or `role …`.
    audience: String,
    /// `gained`, `lost`, or `changed` for other conditions.
    change: &'static str,
    /// Whether it is the same for everyone who has signed in.
    as_everyone: bool,
    /// The access before; null for none.
    before: Option<AccessReport>,
    /// The access after; null for none.
    after: Option<AccessReport>,
}

/// A line of definitions.
#[derive(JsonSchema, Serialize)]
struct Definition {
    /// `added` or `removed`.
    change: &'static str,
    /// The definition in words, such as `role reader: group staff`.
    definition: String,
    /// Whether somebody may gain access by it.
    gained: bool,
    /// Whether somebody may lose access by it.
    lost: bool,
}

pub(crate) fn run(args: &DiffArgs) -> Result<Said, Problem> {
    let old = Source::read(&args.old)?;
    let new = Source::read(&args.new)?;
    let found = old.policy.changes_to(&new.policy);
    let key = |change: &AccessChange| {
        let access = change.after.as_ref().or(change.before.as_ref());
        access.map(|access| (access.kind, access.target.clone()))
    };
    let everyones: Vec<&AccessChange> =
        found.access.iter().filter(|change| change.audience == Audience::Everyone).collect();
    let as_everyone = |change: &AccessChange| {
        matches!(change.audience, Audience::Role(_))
            && everyones.iter().any(|other| {
                key(other) == key(change)
                    && other.before == change.before
                    && other.after == change.after
            })
    };
    let changes: Vec<Change> = found
        .access
        .iter()
        .map(|change| Change {
            audience: names::audience(&change.audience),
            change: match change.direction {
                Direction::Gained => "gained",
                Direction::Lost => "lost",
                _ => "changed",
            },
            as_everyone: as_everyone(change),
            before: change.before.as_ref().map(AccessReport::new),
            after: change.after.as_ref().map(AccessReport::new),
        })
        .collect();
    let denials = Denials::of(&[&old.policy, &new.policy]);
    let added = found.defined.iter().map(|line| denials.definition(line, true));
    let removed = found.undefined.iter().map(|line| denials.definition(line, false));
    let definitions: Vec<Definition> = added.chain(removed).collect();
    let some = |direction: &str| {
        found.incomplete
            || changes.iter().any(|change| [direction, "changed"].contains(&change.change))
    };
    let report = DiffReport {
        schema: 1,
        command: "diff",
        old: old.name(),
        new: new.name(),
        same: old.policy.digest() == new.policy.digest(),
        gained: some("gained") || definitions.iter().any(|definition| definition.gained),
        lost: some("lost") || definitions.iter().any(|definition| definition.lost),
        incomplete: found.incomplete,
        changes,
        definitions,
    };
    let complaint = args.fail_on.iter().any(|kind| match kind {
        FailOn::Gained => report.gained,
        FailOn::Lost => report.lost,
        FailOn::Any => !report.same,
    });
    let mut page = Page::new();
    show(&report, &mut page);
    Ok(Said::new(page, &report, complaint))
}

/// What rules that deny rest on: who comes to have a role may lose by it.
#[derive(Default)]
struct Denials {
    /// How lines about it begin.
    lines: BTreeSet<String>,
}

impl Denials {
    fn of(policies: &[&Policy]) -> Self {
        let mut lines = BTreeSet::new();
        for outline in policies.iter().map(|policy| policy.outline()) {
            let denied = |role: &&RoleOutline| {
                outline.rules.iter().any(|rule| !rule.allows && rule.roles.contains(&role.name))
            };
            for role in outline.roles.iter().filter(denied) {
                lines.insert(format!("role {}: ", role.name));
                for source in &role.sources {
                    match source.split_once(' ') {
                        Some(("group", name)) => lines.insert(format!("group {name}: ")),
                        // Any scope may stand for this one by way of others.
                        Some(("scope", _)) => lines.insert("scope ".to_owned()),
                        _ => false,
                    };
                }
            }
        }
        Self { lines }
    }

    /// What may follow from a definition that is new, or gone.
    fn definition(&self, line: &str, added: bool) -> Definition {
        // Limits of roles, agents and servers may be in allow rules and in deny rules, or the first of
        // their sort: whether they widen or narrow is for people to see.
        let either = line.contains(": only from ")
            || line.starts_with("agent ")
            || line.starts_with("server ")
            || line.starts_with("logging/setLevel is ")
            || line.starts_with("tasks/create is ")
            || self.lines.iter().any(|start| line.starts_with(start));
        // All others lose what a rule gives to some.
        let narrows =
            line == "only some scopes can be had" || line.starts_with("calls run as tasks only ");
        Definition {
            change: if added { "added" } else { "removed" },
            definition: line.to_owned(),
            gained: either || added != narrows,
            lost: either || added == narrows,
        }
    }
}

fn show(report: &DiffReport, page: &mut Page) {
    for (word, policy) in [("old", &report.old), ("new", &report.new)] {
        let name = [span(PLAIN, &*policy.file), span(DIM, format!("  {}", policy.version))];
        page.item(0, span(DIM, word), 3, &name);
    }
    page.blank();
    if report.same {
        page.line(0, &[span(GOOD, "The policies decide alike.")]);
        return;
    }
    let mut audience = "";
    for change in report.changes.iter().filter(|change| !change.as_everyone) {
        if change.audience != audience {
            if !audience.is_empty() {
                page.blank();
            }
            let words = match change.audience.as_str() {
                "anonymous" => "Who has not signed in".to_owned(),
                "everyone" => "Everyone who has signed in".to_owned(),
                role => format!("Who has the {role}"),
            };
            page.line(0, &[span(BOLD, words)]);
            audience = &change.audience;
        }
        show_change(change, page);
    }
    if report.changes.is_empty() {
        page.line(0, &[span(PLAIN, "No role, and nobody else, may use more or less.")]);
    }
    if !report.definitions.is_empty() {
        page.blank();
        page.line(0, &[span(BOLD, "Definitions")]);
        for definition in &report.definitions {
            let (style, sign) = if definition.change == "added" { (GOOD, "+") } else { (BAD, "-") };
            page.item(2, span(style, sign), 1, &[span(PLAIN, &*definition.definition)]);
        }
    }
    if report.incomplete {
        page.blank();
        page.line(0, &[span(CARE, "There was too much to compare all of it.")]);
    }
    page.blank();
    let word = |direction: &str, some: bool| match (
        report.changes.iter().any(|change| change.change == direction),
        some,
    ) {
        (true, _) => "yes",
        (false, true) => "perhaps",
        (false, false) => "no",
    };
    let (gained, lost) = (word("gained", report.gained), word("lost", report.lost));
    page.line(0, &[span(PLAIN, format!("Access gained: {gained}. Access lost: {lost}."))]);
}

fn show_change(change: &Change, page: &mut Page) {
    let (style, word) = match change.change {
        "gained" => (GOOD, "+ gained"),
        "lost" => (BAD, "- lost"),
        _ => (CARE, "~ changed"),
    };
    let Some(access) = change.after.as_ref().or(change.before.as_ref()) else { return };
    let target = [span(PLAIN, access.kind), span(NAME, format!(" {}", access.target))];
    page.item(2, span(style, word), 9, &target);
    let mut terms = |label: &str, access: &AccessReport| {
        let terms = match access.terms() {
            terms if terms.is_empty() => "always".to_owned(),
            terms => terms,
        };
        let said = [span(PLAIN, terms), span(DIM, format!(" (rule {})", access.rules()))];
        page.item(13, span(DIM, label), 3, &said);
    };
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            terms("was", before);
            terms("is", after);
        }
        (Some(only), None) | (None, Some(only)) => terms("if", only),
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_give_and_take() {
        let rules = "
groups: { temps: [t1], staff: [s1] }
roles: { temp: { groups: [temps] }, reader: { groups: [staff] }, far: { scopes: [remote] } }
rules:
  - { id: read, allow: { tools: [get] }, roles: [reader] }
  - { id: not-temps, deny: { tools: [get] }, roles: [temp] }
";
        let far = format!("{rules}  - {{ id: far, deny: {{ tools: [x] }}, roles: [far] }}\n");
        let [policy, far] = [rules, &far].map(|text| Policy::from_yaml(text).unwrap());
        let (denials, of_scopes) = (Denials::of(&[&policy]), Denials::of(&[&policy, &far]));
        let rows = [
            ("role reader: group staff", true, (true, false)),
            ("role reader: group staff", false, (false, true)),
            ("role temp: group temps", true, (true, true)),
            ("role temp: group temps", false, (true, true)),
            ("role reader: only from issuer https://a", true, (true, true)),
            ("group staff: 1", true, (true, false)),
            ("group temps: 1", true, (true, true)),
            ("agent bot: client c", false, (true, true)),
            ("server crm: annotations are trusted", true, (true, true)),
            ("scope a implies b", true, (true, false)),
            ("only some scopes can be had", true, (false, true)),
            ("only some scopes can be had", false, (true, false)),
            ("scope a can be had", true, (true, false)),
            ("calls run as tasks only where a rule allows tasks/create", true, (false, true)),
            ("calls run as tasks only where a rule allows tasks/create", false, (true, false)),
            ("logging/setLevel is allowed to admin", true, (true, true)),
            ("tasks/create is allowed to admin, on get", false, (true, true)),
        ];
        for (line, added, expected) in rows {
            let definition = denials.definition(line, added);
            assert_eq!((definition.gained, definition.lost), expected, "{line} {added}");
        }
        let definition = of_scopes.definition("scope a implies b", true);
        assert!(definition.gained && definition.lost, "a scope that gives a role of a denial");
    }
}
