//! The records of decisions, also of those that no layer reported.

use std::sync::{Arc, OnceLock};

use portcullis_core::{Caller, McpMessage};

use super::{Head, RequestTrail, State};
use crate::classify::is_tool_result;
use crate::describe::{Ground, describe, ground_on};
use crate::element::Element;
use crate::record::{Decision, Record, Verdict};
use crate::text::{Pack, Span};
use crate::token::TokenDigest;

impl RequestTrail {
    /// Writes the decisions that no layer reported: refusals before policy, and requests that got
    /// past sign-in but never to policy.
    pub(super) fn settle(&self, state: &mut State) {
        let message = state.message.take();
        let denial = state.denial.clone();
        let ground = match &denial {
            Some(denial) => Ground::Denial(denial),
            None if state.caller.is_some() => Ground::Nothing,
            // Public metadata, preflight: nobody signed in, nobody was refused.
            None => {
                state.head = Head::default();
                return;
            }
        };
        match &message {
            Some(McpMessage::Batch(messages)) if !messages.is_empty() => {
                for (index, message) in messages.iter().enumerate() {
                    self.settle_element(state, index, Some(message), ground);
                }
            }
            message => {
                if state.elements.is_empty() {
                    self.settle_element(state, 0, message.as_ref(), ground);
                }
            }
        }
        // What outlives the decisions must not hold the request's memory.
        state.head = Head::default();
    }

    fn settle_element(
        &self,
        state: &mut State,
        index: usize,
        message: Option<&McpMessage>,
        ground: Ground<'_>,
    ) {
        if state.elements.find(index).is_some() {
            return;
        }
        if let Some((record, element)) = self.decision(state, index, message, ground) {
            state.elements.push(element);
            self.hub.offer(Record::Decision(record));
        }
    }

    /// The record of a decision and what is kept for its outcome. `None` when it is an
    /// unauthenticated failure that is only counted.
    pub(super) fn decision(
        &self,
        state: &mut State,
        index: usize,
        message: Option<&McpMessage>,
        ground: Ground<'_>,
    ) -> Option<(Decision, Element)> {
        let known = state.caller.as_ref().is_some_and(|caller| caller.principal().is_some());
        if matches!(ground, Ground::Denial(_)) && !known && !self.hub.sample() {
            state.elements.push(Element::silent(index));
            return None;
        }
        let promised = state.promised.iter().find(|(at, _)| *at == index).map(|&(_, id)| id);
        let at = self.hub.clock.unix();
        let event_id = promised.unwrap_or_else(|| self.hub.ids.at(at));
        let mut decision = Decision {
            at,
            event_id,
            request_id: self.request_id,
            gate_trace_id: state.gate_trace_id,
            element: (state.batch || index > 0).then_some(index),
            site: Arc::clone(&self.site),
            transport: self.hub.transport,
            version: None,
            method: None,
            target_type: None,
            caller: state.caller.clone(),
            digest: state.digest(),
            verdict: Verdict::Undecided,
            reason: None,
            http_status: None,
            error_code: None,
            source_ip: self.source_ip,
            argument_count: None,
            argument_bytes: 0,
            argument_kinds: Default::default(),
            arguments: None,
            message: None,
            private: None,
            texts: Pack::new(),
            jsonrpc_id: Span::default(),
            target: Span::default(),
            more_targets: Vec::new(),
            rule_id: Span::default(),
            policy_version: Span::default(),
            argument_keys: Default::default(),
            user_agent: Span::default(),
            traceparent: Span::default(),
            session: Span::default(),
            screened: OnceLock::new(),
        };
        if let Some(message) = message {
            describe(&mut decision, message, &self.hub);
        }
        ground_on(&mut decision, ground, state.batch);
        let texts = &mut decision.texts;
        if let Some(value) = &state.head.user_agent {
            decision.user_agent = texts.push_bytes(value.as_bytes());
        }
        if let Some(value) = &state.head.traceparent {
            decision.traceparent = texts.push_bytes(value.as_bytes());
        }
        if let Some(value) = &state.head.session {
            decision.session = texts.push_bytes(value.as_bytes());
            decision.private = Some(Arc::clone(&self.hub.private));
        }
        let mut element = Element::new(index, event_id, message);
        element.decided = decision.reason;
        if let Ground::Denial(denial) = ground {
            element.error_code = denial.rpc_code();
            element.tool_error = is_tool_result(denial);
            element.refused = !element.tool_error;
        }
        Some((decision, element))
    }
}

impl State {
    /// The name of a token that has none of its own; computed once, and only for a record.
    fn digest(&mut self) -> Option<TokenDigest> {
        let principal = self.caller.as_ref().and_then(Caller::principal);
        if principal.is_some_and(|principal| principal.token().id.is_some()) {
            self.head.authorization = None;
            return None;
        }
        if let Some(authorization) = self.head.authorization.take() {
            self.head.digest = TokenDigest::of(&authorization);
        }
        self.head.digest
    }
}
