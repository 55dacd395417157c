//! `portcullis explain`: which rule decides, and why.

use portcullis_core::{Caller, DenialKind, McpMessage, McpRequest, Method};
use portcullis_rbac::{Explanation, Query};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{ExplainArgs, GateArgs};
use crate::ask::Asked;
use crate::exit::Said;
use crate::gate::{Answer, Answered, Gate, version};
use crate::input;
use crate::page::{BAD, BOLD, CARE, DIM, GOOD, NAME, PLAIN, Page, Span, span};
use crate::problem::Problem;
use crate::report::{RoleReport, RuleSaid, TargetReport, roles};
use crate::source::{PolicyName, Source};
use crate::tools::Lists;
use crate::who::{CallerReport, Person};

/// What `portcullis explain --json` writes.
#[derive(JsonSchema, Serialize)]
pub(crate) struct ExplainReport {
    /// The version of this format: 1.
    schema: u32,
    /// `explain`.
    command: &'static str,
    /// The policy that decides.
    policy: PolicyName,
    /// Who calls. Nothing of it is verified.
    caller: CallerReport,
    /// The revision of MCP.
    mcp_version: &'static str,
    /// The method, where inspection found one.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// The name of the server behind the gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    /// What becomes of the request.
    verdict: Verdict,
    /// The rule that decided; `protocol` for messages of the protocol itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// Why it is refused, as audit records say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The roles of the caller, and what gave them.
    roles: Vec<RoleReport>,
    /// The agents through which the caller calls, by the policy's names.
    agents: Vec<String>,
    /// Every target of the request, and what the rules say about it.
    targets: Vec<TargetReport>,
    /// What the client gets, where the gate answers itself, or filters a list that was given.
    answer: Option<Answer>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// The server gets it.
    Allow,
    /// Policy refuses it.
    Deny,
    /// It is refused, and the client told which scopes would do.
    Challenge,
    /// It is refused, and the client told to sign in.
    SignIn,
    /// Inspection refuses it: no policy is asked.
    Refused,
    /// Some elements of a batch are refused.
    Partly,
}

/// A decided request, for `explain` and for `test`.
pub(crate) struct Decided {
    pub(crate) answered: Answered,
    pub(crate) verdict: Verdict,
    pub(crate) rule: Option<String>,
    pub(crate) targets: Vec<TargetReport>,
    roles: Vec<RoleReport>,
    agents: Vec<String>,
    method: Option<Method>,
}

pub(crate) fn run(args: &ExplainArgs) -> Result<Said, Problem> {
    let source = Source::read(&args.policy)?;
    let (mut gate, caller, report) = gate(&source, &args.at, || Person::of(&args.who))?;
    let asked = asked(args)?;
    let decided = decide(&mut gate, &caller, &asked);
    let list = asked.list_member().is_some_and(|member| gate.lists.result.get(member).is_some());
    let answer = (!decided.answered.reached || list).then(|| decided.answered.answer.clone());
    let reason = decided.answered.denial.as_ref().map(|denial| denial.reason().as_str());
    let report = ExplainReport {
        schema: 1,
        command: "explain",
        policy: source.name(),
        caller: report,
        mcp_version: asked.version.as_str(),
        method: decided.method.map(|method| method.as_str().to_owned()),
        server: gate.server.clone(),
        verdict: decided.verdict,
        rule: decided.rule,
        reason,
        roles: decided.roles,
        agents: decided.agents,
        targets: decided.targets,
        answer,
    };
    let mut page = Page::new();
    show(&report, &mut page);
    let complaint = args.exit_status && report.verdict != Verdict::Allow;
    Ok(Said::new(page, &report, complaint))
}

/// The gate that the command line describes, and who stands before it.
pub(crate) fn gate(
    source: &Source,
    args: &GateArgs,
    person: impl FnOnce() -> Result<Option<Person>, Problem>,
) -> Result<(Gate, Caller, CallerReport), Problem> {
    let unix = args.at.unwrap_or_else(|| portcullis_core::Clock::system().unix().as_secs());
    let lists = args.tools.as_deref().map(Lists::read).transpose()?.unwrap_or_default();
    let policy = source.at(unix)?;
    let person = person()?.ok_or_else(|| {
        Problem::new(
            "nobody calls: say who, with --token, --claims, --subject, --group, --role, --everyone or --anonymous",
        )
    })?;
    let (caller, report) = person.caller(&policy, None)?;
    Ok((Gate::new(policy, args.server.clone(), lists)?, caller, report))
}

