//! The built-in authorizer: roles and rules in memory.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_core::{Caller, Clock, Method, TargetKind, Text};

use crate::index::Index;
use crate::tables::{Tables, without_target};
use crate::who::Roles;
use crate::{Answer, Authorizer, Decision, Never, PolicyBuilder, Query, Standing, Warning};

/// Which roles may use which tools, prompts and resources.
///
/// Made by [`Policy::builder`] or read from YAML; both find every error before anything is served.
/// The [crate docs](crate#what-a-policy-means) say what a policy means. Deciding takes no lock,
/// and allowing allocates nothing.
pub struct Policy {
    /// Tells this policy's memos from other policies' (see `Principal::memo`).
    pub(crate) id: u64,
    pub(crate) version: Text,
    pub(crate) digest: Text,
    pub(crate) rules: Rules,
}

pub(crate) enum Rules {
    PermitAll,
    Tables(Box<Tables>),
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
        let version = Text::from_static("permit-all");
        Self::new(version.clone(), version, Rules::PermitAll)
    }

    /// Allows nobody anything but the protocol's own messages.
    #[must_use]
    pub fn deny_all() -> Self {
        let source = PolicyBuilder::default();
        let tables = Tables {
            laws: Vec::new(),
            ids: Vec::new(),
            roles: Roles::new(&[], &[], &[], &Default::default()),
            tools: Index::default(),
            prompts: Index::default(),
            resources: Index::default(),
            denials: None,
            set_level: None,
            tasks: None,
            servers: Vec::new(),
            grantable: None,
            clock: Clock::system(),
            by_method: false,
            by_hints: false,
            warnings: Vec::new(),
            source,
        };
        let version = Text::from_static("deny-all");
        Self::new(version.clone(), version, Rules::Tables(Box::new(tables)))
    }

    pub(crate) fn new(version: Text, digest: Text, rules: Rules) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), version, digest, rules }
    }

    /// The SHA-256 digest of everything that can change a decision, in hexadecimal. Two policies
    /// with one digest decide alike.
    #[must_use]
    pub fn digest(&self) -> &str {
        self.digest.as_str()
    }

    /// Takes the time from `clock`, for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        if let Rules::Tables(tables) = &mut self.rules {
            tables.clock = clock;
        }
        self
    }

    /// What is probably not meant so: rules that can never apply, roles that no rule names. A
    /// policy with warnings is in force all the same.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        match &self.rules {
            Rules::PermitAll => &[],
            Rules::Tables(tables) => &tables.warnings,
        }
    }

    /// Answers a question. The same as [`Authorizer::authorize`], for a policy's own tests.
    #[must_use]
    pub fn decide(&self, query: &Query<'_>) -> Decision {
        if let Some(decision) = self.at_once(query) {
            return decision;
        }
        match (query.target(), &self.rules) {
            (None, Rules::Tables(tables)) if query.method() == Method::LoggingSetLevel => {
                tables.set_level(self.id, query)
            }
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

impl Policy {
    /// The decision on the question that is asked most: a tool that the policy spells out, and roles
    /// alone decide about. Most of the work of a decision is to find out that this is all there is to
    /// it; `None` says that there is more.
    #[inline]
    fn at_once(&self, query: &Query<'_>) -> Option<Decision> {
        let Rules::Tables(tables) = &self.rules else { return None };
        let (TargetKind::Tool, name) = query.target()? else { return None };
        if query.method() != Method::ToolsCall || query.runs_as_task() {
            return None;
        }
        let principal = query.caller().principal()?;
        let who = principal.memo(self.id, || tables.roles.of(principal))?;
        let verdict = tables.tools.exact(name)?.at_once(who)?;
        Some(tables.decision(who, verdict, None))
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

    fn wants_hints(&self) -> bool {
        matches!(&self.rules, Rules::Tables(tables) if tables.by_hints)
    }

    fn offers(&self, query: &Query<'_>, kind: TargetKind) -> bool {
        match &self.rules {
            Rules::PermitAll => query.caller().principal().is_some(),
            Rules::Tables(tables) => tables.offers(self.id, query, kind),
        }
    }

    fn decides_tasks(&self) -> bool {
        matches!(&self.rules, Rules::Tables(tables) if tables.tasks.is_some())
    }

    fn standing(&self) -> Standing {
        let tools = match &self.rules {
            Rules::PermitAll => Vec::new(),
            Rules::Tables(tables) => tables.tools.spelled_out(),
        };
        Standing { tools, ..Standing::default() }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("version", &self.version).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
