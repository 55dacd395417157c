//! What tools do whose answer is not data.

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ContentBlock, ErrorData,
    GetPromptResult, JsonObject, LoggingLevel, LoggingMessageNotificationParam,
    ProgressNotificationParam, ServerRequest,
};
use rmcp::service::RequestContext;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::data::ToolEntry;
use crate::server::Fixture;

/// rmcp acknowledges a subscription before it calls `listen`: so long somebody who has just been
/// acknowledged may not be among the listeners yet.
const SUBSCRIBED: Duration = Duration::from_millis(150);
/// Apart, so that they arrive as messages of their own.
const PAUSE: Duration = Duration::from_millis(20);

pub async fn call(
    fixture: &Fixture,
    entry: &ToolEntry,
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let argument = |name| {
        let value = request.arguments.as_ref().and_then(|all| all.get(name));
        let value = value.and_then(Value::as_str);
        value.ok_or_else(|| ErrorData::invalid_params(format!("{name} must be a string"), None))
    };
    let text = match &*request.name {
        "test_custom_header" => argument("value")?.to_owned(),
        "greet" => format!("Hello, {}!", argument("name")?),
        "test_tool_with_logging" => {
            for text in ["Started", "Half done", "Done"] {
                log(&context, LoggingLevel::Info, text).await;
                tokio::time::sleep(PAUSE).await;
            }
            "Logged".to_owned()
        }
        "test_logging_tool" => {
            if let Some(level) = context.meta.log_level() {
                log(&context, level, "Logs were asked for").await;
            }
            "Done".to_owned()
        }
        "test_tool_with_progress" => {
            progress(&context).await;
            "Done".to_owned()
        }
        "test_reconnection" => {
            tokio::time::sleep(PAUSE).await;
            "Done".to_owned()
        }
        "test_missing_capability" => {
            let can = context.client_capabilities().unwrap_or_default();
            if can.sampling.is_none() {
                let needed = ClientCapabilities::builder().enable_sampling().build();
                return Err(ErrorData::missing_required_client_capability(needed));
            }
            "Done".to_owned()
        }
        "test_trigger_tool_change" => {
            tokio::time::sleep(SUBSCRIBED).await;
            for listener in fixture.listeners() {
                // One that is gone needs no news.
                let _ = listener.notify_tool_list_changed().await;
            }
            "Told".to_owned()
        }
        "test_trigger_prompt_change" => {
            tokio::time::sleep(SUBSCRIBED).await;
            for listener in fixture.listeners() {
                let _ = listener.notify_prompt_list_changed().await;
            }
            "Told".to_owned()
        }
        "test_sampling" => {
            let text = json!({"type": "text", "text": argument("prompt")?});
            let message = json!({"role": "user", "content": text});
            let params = json!({"messages": [message], "maxTokens": 100});
            ask(&context, json!({"method": "sampling/createMessage", "params": params})).await?
        }
        _ => match &entry.ask {
            Some(request) => ask(&context, request.clone()).await?,
            None => "Done".to_owned(),
        },
    };
    Ok(CallToolResult::success(vec![ContentBlock::text(text)]))
}

/// What the client answered, as JSON.
async fn ask(context: &RequestContext<RoleServer>, request: Value) -> Result<String, ErrorData> {
    let request: ServerRequest = parse(request)?;
    let answer = context.peer.send_request(request).await;
    let answer = answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    serde_json::to_string(&answer)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

async fn log(context: &RequestContext<RoleServer>, level: LoggingLevel, text: &str) {
    let message = LoggingMessageNotificationParam::new(level, json!(text)).with_logger("fixture");
    // A client that is gone needs no log.
    let _ = context.peer.notify_logging_message(message).await;
}

async fn progress(context: &RequestContext<RoleServer>) {
    let Some(token) = context.meta.get_progress_token() else { return };
    for done in [0.0, 50.0, 100.0] {
        let news = ProgressNotificationParam::new(token.clone(), done).with_total(100.0);
        let _ = context.peer.notify_progress(news).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// A prompt with its arguments in their places.
pub fn filled(
    prompt: &GetPromptResult,
    arguments: Option<&JsonObject>,
) -> Result<GetPromptResult, ErrorData> {
    let mut text = serde_json::to_string(prompt)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    for (name, value) in arguments.into_iter().flatten() {
        let value = Value::from(value.as_str().unwrap_or_default()).to_string();
        // Without its quotes it is the inside of a JSON string.
        let value = value.trim_start_matches('"').trim_end_matches('"');
        text = text.replace(&format!("{{{name}}}"), value);
    }
    parse(serde_json::from_str(&text).unwrap_or_default())
}

fn parse<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))
}
