//! The built-in authorizer: roles and rules in memory.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_core::{Caller, Method, Reason, TargetKind, Text};

use crate::index::Index;
use crate::judge::{Law, Verdict, denied, judge};
use crate::uri::Reading;
use crate::who::{Roles, Who};
use crate::{Answer, Authorizer, Decision, DenialStyle, Never, PolicyBuilder, Query, name, uri};

/// Which roles may use which tools, prompts and resources.
///
/// Made by [`Policy::builder`] or read from YAML; both find every error before anything is served.
/// The [crate docs](crate#what-a-policy-means) say what a policy means. Deciding takes no lock,
/// and allowing allocates nothing.
pub struct Policy {
    /// Tells this policy's memos from other policies' (see `Principal::memo`).
    pub(crate) id: u64,
    pub(crate) version: Text,
    pub(crate) rules: Rules,
}

pub(crate) enum Rules {
    PermitAll,
    Tables(Box<Tables>),
}

pub(crate) struct Tables {
    pub(crate) laws: Vec<Law>,
    pub(crate) roles: Roles,
    pub(crate) tools: Index,
    pub(crate) prompts: Index,
    pub(crate) resources: Index,
}

/// The rule in records of what the protocol itself needs.
pub(crate) const PROTOCOL: Text = Text::from_static("protocol");

impl Policy {
    /// Starts a policy.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder::default()
    }

    /// Allows every signed-in caller everything. Callers who have not signed in get nothing.
    #[must_use]
    pub fn danger_permit_all() -> Self {
        Self::new(Text::from_static("permit-all"), Rules::PermitAll)
    }

    /// Allows nobody anything but the protocol's own messages.
    #[must_use]
    pub fn deny_all() -> Self {
        let tables = Tables {
            laws: Vec::new(),
            roles: Roles::new(&[], &[], &Default::default()),
            tools: Index::default(),
            prompts: Index::default(),
            resources: Index::default(),
        };
        Self::new(Text::from_static("deny-all"), Rules::Tables(Box::new(tables)))
    }

    pub(crate) fn new(version: Text, rules: Rules) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), version, rules }
    }

    /// Answers a question. The same as [`Authorizer::authorize`], for a policy's own tests.
    #[must_use]
    pub fn decide(&self, query: &Query<'_>) -> Decision {
        match (query.target(), &self.rules) {
            (None, _) => without_target(query),
            (
                Some((
                    TargetKind::Tool
                    | TargetKind::Prompt
                    | TargetKind::Resource
                    | TargetKind::ResourceTemplate,
                    _,
                )),
                Rules::PermitAll,
            ) => match query.caller() {
                Caller::Verified(_) => Decision::Allow { rule: self.version.clone() },
                _ => Decision::default_deny(),
            },
            (Some((kind, name)), Rules::Tables(tables)) => {
                tables.decide(self.id, query, kind, name)
            }
            (Some(_), Rules::PermitAll) => Decision::default_deny(),
        }
    }
}

/// What a method without a target needs: lists are filtered item by item, so asking is free.
fn without_target(query: &Query<'_>) -> Decision {
    let allowed = match query.method() {
        Method::Initialize
        | Method::Ping
        | Method::ServerDiscover
        | Method::ToolsList
        | Method::PromptsList
        | Method::ResourcesList
        | Method::ResourceTemplatesList
        | Method::SubscriptionsListen => true,
        Method::LoggingSetLevel => query.caller().principal().is_some(),
        method => method.is_notification(),
    };
    if allowed { Decision::Allow { rule: PROTOCOL } } else { Decision::default_deny() }
}

impl Tables {
    fn decide(&self, policy: u64, query: &Query<'_>, kind: TargetKind, name: &str) -> Decision {
        let Some(principal) = query.caller().principal() else {
            return self.decide_for(self.roles.anonymous(), query, kind, name);
        };
        match principal.memo(policy, || self.roles.of(principal)) {
            Some(who) => self.decide_for(who, query, kind, name),
            None => self.decide_for(&self.roles.of(principal), query, kind, name),
        }
    }

