//! `portcullis validate`: what is wrong with policies, and what they enforce.

use portcullis_rbac::{Outline, RuleOutline};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::ValidateArgs;
use crate::exit::Said;
use crate::names;
use crate::page::{BAD, BOLD, DIM, GOOD, NAME, PLAIN, Page, span};
use crate::problem::{Problem, Severity};
use crate::source::{PolicyName, Source};
use crate::tools::Lists;

/// What `portcullis validate --json` writes.
#[derive(JsonSchema, Serialize)]
pub(crate) struct ValidateReport {
    /// The version of this format: 1.
    schema: u32,
    /// `validate`.
    command: &'static str,
    /// Whether there is nothing to complain about.
    ok: bool,
    /// Each policy, in the order of the command line.
    policies: Vec<Checked>,
}

/// One policy.
#[derive(JsonSchema, Serialize)]
struct Checked {
    /// The file, as it was named.
    file: String,
    /// Whether the policy can be used.
    valid: bool,
    /// Errors and warnings.
    problems: Vec<Problem>,
    /// Which policy it is, if it can be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyName>,
    /// What it enforces, if it can be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    enforces: Option<Enforces>,
}

/// What a policy says.
#[derive(JsonSchema, Serialize)]
struct Enforces {
    /// The roles, and who has them.
    roles: Vec<Role>,
    /// The rules.
    rules: Vec<Rule>,
}

/// A role.
#[derive(JsonSchema, Serialize)]
struct Role {
    /// Its name.
    name: String,
    /// What gives it, and what limits it.
    sources: Vec<String>,
}

