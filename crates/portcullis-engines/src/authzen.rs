//! OpenID AuthZEN: settings, and the authorizer.

mod mapping;
mod metadata;
mod wire;

use std::fmt;
use std::sync::Arc;

use http::Uri;
use portcullis_core::Text;
use portcullis_rbac::{Answer, Authorizer, Decision, Query, Together};

use crate::naming::Naming;
use crate::point::{Asking, Client, Desk};
use crate::{ConfigError, DecisionPoint};
use mapping::Mapping;
use wire::AuthZenWire;

/// How many questions go into one request, unless told otherwise.
const BATCH: usize = 50;

/// Asks a decision point that speaks the OpenID AuthZEN Authorization API 1.0 (R-217).
///
/// ```
/// use portcullis_engines::{AllMustAllow, AuthZen, DecisionPoint};
/// use portcullis_rbac::Policy;
///
/// # fn secret() -> String { "secret".into() }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let point = DecisionPoint::new("http://127.0.0.1:8181").bearer_token(secret());
/// let authzen = AuthZen::builder(point)
///     .bare_subjects_of("https://id.example.com")
///     .build()?;
/// let authorizer = AllMustAllow::new(Policy::danger_permit_all(), authzen);
/// # Ok(())
/// # }
/// ```
///
/// # What it asks
/// Calls go to `access/v1/evaluation`, the items of a list together to `access/v1/evaluations`:
///
/// * `subject`: `type` is `user`, or `client` for a client on its own behalf. `id` is the issuer, `|`
///   and the subject, in which `%` and `|` of the issuer are percent-encoded; or the subject
///   alone, see [`bare_subjects_of`](AuthZenBuilder::bare_subjects_of). `properties` has `iss`, `sub`,
///   `scopes`, `groups`, `roles`, and where there are any `client_id`, `tenant`, `acr`, `auth_time`,
///   `act` (nearest first), and `groups_unknown` where the token lists only some groups.
/// * `action.name` is the MCP method.
/// * `resource`: `type` is `mcp_tool`, `mcp_prompt`, `mcp_resource` or `mcp_resource_template`, `id` the
///   name or URI as sent. Requests without a target are about `mcp_server`. `properties.server` is
///   the name of the server behind this gate, where it has one
///   ([`RbacLayer::server`](portcullis_rbac::RbacLayer::server)).
/// * `context.mcp_version`; and with [`send_argument`](AuthZenBuilder::send_argument) `arguments`, and
///   `listing`, which is true where nobody knows the arguments yet.
///
/// Without arguments, a list asks exactly what the call would ask: what is visible is callable.
///
/// # What it takes for a yes
/// `"decision": true`, once, in JSON with status 200; for lists in an array of as many. `context` of
/// an answer is not looked at. Everything else is a denial, and so are callers who have not signed
/// in, about whom nobody is asked, and questions about tasks.
///
/// The decision point gets names and URIs as they were sent. One that matches patterns should be
/// combined with a [`Policy`](portcullis_rbac::Policy), which refuses URIs that can be read in two
/// ways.
#[derive(Clone)]
#[must_use = "an authorizer decides nothing until a layer is given it"]
pub struct AuthZen {
    desk: Arc<Desk<AuthZenWire>>,
    mapping: Arc<Mapping>,
}

/// Builds an [`AuthZen`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct AuthZenBuilder {
    point: DecisionPoint,
    evaluation: String,
    evaluations: String,
    batch: usize,
    name: String,
    mapping: Mapping,
}

impl AuthZen {
    /// Asks `point`.
    pub fn builder(point: DecisionPoint) -> AuthZenBuilder {
        AuthZenBuilder {
            point,
            evaluation: "access/v1/evaluation".into(),
            evaluations: "access/v1/evaluations".into(),
            batch: BATCH,
            name: "authzen".into(),
            mapping: Mapping { naming: Naming::default(), arguments: Vec::new(), tasks: false },
        }
    }

    /// Forgets all remembered answers, on all clones. Call it when the policy of the decision point
    /// has changed.
    pub fn forget(&self) {
        self.desk.forget();
    }
}

impl AuthZenBuilder {
    /// Names callers of `issuer` by subject alone, as the decision point may know them.
    ///
    /// Callers of all other issuers are then denied without a question: they could have the same
    /// subjects.
    pub fn bare_subjects_of(mut self, issuer: impl Into<String>) -> Self {
        self.mapping.naming = Naming::bare(issuer.into());
        self
    }

