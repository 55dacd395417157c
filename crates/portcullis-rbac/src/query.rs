//! One question to an authorizer.

use std::net::IpAddr;
use std::time::Duration;

use portcullis_core::{Arguments, Caller, Method, TargetKind, ToolHints, Version};

use crate::name;
use crate::uri::{self, Reading, loose};

/// May this caller do this? One question about one target.
///
/// The same type asks about a request and about an item of a list. Built by the layer; a
/// policy's own unit tests build it with [`Query::new`].
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    caller: &'a Caller,
    version: Version,
    method: Method,
    target: Option<(TargetKind, &'a str)>,
    arguments: Option<&'a Arguments>,
    listing: bool,
    server: Option<&'a str>,
    hints: Option<ToolHints>,
    at: Option<Duration>,
    source: Option<IpAddr>,
    as_task: bool,
}

impl<'a> Query<'a> {
    /// May `caller` use `method` of the revision `version`?
    #[must_use]
    pub fn new(caller: &'a Caller, version: Version, method: Method) -> Self {
        Self {
            caller,
            version,
            method,
            target: None,
            arguments: None,
            listing: false,
            server: None,
            hints: None,
            at: None,
            source: None,
            as_task: false,
        }
    }

    /// May they use it on this tool, prompt or resource? `name` is the name or URI, exact.
    #[must_use]
    pub fn on(mut self, kind: TargetKind, name: &'a str) -> Self {
        self.target = Some((kind, name));
        self
    }

    /// With these arguments.
    #[must_use]
    pub fn with_arguments(mut self, arguments: &'a Arguments) -> Self {
        self.arguments = Some(arguments);
        self
    }

    /// May they see the target in a list? [`method`](Self::method) is then the method that would
    /// use the target, and there are no arguments: answer yes if *some* arguments would be allowed.
    #[must_use]
    pub fn in_a_list(mut self) -> Self {
        self.listing = true;
        self.arguments = None;
        self
    }

    /// On this server, of the several that a policy may be about.
    #[must_use]
    pub fn of_server(mut self, server: &'a str) -> Self {
        self.server = Some(server);
        self
    }

    /// With what the server said about the tool when it last listed it.
    #[must_use]
    pub fn with_hints(mut self, hints: ToolHints) -> Self {
        self.hints = Some(hints);
        self
    }

    /// At this time since the Unix epoch, in place of now.
    #[must_use]
    pub fn at(mut self, unix: Duration) -> Self {
        self.at = Some(unix);
        self
    }

    /// From this address. An IPv4 address and its IPv6 form are one.
    #[must_use]
    pub fn from_address(mut self, address: IpAddr) -> Self {
        self.source = Some(address.to_canonical());
        self
    }

    /// May they call the tool, and let the call run as a task?
    #[must_use]
    pub fn as_task(mut self) -> Self {
        self.as_task = true;
        self
    }

    /// Who asks.
    #[must_use]
    pub fn caller(&self) -> &'a Caller {
        self.caller
    }

    /// The protocol revision in effect.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// What it acts on: the kind, and the name or URI as sent. `None` for methods without a target.
    #[must_use]
    pub fn target(&self) -> Option<(TargetKind, &'a str)> {
        self.target
    }

    /// Whether the target has one meaning only: a name without invisible characters and backslashes, or a
    /// URI in normal form that cannot be read in two ways, and written in one way only: with no character
    /// percent-encoded that need not be, and with no host where it is a file's. So is a question without
    /// a target.
    ///
    /// For authorizers that match patterns. A [`Policy`](crate::Policy) does not need it: it also tries
    /// the normal form.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        match self.target {
            None | Some((TargetKind::Task, _)) => true,
            Some((TargetKind::Tool | TargetKind::Prompt, name)) => !name::is_deceptive(name),
            Some((kind, uri)) => {
                let template = kind == TargetKind::ResourceTemplate
                    || self.method == Method::CompletionComplete;
                let is_normal = matches!(uri::read(uri, template), Reading::Plain { normal, .. } if normal == uri);
                is_normal && !loose::has_twin(uri)
            }
        }
    }

    /// `params.arguments`, when there are any.
    #[must_use]
    pub fn arguments(&self) -> Option<&'a Arguments> {
        self.arguments
    }

    /// Whether this is about seeing an item of a list.
    #[must_use]
    pub fn is_listing(&self) -> bool {
        self.listing
    }

    /// The server behind the gate, where it has a name.
    #[must_use]
    pub fn server(&self) -> Option<&'a str> {
        self.server
    }

    /// What the server said about the tool. `None`: it has not been seen in a list.
    #[must_use]
    pub fn hints(&self) -> Option<ToolHints> {
        self.hints
    }

    /// The address that the request came from. `None`: nobody said so.
    #[must_use]
    pub fn source_address(&self) -> Option<IpAddr> {
        self.source
    }

    /// Whether this is about a call that is to run as a task.
    #[must_use]
    pub fn runs_as_task(&self) -> bool {
        self.as_task
    }

    /// The time to decide for, where it is not now.
    #[must_use]
    pub fn time(&self) -> Option<Duration> {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::AnonymousReason;

    use super::*;

    #[test]
    fn what_is_plain() {
        use TargetKind::{Prompt, Resource, ResourceTemplate, Tool};

        let rows = [
            (Tool, "get_note", true),
            (Tool, "get/../note", true),
            (Tool, "get\u{200b}_note", false),
            (Prompt, "a\\b", false),
            (Resource, "file:///docs/a", true),
            (Resource, "file:///docs/../a", false),
            (Resource, "file:///docs/%2e%2e/a", false),
            (Resource, "FILE:///docs/a", false),
            (Resource, "file:///docs/%61", false),
            (Resource, "file:///docs/{name}", false),
            (Resource, "file:///docs/%20%3F", true),
            (Resource, "file:///docs/a%2Bb", false),
            (Resource, "file:///docs/a%40b", false),
            (Resource, "file://localhost/docs/a", false),
            (Resource, "file:/docs/a", false),
            (Resource, "https://a.example/docs", true),
            (Resource, "https://a.example./docs", false),
            (ResourceTemplate, "file:///docs/{name}", true),
            (ResourceTemplate, "file:///docs/{name", false),
        ];
        let caller = Caller::Anonymous(AnonymousReason::NoCredentials);
        for (kind, name, plain) in rows {
            let query = Query::new(&caller, Version::V2025_11_25, Method::ToolsCall).on(kind, name);
            assert_eq!(query.is_plain(), plain, "{kind:?} {name:?}");
        }
        let completion = Query::new(&caller, Version::V2025_11_25, Method::CompletionComplete)
            .on(Resource, "file:///docs/{name}");
        assert!(completion.is_plain(), "the reference of a completion is a template");
    }
}
