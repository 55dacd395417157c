//! What a caller may see: the list side of the same decision.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use portcullis_core::{Caller, Glance, Look, Method, TargetKind, Text, ToolHints, Version, View};

use crate::seen::Seen;
use crate::settle::scopes_would_help;
use crate::{Answer, Authorizer, Decision, Query};

/// How many questions about one list are open at a decision point at the same time.
const AT_ONCE: usize = 16;

/// Asks the authorizer of a gate about items of lists.
pub(crate) struct Sight<A> {
    authorizer: Arc<A>,
    seen: Arc<Seen>,
}

impl<A: Authorizer> Sight<A> {
    pub(crate) fn new(authorizer: Arc<A>, seen: Arc<Seen>) -> Self {
        Self { authorizer, seen }
    }
}

impl<A> fmt::Debug for Sight<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sight").finish_non_exhaustive()
    }
}

impl<A: Authorizer> View for Sight<A> {
    fn glance(&self, caller: &Caller, version: Version, kind: TargetKind, name: &str) -> Glance {
        match ask(&*self.authorizer, &self.seen, caller, version, (kind, name)) {
            Answer::Now(decision) if visible(caller, &decision) => Glance::Shown,
            Answer::Now(_) => Glance::Hidden,
            Answer::Later(_) => Glance::Later,
        }
    }

    fn notice(&self, name: &str, hints: ToolHints) {
        self.seen.note(name, hints);
    }

    fn notices(&self) -> bool {
        self.authorizer.wants_hints()
    }

    fn look(&self, caller: Caller, version: Version, items: Vec<(TargetKind, Text)>) -> Look {
        let authorizer = Arc::clone(&self.authorizer);
        let seen = Arc::clone(&self.seen);
        Box::pin(async move {
            let mut shown = Vec::with_capacity(items.len());
            for some in items.chunks(AT_ONCE) {
                let mut open: Vec<Slot<A::Later>> = some
                    .iter()
                    .map(|(kind, name)| {
                        match ask(&*authorizer, &seen, &caller, version, (*kind, name.as_str())) {
                            Answer::Now(decision) => Slot::Known(visible(&caller, &decision)),
                            Answer::Later(later) => Slot::Open(Box::pin(later)),
                        }
                    })
                    .collect();
                shown.extend(all(&mut open, &caller).await);
            }
            shown
        })
    }
}

enum Slot<L> {
    Known(bool),
    Open(Pin<Box<L>>),
}

/// Waits for every answer, letting them arrive in any order.
async fn all<L: Future<Output = Decision>>(slots: &mut [Slot<L>], caller: &Caller) -> Vec<bool> {
    poll_fn(|cx| {
        let mut waiting = false;
        for slot in slots.iter_mut() {
            if let Slot::Open(later) = slot {
                match later.as_mut().poll(cx) {
                    Poll::Ready(decision) => *slot = Slot::Known(visible(caller, &decision)),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    slots.iter().map(|slot| matches!(slot, Slot::Known(true))).collect()
}

fn ask<A: Authorizer>(
    authorizer: &A,
    seen: &Seen,
    caller: &Caller,
    version: Version,
    (kind, name): (TargetKind, &str),
) -> Answer<A::Later> {
    let method = match kind {
        TargetKind::Tool => Method::ToolsCall,
        TargetKind::Prompt => Method::PromptsGet,
        TargetKind::Resource | TargetKind::ResourceTemplate => Method::ResourcesRead,
        TargetKind::Task => Method::TasksGet,
        _ => return Answer::Now(Decision::default_deny()),
    };
    let query = Query::new(caller, version, method).on(kind, name).in_a_list();
    authorizer.authorize(&seen.complete(authorizer, query))
}

/// Visible is what can be called, at once or after asking for more scopes.
fn visible(caller: &Caller, decision: &Decision) -> bool {
    match decision {
        Decision::Allow { .. } => true,
        Decision::NeedsScopes { scopes, .. } => scopes_would_help(caller, scopes),
        Decision::Deny { .. } => false,
    }
}
