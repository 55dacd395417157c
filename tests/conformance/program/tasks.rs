//! Tools that run as tasks, where the client knows tasks (SEP-2663).

use std::collections::BTreeMap;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ContentBlock,
    CreateTaskResult, ErrorData, InputRequest,
};
use rmcp::task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions};
use serde_json::Value;

use crate::data::ToolEntry;

/// One piece of work, the same in a task and at once.
enum Job {
    Sleep(Duration),
    Fail(ErrorData),
    FailAsATool,
    Ask(BTreeMap<String, Value>),
    Greet(String),
}

/// Does what the tool does; `None` if it is none of these.
pub async fn call(
    tasks: &TaskManager,
    entry: &ToolEntry,
    request: &CallToolRequestParams,
    knows_tasks: bool,
) -> Option<Result<CallToolResponse, ErrorData>> {
    let argument = |name| request.arguments.as_ref().and_then(|all| all.get(name));
    // Some cannot be answered at once.
    let (job, task_only) = match &*request.name {
        "slow_compute" => {
            let seconds = argument("seconds").and_then(Value::as_f64).unwrap_or(1.0);
            (Job::Sleep(Duration::from_secs_f64(seconds.clamp(0.0, 3600.0))), false)
        }
        "failing_job" => (Job::FailAsATool, true),
        "protocol_error_job" => {
            (Job::Fail(ErrorData::internal_error("This job always fails", None)), false)
        }
        "confirm_delete" => {
            let confirm = entry.ask.clone().unwrap_or_default();
            (Job::Ask([("confirm".to_owned(), confirm)].into()), true)
        }
        "multi_input" => (Job::Ask(entry.inputs.clone()), true),
        "test_tool_with_task" => {
            let name = request.input_responses.as_ref()?.get("user_name")?;
            let name = name.pointer("/content/name").and_then(Value::as_str)?;
            (Job::Greet(format!("Hello, {name}!")), true)
        }
        _ => return None,
    };
    if knows_tasks {
        let task = tasks.spawn(TaskOptions::default(), |context| Box::pin(run(job, Some(context))));
        return Some(Ok(CreateTaskResult::new(task).into()));
    }
    if task_only {
        return Some(Err(needs_tasks()));
    }
    Some(match run(job, None).await {
        Ok(result) => Ok(result.into()),
        Err(TaskExit::Error(error)) => Err(error),
        Err(TaskExit::Cancelled) => Err(ErrorData::internal_error("Cancelled", None)),
    })
}

/// What a client without tasks is told that asks for a tool that needs them.
pub fn needs_tasks() -> ErrorData {
    ErrorData::missing_required_client_capability(
        ClientCapabilities::builder().enable_tasks().build(),
    )
}

async fn run(job: Job, context: Option<TaskContext>) -> Result<CallToolResult, TaskExit> {
    let text = match job {
        Job::Sleep(time) => {
            tokio::select! {
                () = tokio::time::sleep(time) => "Computed".to_owned(),
                () = cancelled(context.as_ref()) => return Err(TaskExit::Cancelled),
            }
        }
        Job::Fail(error) => {
            tokio::time::sleep(Duration::from_millis(200)).await;
            return Err(error.into());
        }
        Job::FailAsATool => {
            tokio::time::sleep(Duration::from_millis(200)).await;
            return Ok(CallToolResult::error(vec![ContentBlock::text("This job always fails")]));
        }
        Job::Ask(inputs) => {
            let Some(context) = context else { return Err(needs_tasks().into()) };
            let asked = inputs.into_iter().map(|(key, request)| {
                let context = context.clone();
                // All of them are open at once, so that the client may answer one by one.
                tokio::spawn(async move { ask(&context, key, request).await })
            });
            let mut said = Vec::new();
            for one in asked.collect::<Vec<_>>() {
                let one = one.await.map_err(|_| ErrorData::internal_error("Cancelled", None))?;
                said.push(one?.to_string());
            }
            said.join(", ")
        }
        Job::Greet(text) => text,
    };
    Ok(CallToolResult::success(vec![ContentBlock::text(text)]))
}

async fn ask(context: &TaskContext, key: String, request: Value) -> Result<Value, TaskExit> {
    let request: InputRequest = serde_json::from_value(request)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    let answer = context.request_input(key, request).await?;
    Ok(answer.get("content").cloned().unwrap_or_default())
}

async fn cancelled(context: Option<&TaskContext>) {
    match context {
        Some(context) => context.cancelled().await,
        None => std::future::pending().await,
    }
}
