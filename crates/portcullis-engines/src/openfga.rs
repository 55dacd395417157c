//! OpenFGA: settings, and the authorizer.

mod mapping;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{TargetKind, Text};
use portcullis_rbac::{Answer, Authorizer, Decision, Query, Together};

use crate::naming::Naming;
use crate::point::{Asking, Client, Desk};
use crate::{ConfigError, DecisionPoint};
use mapping::{Groups, Mapping, Relation};
use wire::{ListObjects, OpenFgaWire};

/// How many checks a server takes in one request, unless it is configured otherwise.
const BATCH: usize = 50;

/// Asks an OpenFGA server: is this caller related so to this tool, prompt or resource?
///
/// ```
/// use portcullis_engines::{DecisionPoint, OpenFga};
///
/// # fn secret() -> String { "secret".into() }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let point = DecisionPoint::new("https://fga.example.com").bearer_token(secret());
/// let openfga = OpenFga::builder(point, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01BX5ZZKBKACTAV9WEVGEMMVRZ")
///     .groups("group", "member")
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// # What it asks
/// Calls are a `Check`, the items of a list one `BatchCheck` for each 50. Both name the authorization
/// model, so that a new model counts when it is configured here and not before. For a call of the
/// tool `get_note` by Alice:
///
/// ```text
/// user      user:https%3A//id.example.com|alice
/// relation  can_call
/// object    tool:get_note
/// ```
///
/// * The type of the user is `user`, or `client` for a client on its own behalf; then come issuer, `|`
///   and subject, or the subject alone, see [`bare_subjects_of`](OpenFgaBuilder::bare_subjects_of).
/// * The relations are `can_call` of a `tool`, `can_get` of a `prompt`, `can_read` of a `resource` or
///   `resource_template`, and `can_use` of a `server` for requests without a target.
///   [`target`](OpenFgaBuilder::target) changes them.
/// * Where the gate has a name of its server ([`RbacLayer::server`](portcullis_rbac::RbacLayer::server)),
///   it comes before that of the target: `tool:notes/get_note`. Give one to each gate if several ask
///   about one store. Without it, requests without a target are denied.
/// * Names are percent-encoded, except letters and digits of ASCII and `-._~/@|`. So no name is a
///   wildcard, or a set of users.
///
/// Arguments are not sent: a list and a call ask the same (R-203). `ListObjects` is used for long lists where
/// [`list_objects`](OpenFgaBuilder::list_objects) says so.
///
/// # What it takes for a yes
/// `"allowed": true`, and for lists no `error` beside it, or the object's name in the answer of
/// `ListObjects`. Everything else is a denial. Nobody is asked
/// about callers who have not signed in, names too long for the protocol (512 bytes for a user, 256 for an
/// object), tasks, and, where groups are sent, callers with more than 100 groups or whose token lists only
/// some.
#[derive(Clone)]
#[must_use = "an authorizer decides nothing until a layer is given it"]
pub struct OpenFga {
    desk: Arc<Desk<OpenFgaWire>>,
    mapping: Arc<Mapping>,
    version: Text,
}

/// Builds an [`OpenFga`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct OpenFgaBuilder {
    point: DecisionPoint,
    store: String,
    model: String,
    higher_consistency: bool,
    batch: usize,
    list_objects: Option<Limits>,
    mapping: Mapping,
}

/// What a server sets itself for `ListObjects`; zero is no limit.
#[derive(Clone, Copy, Debug)]
struct Limits {
    most: usize,
    deadline: Duration,
}

impl OpenFga {
    /// Asks `point` about the relations in the store with this id, by the authorization model with
    /// this id.
    pub fn builder(
        point: DecisionPoint,
        store: impl Into<String>,
        model: impl Into<String>,
    ) -> OpenFgaBuilder {
        OpenFgaBuilder {
            point,
            store: store.into(),
            model: model.into(),
            higher_consistency: false,
            batch: BATCH,
            list_objects: None,
            mapping: Mapping::default(),
        }
    }

    /// Forgets all remembered answers, on all clones. Call it when relations have changed.
    pub fn forget(&self) {
        self.desk.forget();
    }
}

impl OpenFgaBuilder {
    /// Names callers of `issuer` by subject alone, and its groups likewise.
    ///
    /// Callers of all other issuers are then denied without a question: they could have the same
    /// subjects.
    pub fn bare_subjects_of(mut self, issuer: impl Into<String>) -> Self {
        self.mapping.naming = Naming::bare(issuer.into());
        self
    }

