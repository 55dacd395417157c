//! The ids of tasks in what comes back: clients see ids that prove whose they are (R-211, R-212).

use std::ops::Range;

use portcullis_core::{Method, Note, Reason, TargetKind, Version};

use super::Exchange;
use crate::capability;
use crate::filter::{Answer, skip};
use crate::json::{JsonLimits, Kind, Scanner};
use crate::splice::Splice;
use crate::task::{self, Task};
use crate::task_book::OwnTasks;
use crate::violation::{BAD_RPC, Violation};

/// The places where a message says which task it belongs to.
const RESULT: &[&str] = &["result"];
const PARAMS: &[&str] = &["params"];
const OF_BEGUN: &[&str] = &["result", "task"];
const OF_RESULT: &[&str] = &["result", "_meta"];
const OF_INLINED: &[&str] = &["result", "result", "_meta"];
const OF_PARAMS: &[&str] = &["params", "_meta"];
const OF_WATCHED: &[&str] = &["params", "result", "_meta"];

impl Exchange {
    /// Says which task this is about.
    pub(crate) fn about(&mut self, task: Option<Box<Task>>) {
        self.task = task;
    }

    /// Says of which tasks of the caller's a subscription wants news.
    pub(crate) fn watches(&mut self, tasks: &[Task]) {
        if let Some(listen) = &mut self.listen {
            listen.watches(tasks);
        }
    }

    /// What a subscription is told of a task, as the client may have it; `None` when nothing in it changes.
    ///
    /// # Errors
    /// What must not reach the client in this way. It asks for the task in time, and is then told why.
    pub(super) fn watched(&self, message: &[u8]) -> Result<Option<Vec<u8>>, Violation> {
        let (limits, allowed) = (self.json(), &self.config.server_requests);
        let id = task::find(message, &["params", "taskId"], limits)?;
        let own = |id: &str| self.listen.as_ref().and_then(|listen| listen.own_task(id));
        let task = id.as_ref().and_then(|(_, id)| own(id)).ok_or(BAD_RPC)?;
        let part = |name| {
            let range = task::object(message, &["params", name], limits)?;
            Ok::<_, Violation>(range.map(|range| message.get(range).unwrap_or_default()))
        };
        let (result, error) = (part("result")?, part("error")?);
        if (result.is_some() || error.is_some()) && self.config.hooks.on_answers() {
            // Hooks are asked about the answer to a request.
            return Err(Violation::new(Reason::UnexpectedResponse));
        }
        if let Some(error) = error {
            self.check_visits(self.one.as_ref().map(|pending| &pending.request), error)?;
            if holds(error, &task.upstream_id) {
                return Err(Violation::new(Reason::PolicyDenied));
            }
        }
        if let (Some(asked), Some(pending)) = (part("inputRequests")?, &self.one) {
            capability::check(pending.request.raw(), asked, allowed, limits)?;
        }
        let mut renamed = None;
        for path in [OF_PARAMS, OF_WATCHED] {
            let message = renamed.as_deref().unwrap_or(message);
            renamed = of_own(task, message, path, limits)?.or(renamed);
        }
        let message = renamed.as_deref().unwrap_or(message);
        Ok(self.reworded(message, PARAMS)?.or(renamed))
    }

