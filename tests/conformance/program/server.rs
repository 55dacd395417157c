//! The server: what its lists name, it does.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, CompletionInfo, ErrorData, GetPromptRequestParams, GetPromptResponse,
    GetTaskParams, GetTaskResult, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, ResourceContents, ServerCapabilities, ServerConfig,
    SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool,
    UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{RequestContext, SubscriptionContext, SubscriptionSink};
use rmcp::task_manager::TaskManager;
use rmcp::{RoleServer, ServerHandler};

use crate::calls;
use crate::data::Data;
use crate::rounds::{self, Seal, Sent};
use crate::tasks;

type Context = RequestContext<RoleServer>;

/// How long clients may keep lists.
const FRESH_MS: u64 = 60_000;

#[derive(Clone)]
pub struct Fixture(Arc<Inner>);

struct Inner {
    data: Data,
    seal: Seal,
    tasks: TaskManager,
    sinks: Mutex<HashMap<u64, SubscriptionSink>>,
    next_sink: AtomicU64,
}

impl Fixture {
    pub fn new() -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self(Arc::new(Inner {
            data: Data::read()?,
            seal: Seal::new().map_err(|_| "the system gives no random bytes")?,
            tasks: TaskManager::new(),
            sinks: Mutex::default(),
            next_sink: AtomicU64::default(),
        })))
    }

    /// Those who listen now.
    pub fn listeners(&self) -> Vec<SubscriptionSink> {
        self.sinks().values().cloned().collect()
    }

    fn sinks(&self) -> MutexGuard<'_, HashMap<u64, SubscriptionSink>> {
        self.0.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerHandler for Fixture {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_resources_list_changed()
            .enable_completions()
            .enable_logging()
            .enable_tasks();
        ServerConfig::new(capabilities.build())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        Some(self.0.data.tool(name)?.tool.clone())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.0.data.tools.iter().map(|entry| entry.tool.clone());
        let list = ListToolsResult::with_all_items(tools.collect());
        Ok(list.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Public))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(entry) = self.0.data.tool(&request.name) else {
            return Err(ErrorData::invalid_params("Unknown tool", None));
        };
        if let Some(answer) = &entry.answer {
            return Ok(answer.clone().into());
        }
        let capabilities = context.client_capabilities();
        let knows_tasks = capabilities.as_ref().is_some_and(|can| can.supports_tasks());
        if request.name == "test_tool_with_task" && !knows_tasks {
            return Err(tasks::needs_tasks());
        }
        let sent = Sent {
            responses: request.input_responses.as_ref(),
            state: request.request_state.as_deref(),
            capabilities,
        };
        if let Some(missing) = rounds::missing(&entry.rounds, &sent, &self.0.seal)? {
            return Ok(missing.into());
        }
        if let Some(outcome) = tasks::call(&self.0.tasks, entry, &request, knows_tasks).await {
            return outcome;
        }
        calls::call(self, entry, request, context).await.map(Into::into)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompts = self.0.data.prompts.iter().map(|entry| entry.prompt.clone());
        let list = ListPromptsResult::with_all_items(prompts.collect());
        Ok(list.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Public))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let Some(entry) = self.0.data.prompt(&request.name) else {
            return Err(ErrorData::invalid_params("Unknown prompt", None));
        };
        let sent = Sent {
            responses: request.input_responses.as_ref(),
            state: request.request_state.as_deref(),
            capabilities: context.client_capabilities(),
        };
        if let Some(missing) = rounds::missing(&entry.rounds, &sent, &self.0.seal)? {
            return Ok(missing.into());
        }
        calls::filled(&entry.answer, request.arguments.as_ref()).map(Into::into)
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resources = self.0.data.resources.iter().map(|entry| entry.resource.clone());
        let list = ListResourcesResult::with_all_items(resources.collect());
        Ok(list.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Public))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let list = ListResourceTemplatesResult::with_all_items(self.0.data.templates.clone());
        Ok(list.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Public))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri;
        let id = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
        let contents = match (self.0.data.resource(&uri), id) {
            (Some(entry), _) => entry.contents.clone(),
            (None, Some(id)) => {
                let text = serde_json::json!({"id": id, "data": format!("Data of {id}")});
                let contents = ResourceContents::text(text.to_string(), uri.clone());
                vec![contents.with_mime_type("application/json")]
            }
            (None, None) => {
                let about = serde_json::json!({"uri": uri});
                return Err(ErrorData::resource_not_found("No such resource", Some(about)));
            }
        };
        let result = ReadResourceResult::new(contents);
        Ok(result.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Public).into())
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: Context,
    ) -> Result<CompleteResult, ErrorData> {
        let values = vec!["one".to_owned(), "two".to_owned()];
        let values = CompletionInfo::new(values);
        Ok(CompleteResult::new(values.map_err(|text| ErrorData::internal_error(text, None))?))
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        asked: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(asked.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let key = self.0.next_sink.fetch_add(1, Ordering::Relaxed);
        self.sinks().insert(key, context.sink().clone());
        context.cancelled().await;
        self.sinks().remove(&key);
        Ok(())
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _: Context,
    ) -> Result<GetTaskResult, ErrorData> {
        Ok(GetTaskResult::new(self.0.tasks.get_task(&request.task_id)?))
    }

    async fn update_task(&self, request: UpdateTaskParams, _: Context) -> Result<(), ErrorData> {
        self.0.tasks.update_task(&request.task_id, request.input_responses)
    }

    async fn cancel_task(&self, request: CancelTaskParams, _: Context) -> Result<(), ErrorData> {
        self.0.tasks.cancel_task(&request.task_id)
    }
}
