//! Rules, as configured.

use portcullis_core::ToolHints;

use crate::error::Place;
use crate::{Argument, DenialStyle, Window};

/// A rule: some roles may, or may not, use some tools, prompts and resources.
///
/// Names are exact and case-sensitive; `*` in a name stands for any text. In a resource's URI, `*`
/// stands for text without `/`, and `**` between slashes or at the end for any number of segments.
/// See the [crate docs](crate#patterns).
#[derive(Clone, Debug)]
#[must_use = "a rule does nothing until it is added to a policy"]
pub struct Rule {
    pub(crate) id: Word,
    pub(crate) effect: Effect,
    pub(crate) tools: Vec<Word>,
    pub(crate) prompts: Vec<Word>,
    pub(crate) resources: Vec<Word>,
    pub(crate) methods: Vec<Word>,
    pub(crate) servers: Vec<Word>,
    pub(crate) annotations: ToolHints,
    pub(crate) roles: Vec<Word>,
    pub(crate) everyone: bool,
    pub(crate) through: Option<Through>,
    pub(crate) requires_scopes: Vec<Word>,
    pub(crate) arguments: Vec<(Word, Argument)>,
    pub(crate) networks: Vec<Word>,
    pub(crate) windows: Vec<(Window, Option<Place>)>,
    pub(crate) from: Option<Word>,
    pub(crate) until: Option<Word>,
    pub(crate) denial: Option<DenialStyle>,
    pub(crate) explanation: Option<Word>,
    pub(crate) description: Option<String>,
    /// Limits that were set and name nothing.
    pub(crate) emptied: Vec<&'static str>,
}

/// Whether a call comes from a person's own client or through an agent.
#[derive(Clone, Debug)]
pub(crate) enum Through {
    /// No agent in between.
    Direct,
    /// Some agent: one that the policy names, or an actor that it does not.
    Agent,
    /// One of these agents.
    Named(Vec<Word>),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// A configured string, and where it stands in the file.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) place: Option<Place>,
}

impl<T: Into<String>> From<T> for Word {
    fn from(text: T) -> Self {
        Self { text: text.into(), place: None }
    }
}

impl Rule {
    /// A rule that allows. Its `id` is recorded with every decision it makes.
    pub fn allow(id: impl Into<String>) -> Self {
        Self::new(id.into().into(), Effect::Allow)
    }

    /// A rule that denies, whatever other rules allow.
    pub fn deny(id: impl Into<String>) -> Self {
        Self::new(id.into().into(), Effect::Deny)
    }

    pub(crate) fn new(id: Word, effect: Effect) -> Self {
        Self {
            id,
            effect,
            tools: Vec::new(),
            prompts: Vec::new(),
            resources: Vec::new(),
            methods: Vec::new(),
            servers: Vec::new(),
            annotations: ToolHints::default(),
            roles: Vec::new(),
            everyone: false,
            through: None,
            requires_scopes: Vec::new(),
            arguments: Vec::new(),
            networks: Vec::new(),
            windows: Vec::new(),
            from: None,
            until: None,
            denial: None,
            explanation: None,
            description: None,
            emptied: Vec::new(),
        }
    }

    /// Adds tools, by name or pattern.
    pub fn tools<T: Into<String>>(mut self, tools: impl IntoIterator<Item = T>) -> Self {
        self.tools.extend(tools.into_iter().map(Word::from));
        self
    }

    /// Adds prompts, by name or pattern.
    pub fn prompts<T: Into<String>>(mut self, prompts: impl IntoIterator<Item = T>) -> Self {
        self.prompts.extend(prompts.into_iter().map(Word::from));
        self
    }

    /// Adds resources, by URI or pattern, and resource templates, by URI template.
    pub fn resources<T: Into<String>>(mut self, resources: impl IntoIterator<Item = T>) -> Self {
        self.resources.extend(resources.into_iter().map(Word::from));
        self
    }

    /// Limits the rule to these methods, such as `resources/read`, and `tasks/create`, the right to call a tool
    /// as a task. Where an allow rule names that one, calls run as tasks only by rules that name it. A deny rule may name methods
    /// alone: it denies them whatever their target. An allow rule may do so for `logging/setLevel`,
    /// which has no target.
    pub fn methods<T: Into<String>>(mut self, methods: impl IntoIterator<Item = T>) -> Self {
        self.methods.extend(methods.into_iter().map(Word::from));
        self.must_name("methods", self.methods.is_empty());
        self
    }

