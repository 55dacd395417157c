//! What the server offers: `fixture.json`, as types.

use std::collections::BTreeMap;

use rmcp::model::{
    CallToolResult, GetPromptResult, InputRequests, Prompt, Resource, ResourceContents,
    ResourceTemplate, Tool,
};
use serde::Deserialize;
use serde_json::Value;

/// Everything that lists name.
#[derive(Deserialize)]
pub struct Data {
    pub tools: Vec<ToolEntry>,
    pub prompts: Vec<PromptEntry>,
    pub resources: Vec<ResourceEntry>,
    pub templates: Vec<ResourceTemplate>,
}

/// A tool, and what it does if that is data too.
#[derive(Clone, Deserialize)]
pub struct ToolEntry {
    pub tool: Tool,
    /// What it always answers.
    pub answer: Option<CallToolResult>,
    /// What it asks the client while it runs.
    pub ask: Option<Value>,
    /// What it asks, each under its key, while it runs as a task.
    #[serde(default)]
    pub inputs: BTreeMap<String, Value>,
    /// What its answers ask for first.
    #[serde(flatten)]
    pub rounds: Rounds,
}

/// Requests that the client fulfils before it calls again, round by round.
#[derive(Clone, Default, Deserialize)]
pub struct Rounds {
    #[serde(default)]
    pub rounds: Vec<InputRequests>,
    /// The client carries the round's number, sealed.
    #[serde(default)]
    pub sealed: bool,
    /// Only what the client says it can do is asked for.
    #[serde(default)]
    pub capable: bool,
}

#[derive(Clone, Deserialize)]
pub struct PromptEntry {
    pub prompt: Prompt,
    pub answer: GetPromptResult,
    #[serde(flatten)]
    pub rounds: Rounds,
}

#[derive(Clone, Deserialize)]
pub struct ResourceEntry {
    pub resource: Resource,
    pub contents: Vec<ResourceContents>,
}

impl Data {
    pub fn read() -> serde_json::Result<Self> {
        serde_json::from_str(include_str!("fixture.json"))
    }

    pub fn tool(&self, name: &str) -> Option<&ToolEntry> {
        self.tools.iter().find(|entry| entry.tool.name == name)
    }

    pub fn prompt(&self, name: &str) -> Option<&PromptEntry> {
        self.prompts.iter().find(|entry| entry.prompt.name == name)
    }

    pub fn resource(&self, uri: &str) -> Option<&ResourceEntry> {
        self.resources.iter().find(|entry| entry.resource.uri == uri)
    }
}