    /// An answer with the ids that the client knows; `None` when there is none in it.
    pub(super) fn answer_renamed(
        &self,
        index: usize,
        answer: &Answer<'_>,
        message: &[u8],
    ) -> Result<Option<Vec<u8>>, Violation> {
        let mut all = self.one.iter().chain(&self.more);
        let Some(pending) = all.nth(index) else { return Ok(None) };
        let (request, limits) = (&pending.request, self.json());
        match (&self.task, request.method()) {
            (Some(task), Method::TasksResult) => of_own(task, message, OF_RESULT, limits),
            (Some(task), _) => {
                let name = |id: &str| (id == task.upstream_id).then(|| task.client_id.clone());
                let mut renamed = task::replace(message, &["result", "taskId"], limits, name)?;
                if let Some(error) = &answer.inlined_error {
                    let message = renamed.as_deref().unwrap_or(message);
                    renamed = unnamed(task, message, error.code, limits)?.or(renamed);
                }
                for path in [OF_RESULT, OF_INLINED] {
                    let message = renamed.as_deref().unwrap_or(message);
                    renamed = of_own(task, message, path, limits)?.or(renamed);
                }
                let message = renamed.as_deref().unwrap_or(message);
                Ok(self.reworded(message, RESULT)?.or(renamed))
            }
            (None, Method::ToolsCall) if answer.result_type.as_deref() == Some("task") => {
                let name = |id: &str| self.task_begun(id);
                let begun = task::replace(message, &["result", "taskId"], limits, name)?;
                let begun = begun.ok_or(BAD_RPC)?;
                let begun = self.reworded(&begun, RESULT)?.unwrap_or(begun);
                Ok(Some(self.of_known(&begun, OF_RESULT)?.unwrap_or(begun)))
            }
            (None, Method::ToolsCall) if self.may_begin_task() => {
                let begun = task::replace(message, &["result", "task", "taskId"], limits, |id| {
                    self.task_begun(id)
                })?;
                if begun.is_some() {
                    self.note_about(pending, Note::TaskBegun);
                }
                let reworded = self.reworded(begun.as_deref().unwrap_or(message), OF_BEGUN)?;
                let begun = reworded.or(begun);
                let message = begun.as_deref().unwrap_or(message);
                Ok(self.of_known(message, OF_RESULT)?.or(begun))
            }
            _ if answer.related => self.of_known(message, OF_RESULT),
            _ => Ok(None),
        }
    }

    /// `message`, in which the client's id of a task stands in the object at `path`, with that id also in what
    /// the service says about the task's status. `None` when the service's own does not stand there.
    fn reworded(&self, message: &[u8], path: &[&str]) -> Result<Option<Vec<u8>>, Violation> {
        let limits = self.json();
        if memchr::memmem::find(message, b"statusMessage").is_none() {
            return Ok(None); // What is spelt otherwise is no text that clients show.
        }
        let Some(range) = task::object(message, path, limits)? else { return Ok(None) };
        let object = message.get(range.clone()).unwrap_or_default();
        let (mut id, mut said) = (None, None);
        Scanner::new(object, limits)?.object(|scanner, name| {
            let to = match name.raw() {
                "taskId" => &mut id,
                "statusMessage" => &mut said,
                _ => return skip(scanner),
            };
            if scanner.peek()? != Kind::String {
                return skip(scanner);
            }
            *to = Some(scanner.string()?);
            Ok(())
        })?;
        let (Some(id), Some(said)) = (id, said) else { return Ok(None) };
        let (keys, resource) = (&self.config.sessions, &self.config.resource);
        let Ok(own) = keys.open_task(&id.decoded(), &self.eyes.caller, resource) else {
            return Ok(None);
        };
        let new = task::reworded(said, &own.upstream_id, &own.client_id);
        let at = said.range();
        let at = range.start + at.start..range.start + at.end;
        Ok(new.and_then(|new| spliced(message, (at, new))))
    }

    /// Something else that the service says: what belongs to a task says so to its owner alone.
    pub(super) fn aside_renamed(&self, message: &[u8]) -> Result<Option<Vec<u8>>, Violation> {
        let reworded = self.reworded(message, PARAMS)?;
        let message = reworded.as_deref().unwrap_or(message);
        let renamed = match &self.task {
            Some(task) => of_own(task, message, OF_PARAMS, self.json()),
            None => self.of_known(message, OF_PARAMS),
        };
        Ok(renamed?.or(reworded))
    }

    /// An answer that a resumed stream repeats.
    pub(super) fn replayed_renamed(&self, message: &[u8]) -> Result<Option<Vec<u8>>, Violation> {
        self.of_known(message, OF_RESULT)
    }