    /// Limits the rule to these servers, which the policy must know
    /// ([`add_server`](crate::PolicyBuilder::add_server)). To none of them is an error of the policy, not no limit;
    /// so it is with [`methods`](Self::methods) and [`networks`](Self::networks). Nobody can say it where the gate does
    /// not name its server.
    pub fn servers<T: Into<String>>(mut self, servers: impl IntoIterator<Item = T>) -> Self {
        self.servers.extend(servers.into_iter().map(Word::from));
        self.must_name("servers", self.servers.is_empty());
        self
    }

    /// Limits the rule to tools with these annotations. Nobody can say what annotations a tool has
    /// unless the policy says so itself, or trusts the server and has seen the tool in a list; then
    /// hints that are left out have the values that MCP gives them. So an untrusted annotation gives
    /// access to nobody.
    pub fn annotations(mut self, hints: ToolHints) -> Self {
        self.annotations = hints;
        self
    }

    /// Adds roles, by name.
    pub fn roles<T: Into<String>>(mut self, roles: impl IntoIterator<Item = T>) -> Self {
        self.roles.extend(roles.into_iter().map(Word::from));
        self
    }

    /// Makes an allow rule apply to every signed-in caller, and a deny rule to every caller,
    /// signed in or not.
    pub fn everyone(mut self) -> Self {
        self.everyone = true;
        self
    }

    /// Adds scopes that the token must have, all of them, for the rule to allow. A caller who
    /// lacks only scopes is told which.
    pub fn requires_scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.requires_scopes.extend(scopes.into_iter().map(Word::from));
        self
    }

    /// Limits the rule to calls without an agent in between.
    pub fn directly(mut self) -> Self {
        self.through = Some(Through::Direct);
        self
    }

    /// Limits the rule to calls through an agent, whether the policy names it or not.
    pub fn through_any_agent(mut self) -> Self {
        self.through = Some(Through::Agent);
        self
    }

    /// Limits the rule to calls through one of these agents, which the policy must know
    /// ([`add_agent`](crate::PolicyBuilder::add_agent)).
    pub fn through<T: Into<String>>(mut self, agents: impl IntoIterator<Item = T>) -> Self {
        self.through = Some(Through::Named(agents.into_iter().map(Word::from).collect()));
        self
    }

    /// Asks something of an argument of the call. `argument` is its name, or a JSON Pointer
    /// (RFC 6901) into the arguments when it starts with a slash.
    pub fn argument(mut self, argument: impl Into<String>, condition: Argument) -> Self {
        self.arguments.push((argument.into().into(), condition));
        self
    }

    /// Limits the rule to calls from these networks: an address, or CIDR notation such as `10.1.0.0/16` or
    /// `2001:db8::/32`. Nobody can say it where the gate is not told where requests come from
    /// ([`RequestFacts::source_address`](portcullis_core::RequestFacts::source_address)).
    pub fn networks<T: Into<String>>(mut self, networks: impl IntoIterator<Item = T>) -> Self {
        self.networks.extend(networks.into_iter().map(Word::from));
        self.must_name("networks", self.networks.is_empty());
        self
    }

    /// Limits the rule to a part of the week; to one of them when there are several.
    pub fn during(mut self, window: Window) -> Self {
        self.windows.push((window, None));
        self
    }

    /// The rule is of no effect before this moment: RFC 3339 text with an offset.
    pub fn valid_from(mut self, moment: impl Into<String>) -> Self {
        self.from = Some(moment.into().into());
        self
    }

    /// The rule is of no effect from this moment on: RFC 3339 text with an offset.
    pub fn valid_until(mut self, moment: impl Into<String>) -> Self {
        self.until = Some(moment.into().into());
        self
    }

    /// Sets a text that a denial carries where it is not hidden. See [`denial`](Self::denial).
    pub fn explanation(mut self, text: impl Into<String>) -> Self {
        self.explanation = Some(text.into().into());
        self
    }

    /// Notes what the rule is for. It decides nothing.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Sets how a denial looks to a signed-in caller: when this rule denies, or when this rule
    /// allows the target to others but nothing allows it to the caller. Others see it hidden.
    pub fn denial(mut self, style: DenialStyle) -> Self {
        self.denial = Some(style);
        self
    }

    /// Notes that a limit names nothing. Taken for no limit, it would make the rule wider than it reads.
    fn must_name(&mut self, limit: &'static str, is_empty: bool) {
        self.emptied.retain(|other| *other != limit);
        self.emptied.extend(is_empty.then_some(limit));
    }
}
