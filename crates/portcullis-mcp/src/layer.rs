//! Inspection at start-up.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Clock, Version};
use tower_layer::Layer;

use crate::config::InspectConfig;
use crate::web::UrlHosts;
use crate::{ConfigError, Hook, Inspect, Limits, RateLimits, SessionKeys, ToolPins};

/// Reads every MCP request strictly before anything behind sees it, and filters every answer.
///
/// Requests that two parsers could read differently are refused; what a request asks for is handed
/// on as [`McpMessage`](portcullis_core::McpMessage). Lists in answers show only what the
/// [`Permit`](portcullis_core::Permit) of the authorizing layer inside lets the caller see. An
/// answer without a permit is withheld.
///
/// Needs a [`Caller`](portcullis_core::Caller) from a sign-in layer outside, and a tokio runtime
/// with timers. See the [crate docs](crate).
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is inspected until the layer is applied"]
pub struct InspectLayer {
    config: Arc<InspectConfig>,
}

impl InspectLayer {
    /// Inspection with the defaults of requirements section 6.4: all revisions, random session
    /// keys, lists cached by clients for at most 60 seconds.
    pub fn new() -> Self {
        Self::default()
    }

    /// The revisions to speak; all four by default.
    ///
    /// # Errors
    /// When there are none.
    pub fn versions(
        self,
        versions: impl IntoIterator<Item = Version>,
    ) -> Result<Self, ConfigError> {
        let mut versions: Vec<_> = versions.into_iter().collect();
        versions.sort_unstable_by(|a, b| b.cmp(a));
        versions.dedup();
        if versions.is_empty() {
            return Err(ConfigError::new("no protocol revision is enabled"));
        }
        Ok(self.with(|config| config.versions = versions))
    }

    /// The bounds of requests and answers.
    pub fn limits(self, limits: Limits) -> Self {
        self.with(|config| config.limits = limits)
    }

    /// How often callers may call; as often as they like by default.
    pub fn rate_limits(self, limits: RateLimits) -> Self {
        self.with(|config| config.rate_limits = Some(limits))
    }

    /// The keys that seal session ids; random by default, which ends sessions with the process.
    pub fn session_keys(self, keys: SessionKeys) -> Self {
        self.with(|config| config.sessions = keys)
    }

    /// The canonical URI of the resource, to which sessions are bound: a session of one
    /// resource is unknown at another even when both share keys.
    pub fn resource(self, uri: &str) -> Self {
        self.with(|config| uri.clone_into(&mut config.resource))
    }

    /// Where the time comes from; the system by default.
    pub fn clock(self, clock: Clock) -> Self {
        self.with(|config| config.clock = clock)
    }

    /// How long modern clients may keep a list at most; 60 seconds by default. Never longer than
    /// the caller's token lives.
    pub fn ttl_cap(self, cap: Duration) -> Self {
        self.with(|config| config.ttl_cap = cap)
    }

    /// Offers no sessions to legacy clients, for services that have none: `initialize` names none, and
    /// `GET` and `DELETE` are answered with 405, `Last-Event-ID` with them. A service that assigns
    /// one all the same will miss it.
    pub fn stateless(self) -> Self {
        self.with(|config| config.stateless = true)
    }

    /// Whether the service may ask the client's model for a completion
    /// (`sampling/createMessage`); it may by default.
    ///
    /// What a service may not ask never reaches the client. In a legacy session the service is told
    /// that it was declined; a modern one asks in its answer, in whose place the caller gets an error. The same
    /// goes for whatever the client did not declare that it can answer.
    pub fn allow_sampling(self, allow: bool) -> Self {
        self.with(|config| config.server_requests.sampling = allow)
    }

    /// Whether the service may ask for the client's `roots/list`; it may by default.
    pub fn allow_roots(self, allow: bool) -> Self {
        self.with(|config| config.server_requests.roots = allow)
    }

    /// Whether the service may have the user fill in a form (`elicitation/create`); it may by default
    ///
    pub fn allow_elicitation(self, allow: bool) -> Self {
        self.with(|config| config.server_requests.forms = allow)
    }

    /// To which hosts the service may send the user (`elicitation/create` with a URL, and the error
    /// `-32042` of 2025-11-25); to none by default. Only `https` URLs in plain
    /// spelling pass: no user information, nothing but ASCII.
    ///
    /// They pass to clients that declared URL mode: with the request in 2026-07-28, with the `initialize` of its session in
    /// 2025-11-25. Others are told instead of `-32042` that they lack a capability (`-32021`, in earlier revisions
    /// `-32600`), and so are clients of 2025-11-25 outside a session, where nobody knows what they declared.
    ///
    /// A host is a name, with a port where that is not 443. Other ports and subdomains count apart.
    ///
    /// # Errors
    /// What is no host.
    pub fn allow_elicitation_at<T: Into<String>>(
        self,
        hosts: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        let hosts = UrlHosts::new(hosts)?;
        Ok(self.with(|config| config.server_requests.urls = hosts))
    }

