//! The cases of a file, run one by one.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use portcullis_core::{Caller, TargetKind};
use serde_json::Value;

use super::file::{Case, CasesFile, Expect, ListOf, Who};
use super::{CaseReport, FileReport};
use crate::args::TestArgs;
use crate::ask::Asked;
use crate::explain::{Verdict, decide};
use crate::gate::{Gate, version};
use crate::problem::Problem;
use crate::source::Source;
use crate::tools::Lists;
use crate::visible::{is_visible, listed};
use crate::who::Person;
use crate::{input, time};

/// What the cases of a file share.
struct Runner<'a> {
    file: &'a CasesFile,
    folder: &'a Path,
    source: Source,
    lists: Lists,
    /// A gate for each server and time.
    gates: HashMap<(Option<String>, u64), Gate>,
    used: BTreeSet<String>,
}

pub(super) fn file(path: &Path, args: &TestArgs) -> Result<FileReport, Problem> {
    let name = input::name(path);
    let fail = |message: String| Problem::new(message).in_file(&*name);
    let text = input::text(path)?;
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        strict_booleans: true,
    };
    let cases: CasesFile =
        serde_saphyr::from_str_with_options(&text, options).map_err(|error| {
            let place = error.location().map(|location| (location.line(), location.column()));
            let error = error.without_snippet().to_string();
            let message = error.lines().next().unwrap_or_default();
            let message = message.split(" at line ").next().unwrap_or_default();
            let message = if message.starts_with("multiple YAML documents") {
                "more than one YAML document"
            } else {
                message
            };
            fail(message.to_owned()).at(place.map(|p| p.0), place.map(|p| p.1)).within(&text)
        })?;
    let folder = path.parent().filter(|_| !input::is_stdin(path)).unwrap_or(Path::new(""));
    let policy = match (&args.policy, &cases.policy) {
        (Some(policy), _) => policy.clone(),
        (None, Some(policy)) => folder.join(policy),
        (None, None) => return Err(fail("names no policy: add policy, or --policy".into())),
    };
    let lists = cases.tools.as_ref().map(|tools| Lists::read(&folder.join(tools))).transpose()?;
    let source = Source::read(&policy)?;
    let mut runner = Runner {
        file: &cases,
        folder,
        lists: lists.unwrap_or_default(),
        gates: HashMap::new(),
        used: BTreeSet::new(),
        source,
    };
    let mut reports = Vec::new();
    for spanned in &cases.cases {
        let (case, line) = (&spanned.value, spanned.referenced.line());
        if args.filter.as_ref().is_some_and(|text| !case.name.contains(text)) {
            continue;
        }
        let failures = runner.run(case).map_err(|problem| {
            // About the case, unless it is about a file that the case names.
            let message = format!("case {:?}: {}", case.name, problem.message);
            let here = problem.file.is_none();
            if here { fail(message).at(Some(line), None) } else { Problem { message, ..problem } }
        })?;
        let name = case.name.clone();
        reports.push(CaseReport { name, line, passed: failures.is_empty(), failures });
    }
    let rules = runner.source.policy.outline().rules.into_iter().map(|rule| rule.id);
    let idle_rules = rules.filter(|rule| !runner.used.contains(rule)).collect();
    Ok(FileReport { file: name, policy: runner.source.file.clone(), cases: reports, idle_rules })
}