    /// Sends the argument `key` of calls, with all that is in it. None is sent by default: arguments
    /// may hold what the decision point need not see.
    ///
    /// Calls with an argument that a server may take for `key`, which differs in letter case alone or is
    /// `__proto__`, are then denied without a question (R-025).
    pub fn send_argument(mut self, key: impl Into<String>) -> Self {
        self.mapping.arguments.push(key.into());
        self
    }

    /// Asks about calls as tasks too (R-216), beside the call itself: `action.name` is then `tasks/create`.
    /// Without this, whoever may call a tool may call it as a task.
    pub fn decide_tasks(mut self) -> Self {
        self.mapping.tasks = true;
        self
    }

    /// Other paths than `access/v1/evaluation` and `access/v1/evaluations`, after the URL of the
    /// decision point.
    pub fn paths(mut self, evaluation: impl Into<String>, evaluations: impl Into<String>) -> Self {
        self.evaluation = evaluation.into();
        self.evaluations = evaluations.into();
        self
    }

    /// How many items of a list go into one request: 50 by default, 1000 at most. Zero asks about
    /// each on its own, for decision points without `evaluations`.
    pub fn batch_size(mut self, questions: usize) -> Self {
        self.batch = questions;
        self
    }

    /// The rule and version in records: `authzen` by default.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Reads from the decision point where questions go, and checks the settings: its
    /// `.well-known/authzen-configuration` (Authorization API 1.0, *Policy Decision Point Metadata*). In
    /// place of [`paths`](Self::paths). Without an endpoint for several questions, each goes on its own.
    ///
    /// Needs a `tokio` runtime with time and I/O. What was read is used until the program ends.
    ///
    /// # Errors
    /// Settings that cannot be honoured, metadata that cannot be read in time, that are about another
    /// `policy_decision_point` than the URL of this one, byte for byte, or that name endpoints elsewhere:
    /// they would get the credential.
    pub async fn discover(mut self) -> Result<AuthZen, ConfigError> {
        let client = Client::new(&self.point)?;
        let endpoints = metadata::read(&client, self.point.url(), self.point.patience()).await;
        let (evaluation, evaluations) = endpoints.map_err(|error| {
            ConfigError::new(format!("the metadata of the decision point cannot be used: {error}"))
        })?;
        if evaluations.is_none() {
            self.batch = 0;
        }
        let evaluations = evaluations.unwrap_or_else(|| evaluation.clone());
        self.finish(client, evaluation, evaluations)
    }

    /// Checks the settings. Asks nobody yet.
    ///
    /// # Errors
    /// Settings that cannot be honoured.
    pub fn build(self) -> Result<AuthZen, ConfigError> {
        let client = Client::new(&self.point)?;
        let evaluation = client.url(&self.evaluation)?;
        let evaluations = client.url(&self.evaluations)?;
        self.finish(client, evaluation, evaluations)
    }

    fn finish(
        self,
        client: Client,
        evaluation: Uri,
        evaluations: Uri,
    ) -> Result<AuthZen, ConfigError> {
        if self.batch > 1000 {
            return Err(ConfigError::new("at most 1000 questions go into one request"));
        }
        if self.name.is_empty() {
            return Err(ConfigError::new("the name for records is empty"));
        }
        let wire = AuthZenWire { evaluation, evaluations, batch: self.batch };
        let desk = Desk::new(wire, client, &self.point, Text::from(self.name));
        Ok(AuthZen { desk: Arc::new(desk), mapping: Arc::new(self.mapping) })
    }
}

impl Authorizer for AuthZen {
    type Later = Asking;

    fn authorize(&self, query: &Query<'_>) -> Answer<Asking> {
        match self.mapping.question(query) {
            Some(question) => self.desk.answer(question),
            None => Answer::Now(Decision::default_deny()),
        }
    }

    fn authorize_list(&self, queries: &[Query<'_>]) -> Together {
        self.desk.answer_all(queries.iter().map(|query| self.mapping.question(query)).collect())
    }

    fn version(&self) -> Text {
        self.desk.rule()
    }

    fn decides_tasks(&self) -> bool {
        self.mapping.tasks
    }
}

impl fmt::Debug for AuthZen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthZen").field("name", &self.desk.rule()).finish_non_exhaustive()
    }
}
