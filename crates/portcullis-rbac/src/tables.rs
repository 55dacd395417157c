//! A policy, arranged for deciding.

use portcullis_core::{Clock, Method, Reason, TargetKind, Text, ToolHints};

use crate::bits::Bits;
use crate::condition::{Case, Right, known_hints};
use crate::denials::Denials;
use crate::index::{Index, Matches};
use crate::judge::{Entry, Law, Verdict, denied, judge};
use crate::kind::Kind;
use crate::policy::PROTOCOL;
use crate::rule::Effect;
use crate::who::{Roles, Who};
use crate::{Decision, PolicyBuilder, Query, Server, Warning};

mod decision;
mod uris;

pub(crate) struct Tables {
    pub(crate) laws: Vec<Law>,
    /// The rules' ids, apart: most decisions need nothing else of a rule.
    pub(crate) ids: Vec<Text>,
    pub(crate) roles: Roles,
    pub(crate) tools: Index,
    pub(crate) prompts: Index,
    pub(crate) resources: Index,
    /// What is denied of resources, in any spelling.
    pub(crate) denials: Option<Denials>,
    /// The rules about `logging/setLevel`, the one method without a target that has an effect.
    pub(crate) set_level: Option<Entry>,
    /// What is decided about calls as tasks, where rules name these.
    pub(crate) tasks: Option<Tasks>,
    pub(crate) servers: Vec<Server>,
    /// The scopes that callers can get, where not all can be had.
    pub(crate) grantable: Option<Bits>,
    pub(crate) clock: Clock,
    /// Whether some rule looks at the method, at annotations.
    pub(crate) by_method: bool,
    pub(crate) by_hints: bool,
    pub(crate) warnings: Vec<Warning>,
    /// What the tables were made of, for those who ask why.
    pub(crate) source: PolicyBuilder,
}

/// The right to call tools as tasks.
pub(crate) struct Tasks {
    /// The rules that grant it. `None`: whoever may call may do it as a task, unless a rule denies it.
    pub(crate) granted: Option<Index>,
}

impl Tables {
    pub(crate) fn decide(
        &self,
        policy: u64,
        query: &Query<'_>,
        kind: TargetKind,
        name: &str,
    ) -> Decision {
        self.as_seen_by(policy, query, |who| self.decide_for(who, query, kind, name))
    }

    /// What this policy makes of the caller.
    pub(crate) fn as_seen_by<R>(
        &self,
        policy: u64,
        query: &Query<'_>,
        then: impl FnOnce(&Who) -> R,
    ) -> R {
        let Some(principal) = query.caller().principal() else {
            return then(self.roles.anonymous());
        };
        match principal.memo(policy, || self.roles.of(principal)) {
            Some(who) => then(who),
            None => then(&self.roles.of(principal)),
        }
    }

    pub(crate) fn decide_for(
        &self,
        who: &Who,
        query: &Query<'_>,
        kind: TargetKind,
        name: &str,
    ) -> Decision {
        let case = self.case(query, kind, name);
        let as_task = kind == TargetKind::Tool && query.runs_as_task();
        if let Some(tasks) = self.tasks.as_ref().filter(|_| as_task) {
            return self.decide_task(tasks, who, &case, name);
        }
        if self.by_method && case.method != case.usage {
            // Completing and subscribing need the right to use, and their own.
            let using = self.decide_case(who, &Case { method: case.usage, ..case }, kind, name);
            if matches!(using, Decision::Deny { .. }) {
                return using;
            }
            return self.joined(using, self.decide_case(who, &case, kind, name));
        }
        self.decide_case(who, &case, kind, name)
    }

    /// The call must be allowed, and that it runs as a task.
    fn decide_task(&self, tasks: &Tasks, who: &Who, case: &Case<'_>, tool: &str) -> Decision {
        let call = self.judge_name(&self.tools, who, case, tool);
        if call.denies() {
            return self.decision(who, call, None);
        }
        let case = Case { begins_task: true, ..*case };
        let denied = |entries: Matches<'_>| denied(&self.laws, who, &case, entries);
        let denied = match self.tools.exact(tool) {
            Some(entry) => self::denied(&self.laws, who, &case, std::iter::once(entry)),
            None => self.tools.matching(tool, denied),
        };
        if let Some(denied) = denied {
            return self.decision(who, denied, None);
        }
        let Some(granted) = &tasks.granted else { return self.decision(who, call, None) };
        match (call, self.judge_name(granted, who, &case, tool)) {
            (_, denied) if denied.denies() => self.decision(who, denied, None),
            (Verdict::Allow(rule), task @ Verdict::Scopes(_)) => {
                self.decision(who, task, Some(rule))
            }
            (call, Verdict::Allow(rule) | Verdict::Scopes(rule)) => {
                self.decision(who, call, Some(rule))
            }
            (call, _) => self.decision(who, call, None),
        }
    }

