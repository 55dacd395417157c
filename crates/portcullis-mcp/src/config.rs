//! What `InspectLayer` was told.

use std::time::Duration;

use portcullis_core::{Clock, Era, Version};

use crate::crowd::Crowd;
use crate::custom::Catalogue;
use crate::hook::Hooks;
use crate::pins::ToolPins;
use crate::session_table::SessionTable;
use crate::task_book::TaskBook;
use crate::throttle::Misses;
use crate::web::UrlHosts;
use crate::{Limits, RateLimits, SessionKeys};

/// The settings of inspection, shared by every clone of the service.
#[derive(Clone, Debug)]
pub(crate) struct InspectConfig {
    /// The enabled revisions: newest first, without repetition, at least one.
    pub(crate) versions: Vec<Version>,
    pub(crate) limits: Limits,
    /// What callers have open.
    pub(crate) crowd: Crowd,
    pub(crate) rate_limits: Option<RateLimits>,
    pub(crate) sessions: SessionKeys,
    /// The canonical resource URI, to which sessions are bound.
    pub(crate) resource: String,
    /// Which sessions are in use.
    pub(crate) session_table: SessionTable,
    /// How often callers have named a session that is none.
    pub(crate) misses: Misses,
    /// Whether there are no sessions.
    pub(crate) stateless: bool,
    /// What a server may ask of its client.
    pub(crate) server_requests: ServerRequests,
    /// The longest `ttlMs` of a list.
    pub(crate) ttl_cap: Duration,
    pub(crate) clock: Clock,
    /// Which headers repeat which arguments.
    pub(crate) catalogue: Catalogue,
    /// Whether what the specification leaves to the reader is refused.
    pub(crate) strict: bool,
    /// Whether an answer without a permit is withheld.
    pub(crate) require_permit: bool,
    /// Whether a target that the service does not know looks like one that is hidden.
    pub(crate) hide_unknown: bool,
    /// Whether what results point at is checked like what is read.
    pub(crate) check_links: bool,
    pub(crate) hide_instructions: bool,
    /// Whether features of which the caller may use nothing are left out of what the service says it has.
    pub(crate) hide_capabilities: bool,
    /// Whether the UIs that tools name are checked like what is read.
    pub(crate) check_tool_uis: bool,
    /// Whether the tools that a server offers the client's model are checked like those of lists.
    pub(crate) check_sampling_tools: bool,
    /// Whether calls may run as tasks.
    pub(crate) allow_tasks: bool,
    /// Whether the values that a server proposes for the variable of a template are checked.
    pub(crate) check_completions: bool,
    /// Whose tasks are whose, as far as that was proved here.
    pub(crate) tasks: TaskBook,
    /// Which definitions of tools were approved, where somebody does.
    pub(crate) pins: Option<ToolPins>,
    /// What the deployment adds.
    pub(crate) hooks: Hooks,
}

/// What a server may ask of its client (requirements 2.3, R-215). `ping` always passes.
#[derive(Clone, Debug)]
pub(crate) struct ServerRequests {
    pub(crate) sampling: bool,
    pub(crate) roots: bool,
    /// Elicitation by a form.
    pub(crate) forms: bool,
    /// Elicitation by a URL, to these hosts.
    pub(crate) urls: UrlHosts,
}

impl Default for ServerRequests {
    fn default() -> Self {
        Self { sampling: true, roots: true, forms: true, urls: UrlHosts::default() }
    }
}

impl Default for InspectConfig {
    fn default() -> Self {
        Self {
            versions: Version::ALL.to_vec(),
            limits: Limits::default(),
            crowd: Crowd::new(),
            rate_limits: None,
            sessions: SessionKeys::random(),
            resource: String::new(),
            session_table: SessionTable::default(),
            misses: Misses::default(),
            stateless: false,
            server_requests: ServerRequests::default(),
            ttl_cap: Duration::from_secs(60),
            clock: Clock::system(),
            catalogue: Catalogue::default(),
            strict: false,
            require_permit: true,
            hide_unknown: true,
            check_links: false,
            hide_instructions: false,
            hide_capabilities: false,
            check_tool_uis: false,
            check_sampling_tools: false,
            allow_tasks: true,
            check_completions: false,
            tasks: TaskBook::default(),
            pins: None,
            hooks: Hooks::default(),
        }
    }
}

impl InspectConfig {
    /// Whether `version` is enabled.
    pub(crate) fn supports(&self, version: Version) -> bool {
        self.versions.contains(&version)
    }

    /// Whether any legacy revision is enabled.
    pub(crate) fn legacy(&self) -> bool {
        self.newest_legacy().is_some()
    }

    /// Whether there are sessions, and with them `GET` and `DELETE`.
    pub(crate) fn has_sessions(&self) -> bool {
        self.legacy() && !self.stateless
    }

    /// The newest enabled legacy revision, which `initialize` offers at most.
    pub(crate) fn newest_legacy(&self) -> Option<Version> {
        self.versions.iter().copied().find(|version| version.era() == Era::Legacy)
    }

    /// The `Allow` field of a 405.
    pub(crate) fn allow(&self) -> &'static str {
        if self.has_sessions() { "GET, POST, DELETE" } else { "POST" }
    }
}
