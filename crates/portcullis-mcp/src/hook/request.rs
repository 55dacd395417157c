//! Hooks on the way in: what they are asked, and what becomes of the request.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use portcullis_core::{Caller, Denial, McpMessage, McpRequest, Method, NoMessage, Text, Trail};

use super::chain::{Bounds, Chain, Outcome, Stop};
use super::{HookEvent, HookPhase, members};
use crate::config::InspectConfig;
use crate::inspect::{self, Disposition, Inspected};
use crate::{custom, rewrite};

/// The hooks of one HTTP request.
pub(crate) struct Run(Vec<(usize, Running)>);

enum Running {
    Asking(Box<Chain>),
    Done(Outcome),
}

/// What the hooks said about the element at this place.
#[derive(Debug)]
pub(crate) struct Heard {
    place: usize,
    outcome: Outcome,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) inspected: Inspected,
    /// The elements of a batch that hooks refused.
    pub(crate) refused: Vec<(McpMessage, Denial)>,
}

/// Asks the hooks, if there are any for such a request.
pub(crate) fn ask(config: &InspectConfig, caller: &Caller, message: &McpMessage) -> Option<Run> {
    if config.hooks.is_empty() {
        return None;
    }
    let limits = &config.limits;
    let bounds = Bounds { bytes: limits.body, json: limits.json() };
    let mut chains = Vec::new();
    for (place, element) in elements(message).iter().enumerate() {
        let McpMessage::Request(request) = element else { continue };
        let groups = config.hooks.groups(HookPhase::Request, request.method());
        if groups.is_empty() {
            continue;
        }
        let raw = request.raw();
        // Inspection has read these bytes before.
        let params = members::member(raw, "params", bounds.json).ok().and_then(|(at, _)| at);
        let json = params.map_or(Bytes::from_static(b"{}"), |range| raw.slice(range));
        let event = HookEvent {
            phase: HookPhase::Request,
            caller: caller.clone(),
            request: request.clone(),
            json,
            is_error: false,
        };
        chains.push((place, Running::Asking(Box::new(Chain::new(event, groups, bounds)))));
    }
    (!chains.is_empty()).then_some(Run(chains))
}

