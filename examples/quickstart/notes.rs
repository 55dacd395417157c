//! An ordinary rmcp server: five tools over a shared notebook. Nothing here knows of the gate,
//! except `add_note`, which asks it for the author's name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::request::Parts;
use portcullis::RequestFacts as _;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ErrorData, ServerCapabilities, ServerConfig, Tool};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler, schemars, tool, tool_handler, tool_router};

/// The notebook, shared by all sessions.
#[derive(Clone)]
pub struct Notes {
    book: Arc<Mutex<BTreeMap<String, String>>>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Title {
    /// The note's title.
    title: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Note {
    /// The note's title.
    title: String,
    /// The note's text.
    text: String,
}

impl Notes {
    /// A notebook with two notes in it.
    pub fn new() -> Self {
        let book = [
            ("welcome", "Tools, prompts and resources are yours to guard."),
            ("on-call", "This week: the platform team."),
        ];
        let book = book.map(|(title, text)| (title.to_owned(), text.to_owned())).into();
        Self { book: Arc::new(Mutex::new(book)) }
    }

    /// Every tool there is, whoever may see it.
    #[allow(dead_code, reason = "not every example that shares this server shows the list")]
    pub fn all_tools() -> Vec<Tool> {
        let mut tools = Self::tool_router().list_all();
        tools.sort_by_key(|tool| {
            tool.annotations.as_ref().and_then(|a| a.read_only_hint) != Some(true)
        });
        tools
    }

    /// The server as a tower service that speaks Streamable HTTP.
    pub fn service() -> StreamableHttpService<Self, LocalSessionManager> {
        let notes = Self::new();
        StreamableHttpService::new(
            move || Ok(notes.clone()),
            LocalSessionManager::default().into(),
            StreamableHttpServerConfig::default(),
        )
    }

    fn book(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tool_router]
impl Notes {
    #[tool(description = "List the titles of all notes", annotations(read_only_hint = true))]
    fn list_notes(&self) -> String {
        self.book().keys().cloned().collect::<Vec<_>>().join(", ")
    }

    #[tool(description = "Read one note", annotations(read_only_hint = true))]
    fn read_note(
        &self,
        Parameters(Title { title }): Parameters<Title>,
    ) -> Result<String, ErrorData> {
        let text = self.book().get(&title).cloned();
        text.ok_or_else(|| ErrorData::invalid_params("there is no note of that title", None))
    }

    #[tool(description = "Add a note, signed with your name")]
    #[allow(clippy::needless_pass_by_value, reason = "rmcp hands the context over by value")]
    fn add_note(
        &self,
        Parameters(Note { title, text }): Parameters<Note>,
        context: RequestContext<RoleServer>,
    ) -> String {
        let author = author(&context).unwrap_or("nobody");
        self.book().insert(title.clone(), format!("{text} ({author})"));
        format!("added \"{title}\" by {author}")
    }

    #[tool(description = "Replace the text of a note")]
    fn edit_note(
        &self,
        Parameters(Note { title, text }): Parameters<Note>,
    ) -> Result<String, ErrorData> {
        match self.book().get_mut(&title) {
            Some(old) => *old = text,
            None => return Err(ErrorData::invalid_params("there is no note of that title", None)),
        }
        Ok(format!("edited \"{title}\""))
    }

    #[tool(description = "Delete every note", annotations(destructive_hint = true))]
    fn purge_notes(&self) -> String {
        let mut book = self.book();
        let count = book.len();
        book.clear();
        format!("deleted {count} notes")
    }
}

/// Who is calling, as the gate verified it.
fn author(context: &RequestContext<RoleServer>) -> Option<&str> {
    let parts = context.extensions.get::<Parts>()?;
    parts.caller()?.principal().map(|principal| principal.subject())
}

#[tool_handler]
impl ServerHandler for Notes {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_instructions("A shared notebook")
    }
}
