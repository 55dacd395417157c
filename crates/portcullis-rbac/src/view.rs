//! What a caller may see: the list side of the same decision.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use portcullis_core::{Caller, Glance, Look, Method, TargetKind, Text, ToolHints, Version, View};

use crate::seen::Seen;
use crate::settle::scopes_would_help;
use crate::{Answer, Authorizer, Decision, Query};

/// Asks the authorizer of a gate about items of lists.
pub(crate) struct Sight<A> {
    authorizer: Arc<A>,
    seen: Arc<Seen>,
    source: Option<IpAddr>,
}

impl<A: Authorizer> Sight<A> {
    pub(crate) fn new(authorizer: Arc<A>, seen: Arc<Seen>, source: Option<IpAddr>) -> Self {
        Self { authorizer, seen, source }
    }
}

impl<A> fmt::Debug for Sight<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sight").finish_non_exhaustive()
    }
}

impl<A: Authorizer> View for Sight<A> {
    fn glance(&self, caller: &Caller, version: Version, kind: TargetKind, name: &str) -> Glance {
        let Some(query) = query(caller, self.source, version, kind, name) else {
            return Glance::Hidden;
        };
        match self.authorizer.authorize(&self.seen.complete(&*self.authorizer, query)) {
            Answer::Now(decision) if visible(caller, &decision) => Glance::Shown,
            Answer::Now(_) => Glance::Hidden,
            Answer::Later(_) => Glance::Later,
        }
    }

    fn version(&self) -> Option<Text> {
        Some(self.authorizer.version())
    }

    fn notice(&self, name: &str, hints: ToolHints) {
        self.seen.note(name, hints);
    }

    fn notices(&self) -> bool {
        self.authorizer.wants_hints()
    }

    fn decides_tasks(&self) -> bool {
        self.authorizer.decides_tasks()
    }

    fn offers(&self, caller: &Caller, version: Version, kind: TargetKind) -> bool {
        let Some(method) = usage(kind) else { return true };
        let mut query = Query::new(caller, version, method).in_a_list();
        if let Some(address) = self.source {
            query = query.from_address(address);
        }
        self.authorizer.offers(&self.seen.complete(&*self.authorizer, query), kind)
    }

    fn look(&self, caller: Caller, version: Version, items: Vec<(TargetKind, Text)>) -> Look {
        let authorizer = Arc::clone(&self.authorizer);
        let seen = Arc::clone(&self.seen);
        let source = self.source;
        Box::pin(async move {
            let queries: Vec<_> = items
                .iter()
                .map(|(kind, name)| {
                    let query = query(&caller, source, version, *kind, name.as_str())?;
                    Some(seen.complete(&*authorizer, query))
                })
                .collect();
            // Of no other kind is anything unknown at a glance.
            let asked: Vec<_> = queries.iter().flatten().copied().collect();
            let decisions = authorizer.authorize_list(&asked);
            let mut decisions = decisions.await.into_iter();
            queries
                .iter()
                .map(|query| {
                    let decision = query.and_then(|_| decisions.next());
                    decision.is_some_and(|decision| visible(&caller, &decision))
                })
                .collect()
        })
    }
}

fn query<'a>(
    caller: &'a Caller,
    source: Option<IpAddr>,
    version: Version,
    kind: TargetKind,
    name: &'a str,
) -> Option<Query<'a>> {
    let query = Query::new(caller, version, usage(kind)?);
    let query = match kind {
        // What a list says of a tool, not of a task: whose that is nobody here knows.
        TargetKind::Task => query.on(TargetKind::Tool, name).as_task(),
        kind => query.on(kind, name),
    };
    let query = query.in_a_list();
    Some(match source {
        Some(address) => query.from_address(address),
        None => query,
    })
}

/// The method that uses a target of this kind.
fn usage(kind: TargetKind) -> Option<Method> {
    Some(match kind {
        TargetKind::Tool | TargetKind::Task => Method::ToolsCall,
        TargetKind::Prompt => Method::PromptsGet,
        TargetKind::Resource | TargetKind::ResourceTemplate => Method::ResourcesRead,
        _ => return None,
    })
}

/// Visible is what can be called, at once or after asking for more scopes.
fn visible(caller: &Caller, decision: &Decision) -> bool {
    match decision {
        Decision::Allow { .. } => true,
        Decision::NeedsScopes { scopes, .. } => scopes_would_help(caller, scopes),
        Decision::Deny { .. } => false,
    }
}
