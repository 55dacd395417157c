//! Cedar policies: settings, and the authorizer.

mod arguments;
mod load;
mod request;
mod spelling;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cedar_policy::{
    AuthorizationError, Authorizer as Engine, Decision as Verdict, Entities, Schema,
};
use portcullis_core::{Clock, Text};
use portcullis_rbac::{Answer, Authorizer, Decision, Never, Query};

use crate::ConfigError;
use crate::digest;
use crate::naming::Naming;
use crate::report::Report;
use crate::usage;
use arguments::Declared;
use load::{Meta, Policies};
use request::{Names, What, Who};

/// Decides by policies in the language [Cedar](https://www.cedarpolicy.com).
///
/// ```
/// use portcullis_core::{Caller, Method, Principal, TargetKind, Version};
/// use portcullis_engines::Cedar;
/// use portcullis_rbac::Query;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cedar = Cedar::builder(
///     r#"
///     @id("staff-reads-docs")
///     permit (
///         principal in MCP::Group::"staff",
///         action == MCP::Action::"tools/call",
///         resource == MCP::Tool::"read_file"
///     )
///     when {
///         context.listing ||
///         (context.arguments has path && context.arguments.path like "/docs/*")
///     };
///
///     @id("agents-keep-out")
///     forbid (principal, action, resource) when { context has actor };
///     "#,
/// )
/// .bare_subjects_of("https://id.example.com")
/// .arguments("{ path?: String }")
/// .build()?;
///
/// let alice = Principal::builder("https://id.example.com", "alice").group("staff").build();
/// let alice = Caller::Verified(alice.into());
/// let query = Query::new(&alice, Version::V2025_11_25, Method::ToolsCall)
///     .on(TargetKind::Tool, "read_file")
///     .in_a_list();
/// assert_eq!(cedar.decide(&query), portcullis_rbac::Decision::allow("staff-reads-docs"));
/// # Ok(())
/// # }
/// ```
///
/// # What policies are about
/// [`SCHEMA`](Self::SCHEMA) says it all, and policies that do not agree with it are refused: unknown
/// words, comparisons of different types, an argument that is read without asking whether it `has` it.
///
/// * The principal is an `MCP::User`, or an `MCP::Client` on its own behalf, in its `MCP::Group`s and
///   `MCP::Role`s. All are known as issuer, `|` and name, in which `%` and `|` of the issuer are
///   percent-encoded; or by name alone, see [`bare_subjects_of`](CedarBuilder::bare_subjects_of).
/// * The action is an `MCP::Action` with the name of the MCP method. To subscribe, to listen and to
///   complete, the caller needs that action and the one of use, `resources/read` or `prompts/get`:
///   `action in MCP::Action::"resources/read"` permits all of them. So it is with calls as tasks, where
///   [`decide_tasks`](CedarBuilder::decide_tasks) says so, and `tools/call`.
/// * The resource is an `MCP::Tool`, `MCP::Prompt`, `MCP::Resource` or `MCP::ResourceTemplate` by name
///   or URI. Where the gate has a name of its server
///   ([`RbacLayer::server`](portcullis_rbac::RbacLayer::server)), this and a slash come before it
///   (`notes/get_note`), and the resource is in that `MCP::Server`. Requests without a target are about
///   the server, `MCP::Server::"server"` if it has no name. Give names to all gates of one set of
///   policies, or to none.
/// * The context has the arguments, the scopes, the time and more.
///
/// # Annotations
/// `@id("…")` names a policy in records; others are `policy0`, `policy1` and so on. `@requires_scopes("a b")`
/// on a `permit` asks a caller whose token lacks one of these scopes for them, where nothing else permits.
/// `@denial("hide")`, `"explain"` or `"tool_result"`, and `@explanation("…")`, say how the refusal of
/// a `forbid` looks.
///
/// # Lists
/// An item of a list is asked about as a call of it, with `context.listing` true and no arguments. A `forbid`
/// that needs an argument so leaves the item visible. A `permit` that needs one hides it, unless it says
/// `context.listing ||`.
///
/// # What it takes for a yes
/// That a `permit` applies and no `forbid`. Cedar skips a policy that cannot be evaluated; here that is
/// a denial, since it may have been a `forbid`. Denied are also callers who have not signed in, requests
/// about tasks, arguments of another type than declared (and numbers outside of 64 bits or spelled with a
/// fraction or exponent where `Long` is declared), arguments that differ from a declared one in letter case
/// alone or are called `__proto__`, since some servers take them for it, URIs not in normal form and names with invisible
/// characters (see [`Query::is_plain`]), and callers whose token lists only some groups if any policy is
/// about a group.
///
/// # What it costs
/// A decision looks at each policy whose resource may be the one in question: name it in the head of
/// a policy, where possible (`resource == MCP::Tool::"x"`), and not in its conditions. Nothing is
/// remembered from one request to the next but the caller's groups and roles.
#[derive(Clone)]
#[must_use = "an authorizer decides nothing until a layer is given it"]
pub struct Cedar(Arc<Inner>);

