//! CEL expressions: settings, and the authorizer.

mod bounds;
mod facts;
mod rule;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cel::{Env, Value};
use portcullis_core::{Clock, Text};
use portcullis_rbac::{Answer, Authorizer, Decision, Never, Query};

use crate::ConfigError;
use crate::digest;
use crate::report::Report;
use crate::usage;
use rule::{Effect, Rule, Written};

/// Decides by rules whose conditions are expressions in the
/// [Common Expression Language](https://cel.dev).
///
/// ```
/// use portcullis_core::{Caller, Method, Principal, TargetKind, Version};
/// use portcullis_engines::Cel;
/// use portcullis_rbac::{Decision, Query};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cel = Cel::from_toml(
///     r#"
///     [[rule]]
///     id = "staff-reads-docs"
///     effect = "allow"
///     when = '''
///     "staff" in caller.groups && target.kind == "tool" && target.name == "read_file" &&
///         (listing || arguments.path.startsWith("/docs/"))
///     '''
///
///     [[rule]]
///     id = "agents-keep-out"
///     effect = "deny"
///     when = "has(caller.actor)"
///     "#,
/// )?
/// .build()?;
///
/// let alice = Principal::builder("https://id.example.com", "alice").group("staff").build();
/// let alice = Caller::Verified(alice.into());
/// let query = Query::new(&alice, Version::V2025_11_25, Method::ToolsCall)
///     .on(TargetKind::Tool, "read_file")
///     .in_a_list();
/// assert_eq!(cel.decide(&query), Decision::allow("staff-reads-docs"));
/// # Ok(())
/// # }
/// ```
///
/// # What expressions look at
/// * `caller`: `issuer`, `subject`, `is_client`, `scopes`, `groups`, `roles`, `method` (how they
///   signed in), `agents` (who acts for them, nearest first, each with `issuer` and `subject`), `claims`;
///   and where there are any `client`, `tenant`, `acr`, `auth_time`, `actor` (the nearest agent). A subject
///   or a group means nothing without its issuer: where several are trusted, ask for `caller.issuer` too.
/// * `target`: `kind` is `tool`, `prompt`, `resource`, `resource_template`, or `server` for requests without
///   a target; `name` is the name or URI; and `server` where the gate has a name of it.
/// * `arguments`: those of the call. `method`: the MCP method. To subscribe, to listen and to complete
///   is asked about twice, as that method and as `resources/read` or `prompts/get`.
/// * `listing`: whether this is about an item of a list. `now`: seconds since the Unix epoch. `version`:
///   the revision of MCP.
///
/// # Decisions
/// All deny rules come first, in order, then the allow rules until one applies. A rule that has no
/// answer is a denial: the member is not there (ask `has(arguments.path)` first), the types do not fit,
/// the result is not true or false. As CEL has it, `true ||` and `false &&` have an answer whatever stands
/// beside them, and values of different types are not equal: a rule that denies `arguments.path == "/"`
/// does not apply to a list with that text. So allow what is right, rather than deny what is wrong.
///
/// Denied are also callers who have not signed in, requests about tasks, arguments with a member that differs
/// in letter case alone from one that a rule names, or is called `__proto__`, since some servers take it
/// for that, URIs not in normal form and
/// names with invisible characters (see [`Query::is_plain`]), and, if a rule looks at groups or
/// claims, callers whose token lists only some groups.
///
/// # Lists
/// An item of a list is asked about as a call of it, with `listing` true and no arguments. A rule that
/// reads an argument says `listing ||` before, or asks whether there `has` it; otherwise no item is seen.
///
/// # What it costs
/// Expressions are checked when they are read, and have a bound: 4096 bytes, 400 parts, no
/// regular expressions, no conversions, no functions but `size`, `contains`, `startsWith` and `endsWith`,
/// no macros but `has`, `all`, `exists` and `exists_one`, and of the last three none in another. Calls with
/// more than 64 KiB of arguments or 500 values in them are denied, where any rule looks at arguments.
/// Should the evaluator panic all the same, that is a denial, unless the program aborts on panics.
#[derive(Clone)]
#[must_use = "an authorizer decides nothing until a layer is given it"]
pub struct Cel(Arc<Inner>);

struct Inner {
    /// For memos.
    id: u64,
    env: Arc<Env>,
    rules: Vec<Rule>,
    looks: bounds::Looks,
    tasks: bool,
    clock: Clock,
    version: Text,
    report: Report,
}

/// Builds a [`Cel`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct CelBuilder {
    rules: Vec<Written>,
    tasks: bool,
    clock: Clock,
}

impl Cel {
    /// Starts without rules.
    pub fn builder() -> CelBuilder {
        CelBuilder { rules: Vec::new(), tasks: false, clock: Clock::system() }
    }