impl Future for Run {
    type Output = Vec<Heard>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<Heard>> {
        let mut pending = false;
        for (_, running) in &mut self.0 {
            if let Running::Asking(chain) = running {
                match Pin::new(&mut **chain).poll(cx) {
                    Poll::Ready(outcome) => *running = Running::Done(outcome),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            return Poll::Pending;
        }
        let all = std::mem::take(&mut self.0).into_iter();
        Poll::Ready(
            all.filter_map(|(place, running)| match running {
                Running::Done(outcome) => Some(Heard { place, outcome }),
                Running::Asking(_) => None,
            })
            .collect(),
        )
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Run").field(&self.0.len()).finish()
    }
}

/// Does what the hooks said. What they changed is inspected again, whole: limits, duplicates,
/// mirrored headers.
///
/// # Errors
/// The refusal of a request that is no batch; a change that does not pass.
// INVARIANT: what comes out acts on the same targets as what went in.
pub(crate) fn apply(
    config: &InspectConfig,
    caller: &Caller,
    headers: &mut HeaderMap,
    inspected: Inspected,
    heard: Vec<Heard>,
    trail: Option<&Trail>,
) -> Result<Applied, Denial> {
    let limits = config.limits.json();
    let elements = elements(&inspected.message);
    let is_batch = matches!(inspected.message, McpMessage::Batch(_));
    let mut heard = heard.into_iter().peekable();
    let mut changed_by: Option<Text> = None;
    let mut kept: Vec<(McpMessage, Option<Vec<u8>>)> = Vec::with_capacity(elements.len());
    let mut stops = Vec::new();
    for (place, element) in elements.iter().enumerate() {
        let outcome = heard.next_if(|heard| heard.place == place).map(|heard| heard.outcome);
        let McpMessage::Request(request) = element else {
            kept.push((element.clone(), None));
            continue;
        };
        match outcome {
            None | Some(Outcome::Unchanged) => kept.push((element.clone(), None)),
            Some(Outcome::Changed(params, hook)) => {
                let raw = members::with(request.raw(), "params", &params, limits);
                let raw = raw.map_err(|_| failed(Some(request), hook.clone()))?;
                if !is_batch {
                    let follow = follow(config, headers, request, &params);
                    follow.ok_or_else(|| failed(Some(request), hook.clone()))?;
                }
                kept.push((element.clone(), Some(raw)));
                changed_by.get_or_insert(hook);
            }
            Some(Outcome::Stopped(stop)) if is_batch => stops.push((request.clone(), stop)),
            Some(Outcome::Stopped(stop)) => return Err(stop.denial(request, trail, 0)),
        }
    }
    // Records have them behind those that go on: nobody else counts those.
    let refused = stops.into_iter().zip(kept.len()..).map(|((request, stop), place)| {
        let denial = stop.denial(&request, trail, place);
        (McpMessage::Request(request), denial)
    });
    let refused: Vec<_> = refused.collect();
    let mut inspected = inspected;
    if let Some(hook) = changed_by {
        let one = match kept.first() {
            Some((McpMessage::Request(request), _)) if !is_batch => Some(request.clone()),
            _ => None,
        };
        let again = again(config, caller, headers, &inspected, &kept, is_batch);
        inspected = again.ok_or_else(|| failed(one.as_ref(), hook))?;
    } else if !refused.is_empty() {
        let kept: Vec<_> = kept.into_iter().map(|(message, _)| message).collect();
        inspected.body = rewrite::array(&kept);
        inspected.message = if kept.is_empty() {
            inspected.disposition = Disposition::Accept202;
            McpMessage::NoMessage(NoMessage::Dropped(inspected.version))
        } else {
            McpMessage::Batch(kept.into())
        };
    }
    inspected.refused.extend(refused.iter().map(|(_, denial)| denial.clone()));
    Ok(Applied { inspected, refused })
}

/// Inspects what hooks have changed.
fn again(
    config: &InspectConfig,
    caller: &Caller,
    headers: &HeaderMap,
    before: &Inspected,
    kept: &[(McpMessage, Option<Vec<u8>>)],
    is_batch: bool,
) -> Option<Inspected> {
    let raws = kept.iter().map(|(message, changed)| match (changed, message) {
        (Some(changed), _) => changed.as_slice(),
        (None, McpMessage::Request(request)) => request.raw(),
        (None, McpMessage::Notification(notification)) => notification.raw(),
        // INVARIANT: responses have no hooks, and a batch has either these or requests.
        (None, _) => b"null",
    });
    let body = if is_batch {
        let body = raws.collect::<Vec<_>>().join(&b","[..]);
        [b"[", body.as_slice(), b"]"].concat()
    } else {
        raws.collect::<Vec<_>>().concat()
    };
    if body.len() > config.limits.body {
        return None;
    }
    let after = inspect::inspect(config, caller, headers, &Bytes::from(body)).ok()?;
    let same = after.version == before.version
        && after.session == before.session
        && after.disposition == Disposition::Forward
        && after.refused.is_empty()
        && elements(&after.message).len() == kept.len()
        && elements(&after.message).iter().zip(kept).all(|(a, (b, _))| is_same(a, b));
    let refused = before.refused.clone();
    same.then_some(Inspected { refused, ..after })
}

/// Whether both ask for the same of the same, however.
fn is_same(a: &McpMessage, b: &McpMessage) -> bool {
    match (a, b) {
        (McpMessage::Request(a), McpMessage::Request(b)) => {
            a.method() == b.method() && a.id() == b.id() && a.targets().eq(b.targets())
        }
        (McpMessage::Notification(a), McpMessage::Notification(b)) => a.raw() == b.raw(),
        _ => false,
    }
}

/// Makes the headers that repeat arguments repeat those in `params`. `None` when nobody can say
/// which these are.
fn follow(
    config: &InspectConfig,
    headers: &mut HeaderMap,
    request: &McpRequest,
    params: &[u8],
) -> Option<()> {
    if request.method() != Method::ToolsCall {
        return Some(());
    }
    let limits = config.limits.json();
    let (at, _) = members::member(params, "arguments", limits).ok()?;
    let arguments = at.and_then(|range| params.get(range)).unwrap_or(b"{}");
    let tool = request.targets().next()?;
    custom::follow(&config.catalogue, headers, tool.name(), arguments, limits)
}

fn failed(request: Option<&McpRequest>, hook: Text) -> Denial {
    let stop = Stop::failed(hook, "its change cannot pass");
    match request {
        Some(request) => stop.denial(request, None, 0),
        None => Denial::hook_failed(None).by_hook(stop.hook()),
    }
}

/// The messages of a request.
fn elements(message: &McpMessage) -> &[McpMessage] {
    match message {
        McpMessage::Batch(elements) => elements,
        one => std::slice::from_ref(one),
    }
}
