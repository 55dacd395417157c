//! What the server behind the gate said about its tools.

use std::collections::HashMap;
use std::sync::RwLock;

use portcullis_core::{Clock, Text, ToolHints};

use crate::{Authorizer, Query};

/// The most tools of one server whose annotations are remembered. Of further ones nothing is known.
const MAX_TOOLS: usize = 10_000;

/// The server that a gate guards, and its tools as it last listed them.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    server: Option<Text>,
    /// Where questions get their time from, if not from the policy.
    clock: Option<Clock>,
    tools: RwLock<HashMap<Box<str>, ToolHints>>,
}

impl Seen {
    /// Of another server, and nothing seen yet.
    pub(crate) fn of_server(&self, name: Text) -> Self {
        Self { server: Some(name), clock: self.clock.clone(), tools: RwLock::default() }
    }

    /// By another clock, and nothing seen yet.
    pub(crate) fn by_clock(&self, clock: Clock) -> Self {
        Self { server: self.server.clone(), clock: Some(clock), tools: RwLock::default() }
    }

    /// Notes what a list says about a tool.
    pub(crate) fn note(&self, tool: &str, hints: ToolHints) {
        let known = self.tools.read().is_ok_and(|tools| tools.get(tool) == Some(&hints));
        if known {
            return;
        }
        if let Ok(mut tools) = self.tools.write() {
            if let Some(known) = tools.get_mut(tool) {
                *known = hints;
            } else if tools.len() < MAX_TOOLS {
                tools.insert(tool.into(), hints);
            }
        }
    }

    /// Adds to a question what this gate knows.
    pub(crate) fn complete<'a, A: Authorizer>(
        &'a self,
        authorizer: &A,
        mut query: Query<'a>,
    ) -> Query<'a> {
        if let Some(server) = &self.server {
            query = query.of_server(server.as_str());
        }
        if let Some(clock) = &self.clock {
            query = query.at(clock.unix());
        }
        if let Some((portcullis_core::TargetKind::Tool, name)) = query.target()
            && authorizer.wants_hints()
        {
            let hints = self.tools.read().ok().and_then(|tools| tools.get(name).copied());
            if let Some(hints) = hints {
                query = query.with_hints(hints);
            }
        }
        query
    }
}