struct Inner {
    /// For memos.
    id: u64,
    engine: Engine,
    schema: Schema,
    schema_text: String,
    actions: Entities,
    names: Names,
    policies: Policies,
    naming: Naming,
    declared: Declared,
    tasks: bool,
    clock: Clock,
    version: Text,
    report: Report,
}

/// Builds a [`Cedar`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct CedarBuilder {
    policies: String,
    arguments: String,
    naming: Naming,
    tasks: bool,
    clock: Clock,
}

impl Cedar {
    /// The schema of MCP for Cedar, with an empty type of arguments. `portcullis.cedarschema` in the
    /// source of this crate; for editors and for `cedar validate`.
    pub const SCHEMA: &'static str = include_str!("../portcullis.cedarschema");

    /// Starts with `policies`, a text in Cedar of at most 16 MiB.
    pub fn builder(policies: impl Into<String>) -> CedarBuilder {
        CedarBuilder {
            policies: policies.into(),
            arguments: "{}".into(),
            naming: Naming::default(),
            tasks: false,
            clock: Clock::system(),
        }
    }

    /// The schema that the policies were checked against, with the declared arguments.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.0.schema_text
    }

    /// What is odd about the policies: a `permit` that can never apply, names in mixed scripts. One line each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.0.policies.warnings
    }

    /// Decides about one question.
    #[must_use]
    pub fn decide(&self, query: &Query<'_>) -> Decision {
        self.0.decide(query)
    }
}

impl CedarBuilder {
    /// Names callers of `issuer`, their groups, roles and agents without the issuer.
    ///
    /// Callers of all other issuers are then denied, and so are callers for whom an agent of another
    /// issuer acts: they could have the same names.
    pub fn bare_subjects_of(mut self, issuer: impl Into<String>) -> Self {
        self.naming = Naming::bare(issuer.into());
        self
    }

    /// Declares the arguments that policies look at, as a Cedar record: `{ path?: String, n?: Long }`.
    ///
    /// All must be optional, since they are those of all tools and prompts. Types are `String`, `Long`,
    /// `Bool`, `ipaddr` (sent as text), and sets and records of these. A call in which one has another
    /// type is denied. Other arguments do not reach policies.
    pub fn arguments(mut self, record: impl Into<String>) -> Self {
        self.arguments = record.into();
        self
    }

    /// Decides about calls as tasks too (R-216): they need the action `tasks/create` as well as `tools/call`.
    /// Without this, whoever may call a tool may call it as a task.
    pub fn decide_tasks(mut self) -> Self {
        self.tasks = true;
        self
    }

    /// Takes `context.now` from `clock`.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Reads the policies and checks them, strictly, against the schema.
    ///
    /// # Errors
    /// Policies that are not Cedar, or not about MCP as the schema describes it, with line and column;
    /// templates; two policies of one name; annotations that cannot be honoured; an attribute after `has`
    /// that nothing has; a `forbid` that can never apply; no policy at all.
    pub fn build(self) -> Result<Cedar, ConfigError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);

        let fault = || ConfigError::new("the schema cannot be used");
        let declared = arguments::declared(&self.arguments)?;
        let (schema_text, schema) = load::schema(&self.arguments)?;
        let policies = Policies::read(&self.policies, schema.clone(), &declared)?;
        let naming = format!("{:?}", self.naming);
        Ok(Cedar(Arc::new(Inner {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            engine: Engine::new(),
            actions: schema.action_entities().map_err(|_| fault())?,
            names: Names::new().ok_or_else(fault)?,
            version: digest::version(
                "cedar",
                &[&self.policies, &schema_text, &naming, if self.tasks { "tasks" } else { "" }],
            ),
            schema,
            schema_text,
            policies,
            naming: self.naming,
            declared,
            tasks: self.tasks,
            clock: self.clock,
            report: Report::default(),
        })))
    }
}

