//! An explanation, for people.

use super::{ExplainReport, Verdict};
use crate::page::{BAD, BOLD, CARE, DIM, GOOD, NAME, PLAIN, Page, Span, span};
use crate::report::{RuleSaid, TargetReport};

pub(super) fn show(report: &ExplainReport, page: &mut Page) {
    let (style, word) = match report.verdict {
        Verdict::Allow => (GOOD, "ALLOW"),
        Verdict::Deny => (BAD, "DENY"),
        Verdict::Challenge => (CARE, "CHALLENGE"),
        Verdict::SignIn => (CARE, "SIGN IN"),
        Verdict::Refused => (BAD, "REFUSED"),
        Verdict::Partly => (CARE, "PARTLY"),
    };
    let mut head = vec![span(style.bold(), word), span(PLAIN, "  ")];
    head.push(span(BOLD, report.method.as_deref().unwrap_or("message")));
    for target in report.targets.iter().filter(|target| !target.as_task) {
        head.push(span(NAME, format!(" {}", target.name.as_deref().unwrap_or_default())));
    }
    if report.targets.iter().any(|target| target.as_task) {
        head.push(span(PLAIN, " as a task"));
    }
    page.line(4, &head);
    page.line(0, &[span(PLAIN, summary(report))]);
    let not_so = |target: &TargetReport| target.as_task && target.decision != "allow";
    if report.verdict == Verdict::Allow && report.targets.iter().any(not_so) {
        page.line(
            0,
            &[span(
                CARE,
                "It does not run as a task: the server is not told that the client knows tasks.",
            )],
        );
    }
    page.blank();
    caller(report, page);
    for target in &report.targets {
        page.blank();
        about_target(report, target, page);
    }
    if let Some(answer) = &report.answer {
        page.blank();
        page.line(0, &[span(BOLD, "What the client gets")]);
        page.line(4, &[span(PLAIN, format!("  HTTP {}", answer.status))]);
        for (name, value) in &answer.headers {
            page.line(4, &[span(DIM, format!("  {name}: {value}"))]);
        }
        if !answer.body.is_empty() {
            page.verbatim(2, PLAIN, &answer.body);
        }
    }
}

/// Why, in one sentence.
fn summary(report: &ExplainReport) -> String {
    let rule = report.rule.as_deref().unwrap_or_default();
    let scopes = || {
        let mut all: Vec<&str> = Vec::new();
        for scope in report.targets.iter().flat_map(|target| &target.scopes) {
            if !all.contains(&scope.as_str()) {
                all.push(scope);
            }
        }
        all.join(" ")
    };
    let deciding = report.targets.iter().find(|target| target.decision == "deny");
    match report.verdict {
        Verdict::Allow if rule == "protocol" => {
            "A message of the protocol itself, open to every caller that a gate lets in.".to_owned()
        }
        Verdict::Allow => format!("Rule {rule} allows it, and no rule denies it."),
        Verdict::Deny => match deciding {
            Some(target) if target.odd.is_some() => {
                format!("No rule can allow it: {}.", target.odd.unwrap_or_default())
            }
            Some(TargetReport { rule: Some(rule), .. }) => {
                format!("Rule {rule} denies it, whatever other rules allow.")
            }
            Some(target) if target.rules.is_empty() => "No rule is about it.".to_owned(),
            _ => "No rule allows it to this caller, in these circumstances.".to_owned(),
        },
        Verdict::Challenge => {
            format!("Rule {rule} would allow it to a token with the scopes {}.", scopes())
        }
        Verdict::SignIn => "It takes signing in.".to_owned(),
        Verdict::Refused => format!(
            "Inspection refuses it ({}), and no policy is asked.",
            report.reason.unwrap_or_default()
        ),
        Verdict::Partly => "Some elements of the batch are refused.".to_owned(),
    }
}

