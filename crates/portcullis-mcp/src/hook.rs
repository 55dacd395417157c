//! What users add to inspection: checks and changes of requests and answers.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Method, Text};

use crate::ConfigError;

pub(crate) mod answer;
mod bind;
pub(crate) mod chain;
mod event;
mod members;
pub(crate) mod request;

pub(crate) use bind::Hooks;
pub use event::{HookEvent, HookPhase, HookRefusal, HookVerdict};

/// How long a hook may take, unless it says otherwise.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the name of a hook may be.
const MAX_NAME: usize = 64;

/// Why an [`Interceptor`] could not say anything. Its text goes nowhere.
type Failure = Box<dyn Error + Send + Sync>;

/// A check or a change of your own, asked about requests before policy decides and about answers
/// before they are filtered. Bind it to methods with a [`Hook`].
///
/// Closures that take a [`HookEvent`] are interceptors too.
///
/// ```
/// use portcullis_mcp::{HookEvent, Interceptor, HookRefusal, HookVerdict};
///
/// /// Wants a ticket for whatever is deleted.
/// struct Ticket;
///
/// impl Interceptor for Ticket {
///     async fn invoke(
///         &self,
///         event: HookEvent,
///     ) -> Result<HookVerdict, Box<dyn std::error::Error + Send + Sync>> {
///         // With `serde_json::from_slice(event.json())`, in real life.
///         let named = event.target().is_some_and(|tool| tool.name().starts_with("delete_"));
///         let ticket = event.json().windows(8).any(|part| part == b"\"ticket\"");
///         Ok(if named && !ticket {
///             HookVerdict::Refuse(HookRefusal::tool_result("Deleting needs the argument `ticket`."))
///         } else {
///             HookVerdict::Pass
///         })
///     }
/// }
/// ```
pub trait Interceptor: Send + Sync + 'static {
    /// Says what to do with `event`.
    ///
    /// An error, a panic, or no answer in time refuses the event. Whoever blocks the thread
    /// instead of waiting cannot be interrupted.
    fn invoke(&self, event: HookEvent)
    -> impl Future<Output = Result<HookVerdict, Failure>> + Send;
}

impl<F, Said> Interceptor for F
where
    F: Fn(HookEvent) -> Said + Send + Sync + 'static,
    Said: Future<Output = Result<HookVerdict, Failure>> + Send,
{
    fn invoke(
        &self,
        event: HookEvent,
    ) -> impl Future<Output = Result<HookVerdict, Failure>> + Send {
        self(event)
    }
}

/// What an interceptor has yet to say. Boxed: hooks of any type stand in one list, and most gates have none.
type Saying = Pin<Box<dyn Future<Output = Result<HookVerdict, Failure>> + Send>>;

/// An interceptor of whatever type.
trait Ask: Send + Sync {
    fn ask(self: Arc<Self>, event: HookEvent) -> Saying;
}

impl<I: Interceptor> Ask for I {
    fn ask(self: Arc<Self>, event: HookEvent) -> Saying {
        Box::pin(async move { self.invoke(event).await })
    }
}

/// Binds an [`Interceptor`] to methods and phases.
///
/// **Requests** that were inspected go to the mutations in order of [`priority`](Self::priority),
/// each of which sees what the one before made of them; then to all validations at once. What is
/// forwarded is inspected again, whole, and then decided by policy. **Answers** take the way back:
/// all validations at once, then the mutations in reverse order. What they make of an answer passes
/// the same checks and filters as if the service had said it, so that no hook can show what the
/// caller may not see. Of a batch each element is an event of its own, of a stream each answer in it.
///
/// A hook fails closed: an error, a panic, no answer in time, a change that is not one strict JSON
/// object or does not pass inspection all refuse the event. Clients learn only that the server is
/// temporarily unavailable.
///
/// No hook can be bound to `initialize`, `ping` and `server/discover`, by which clients tell what a
/// server speaks (R-087), to notifications, or to the methods of tasks: the answer to `tasks/result`
/// goes to the hooks of `tools/call`. What servers ask of clients, and what clients answer,
/// is not shown to hooks.
///
/// Hooks run before policy decides, also for calls that policy would deny: a refusal that only
/// callers of an existing target can get tells them that it exists.
#[derive(Clone)]
#[must_use = "a hook does nothing until it is added to the layer"]
pub struct Hook {
    name: Text,
    kind: Kind,
    requests: Methods,
    answers: Methods,
    priority: i32,
    timeout: Duration,
    code: Arc<dyn Ask>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Validation,
    Mutation,
}

