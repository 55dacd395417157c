//! The seam: whatever can answer a [`Query`].

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use portcullis_core::{TargetKind, Text};

use crate::together::one_by_one;
use crate::{Decision, Query, Standing, Together};

/// Decides who may do what.
///
/// [`Policy`](crate::Policy) is the built-in one. Implement this to ask something else: another
/// policy language, or a decision point outside the process.
///
/// ```
/// use portcullis_core::Text;
/// use portcullis_rbac::{Answer, Authorizer, Decision, Never, Query};
///
/// /// Lets a tool's name decide.
/// struct ReadOnly;
///
/// impl Authorizer for ReadOnly {
///     type Later = Never;
///
///     fn authorize(&self, query: &Query<'_>) -> Answer<Never> {
///         Answer::Now(match query.target() {
///             Some((_, name)) if name.starts_with("get_") => Decision::allow("read-only"),
///             _ => Decision::default_deny(),
///         })
///     }
///
///     fn version(&self) -> Text {
///         Text::from_static("read-only-1")
///     }
/// }
/// ```
pub trait Authorizer: Send + Sync + 'static {
    /// An answer that needs waiting; [`Never`] for policies in memory. It owns what it needs, and
    /// starts when it is first polled: one that is dropped has asked nobody. It
    /// must end by itself: set a time limit, and answer [`Decision::unavailable`] past it.
    type Later: Future<Output = Decision> + Send + 'static;

    /// Answers for each target of a request, and for each item of a list: one function, so that
    /// what is visible is what is callable (R-203). Must not block.
    ///
    /// Asked about targets, so that a policy may deny whatever it does not know, and about the few
    /// requests that have an effect without a target (`logging/setLevel`, `tasks/list`). Not asked,
    /// and open to every caller: `initialize`, `ping` and `server/discover` (R-087), the list
    /// methods (each item is asked about), `subscriptions/listen` without a resource,
    /// notifications, streams, session ends and answers to the server.
    fn authorize(&self, query: &Query<'_>) -> Answer<Self::Later>;

    /// Answers about several questions that [`authorize`](Self::authorize) did not answer at once: the items
    /// of a list, the elements of a batch, the targets of one message. For each query its decision, in
    /// order. A shorter answer is a denial of the rest.
    ///
    /// By default they are asked about with `authorize`, 16 at a time. A decision point that takes
    /// many questions in one request does better; its decisions must be those of `authorize`.
    fn authorize_list(&self, queries: &[Query<'_>]) -> Together {
        one_by_one(self, queries)
    }

    /// The version of the policy in effect, recorded with every decision. If it changes while a
    /// message is decided, the message is decided anew, so that what is recorded is what decided.
    fn version(&self) -> Text;

    /// Whether answers depend on [`Query::hints`]. Only then are they looked after.
    fn wants_hints(&self) -> bool {
        false
    }

    /// Whether the caller of `query` may use any target of this kind on that server, whatever its name,
    /// arguments and scopes. Answer `false` only where that is sure: what a server says it has is then
    /// left out for this caller (`InspectLayer::hide_capabilities`). `query` has no target.
    fn offers(&self, query: &Query<'_>, kind: TargetKind) -> bool {
        let _ = (query, kind);
        true
    }

    /// Whether it takes more to call a tool as a task than to call it ([`Query::runs_as_task`]). Only then
    /// is a second question asked about calls that may run as tasks (R-216), beside that about the call.
    fn decides_tasks(&self) -> bool {
        false
    }

    /// How it stands, for health checks and metrics. By default nothing is known.
    fn standing(&self) -> Standing {
        Standing::default()
    }
}

impl<A: Authorizer> Authorizer for Arc<A> {
    type Later = A::Later;

    fn authorize(&self, query: &Query<'_>) -> Answer<A::Later> {
        A::authorize(self, query)
    }

    fn authorize_list(&self, queries: &[Query<'_>]) -> Together {
        A::authorize_list(self, queries)
    }

    fn version(&self) -> Text {
        A::version(self)
    }

    fn wants_hints(&self) -> bool {
        A::wants_hints(self)
    }

    fn offers(&self, query: &Query<'_>, kind: TargetKind) -> bool {
        A::offers(self, query, kind)
    }

    fn decides_tasks(&self) -> bool {
        A::decides_tasks(self)
    }

    fn standing(&self) -> Standing {
        A::standing(self)
    }
}

/// An answer now, or later.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no third time")]
pub enum Answer<F> {
    /// The decision.
    Now(Decision),
    /// What will say so.
    Later(F),
}

/// The future of an authorizer that never waits. It has no values.
#[expect(clippy::exhaustive_enums, reason = "it stays empty")]
pub enum Never {}

impl Future for Never {
    type Output = Decision;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Decision> {
        match *self {}
    }
}

impl fmt::Debug for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