/// A rule.
#[derive(JsonSchema, Serialize)]
struct Rule {
    /// Its id.
    id: String,
    /// The line of the policy file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// `allow` or `deny`.
    effect: &'static str,
    /// The names and patterns of tools.
    tools: Vec<String>,
    /// The names and patterns of prompts.
    prompts: Vec<String>,
    /// The URIs and patterns of resources.
    resources: Vec<String>,
    /// The roles it is about.
    roles: Vec<String>,
    /// Whether it is about everyone.
    everyone: bool,
    /// The scopes that it requires.
    scopes: Vec<String>,
    /// Its other conditions, in words.
    conditions: Vec<String>,
    /// How a denial looks, where the rule says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    denial: Option<&'static str>,
    /// What its author says that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

pub(crate) fn run(args: &ValidateArgs) -> Result<Said, Problem> {
    let mut page = Page::new();
    let mut policies = Vec::new();
    let mut ok = true;
    let lists: Vec<Lists> =
        args.tools.iter().map(|path| Lists::read(path)).collect::<Result<_, _>>()?;
    for (number, path) in args.policies.iter().enumerate() {
        if number > 0 && !args.quiet {
            page.blank();
        }
        let file = crate::input::name(path);
        match Source::read(path) {
            Ok(source) => {
                let mut problems = source.warnings();
                problems.extend(source.strange_names(&lists));
                ok &= problems.is_empty() || !args.deny_warnings;
                problems.iter().for_each(|problem| problem.show(&mut page));
                let outline = source.policy.outline();
                if !args.quiet {
                    show(&source, &outline, problems.len(), &mut page);
                }
                policies.push(Checked {
                    file,
                    valid: true,
                    problems,
                    policy: Some(source.name()),
                    enforces: Some(enforces(outline)),
                });
            }
            Err(problem) => {
                ok = false;
                problem.show(&mut page);
                let problems = vec![problem];
                policies.push(Checked {
                    file,
                    valid: false,
                    problems,
                    policy: None,
                    enforces: None,
                });
            }
        }
    }
    let report = ValidateReport { schema: 1, command: "validate", ok, policies };
    debug_assert!(report.policies.iter().all(|policy| {
        policy.valid || policy.problems.iter().any(|problem| problem.severity == Severity::Error)
    }));
    Ok(Said::new(page, &report, !ok))
}

fn enforces(outline: Outline) -> Enforces {
    let role = |role: portcullis_rbac::RoleOutline| Role { name: role.name, sources: role.sources };
    let rule = |rule: RuleOutline| Rule {
        id: rule.id,
        line: rule.place.map(|(line, _)| line),
        effect: if rule.allows { "allow" } else { "deny" },
        tools: rule.tools,
        prompts: rule.prompts,
        resources: rule.resources,
        roles: rule.roles,
        everyone: rule.everyone,
        scopes: rule.scopes,
        conditions: rule.conditions,
        denial: rule.denial.map(names::style),
        description: rule.description,
    };
    Enforces {
        roles: outline.roles.into_iter().map(role).collect(),
        rules: outline.rules.into_iter().map(rule).collect(),
    }
}

fn show(source: &Source, outline: &Outline, warnings: usize, page: &mut Page) {
    let name = source.name();
    let count = |number: usize, word: &str| match number {
        1 => format!("1 {word}"),
        number => format!("{number} {word}s"),
    };
    let verdict = match warnings {
        0 => "valid".to_owned(),
        number => format!("valid, with {}", count(number, "warning")),
    };
    page.line(2, &[span(BOLD, format!("{}: ", name.file)), span(GOOD.bold(), verdict)]);
    page.item(2, span(DIM, "version"), 7, &[span(PLAIN, name.version)]);
    page.item(2, span(DIM, "digest"), 7, &[span(PLAIN, name.digest)]);
    page.item(
        2,
        span(DIM, "has"),
        7,
        &[span(
            PLAIN,
            format!(
                "{}, {}",
                count(outline.roles.len(), "role"),
                count(outline.rules.len(), "rule")
            ),
        )],
    );
    if !outline.roles.is_empty() {
        page.blank();
        page.line(0, &[span(BOLD, "Roles"), span(DIM, " (any one of these gives a role)")]);
        let width = outline.roles.iter().map(|role| role.name.chars().count()).max();
        let width = width.unwrap_or_default().min(20);
        for role in &outline.roles {
            let sources = span(PLAIN, role.sources.join(", "));
            page.item(2, span(NAME, &*role.name), width, &[sources]);
        }
    }
    page.blank();
    page.line(
        0,
        &[
            span(BOLD, "Rules"),
            span(DIM, " (nothing else is allowed; what a rule denies, no rule allows)"),
        ],
    );
    for rule in &outline.rules {
        show_rule(&name.file, rule, page);
    }
    if outline.rules.is_empty() {
        page.line(0, &[span(PLAIN, "  none: nobody may use anything")]);
    }
}

fn show_rule(file: &str, rule: &RuleOutline, page: &mut Page) {
    let place = rule.place.map(|(line, _)| format!("  {file}:{line}")).unwrap_or_default();
    page.line(2, &[span(PLAIN, "  "), span(BOLD, &*rule.id), span(DIM, place)]);
    let mut item = |label: anstyle::Style, word: &str, text: String| {
        page.item(4, span(label, word), 6, &[span(PLAIN, text)]);
    };
    if let Some(description) = &rule.description {
        item(DIM, "why", description.clone());
    }
    let mut targets = Vec::new();
    for (word, names) in
        [("tools", &rule.tools), ("prompts", &rule.prompts), ("resources", &rule.resources)]
    {
        if !names.is_empty() {
            targets.push(format!("{word} {}", names.join(", ")));
        }
    }
    if targets.is_empty() {
        targets.push("whatever the target".to_owned());
    }
    let (style, word) = if rule.allows { (GOOD, "allow") } else { (BAD, "deny") };
    item(style, word, targets.join("; "));
    let mut roles = rule.roles.clone();
    if rule.everyone {
        roles.push("everyone".to_owned());
    }
    item(DIM, "to", roles.join(", "));
    if !rule.scopes.is_empty() {
        item(DIM, "scopes", rule.scopes.join(" "));
    }
    for condition in &rule.conditions {
        item(DIM, "if", condition.clone());
    }
    if let Some(style) = rule.denial {
        let text = match names::style(style) {
            "hide" => "denials look like a target that does not exist",
            "explain" => "denials say that policy forbids it",
            _ => "denials are a tool result, which the model reads",
        };
        item(DIM, "shown", text.to_owned());
    }
}
