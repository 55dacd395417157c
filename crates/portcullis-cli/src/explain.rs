//! `portcullis explain`: which rule decides, and why.

use portcullis_core::{Caller, DenialKind, McpMessage, McpRequest, Method, TargetKind, TaskUse};
use portcullis_rbac::{Authorizer as _, Explanation, Query};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{ExplainArgs, GateArgs};
use crate::ask::Asked;
use crate::exit::Said;
use crate::gate::{Answer, Answered, Gate, version};
use crate::input;
use crate::page::Page;
use crate::problem::Problem;
use crate::report::{RoleReport, TargetReport, roles};
use crate::source::{PolicyName, Source};
use crate::tools::Lists;
use crate::who::{CallerReport, Person};

mod show;

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
    /// The address that the request comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
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
        from: gate.from.map(|address| address.to_string()),
        verdict: decided.verdict,
        rule: decided.rule,
        reason,
        roles: decided.roles,
        agents: decided.agents,
        targets: decided.targets,
        answer,
    };
    let mut page = Page::new();
    show::show(&report, &mut page);
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
    let mut gate = Gate::new(policy, args.server.clone(), lists)?;
    gate.from = args.from;
    Ok((gate, caller, report))
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
    Asked::new(method, args.name.as_deref(), arguments.as_deref(), version, args.as_task)
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
            // That it does not run as a task is no refusal of the call.
            let calls = decided.targets.iter().filter(|target| !target.as_task);
            let refused = calls.into_iter().any(|target| target.decision != "allow");
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
    let mut add = |target: Option<(TargetKind, &str)>, as_task| {
        let explanation = explanation(gate, caller, request, target, as_task);
        decided.roles = roles(&explanation.roles);
        decided.agents.clone_from(&explanation.agents);
        explanation
    };
    let mut targets = Vec::new();
    let about_task = request.method().is_about_task();
    for target in request.targets() {
        // Whose a task is, inspection has found out.
        if about_task && target.kind() == TargetKind::Task {
            continue;
        }
        let target = Some((target.kind(), target.name()));
        targets.push(TargetReport::new(element, target, &add(target, false)));
    }
    if targets.is_empty() && !about_task {
        let explanation = add(None, false);
        if request.method() == Method::LoggingSetLevel {
            targets.push(TargetReport::new(element, None, &explanation));
        }
    }
    // A second question, where the policy makes a difference.
    if *request.task_use() != TaskUse::None && gate.policy.decides_tasks() {
        let first = request.targets().next().map(|target| (target.kind(), target.name()));
        let report = TargetReport::new(element, first, &add(first, true));
        targets.push(TargetReport { as_task: true, ..report });
    }
    decided.targets.extend(targets);
}

fn explanation(
    gate: &Gate,
    caller: &Caller,
    request: &McpRequest,
    target: Option<(TargetKind, &str)>,
    as_task: bool,
) -> Explanation {
    let method = request.method();
    let mut query = Query::new(caller, request.version(), method);
    if method.is_about_task() {
        // Whoever may still call the tool, with some arguments.
        query = Query::new(caller, request.version(), Method::ToolsCall).in_a_list();
    }
    if let Some(server) = &gate.server {
        query = query.of_server(server);
    }
    if let Some(address) = gate.from {
        query = query.from_address(address);
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
    if as_task {
        query = query.as_task();
    }
    gate.policy.explain(&query)
}