    /// Whether calls may run as tasks; they may by default.
    ///
    /// Where they may not, requests about tasks, and calls that ask for one, get the answer of a server
    /// without tasks; tools say that they cannot run so (`execution.taskSupport`), those that run in no other way
    /// are left out of lists, and the service is not told that a client knows the extension of 2026-07-28.
    /// So it is, caller by caller and tool by tool, where policy decides about tasks.
    pub fn allow_tasks(self, allow: bool) -> Self {
        self.with(|config| config.allow_tasks = allow)
    }

    /// Leaves out of completions for the variable of a resource template the values that lead to
    /// resources which the caller may not read. They pass by default (requirements 2.5).
    ///
    /// Only `{name}` and `{+name}` can be filled in; where a template has other expressions, no value
    /// passes. How many values there are (`total`) still passes.
    pub fn check_completions(self) -> Self {
        self.with(|config| config.check_completions = true)
    }

    /// Lets answers pass that no layer inside has authorized, unfiltered. Requests are still
    /// inspected.
    pub fn danger_without_authorization(self) -> Self {
        self.with(|config| config.require_permit = false)
    }

    /// Refuses what passes or is dropped by default, although no client of MCP should send it: an `Accept` of a
    /// `POST` that admits `application/json` or `text/event-stream` by a wildcard alone (406, R-016), and a
    /// notification that no revision has (400, requirements 2.2; by default it is answered 202 and goes no further).
    /// A batch with such a notification is refused as a whole: nothing else in its answer could say so.
    pub fn strict(self) -> Self {
        self.with(|config| config.strict = true)
    }

    /// Leaves out of tool results the links to resources, and embedded ones, that the caller may
    /// not read, and of prompts the messages with such. They pass by default, because a tool may be
    /// the only way to a resource (requirements 2.5).
    pub fn check_links(self) -> Self {
        self.with(|config| config.check_links = true)
    }

    /// Leaves the `instructions` of the service behind empty in the answers to `initialize` and
    /// `server/discover`. They pass by default; they are one text for all callers and may name tools
    /// that some may not see (requirements 2.5).
    pub fn hide_instructions(self) -> Self {
        self.with(|config| config.hide_instructions = true)
    }

    /// Leaves out of the `capabilities` in the answers to `initialize` and `server/discover` the features of
    /// which the caller may use nothing, whatever its name: `tools`, `prompts` and `resources`; with both of
    /// the latter `completions`; without tools, or where [tasks are not allowed](Self::allow_tasks), `tasks`
    /// and the extension of 2026-07-28. All pass by default (requirements 2.5).
    ///
    /// What the authorizer cannot say for sure stays. A session keeps what it was told when it began, whatever
    /// becomes of policy.
    pub fn hide_capabilities(self) -> Self {
        self.with(|config| config.hide_capabilities = true)
    }

    /// Leaves out of the tools in lists the UI of MCP Apps (`_meta.ui.resourceUri`, and the older
    /// `_meta["ui/resourceUri"]`) whose resource the caller may not read: clients then show the tool without
    /// it. All pass by default (requirements 2.5).
    ///
    /// A tool that may be called does not make its UI readable: policy has to allow both.
    pub fn check_tool_uis(self) -> Self {
        self.with(|config| config.check_tool_uis = true)
    }

    /// Leaves out of what the service asks the client's model (`sampling/createMessage`, in a session and in
    /// `inputRequests`) the tools whose names the caller may not call. They pass by default (requirements
    /// 2.5).
    pub fn check_sampling_tools(self) -> Self {
        self.with(|config| config.check_sampling_tools = true)
    }

    /// Offers only tools whose definitions were approved, and refuses calls of others. All pass by
    /// default.
    pub fn tool_pins(self, pins: ToolPins) -> Self {
        self.with(|config| config.pins = Some(pins))
    }

    /// Adds a check or a change of your own.
    ///
    /// # Errors
    /// A hook that is bound to nothing or to a method that hooks cannot be bound to; a name that is
    /// taken or too long for records; no time at all.
    pub fn hook(mut self, hook: Hook) -> Result<Self, ConfigError> {
        Arc::make_mut(&mut self.config).hooks.add(hook)?;
        Ok(self)
    }

    /// Lets the service behind say in its own words that a tool, prompt or resource does not exist.
    /// Callers can then tell what is hidden from them from what does not exist.
    ///
    /// By default its words are replaced by those for what is hidden, status and headers included
    /// . For that the head of a stream waits for the first message, at most 250 ms.
    pub fn danger_distinct_unknown(self) -> Self {
        self.with(|config| config.hide_unknown = false)
    }

    fn with(mut self, change: impl FnOnce(&mut InspectConfig)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }
}

impl<S> Layer<S> for InspectLayer {
    type Service = Inspect<S>;

    fn layer(&self, inner: S) -> Inspect<S> {
        Inspect::new(inner, Arc::clone(&self.config))
    }
}