    /// `message` with the task that it belongs to as the caller knows it. About a task of which nobody
    /// here knows that it is the caller's it says nothing.
    fn of_known(&self, message: &[u8], path: &[&str]) -> Result<Option<Vec<u8>>, Violation> {
        let own =
            |id: &str| Ok(self.own_tasks().and_then(|tasks| tasks.named(id)).map(|own| own.0));
        let edit = task::relate(message, path, self.json(), own)?;
        Ok(edit.and_then(|edit| spliced(message, edit)))
    }

    /// The caller's tasks, in the revision that has them.
    pub(super) fn own_tasks(&self) -> Option<OwnTasks<'_>> {
        let has_tasks = self.eyes.version == Version::V2025_11_25;
        has_tasks.then_some(OwnTasks { config: &self.config, caller: &self.eyes.caller })
    }

    /// Whether an answer says that a task has begun.
    pub(super) fn begins_task(&self, message: &[u8]) -> Result<bool, Violation> {
        let found = task::find(message, &["result", "task", "taskId"], self.json())?;
        Ok(found.is_some())
    }

    /// Whether an error names the task by the id that only the service knows.
    pub(super) fn names_task(&self, source: &[u8], error: Range<usize>) -> bool {
        let said = source.get(error).unwrap_or_default();
        self.task.as_ref().is_some_and(|task| holds(said, &task.upstream_id))
    }

    /// Whether this is a call that may have asked for a task. What looks so and has not costs another
    /// reading.
    fn may_begin_task(&self) -> bool {
        self.eyes.version == Version::V2025_11_25
            && self.one.as_ref().is_some_and(|pending| {
                let raw = pending.request.raw();
                pending.request.method() == Method::ToolsCall
                    && (memchr::memmem::find(raw, b"task").is_some()
                        || memchr::memmem::find(raw, b"\\u").is_some())
            })
    }

    /// The name of a task that the call has begun.
    fn task_begun(&self, upstream_id: &str) -> Option<String> {
        let (config, caller) = (&*self.config, &self.eyes.caller);
        let mut targets = self.one.iter().flat_map(|pending| pending.request.targets());
        let tool = targets.find(|target| target.kind() == TargetKind::Tool)?.name();
        let name = config.sessions.seal_task(upstream_id, tool, caller, &config.resource)?;
        config.tasks.note(config, caller, upstream_id, tool);
        Some(name)
    }
}

/// Whether `id` stands somewhere in what is said.
fn holds(said: &[u8], id: &str) -> bool {
    memchr::memmem::find(said, id.as_bytes()).is_some()
}

/// `message` without the words of the error that ended the task, where they name it by the id that only the service
/// knows.
fn unnamed(
    task: &Task,
    message: &[u8],
    code: i64,
    limits: JsonLimits,
) -> Result<Option<Vec<u8>>, Violation> {
    let Some(range) = task::object(message, &["result", "error"], limits)? else { return Ok(None) };
    let said = message.get(range.clone()).unwrap_or_default();
    if task.upstream_id.len() < task::MIN_ID || !holds(said, &task.upstream_id) {
        return Ok(None);
    }
    let said = format!(r#"{{"code":{code},"message":"Upstream error"}}"#);
    Ok(spliced(message, (range, said)))
}

/// Another task has no business in what is said about this one.
fn of_own(
    task: &Task,
    message: &[u8],
    path: &[&str],
    limits: JsonLimits,
) -> Result<Option<Vec<u8>>, Violation> {
    let own = |id: &str| match id == task.upstream_id {
        true => Ok(Some(task.client_id.clone())),
        false => Err(BAD_RPC),
    };
    let edit = task::relate(message, path, limits, own)?;
    Ok(edit.and_then(|edit| spliced(message, edit)))
}

fn spliced(message: &[u8], (range, text): (Range<usize>, String)) -> Option<Vec<u8>> {
    let mut splice = Splice::new(message, 0);
    splice.replace(range, &text);
    splice.finish(message.len())
}