    /// What conditions may look at.
    pub(crate) fn case<'a>(
        &'a self,
        query: &'a Query<'a>,
        kind: TargetKind,
        name: &str,
    ) -> Case<'a> {
        let method = match query.method() {
            // To end what one has begun takes no more than beginning it.
            Method::ResourcesUnsubscribe => Method::ResourcesSubscribe,
            method => method,
        };
        let usage = match (method, kind) {
            (Method::CompletionComplete, TargetKind::Prompt) => Method::PromptsGet,
            (
                Method::CompletionComplete
                | Method::ResourcesSubscribe
                | Method::SubscriptionsListen,
                _,
            ) => Method::ResourcesRead,
            (method, _) => method,
        };
        let server = query
            .server()
            .and_then(|name| self.servers.iter().position(|server| server.name == name));
        let hints = if self.by_hints && kind == TargetKind::Tool {
            self.hints(query, server, name)
        } else {
            ToolHints::default()
        };
        let grantable = self.grantable.as_ref();
        let begins_task = false;
        Case { query, method, usage, begins_task, clock: &self.clock, server, hints, grantable }
    }

    fn hints(&self, query: &Query<'_>, server: Option<usize>, tool: &str) -> ToolHints {
        let Some(server) = server.and_then(|number| self.servers.get(number)) else {
            return ToolHints::default();
        };
        known_hints(server.hints.get(tool).copied(), server.trusted, query.hints())
    }

    fn decide_case(&self, who: &Who, case: &Case<'_>, kind: TargetKind, name: &str) -> Decision {
        match kind {
            TargetKind::Tool => {
                self.decision(who, self.judge_name(&self.tools, who, case, name), None)
            }
            TargetKind::Prompt => {
                self.decision(who, self.judge_name(&self.prompts, who, case, name), None)
            }
            TargetKind::Resource => {
                // The reference of a completion may be a template, whatever it is called.
                let template = case.query.method() == Method::CompletionComplete;
                self.judge_uri(who, case, name, template)
            }
            TargetKind::ResourceTemplate => self.judge_uri(who, case, name, true),
            // Tasks have owners, whom nobody here knows.
            _ => Decision::default_deny(),
        }
    }

    /// Signed-in callers may set the log level, unless a rule allows it to somebody: then it is
    /// for these.
    pub(crate) fn set_level(&self, policy: u64, query: &Query<'_>) -> Decision {
        let Some(entry) = &self.set_level else { return without_target(query) };
        self.as_seen_by(policy, query, |who| {
            let case = self.case(query, TargetKind::Task, "");
            let verdict = judge(&self.laws, who, &case, std::iter::once(entry));
            let names = |law: &Law| {
                let right = Right::Use(Method::LoggingSetLevel);
                law.effect == Effect::Allow
                    && law.conditions.as_ref().is_some_and(|conditions| conditions.names(right))
            };
            match verdict {
                Verdict::Nothing(Reason::DefaultDeny, _) if !self.laws.iter().any(names) => {
                    without_target(query)
                }
                verdict => self.decision(who, verdict, None),
            }
        })
    }

    fn judge_name(&self, index: &Index, who: &Who, case: &Case<'_>, name: &str) -> Verdict {
        if let Some(entry) = index.exact(name) {
            return judge(&self.laws, who, case, std::iter::once(entry));
        }
        if Kind::Tools.is_odd(name) {
            return Verdict::Nothing(Reason::DefaultDeny, None);
        }
        index.matching(name, |entries| judge(&self.laws, who, case, entries))
    }
}

/// What a method without a target needs: lists are filtered item by item, so asking is free.
pub(crate) fn without_target(query: &Query<'_>) -> Decision {
    let allowed = match query.method() {
        Method::Initialize
        | Method::Ping
        | Method::ServerDiscover
        | Method::ToolsList
        | Method::PromptsList
        | Method::ResourcesList
        | Method::ResourceTemplatesList
        | Method::SubscriptionsListen => true,
        // Callers without credentials are all the same, and their tasks are everybody's.
        Method::LoggingSetLevel | Method::TasksList => query.caller().principal().is_some(),
        method => method.is_notification(),
    };
    if allowed { Decision::Allow { rule: PROTOCOL } } else { Decision::default_deny() }
}
