//! Which rights a question needs.

use portcullis_core::{Method, TargetKind};
use portcullis_rbac::Query;

/// The right to call a tool as a task, which is not quite a method.
const TASKS_CREATE: &str = "tasks/create";

/// The methods of which each must be permitted: that of a use, and the query's own if it is another
/// or the right to begin a task where engines decide about `tasks`. `None` is a question that
/// policies in memory have no words for.
pub(crate) fn methods(
    query: &Query<'_>,
    tasks: bool,
) -> Option<(&'static str, Option<&'static str>)> {
    let kind = query.target().map(|(kind, _)| kind);
    let (usage, own) = match (query.method(), kind) {
        (Method::ToolsCall, Some(TargetKind::Tool)) if tasks && query.runs_as_task() => {
            return Some((Method::ToolsCall.as_str(), Some(TASKS_CREATE)));
        }
        (Method::ToolsCall, Some(TargetKind::Tool)) => (Method::ToolsCall, None),
        (Method::PromptsGet, Some(TargetKind::Prompt)) => (Method::PromptsGet, None),
        (Method::ResourcesRead, Some(TargetKind::Resource | TargetKind::ResourceTemplate)) => {
            (Method::ResourcesRead, None)
        }
        // To end what one has begun takes no more than beginning it.
        (Method::ResourcesSubscribe | Method::ResourcesUnsubscribe, Some(TargetKind::Resource)) => {
            (Method::ResourcesRead, Some(Method::ResourcesSubscribe))
        }
        (Method::SubscriptionsListen, Some(TargetKind::Resource)) => {
            (Method::ResourcesRead, Some(Method::SubscriptionsListen))
        }
        (Method::CompletionComplete, Some(TargetKind::Prompt)) => {
            (Method::PromptsGet, Some(Method::CompletionComplete))
        }
        (Method::CompletionComplete, Some(TargetKind::Resource | TargetKind::ResourceTemplate)) => {
            (Method::ResourcesRead, Some(Method::CompletionComplete))
        }
        (method @ (Method::LoggingSetLevel | Method::TasksList), None) => (method, None),
        // Tasks have owners, whom nobody here knows.
        _ => return None,
    };
    Some((usage.as_str(), own.map(Method::as_str)))
}

/// The kind of the target that rights are about.
pub(crate) fn kind(query: &Query<'_>) -> Option<TargetKind> {
    match (query.method(), query.target()?.0) {
        // The reference of a completion is a template, whatever it is called.
        (Method::CompletionComplete, TargetKind::Resource) => Some(TargetKind::ResourceTemplate),
        (_, kind) => Some(kind),
    }
}