fn caller(report: &ExplainReport, page: &mut Page) {
    let caller = &report.caller;
    let mut item = |label: &str, said: &[Span]| page.item(2, span(DIM, label), 8, said);
    let text = |text: &str| span(PLAIN, text);
    let who = match (&caller.subject, &caller.role) {
        (Some(subject), _) => {
            let mut who =
                format!("{subject}, of {}", caller.issuer.as_deref().unwrap_or("nowhere"));
            for (word, value) in [("client", &caller.client_id), ("tenant", &caller.tenant)] {
                if let Some(value) = value {
                    who.push_str(&format!(", {word} {value}"));
                }
            }
            who
        }
        (None, Some(role)) => format!("somebody with the role {role}"),
        _ if caller.from == "anonymous" => "somebody who has not signed in".to_owned(),
        _ => "somebody who has signed in".to_owned(),
    };
    item("caller", &[text(&who)]);
    match caller.from {
        "token" => item("", &[span(CARE, "The token was decoded, NOT verified.")]),
        "claims" => item("", &[span(CARE, "The claims are of a file, NOT verified.")]),
        _ => {}
    }
    for note in &caller.notes {
        item("", &[span(CARE, format!("Note: {note}."))]);
    }
    if !caller.scopes.is_empty() {
        item("scopes", &[text(&caller.scopes.join(" "))]);
    }
    if caller.groups_unknown {
        item("groups", &[span(CARE, "unknown: the token does not list them all")]);
    } else if !caller.groups.is_empty() {
        item("groups", &[text(&caller.groups.join(", "))]);
    }
    for (label, list) in [("agents", &report.agents), ("actors", &caller.actors)] {
        if !list.is_empty() {
            item(label, &[text(&list.join(", "))]);
        }
    }
    let mut label = "roles";
    for role in &report.roles {
        let because = match role.because.as_slice() {
            [] if caller.groups_unknown => " (perhaps: by a group that the token hides)".to_owned(),
            [] => " (assumed)".to_owned(),
            facts => format!(" ({})", facts.join(", ")),
        };
        item(label, &[text(&role.role), span(DIM, because)]);
        label = "";
    }
    if report.roles.is_empty() {
        item(label, &[text("none")]);
    }
    item("policy", &[text(&report.policy.file), span(DIM, format!(", {}", report.policy.version))]);
}

fn about_target(report: &ExplainReport, target: &TargetReport, page: &mut Page) {
    let mut title = match (target.kind, &target.name) {
        (Some(_), Some(name)) if target.as_task => format!("Rules about {name} as a task"),
        (Some(kind), Some(name)) => format!("Rules about the {} {name}", kind.replace('_', " ")),
        _ => "Rules about the method".to_owned(),
    };
    if let Some(element) = target.element {
        title.push_str(&format!(" (element {element}: {})", target.decision));
    } else if report.targets.len() > 1 {
        title.push_str(&format!(" ({})", target.decision));
    }
    page.line(2, &[span(BOLD, title)]);
    if let Some(odd) = target.odd {
        page.line(2, &[span(CARE, format!("  {odd}"))]);
    }
    if target.rules.is_empty() {
        page.line(2, &[span(PLAIN, "  none")]);
    }
    for rule in &target.rules {
        about_rule(report, rule, page);
    }
}

fn about_rule(report: &ExplainReport, rule: &RuleSaid, page: &mut Page) {
    let (style, word) = match rule.outcome {
        "allows" => (GOOD, "allows"),
        "denies" => (BAD, "denies"),
        "needs_scopes" => (CARE, "needs scopes"),
        _ if rule.effect == "deny" => (DIM, "no denial"),
        _ => (DIM, "no"),
    };
    let place = rule.line.map(|line| format!("  {}:{line}", report.policy.file));
    let head = [span(BOLD, &*rule.id), span(DIM, place.unwrap_or_default())];
    page.item(2, span(style, word), 12, &head);
    let mut said = |style, word: &str, text: String| {
        page.item(16, span(style, word), 7, &[span(PLAIN, text)]);
    };
    if !rule.patterns.is_empty() {
        said(DIM, "names", rule.patterns.join(", "));
    }
    let effect = if rule.effect == "allow" { "allows" } else { "denies" };
    match &rule.by_role {
        Some(role) if role == "everyone" => said(GOOD, "yes", format!("{effect} everyone")),
        Some(role) => said(GOOD, "yes", format!("the caller has the role {role}")),
        None if rule.perhaps => {
            said(CARE, "perhaps", "the caller may have one of its roles, by a hidden group".into());
        }
        None => said(BAD, "no", "the caller has none of its roles".into()),
    }
    for condition in &rule.conditions {
        let (style, word) = match condition.holds {
            Some(true) => (GOOD, "yes"),
            Some(false) => (BAD, "no"),
            None => (CARE, "unknown"),
        };
        said(style, word, condition.condition.clone());
    }
    if !rule.missing_scopes.is_empty() {
        said(CARE, "no", format!("the token lacks the scopes {}", rule.missing_scopes.join(" ")));
    }
}
