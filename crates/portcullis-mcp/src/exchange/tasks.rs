//! The ids of tasks in what comes back: clients see ids that prove whose they are.

use portcullis_core::{Method, TargetKind, Version};

use super::Exchange;
use crate::json::JsonLimits;
use crate::task::{self, RELATED, Task};
use crate::violation::Violation;

impl Exchange {
    /// Says which task this is about.
    pub(crate) fn about(&mut self, task: Option<Box<Task>>) {
        self.task = task;
    }

    /// An answer with the ids that the client knows; `None` when there is none in it.
    pub(super) fn answer_renamed(
        &self,
        index: usize,
        message: &[u8],
    ) -> Result<Option<Vec<u8>>, Violation> {
        if self.eyes.version != Version::V2025_11_25 {
            return Ok(None);
        }
        let mut all = self.one.iter().chain(&self.more);
        let Some(request) = all.nth(index).map(|pending| &pending.request) else {
            return Ok(None);
        };
        match (&self.task, request.method()) {
            (Some(task), Method::TasksGet | Method::TasksCancel) => {
                let path = &["result", "taskId"];
                let renamed = rename(task, message, path, self.json())?;
                let message = renamed.as_deref().unwrap_or(message);
                let related =
                    rename(task, message, &["result", "_meta", RELATED, "taskId"], self.json())?;
                Ok(related.or(renamed))
            }
            (Some(task), _) => {
                rename(task, message, &["result", "_meta", RELATED, "taskId"], self.json())
            }
            (None, Method::ToolsCall) if may_begin(request.raw()) => {
                let tool = request.targets().find(|target| target.kind() == TargetKind::Tool);
                let tool = tool.map(|tool| tool.name()).unwrap_or_default();
                let config = &self.config;
                let seal = |id: &str| {
                    config.sessions.seal_task(id, tool, &self.eyes.caller, &config.resource)
                };
                let begun =
                    task::replace(message, &["result", "task", "taskId"], self.json(), seal)?;
                let message = begun.as_deref().unwrap_or(message);
                let path = &["result", "_meta", RELATED, "taskId"];
                let related = task::replace(message, path, self.json(), seal)?;
                Ok(related.or(begun))
            }
            _ => Ok(None),
        }
    }

    /// Something else that the service says while it works on a task.
    pub(super) fn aside_renamed(&self, message: &[u8]) -> Result<Option<Vec<u8>>, Violation> {
        let Some(task) = &self.task else { return Ok(None) };
        rename(task, message, &["params", "_meta", RELATED, "taskId"], self.json())
    }
}

/// Another task has no business in what is said about this one.
fn rename(
    task: &Task,
    message: &[u8],
    path: &[&str],
    limits: JsonLimits,
) -> Result<Option<Vec<u8>>, Violation> {
    let name = |id: &str| (id == task.upstream_id).then(|| task.client_id.clone());
    task::replace(message, path, limits, name)
}

/// Whether a call may have asked for a task. What looks so and has not costs another reading.
fn may_begin(raw: &[u8]) -> bool {
    memchr::memmem::find(raw, b"task").is_some() || memchr::memmem::find(raw, b"\\u").is_some()
}
