//! What an exchange has to do with the session in which it happens.

use std::task::{Context, Poll};
use std::time::Duration;

use http::StatusCode;
use portcullis_core::Version;

use super::{Asked, Exchange};
use crate::capability::Declared;
use crate::courier::{Address, Courier};
use crate::lists::Lists;
use crate::questions::Questions;
use crate::server;
use crate::sse::Event;

impl Exchange {
    /// Says in which session this happens.
    pub(crate) fn in_session(&mut self, session: String) {
        self.session = Some(session);
    }

    /// Says of which lists the service tells this session.
    pub(crate) fn tells_of(&mut self, lists: Lists) {
        self.lists = lists;
    }

    /// Says what the client declared when the session began.
    pub(crate) fn may_ask(&mut self, declared: Declared) {
        self.declared = declared;
    }

    /// What the client is told when policy has changed since it was last told: its lists may be others
    /// now.
    pub(crate) fn policy_news(&mut self) -> Vec<String> {
        let (lists, subscription) = match self.listen.as_deref() {
            Some(listen) => (listen.granted(), Some(listen.id())),
            None => (self.lists, None),
        };
        let version = self.eyes.view.as_ref().and_then(|view| view.version());
        if lists == Lists::default() || version.is_none() || version == self.policy {
            return Vec::new();
        }
        self.policy = version;
        lists.changed(subscription).collect()
    }

    /// Says that something happens in the session, which began at `issued`.
    pub(crate) fn visit(&mut self, issued: Duration) {
        let table = &self.config.session_table;
        self.visit = self.address().map(|address| table.visit(&self.config, &address, issued));
    }

    /// Ready once the session in which this happens has ended.
    pub(crate) fn poll_session_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.visit.as_mut().map_or(Poll::Pending, |visit| visit.poll_end(cx))
    }

    /// Says that a session has begun.
    pub(crate) fn begun(&mut self, session: String, version: Version, now: Duration) {
        let caller = self.eyes.caller.clone();
        let address = Address { caller, version, session };
        drop(self.config.session_table.visit(&self.config, &address, now));
        if let Some(courier) = &mut self.courier {
            self.config.session_table.take_owed().into_iter().for_each(|address| {
                courier.end(address);
            });
        }
    }

    /// Sees with which status the service answers: it may have ended the session.
    pub(crate) fn see(&self, status: StatusCode) {
        let ends = match self.asked {
            Asked::EndSession => status.is_success() || status == StatusCode::NOT_FOUND,
            _ => status == StatusCode::NOT_FOUND,
        };
        if let (true, Some(address)) = (ends, self.address()) {
            self.config.session_table.end(&self.config, &address);
        }
    }

    /// Whether this happens in a session.
    pub(crate) fn is_in_session(&self) -> bool {
        self.session.is_some()
    }

    /// Takes a way to tell the service behind something.
    pub(crate) fn with_courier(&mut self, courier: Courier) {
        self.courier = Some(courier);
    }

    /// Tells the service that its request `id` was declined, where that belongs to a session.
    pub(super) fn decline(&mut self, method: &str, id: &str) {
        if let (Some(address), Some(courier)) = (self.address(), &mut self.courier) {
            courier.answer(address, id, server::declined(method, id));
        }
    }

    /// The session's address at the service behind.
    pub(crate) fn address(&self) -> Option<Address> {
        let session = self.session.clone()?;
        Some(Address { caller: self.eyes.caller.clone(), version: self.eyes.version, session })
    }

    /// An event under the id from which this client alone can resume, where it happens in a session.
    pub(crate) fn name_event(&self, event: Event) -> Event {
        match (self.questions(), event.id()) {
            (Some(questions), Some(id)) => {
                let name = questions.event_name(id);
                event.renamed(name)
            }
            _ => event,
        }
    }

    /// What the service may ask the client here.
    pub(super) fn questions(&self) -> Option<Questions<'_>> {
        let session = self.session.as_deref()?;
        Some(Questions { config: &self.config, caller: &self.eyes.caller, session })
    }
}