    /// Sends the groups of the token with each question, as contextual tuples: the user is `relation`
    /// (`member`) of an object of the type `kind` (`group`), which is named as users are.
    pub fn groups(mut self, kind: impl Into<String>, relation: impl Into<String>) -> Self {
        self.mapping.groups = Some(Groups { kind: kind.into(), relation: relation.into() });
        self
    }

    /// The type of the objects that stand for these targets, and the relation that allows to use one.
    pub fn target(
        mut self,
        target: TargetKind,
        object: impl Into<String>,
        relation: impl Into<String>,
    ) -> Self {
        let relation = Relation { object: object.into(), relation: relation.into() };
        self.mapping.targets.retain(|(kind, _)| *kind != target);
        self.mapping.targets.push((target, relation));
        self
    }

    /// Checks calls as tasks too (R-216), beside the call itself: whether the caller has this relation to the
    /// tool, such as `can_call_as_task`. Without this, whoever may call a tool may call it as a task.
    pub fn decide_tasks(mut self, relation: impl Into<String>) -> Self {
        self.mapping.tasks = Some(relation.into());
        self
    }

    /// Asks the server not to answer from its own caches (`HIGHER_CONSISTENCY`). Our own remain:
    /// see [`DecisionPoint::cache_for`].
    pub fn higher_consistency(mut self) -> Self {
        self.higher_consistency = true;
        self
    }

    /// How many items of a list go into one request: 50 by default, 1000 at most, and not more than the
    /// server allows (`OPENFGA_MAX_CHECKS_PER_BATCH_CHECK`). Zero asks about each on its own.
    pub fn batch_size(mut self, checks: usize) -> Self {
        self.batch = checks;
        self
    }

    /// Asks `ListObjects` about a list that would take more than one `BatchCheck`: one request in place of
    /// many, for callers who may use few of very many tools. Off by default: the server has to find all
    /// that the caller may use, of every server that shares the store, and this costs it more than the
    /// checks do where that is much.
    ///
    /// A server ends its answer where it has named `most` objects
    /// (`OPENFGA_LIST_OBJECTS_MAX_RESULTS`, 1000 unless configured) or has looked for `deadline`
    /// (`OPENFGA_LIST_OBJECTS_DEADLINE`, 3 seconds), and does not say that it did. Say here what the server
    /// is configured with; zero is no limit, as it is there. Names that are missing from an answer of
    /// `most` objects are then checked one by one, and the
    /// [timeout](DecisionPoint::timeout), which must be shorter, ends the wait before the
    /// server cuts its answer. So what is visible is what is callable, as without this. If the server's
    /// limits are lower than it says here, a list may lack something that can be called; it never shows
    /// what cannot.
    pub fn list_objects(mut self, most: usize, deadline: Duration) -> Self {
        self.list_objects = Some(Limits { most, deadline });
        self.mapping.list_objects = true;
        self
    }

    /// Checks the settings. Asks nobody yet.
    ///
    /// # Errors
    /// Settings that cannot be honoured.
    pub fn build(self) -> Result<OpenFga, ConfigError> {
        if self.batch > 1000 {
            return Err(ConfigError::new("at most 1000 questions go into one request"));
        }
        for id in [&self.store, &self.model] {
            if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(ConfigError::new("the id of a store or model is letters and digits"));
            }
        }
        let client = Client::new(&self.point)?;
        let cut_unseen =
            |limits: Limits| !limits.deadline.is_zero() && limits.deadline <= self.point.patience();
        if self.list_objects.is_some_and(cut_unseen) {
            return Err(ConfigError::new(
                "the timeout of the decision point is shorter than the deadline of its ListObjects",
            ));
        }
        let list_objects = self.list_objects.map(|limits| {
            let url = client.url(&format!("stores/{}/list-objects", self.store))?;
            Ok(ListObjects { url, most: (limits.most > 0).then_some(limits.most) })
        });
        let wire = OpenFgaWire {
            check: client.url(&format!("stores/{}/check", self.store))?,
            batch_check: client.url(&format!("stores/{}/batch-check", self.store))?,
            batch: self.batch,
            list_objects: list_objects.transpose()?,
        };
        let version = Text::from(format!("openfga@{}", self.model));
        let mapping = self.mapping.checked(&self.model, self.higher_consistency)?;
        let desk = Desk::new(wire, client, &self.point, Text::from_static("openfga"));
        Ok(OpenFga { desk: Arc::new(desk), mapping: Arc::new(mapping), version })
    }
}

impl Authorizer for OpenFga {
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
        self.version.clone()
    }

    fn decides_tasks(&self) -> bool {
        self.mapping.tasks.is_some()
    }
}

impl fmt::Debug for OpenFga {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFga").field("version", &self.version).finish_non_exhaustive()
    }
}