impl Inner {
    fn decide(&self, query: &Query<'_>) -> Decision {
        let Some(principal) = query.caller().principal() else { return Decision::default_deny() };
        let Some((usage, own)) = usage::methods(query, self.tasks) else {
            return Decision::default_deny();
        };
        if !query.is_plain() || self.naming.is_stranger(principal) {
            return Decision::default_deny();
        }
        if principal.groups_unknown() && self.policies.about_groups {
            return Decision::unavailable();
        }
        let make = || Who::of(principal, &self.naming, &self.names, &self.actions, &self.schema);
        let made;
        let who = match principal.memo(self.id, make) {
            Some(who) => who.as_ref(),
            None => {
                made = make();
                made.as_ref()
            }
        };
        let decision = who.and_then(|who| {
            let using = self.decide_action(query, who, usage)?;
            match own {
                Some(own) if matches!(using, Decision::Allow { .. }) => {
                    self.decide_action(query, who, own)
                }
                _ => Some(using),
            }
        });
        decision.unwrap_or_else(Decision::unavailable)
    }

    /// `None` where the question cannot be put or answered.
    fn decide_action(&self, query: &Query<'_>, who: &Who, action: &str) -> Option<Decision> {
        let now = query.time().unwrap_or_else(|| self.clock.unix());
        let what = What::of(query, &self.names)?;
        let entities = request::entities(who, &what, &self.schema)?;
        let pairs = request::pairs(who, query, &self.declared, now)?;
        let request = request::request((who, action, &what), pairs, &self.names, &self.schema)?;
        let (mut permits, mut forbids) = (Vec::new(), Vec::new());
        for policies in self.policies.about(&what.uid, what.server.as_ref()) {
            let response = self.engine.is_authorized(&request, policies, &entities);
            let mut errors = response.diagnostics().errors();
            if let Some(error) = errors.next() {
                if self.report.is_due(&self.clock) {
                    // Without its text, which may hold values.
                    let policy = match error {
                        AuthorizationError::PolicyEvaluationError(error) => {
                            error.policy_id().to_string()
                        }
                    };
                    tracing::error!(engine = "cedar", policy, "a policy cannot be evaluated");
                }
                return None;
            }
            let reasons = response.diagnostics().reason();
            let metas = reasons.map(|id| self.policies.meta(id)).collect::<Option<Vec<_>>>()?;
            match response.decision() {
                Verdict::Allow => permits.extend(metas),
                Verdict::Deny => forbids.extend(metas),
            }
        }
        Some(settle(query, permits, &forbids))
    }
}

/// Of several policies the first in the text names the decision.
fn settle(query: &Query<'_>, mut permits: Vec<&Meta>, forbids: &[&Meta]) -> Decision {
    if let Some(Meta { rule, style, explanation, .. }) =
        forbids.iter().min_by_key(|meta| meta.number)
    {
        let denial = Decision::deny(rule.clone()).shown_as(*style);
        return match explanation {
            Some(text) => denial.explained_by(text.clone()),
            None => denial,
        };
    }
    permits.sort_by_key(|meta| meta.number);
    let held = |scope: &String| {
        query.caller().principal().is_some_and(|principal| principal.has_scope(scope))
    };
    let enough = |meta: &&&Meta| meta.scopes.iter().all(held);
    match (permits.iter().find(enough), permits.first()) {
        (Some(meta), _) => Decision::allow(meta.rule.clone()),
        (None, Some(meta)) => Decision::needs_scopes(meta.rule.clone(), meta.scopes.clone()),
        (None, None) => Decision::default_deny(),
    }
}

impl Authorizer for Cedar {
    type Later = Never;

    fn authorize(&self, query: &Query<'_>) -> Answer<Never> {
        Answer::Now(self.decide(query))
    }

    fn version(&self) -> Text {
        self.0.version.clone()
    }

    fn decides_tasks(&self) -> bool {
        self.0.tasks
    }
}

impl fmt::Debug for Cedar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cedar").field("version", &self.0.version).finish_non_exhaustive()
    }
}