fn asked(args: &ExplainArgs) -> Result<Asked, Problem> {
    let version = args.mcp_version.as_deref().map(version).transpose()?;
    if let Some(path) = &args.request {
        return Ok(Asked::written(input::bytes(path)?, version));
    }
    let arguments = match &args.arguments_file {
        Some(path) => Some(input::text(path)?.trim().to_owned()),
        None => args.arguments.clone(),
    };
    let method = args.method.as_deref().unwrap_or_default();
    Asked::new(method, args.name.as_deref(), arguments.as_deref(), version)
}

/// Sends the request through the gate, and asks the policy about all that inspection found in it.
pub(crate) fn decide(gate: &mut Gate, caller: &Caller, asked: &Asked) -> Decided {
    let answered = gate.ask(caller, asked);
    let mut decided = Decided {
        verdict: Verdict::Refused,
        rule: None,
        targets: Vec::new(),
        roles: Vec::new(),
        agents: Vec::new(),
        method: None,
        answered,
    };
    let message = decided.answered.message.clone();
    match &message {
        Some(McpMessage::Batch(elements)) => {
            for (number, element) in elements.iter().enumerate() {
                about(gate, caller, element, Some(number), &mut decided);
            }
        }
        Some(message) => about(gate, caller, message, None, &mut decided),
        None => {}
    }
    let denial = decided.answered.denial.as_ref();
    decided.verdict = match denial.map(portcullis_core::Denial::kind) {
        _ if decided.answered.reached => {
            let refused = decided.targets.iter().any(|target| target.decision != "allow");
            if refused { Verdict::Partly } else { Verdict::Allow }
        }
        Some(DenialKind::NoToken | DenialKind::InvalidToken) => Verdict::SignIn,
        Some(DenialKind::InsufficientScope) => Verdict::Challenge,
        Some(DenialKind::Policy) => Verdict::Deny,
        _ => Verdict::Refused,
    };
    decided.rule = denial.and_then(|denial| denial.rule()).map(|rule| rule.as_str().to_owned());
    if decided.rule.is_none() && decided.answered.reached {
        let first = decided.targets.first();
        let rule = first.map(|target| target.rule.clone());
        decided.rule = rule.unwrap_or_else(|| Some("protocol".to_owned()));
    }
    decided
}

fn about(
    gate: &Gate,
    caller: &Caller,
    message: &McpMessage,
    element: Option<usize>,
    decided: &mut Decided,
) {
    let McpMessage::Request(request) = message else {
        if let McpMessage::Notification(notification) = message {
            decided.method = Some(notification.method());
        }
        return;
    };
    decided.method = Some(request.method());
    let mut add = |target: Option<(portcullis_core::TargetKind, &str)>| {
        let explanation = explanation(gate, caller, request, target);
        decided.roles = roles(&explanation.roles);
        decided.agents.clone_from(&explanation.agents);
        explanation
    };
    let mut targets = Vec::new();
    for target in request.targets() {
        let target = Some((target.kind(), target.name()));
        targets.push(TargetReport::new(element, target, &add(target)));
    }
    if targets.is_empty() {
        let explanation = add(None);
        if request.method() == Method::LoggingSetLevel {
            targets.push(TargetReport::new(element, None, &explanation));
        }
    }
    decided.targets.extend(targets);
}

fn explanation(
    gate: &Gate,
    caller: &Caller,
    request: &McpRequest,
    target: Option<(portcullis_core::TargetKind, &str)>,
) -> Explanation {
    let mut query = Query::new(caller, request.version(), request.method());
    if let Some(server) = &gate.server {
        query = query.of_server(server);
    }
    if let Some((kind, name)) = target {
        query = query.on(kind, name);
        if let Some(hints) = gate.lists.hints(kind, name) {
            query = query.with_hints(hints);
        }
    }
    if let Some(arguments) = request.arguments() {
        query = query.with_arguments(arguments);
    }
    gate.policy.explain(&query)
}

fn show(report: &ExplainReport, page: &mut Page) {
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
    for target in &report.targets {
        head.push(span(NAME, format!(" {}", target.name.as_deref().unwrap_or_default())));
    }
    page.line(4, &head);
    page.line(0, &[span(PLAIN, summary(report))]);
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
        let all: Vec<&str> =
            report.targets.iter().flat_map(|target| &target.scopes).map(String::as_str).collect();
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
