//! What a rule asks besides its targets and roles.

use std::time::Duration;

use portcullis_core::{Arguments, Clock, Method, Network, ToolHints};

use crate::Query;
use crate::argument::check::Check;
use crate::argument::find::Pointer;
use crate::bits::Bits;
use crate::rule::Effect;
use crate::truth::Truth;
use crate::who::Who;
use crate::window::Hours;

/// The conditions of one rule.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) methods: Option<Box<[Right]>>,
    /// Numbers of servers, as the policy counts them.
    pub(crate) servers: Option<Box<[usize]>>,
    pub(crate) hints: ToolHints,
    pub(crate) through: Option<Via>,
    pub(crate) networks: Box<[Network]>,
    pub(crate) windows: Box<[Hours]>,
    pub(crate) from: Option<Duration>,
    pub(crate) until: Option<Duration>,
    pub(crate) arguments: Box<[(Pointer, Check)]>,
}

#[derive(Debug)]
pub(crate) enum Via {
    Direct,
    Agent,
    Named(Bits),
}

/// What rules are about when they name methods.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Right {
    Use(Method),
    /// Calling a tool as a task: no method of its own, and a right of its own.
    BeginTask,
}

/// How rules name it.
pub(crate) const TASKS_CREATE: &str = "tasks/create";

/// Which condition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    Method,
    Server,
    Annotations,
    Through,
    Network,
    Time,
    /// By its number.
    Argument(usize),
}

/// What is asked, worked out as far as conditions need it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    pub(crate) query: &'a Query<'a>,
    /// The method whose right is asked for; not always the query's own.
    pub(crate) method: Method,
    /// What using the target takes, where the method is another one.
    pub(crate) usage: Method,
    /// Whether it is the right to begin a task that is asked for, not the call.
    pub(crate) begins_task: bool,
    pub(crate) clock: &'a Clock,
    pub(crate) server: Option<usize>,
    /// What is known of the tool, by the policy or a server it trusts.
    pub(crate) hints: ToolHints,
    /// The scopes that callers can get; all where there is no such list.
    pub(crate) grantable: Option<&'a Bits>,
}

impl Conditions {
    /// Whether methods are named, and this right is among them.
    pub(crate) fn names(&self, right: Right) -> bool {
        self.methods.as_deref().is_some_and(|methods| methods.contains(&right))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.methods.is_none()
            && self.servers.is_none()
            && self.hints == ToolHints::default()
            && self.through.is_none()
            && self.networks.is_empty()
            && self.windows.is_empty()
            && self.from.is_none()
            && self.until.is_none()
            && self.arguments.is_empty()
    }

    /// Whether a rule of this effect applies, as far as these conditions go.
    pub(crate) fn hold(&self, effect: Effect, who: &Who, case: &Case<'_>) -> bool {
        let truth = Truth::all(self.parts().map(|part| self.part(part, effect, who, case)));
        match effect {
            Effect::Allow => truth == Truth::Yes,
            Effect::Deny => truth != Truth::No,
        }
    }