    /// Starts with the rules of a text in TOML: `[[rule]]` with `id`, `effect` (`allow` or `deny`) and
    /// `when`.
    ///
    /// # Errors
    /// When the text is not TOML of that shape, with line and column.
    pub fn from_toml(text: &str) -> Result<CelBuilder, ConfigError> {
        Ok(CelBuilder { rules: rule::from_toml(text)?, tasks: false, clock: Clock::system() })
    }

    /// Decides about one question.
    #[must_use]
    pub fn decide(&self, query: &Query<'_>) -> Decision {
        self.0.decide(query).unwrap_or_else(Decision::unavailable)
    }
}

impl CelBuilder {
    /// Allows what `when` is true of.
    pub fn allow(self, id: impl Into<String>, when: impl Into<String>) -> Self {
        self.rule(Effect::Allow, id.into(), when.into())
    }

    /// Denies what `when` is true of, whatever else allows it.
    pub fn deny(self, id: impl Into<String>, when: impl Into<String>) -> Self {
        self.rule(Effect::Deny, id.into(), when.into())
    }

    /// Decides about calls as tasks too (R-216): they are asked about twice, as the method `tools/call` and as
    /// `tasks/create`. Without this, whoever may call a tool may call it as a task.
    pub fn decide_tasks(mut self) -> Self {
        self.tasks = true;
        self
    }

    /// Takes `now` from `clock`.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    fn rule(mut self, effect: Effect, id: String, when: String) -> Self {
        self.rules.push(Written { id, effect, when, place: None });
        self
    }

    /// Reads the expressions and checks what they hold.
    ///
    /// # Errors
    /// Expressions that are not CEL or not within the bounds, names that mean nothing, two rules of one
    /// name, no rule. The line and column are those of the expression, where the rules come from a text.
    pub fn build(self) -> Result<Cel, ConfigError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);

        let env = Arc::new(Env::stdlib().with_optional_support(false));
        let (rules, looks) = rule::compile(&self.rules, &env)?;
        let parts = self.rules.iter().flat_map(|rule| {
            let effect = if rule.effect == Effect::Deny { "deny" } else { "allow" };
            [rule.id.as_str(), effect, rule.when.as_str()]
        });
        let parts = parts.chain(self.tasks.then_some("tasks"));
        Ok(Cel(Arc::new(Inner {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            env,
            rules,
            looks,
            tasks: self.tasks,
            clock: self.clock,
            version: digest::version("cel", &parts.collect::<Vec<_>>()),
            report: Report::default(),
        })))
    }
}

/// What is kept with a principal: nothing, where its claims cannot be told to CEL.
struct Kept(Option<Value>);

impl Inner {
    fn decide(&self, query: &Query<'_>) -> Option<Decision> {
        let Some(principal) = query.caller().principal() else {
            return Some(Decision::default_deny());
        };
        let Some((usage, own)) = usage::methods(query, self.tasks) else {
            return Some(Decision::default_deny());
        };
        if !query.is_plain() {
            return Some(Decision::default_deny());
        }
        if principal.groups_unknown() && self.looks.at_groups {
            return None;
        }
        let make = || Kept(facts::caller(principal));
        let made;
        let caller = match principal.memo(self.id, make) {
            Some(kept) => kept,
            None => {
                made = make();
                &made
            }
        };
        let caller = caller.0.as_ref()?;
        let arguments = match self.looks.at_arguments {
            true => facts::arguments(query, &self.looks.names)?,
            false => Value::Null,
        };
        let now = query.time().unwrap_or_else(|| self.clock.unix());
        let mut decision = None;
        for method in [Some(usage), own].into_iter().flatten() {
            let context = facts::context(&self.env, caller, &arguments, query, (method, now));
            let next = self.judge(&context)?;
            if !matches!(next, Decision::Allow { .. }) {
                return Some(next);
            }
            decision = Some(next);
        }
        decision
    }

    /// `None` where a rule has no answer.
    fn judge(&self, context: &cel::Context<'_, '_>) -> Option<Decision> {
        for effect in [Effect::Deny, Effect::Allow] {
            for rule in self.rules.iter().filter(|rule| rule.effect == effect) {
                let Some(applies) = rule.applies(context) else {
                    if self.report.is_due(&self.clock) {
                        // Without the error, which may hold values.
                        tracing::error!(engine = "cel", rule = %rule.id, "a rule has no answer");
                    }
                    return None;
                };
                if applies {
                    return Some(match effect {
                        Effect::Deny => Decision::deny(rule.id.clone()),
                        Effect::Allow => Decision::allow(rule.id.clone()),
                    });
                }
            }
        }
        Some(Decision::default_deny())
    }
}

impl Authorizer for Cel {
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

impl fmt::Debug for Cel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cel").field("version", &self.0.version).finish_non_exhaustive()
    }
}
