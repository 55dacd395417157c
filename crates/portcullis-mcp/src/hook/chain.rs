//! Asks hooks about one event, group by group.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use portcullis_core::{Denial, McpRequest, Method, Reason, Text, Trail};
use tokio::time::{Sleep, sleep};

use super::bind::Group;
use super::{Hook, HookEvent, HookRefusal, HookVerdict, Kind, Saying, members};
use crate::json::JsonLimits;

/// How large a change may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) bytes: usize,
    pub(crate) json: JsonLimits,
}

/// What the hooks said together.
#[derive(Debug)]
pub(super) enum Outcome {
    Unchanged,
    /// To this, lastly by the hook of that name.
    Changed(Bytes, Text),
    Stopped(Stop),
}

/// The end of an event.
#[derive(Debug)]
pub(super) struct Stop {
    hook: Text,
    /// `None`: the hook failed.
    refusal: Option<HookRefusal>,
}

/// The hooks of one event.
pub(super) struct Chain {
    event: HookEvent,
    bounds: Bounds,
    groups: VecDeque<Group>,
    calls: Vec<Call>,
    /// The last hook that changed the event.
    changed_by: Option<Text>,
}

/// A hook that was asked.
struct Call {
    hook: Arc<Hook>,
    /// `None`: it let the event pass.
    saying: Option<Saying>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Chain {
    pub(super) fn new(event: HookEvent, groups: Vec<Group>, bounds: Bounds) -> Self {
        Self { event, bounds, groups: groups.into(), calls: Vec::new(), changed_by: None }
    }

    pub(super) fn request(&self) -> &McpRequest {
        &self.event.request
    }

    /// Polls the hooks that were asked; ready when they all let the event pass.
    fn poll_group(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        let mut pending = false;
        for call in &mut self.calls {
            match call.poll(cx) {
                Poll::Pending => pending = true,
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Ok(Some(json))) => {
                    let Bounds { bytes, json: limits } = self.bounds;
                    if call.hook.kind != Kind::Mutation {
                        return Poll::Ready(Err(call.failed("it changed what it should check")));
                    }
                    if json.len() > bytes || !members::is_object(&json, limits) {
                        return Poll::Ready(Err(call.failed("its change cannot pass")));
                    }
                    self.event.json = json;
                    self.changed_by = Some(call.hook.name.clone());
                }
                Poll::Ready(Err(stop)) => return Poll::Ready(Err(stop)),
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}

impl Future for Chain {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let this = &mut *self;
        loop {
            match this.poll_group(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(stop)) => {
                    this.calls.clear();
                    return Poll::Ready(Outcome::Stopped(stop));
                }
                Poll::Ready(Ok(())) => {}
            }
            let Some(group) = this.groups.pop_front() else {
                return Poll::Ready(match this.changed_by.take() {
                    Some(hook) => Outcome::Changed(this.event.json.clone(), hook),
                    None => Outcome::Unchanged,
                });
            };
            let event = &this.event;
            this.calls = group.into_iter().map(|hook| Call::new(hook, event)).collect();
        }
    }
}

impl Call {
    fn new(hook: Arc<Hook>, event: &HookEvent) -> Self {
        let saying = Arc::clone(&hook.code).ask(event.clone());
        Self { hook, saying: Some(saying), timer: None }
    }

    /// `None` when the event may pass, and what in its stead when it may not pass as it is.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Stop>> {
        let Some(saying) = &mut self.saying else { return Poll::Ready(Ok(None)) };
        // Somebody else's code: what it holds is dropped, and nothing of ours is in it.
        let said = catch_unwind(AssertUnwindSafe(|| saying.as_mut().poll(cx)));
        let said = match said {
            Ok(Poll::Ready(said)) => said,
            Ok(Poll::Pending) => {
                let timeout = self.hook.timeout;
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
                return match timer.as_mut().poll(cx) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(()) => Poll::Ready(Err(self.failed("it took too long"))),
                };
            }
            Err(_) => return Poll::Ready(Err(self.failed("it panicked"))),
        };
        self.saying = None;
        self.timer = None;
        Poll::Ready(match said {
            Ok(HookVerdict::Pass) => Ok(None),
            Ok(HookVerdict::Change(json)) => Ok(Some(json)),
            Ok(HookVerdict::Refuse(refusal)) => {
                Err(Stop { hook: self.hook.name.clone(), refusal: Some(refusal) })
            }
            Err(_) => Err(self.failed("it returned an error")),
        })
    }

    fn failed(&self, problem: &'static str) -> Stop {
        Stop::failed(self.hook.name.clone(), problem)
    }
}

impl Stop {
    /// The end because `hook` did not do what it should.
    pub(super) fn failed(hook: Text, problem: &'static str) -> Self {
        tracing::error!(hook = hook.as_str(), problem, "a hook failed");
        Self { hook, refusal: None }
    }

    pub(super) fn hook(&self) -> &str {
        self.hook.as_str()
    }

    pub(super) fn reason(&self) -> Reason {
        match self.refusal {
            Some(_) => Reason::HookRefused,
            None => Reason::HookFailed,
        }
    }

    /// What the client is told. `element` is the place of `request` in the records.
    pub(super) fn denial(
        &self,
        request: &McpRequest,
        trail: Option<&Trail>,
        element: usize,
    ) -> Denial {
        let denial = match &self.refusal {
            None => Denial::hook_failed(Some(request.id())),
            Some(HookRefusal { text, tool_result: true })
                if request.method() == Method::ToolsCall =>
            {
                Denial::tool_result_with(request, Reason::HookRefused, Some(text.as_str()))
            }
            Some(HookRefusal { text, .. }) => {
                let id = trail.and_then(|trail| trail.decision_id(element));
                let id = id.as_ref().map_or("unrecorded", Text::as_str);
                let text = Some(text.as_str());
                Denial::explained_with(request, id, Reason::HookRefused, text)
            }
        };
        denial.by_hook(self.hook())
    }
}

// By hand: what hooks have yet to say cannot be shown.
impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("event", &self.event).finish_non_exhaustive()
    }
}