impl Runner<'_> {
    /// What is not as expected.
    fn run(&mut self, case: &Case) -> Result<Vec<String>, Problem> {
        let asks = case.request.is_some() || case.message.is_some();
        let lists = !case.sees.is_empty() || !case.hides.is_empty();
        if !asks && !lists {
            return Err(Problem::new("it asks nothing: add request, message, sees or hides"));
        }
        if asks && case.expect.is_none() {
            return Err(Problem::new("it expects nothing of its request: add expect"));
        }
        if !asks && (case.expect.is_some() || case.rule.is_some() || case.arguments.is_some()) {
            return Err(Problem::new("it expects something of a request, and has none"));
        }
        let at = case.at.as_deref().or(self.file.at.as_deref());
        let unix = match at {
            Some(at) => time::parse(at).map_err(Problem::new)?,
            None => portcullis_core::Clock::system().unix().as_secs(),
        };
        let server = case.server.clone().or_else(|| self.file.server.clone());
        let key = (server.clone(), if at.is_some() { unix } else { u64::MAX });
        let mut gate = match self.gates.remove(&key) {
            Some(gate) => gate,
            None => Gate::new(self.source.at(unix)?, server, self.lists.clone())?,
        };
        gate.from = match case.from.as_ref().or(self.file.from.as_ref()) {
            Some(address) => Some(address.parse().map_err(|_| {
                Problem::new(format!("{address:?} is not an address that requests come from"))
            })?),
            None => None,
        };
        let (caller, _) = self.person(&case.who)?.caller(&gate.policy, Some(self.folder))?;
        let mut failures = Vec::new();
        if asks {
            self.request(case, &mut gate, &caller, &mut failures)?;
        }
        self.seen(case, &gate, &caller, &mut failures);
        self.gates.insert(key, gate);
        Ok(failures)
    }

    fn person(&self, who: &Who) -> Result<Person, Problem> {
        let name = match who {
            Who::Described(person) => return Ok(Person::clone(person)),
            Who::Named(name) => name,
        };
        match (self.file.callers.get(name), name.as_str()) {
            (Some(person), _) => Ok(person.clone()),
            (None, "anonymous") => Ok(Person { anonymous: true, ..Person::default() }),
            (None, "everyone") => Ok(Person { everyone: true, ..Person::default() }),
            (None, _) => Err(Problem::new(format!("there is no caller {name}"))),
        }
    }

    fn request(
        &mut self,
        case: &Case,
        gate: &mut Gate,
        caller: &Caller,
        failures: &mut Vec<String>,
    ) -> Result<(), Problem> {
        let revision = case.mcp_version.as_deref().map(version).transpose()?;
        let asked = match (&case.message, &case.request) {
            (Some(_), Some(_)) => return Err(Problem::new("it has both request and message")),
            (Some(path), None) => Asked::written(input::bytes(&self.folder.join(path))?, revision),
            (None, request) => {
                let request = request.as_deref().unwrap_or_default().trim();
                let (method, name) = match request.split_once(' ') {
                    Some((method, name)) => (method, Some(name.trim())),
                    None => (request, None),
                };
                let arguments = case.arguments.clone().map(|map| Value::Object(map).to_string());
                Asked::new(method, name, arguments.as_deref(), revision, case.as_task)?
            }
        };
        if case.as_task && case.message.is_some() {
            return Err(Problem::new("it has as_task and a message, which says so itself"));
        }
        let decided = decide(gate, caller, &asked);
        let style = decided.targets.iter().find_map(|target| target.style);
        let calls = decided.targets.iter().all(|target| target.kind == Some("tool"));
        let explained = style == Some("explain") || style == Some("tool_result") && !calls;
        let is = |expect| match (expect, decided.verdict) {
            (Expect::Allow, verdict) => verdict == Verdict::Allow,
            (Expect::Deny, verdict) => verdict == Verdict::Deny,
            (Expect::Hidden, Verdict::Deny) => style == Some("hide"),
            (Expect::Explained, Verdict::Deny) => explained,
            (Expect::ToolResult, Verdict::Deny) => style == Some("tool_result") && calls,
            (Expect::Challenge, verdict) => verdict == Verdict::Challenge,
            (Expect::SignIn, verdict) => verdict == Verdict::SignIn,
            (Expect::Refused, verdict) => verdict == Verdict::Refused,
            _ => false,
        };
        let rule = decided.targets.iter().find_map(|target| {
            let deciding = decided.verdict == Verdict::Allow || target.decision != "allow";
            deciding.then(|| target.rule.clone()).flatten()
        });
        self.used.extend(rule.clone());
        if let Some(expect) = case.expect.filter(|expect| !is(*expect)) {
            let got = match decided.verdict {
                Verdict::Allow => "allow".to_owned(),
                Verdict::Deny if explained => "a denial that is explained".to_owned(),
                Verdict::Deny if style == Some("tool_result") => "a tool result".to_owned(),
                Verdict::Deny => "a denial that is hidden".to_owned(),
                Verdict::Challenge => "a challenge".to_owned(),
                Verdict::SignIn => "a call to sign in".to_owned(),
                Verdict::Partly => "a batch of which some is refused".to_owned(),
                Verdict::Refused => {
                    let denial = decided.answered.denial.as_ref();
                    let reason = denial.map(|denial| denial.reason().as_str());
                    format!("refused by inspection ({})", reason.unwrap_or_default())
                }
            };
            let by = rule.as_ref().map(|rule| format!(", by rule {rule}")).unwrap_or_default();
            failures.push(format!("expected {}, got {got}{by}", word(expect)));
        }
        if let Some(expected) = &case.rule {
            let got = rule.as_deref().unwrap_or("none");
            if got != expected {
                failures.push(format!("expected rule {expected}, got {got}"));
            }
        }
        if let Some(expected) = &case.scopes {
            let denial = decided.answered.denial.as_ref();
            let got: BTreeSet<&String> =
                denial.map(|d| d.scopes()).unwrap_or_default().iter().collect();
            if got != expected.iter().collect() {
                let got = got.into_iter().cloned().collect::<Vec<_>>().join(" ");
                let got = if got.is_empty() { "none".to_owned() } else { got };
                failures.push(format!("expected scopes {}, got {got}", expected.join(" ")));
            }
        }
        Ok(())
    }

    fn seen(&mut self, case: &Case, gate: &Gate, caller: &Caller, failures: &mut Vec<String>) {
        let kind = match case.list {
            ListOf::Tools => TargetKind::Tool,
            ListOf::Prompts => TargetKind::Prompt,
            ListOf::Resources => TargetKind::Resource,
            ListOf::ResourceTemplates => TargetKind::ResourceTemplate,
        };
        for (names, expected) in [(&case.sees, true), (&case.hides, false)] {
            for name in names {
                // A slip of the pen is hidden from everybody.
                let mut known = gate.lists.items.iter().filter(|item| item.kind == kind).peekable();
                if known.peek().is_some() && !known.any(|item| item.name == *name) {
                    let file = self.file.tools.as_ref().map(|file| file.display().to_string());
                    let file = file.unwrap_or_default();
                    failures.push(format!("{file} has no {} {name}", crate::names::kind(kind)));
                    continue;
                }
                let explanation = listed(gate, caller, kind, name);
                let rule = crate::names::rule(&explanation.decision);
                self.used.extend(rule.map(str::to_owned));
                if is_visible(&explanation.decision) != expected {
                    let by = rule.map(|rule| format!(", by rule {rule}")).unwrap_or_default();
                    let what = if expected { "does not see" } else { "sees" };
                    let kind = crate::names::kind(kind);
                    failures.push(format!("the caller {what} the {kind} {name}{by}"));
                }
            }
        }
    }
}

fn word(expect: Expect) -> &'static str {
    match expect {
        Expect::Allow => "allow",
        Expect::Deny => "a denial",
        Expect::Hidden => "a denial that is hidden",
        Expect::Explained => "a denial that is explained",
        Expect::ToolResult => "a tool result",
        Expect::Challenge => "a challenge",
        Expect::SignIn => "a call to sign in",
        Expect::Refused => "inspection to refuse it",
    }
}