/// The methods that a hook is bound to.
#[derive(Clone, Debug)]
enum Methods {
    All,
    These(Vec<Method>),
}

impl Methods {
    fn contain(&self, method: Method) -> bool {
        match self {
            Self::All => is_open(method),
            Self::These(methods) => methods.contains(&method),
        }
    }
}

impl Hook {
    /// A hook that passes or refuses. A change is a failure.
    pub fn validation(name: impl Into<String>, interceptor: impl Interceptor) -> Self {
        Self::new(name.into(), Kind::Validation, Arc::new(interceptor))
    }

    /// A hook that may also change arguments or results.
    pub fn mutation(name: impl Into<String>, interceptor: impl Interceptor) -> Self {
        Self::new(name.into(), Kind::Mutation, Arc::new(interceptor))
    }

    fn new(name: String, kind: Kind, code: Arc<dyn Ask>) -> Self {
        let none = || Methods::These(Vec::new());
        Self {
            name: Text::from(name),
            kind,
            requests: none(),
            answers: none(),
            priority: 0,
            timeout: PATIENCE,
            code,
        }
    }

    /// Asks it about requests of these methods.
    pub fn requests(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.requests = Methods::These(methods.into_iter().collect());
        self
    }

    /// Asks it about requests of every method that hooks can be bound to.
    pub fn all_requests(mut self) -> Self {
        self.requests = Methods::All;
        self
    }

    /// Asks it about answers to requests of these methods. While there are hooks for answers, what
    /// a resumed stream repeats of answers is withheld: nobody can say what they answer.
    pub fn answers(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.answers = Methods::These(methods.into_iter().collect());
        self
    }

    /// Asks it about answers to requests of every method that hooks can be bound to; see
    /// [`answers`](Self::answers).
    pub fn all_answers(mut self) -> Self {
        self.answers = Methods::All;
        self
    }

    /// The place among mutations: lower ones change requests earlier and answers later. Those of
    /// one priority are asked in the order in which they were added. Default 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// How long it may take for one event. Default 2 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn is_on(&self, phase: HookPhase, method: Method) -> bool {
        match phase {
            HookPhase::Request => self.requests.contain(method),
            HookPhase::Answer => self.answers.contain(method),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let name = self.name.as_str();
        let fault = |problem: &str| Err(ConfigError::new(format!("hook {name:?} {problem}")));
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(fits) {
            return fault(
                "needs a name of up to 64 letters, digits, hyphens, underscores and dots",
            );
        }
        let none = |methods: &Methods| matches!(methods, Methods::These(these) if these.is_empty());
        if none(&self.requests) && none(&self.answers) {
            return fault("is bound to no method");
        }
        for methods in [&self.requests, &self.answers] {
            if let Methods::These(these) = methods
                && let Some(method) = these.iter().find(|method| !is_open(**method))
            {
                return fault(&format!("cannot be bound to {method}"));
            }
        }
        if self.timeout.is_zero() {
            return fault("has no time at all");
        }
        Ok(())
    }
}

// By hand: nobody knows what is in an interceptor.
impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("requests", &self.requests)
            .field("answers", &self.answers)
            .field("priority", &self.priority)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Whether hooks can be bound to `method`.
fn is_open(method: Method) -> bool {
    !method.is_notification()
        && !matches!(method, Method::Initialize | Method::Ping | Method::ServerDiscover)
        && !method.is_about_task()
}