    fn decide_for(&self, who: &Who, query: &Query<'_>, kind: TargetKind, name: &str) -> Decision {
        match kind {
            TargetKind::Tool => self.decision(self.judge_name(&self.tools, who, name), None),
            TargetKind::Prompt => self.decision(self.judge_name(&self.prompts, who, name), None),
            TargetKind::Resource => {
                // The reference of a completion may be a template, whatever it is called.
                let template = query.method() == Method::CompletionComplete;
                self.judge_uri(who, name, template)
            }
            TargetKind::ResourceTemplate => self.judge_uri(who, name, true),
            // Tasks have owners, whom nobody here knows.
            _ => Decision::default_deny(),
        }
    }

    fn judge_name(&self, index: &Index, who: &Who, name: &str) -> Verdict {
        if let Some(entry) = index.exact(name) {
            return judge(&self.laws, who, std::iter::once(entry));
        }
        if name::is_deceptive(name) {
            return Verdict::Nothing(Reason::DefaultDeny, DenialStyle::Hide);
        }
        index.matching(name, |entries| judge(&self.laws, who, entries))
    }

    /// Both forms must be allowed; denying any form, the careless one included, denies.
    fn judge_uri(&self, who: &Who, uri: &str, template: bool) -> Decision {
        let nothing = Verdict::Nothing(Reason::DefaultDeny, DenialStyle::Hide);
        let (normal, bare) = match uri::read(uri, template) {
            Reading::Refused => return self.decision(nothing, None),
            Reading::Odd => {
                let verdict = self
                    .resources
                    .exact(uri)
                    .map_or(nothing, |entry| judge(&self.laws, who, std::iter::once(entry)));
                return self.decision(verdict, None);
            }
            Reading::Plain { normal, bare } => (normal, bare),
        };
        let as_sent = self.judge_form(who, uri);
        if as_sent.denies() {
            return self.decision(as_sent, None);
        }
        if let Some(form) = normal.get(..bare).filter(|form| form.len() < normal.len())
            && let Some(denied) = self.denied_form(who, form)
        {
            return self.decision(denied, None);
        }
        if normal == uri {
            return self.decision(as_sent, None);
        }
        let in_normal_form = self.judge_form(who, &normal);
        if in_normal_form.denies() {
            return self.decision(in_normal_form, None);
        }
        match (as_sent, in_normal_form) {
            (Verdict::Allow(_), Verdict::Scopes(_)) => self.decision(in_normal_form, None),
            (Verdict::Scopes(_), Verdict::Scopes(other)) => self.decision(as_sent, Some(other)),
            _ => self.decision(as_sent, None),
        }
    }

    fn judge_form(&self, who: &Who, uri: &str) -> Verdict {
        match self.resources.exact(uri) {
            Some(entry) => judge(&self.laws, who, std::iter::once(entry)),
            None => self.resources.matching(uri, |entries| judge(&self.laws, who, entries)),
        }
    }

    fn denied_form(&self, who: &Who, uri: &str) -> Option<Verdict> {
        match self.resources.exact(uri) {
            Some(entry) => denied(&self.laws, who, std::iter::once(entry)),
            None => self.resources.matching(uri, |entries| denied(&self.laws, who, entries)),
        }
    }

    /// Names the rules. `also` is a second rule whose scopes are needed.
    fn decision(&self, verdict: Verdict, also: Option<usize>) -> Decision {
        let id = |rule: usize| self.laws.get(rule).map(|law| law.id.clone());
        match verdict {
            Verdict::Allow(rule) => {
                id(rule).map_or_else(Decision::default_deny, |rule| Decision::Allow { rule })
            }
            Verdict::Deny(rule, style) => {
                Decision::Deny { rule: id(rule), reason: Reason::PolicyDenied, style }
            }
            Verdict::Nothing(reason, style) => Decision::Deny { rule: None, reason, style },
            Verdict::Scopes(rule) => {
                let mut scopes: Vec<String> = Vec::new();
                let rules = [Some(rule), also].into_iter().flatten();
                for scope in
                    rules.filter_map(|rule| self.laws.get(rule)).flat_map(|law| &law.scope_names)
                {
                    if !scopes.contains(scope) {
                        scopes.push(scope.clone());
                    }
                }
                Decision::NeedsScopes { rule: id(rule).unwrap_or_default(), scopes }
            }
        }
    }
}

impl Authorizer for Policy {
    type Later = Never;

    fn authorize(&self, query: &Query<'_>) -> Answer<Never> {
        Answer::Now(self.decide(query))
    }

    fn version(&self) -> Text {
        self.version.clone()
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("version", &self.version).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