    /// The conditions there are, cheap ones first.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part> {
        let hints = self.hints != ToolHints::default();
        let time = !self.windows.is_empty() || self.from.is_some() || self.until.is_some();
        let parts = [
            (self.methods.is_some(), Part::Method),
            (self.servers.is_some(), Part::Server),
            (hints, Part::Annotations),
            (self.through.is_some(), Part::Through),
            (!self.networks.is_empty(), Part::Network),
            (time, Part::Time),
        ];
        let parts = parts.into_iter().filter(|(there, _)| *there).map(|(_, part)| part);
        parts.chain((0..self.arguments.len()).map(Part::Argument))
    }

    pub(crate) fn part(&self, part: Part, effect: Effect, who: &Who, case: &Case<'_>) -> Truth {
        match part {
            Part::Method => self.method(case),
            Part::Server => self.server(case),
            Part::Annotations => self.annotations(case.hints),
            Part::Through => self.through(who),
            Part::Network => self.network(case),
            Part::Time => self.time(case),
            Part::Argument(number) => self.argument(number, effect, case),
        }
    }

    fn method(&self, case: &Case<'_>) -> Truth {
        let methods = self.methods.as_deref().unwrap_or_default();
        if case.begins_task {
            return methods.contains(&Right::BeginTask).into();
        }
        let named = |method| methods.contains(&Right::Use(method));
        // Completing is judged as using.
        let completes = case.method == Method::CompletionComplete && named(case.usage);
        (named(case.method) || completes).into()
    }

    fn server(&self, case: &Case<'_>) -> Truth {
        let servers = self.servers.as_deref().unwrap_or_default();
        match (case.server, case.query.server()) {
            (Some(server), _) => servers.contains(&server).into(),
            // Named, but not in the policy: none of those that rules mean.
            (None, Some(_)) => Truth::No,
            (None, None) => Truth::Unknown,
        }
    }

    fn annotations(&self, known: ToolHints) -> Truth {
        let pairs = [
            (self.hints.read_only, known.read_only),
            (self.hints.destructive, known.destructive),
            (self.hints.idempotent, known.idempotent),
            (self.hints.open_world, known.open_world),
        ];
        Truth::all(pairs.into_iter().filter_map(|(wanted, known)| {
            let wanted = wanted?;
            Some(known.map_or(Truth::Unknown, |known| (known == wanted).into()))
        }))
    }

    fn through(&self, who: &Who) -> Truth {
        if !who.signed_in {
            return Truth::Unknown;
        }
        match &self.through {
            None => true,
            Some(Via::Direct) => !who.through_agent,
            Some(Via::Agent) => who.through_agent,
            Some(Via::Named(agents)) => agents.meets(&who.agents),
        }
        .into()
    }

    fn network(&self, case: &Case<'_>) -> Truth {
        match case.query.source_address() {
            Some(address) => self.networks.iter().any(|network| network.contains(address)).into(),
            None => Truth::Unknown,
        }
    }

    fn time(&self, case: &Case<'_>) -> Truth {
        let now = case.query.time().unwrap_or_else(|| case.clock.unix());
        let valid =
            self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until);
        if !valid || self.windows.is_empty() {
            return valid.into();
        }
        Truth::any(self.windows.iter().map(|window| window.contains(now)))
    }

    fn argument(&self, number: usize, effect: Effect, case: &Case<'_>) -> Truth {
        // Up to arguments: some would do.
        if case.query.is_listing() || case.query.method() == Method::CompletionComplete {
            return (effect == Effect::Allow).into();
        }
        let Some((pointer, check)) = self.arguments.get(number) else { return Truth::Unknown };
        let json = case.query.arguments().map_or(b"{}".as_slice(), |sent: &Arguments| sent.json());
        match pointer.find(json) {
            Ok(value) => check.of(value),
            // Servers may see another value.
            Err(()) => Truth::Unknown,
        }
    }
}

/// What holds of a tool: what the policy says itself; else what the server says, where it is
/// trusted, and the defaults of MCP for what it leaves out. Anything else nobody knows.
pub(crate) fn known_hints(
    stated: Option<ToolHints>,
    trusted: bool,
    listed: Option<ToolHints>,
) -> ToolHints {
    let mut known = stated.unwrap_or_default();
    if let Some(listed) = listed.filter(|_| trusted) {
        known.read_only = known.read_only.or(listed.read_only).or(Some(false));
        // What changes nothing destroys nothing.
        let destructive = known.read_only != Some(true);
        known.destructive = known.destructive.or(listed.destructive).or(Some(destructive));
        known.idempotent = known.idempotent.or(listed.idempotent).or(Some(false));
        known.open_world = known.open_world.or(listed.open_world).or(Some(true));
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(all: [Option<bool>; 4]) -> ToolHints {
        let mut hints = ToolHints::default();
        [hints.read_only, hints.destructive, hints.idempotent, hints.open_world] = all;
        hints
    }

    /// What the policy states comes first, then what a trusted server says, then what MCP takes for granted.
    #[test]
    fn what_is_known_of_a_tool() {
        const YES: Option<bool> = Some(true);
        const NO: Option<bool> = Some(false);
        let rows = [
            ("nothing said", None, [None; 4], [NO, YES, NO, YES]),
            ("what reads destroys nothing", None, [YES, None, None, None], [YES, NO, NO, YES]),
            ("all said", None, [NO, NO, YES, NO], [NO, NO, YES, NO]),
            ("stated", Some([YES, YES, YES, NO]), [NO, NO, NO, YES], [YES, YES, YES, NO]),
            ("one stated", Some([None, None, None, NO]), [None; 4], [NO, YES, NO, NO]),
        ];
        for (name, stated, listed, expected) in rows {
            let known = known_hints(stated.map(hints), true, Some(hints(listed)));
            assert_eq!(known, hints(expected), "{name}");
            let stated = stated.map(hints);
            let untrusted = known_hints(stated, false, Some(hints(listed)));
            assert_eq!(untrusted, stated.unwrap_or_default(), "{name}, and not trusted");
            let unlisted = known_hints(stated, true, None);
            assert_eq!(unlisted, stated.unwrap_or_default(), "{name}, and not listed");
        }
    }
}
