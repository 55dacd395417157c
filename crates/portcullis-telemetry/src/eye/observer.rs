//! What the layers of a request say, as it is seen.

use portcullis_core::{Caller, Decided, McpMessage, Method, Note, Observer, TargetKind};

use super::Eye;
use crate::tools::OTHER;
use crate::words::{Asked, Ruling};
use crate::{meta, span};

impl Observer for Eye {
    fn trace_id(&self) -> Option<[u8; 16]> {
        self.trace_id
    }

    fn recorded_as(&self, request_id: [u8; 16]) {
        span::recorded_as(&self.span, request_id);
    }

    fn caller(&self, _: &Caller) {
        self.state().signed_in = true;
    }

    fn message(&self, message: &McpMessage) {
        let asked = Asked::of(message);
        {
            let mut state = self.state();
            state.understood = Some(self.clock().instant());
            match message {
                McpMessage::Batch(messages) => {
                    state.asked = messages.iter().map(Asked::of).collect();
                }
                _ => state.asked = vec![asked],
            }
        }
        if self.span.is_disabled() {
            return;
        }
        self.name(asked.as_str());
        span::asked(&self.span, asked, message);
        if let Some(context) = meta::trace_context(message) {
            span::client_context(&self.span, &context);
            if let Some(join) = &self.look.join {
                join.by_message(&self.span, &context);
            }
        }
    }

    fn decided(&self, decided: &Decided<'_>) {
        let (ruling, reason) = match decided.verdict {
            Ok(_) => (Ruling::Allow, None),
            Err(denial) => (Ruling::of(denial), Some(denial.reason())),
        };
        {
            let mut state = self.state();
            // Two layers may decide: the first one counts, as in audit.
            if !state.decided.insert(decided.element) {
                return;
            }
            if state.decided.len() == 1 {
                self.route.decided_after(self.since(self.started));
                if let Some(understood) = state.understood {
                    self.route.policy_took(self.since(understood));
                }
            }
        }
        let asked = Asked::of(decided.message);
        self.route.decision(asked, ruling, reason);
        self.ruled(ruling, reason);
        if let Ok(permit) = decided.verdict
            && !self.span.is_disabled()
        {
            self.span.record("portcullis.rule", permit.rule().as_str());
        }
        let McpMessage::Request(request) = decided.message else { return };
        let Some(target) = request.targets().next() else { return };
        let mut known = false;
        if request.method() == Method::ToolsCall {
            let tool = self.route.tools.id(target.name());
            known = tool != OTHER;
            self.route.tool_call(tool, ruling);
        }
        if self.span.is_disabled() || !(known || ruling == Ruling::Allow) {
            return;
        }
        span::target(&self.span, target.kind(), target.name());
        if known && request.method() == Method::ToolsCall {
            // Few: those of the catalogue. Prompts and tools that patterns allow are not.
            self.name(&format!("{} {}", asked.as_str(), target.name()));
        }
        if self.look.resource_uris && target.kind() == TargetKind::Resource {
            span::resource(&self.span, target.name());
        }
    }

    fn note(&self, note: Note<'_>) {
        match note {
            Note::Hidden { kind, .. } => self.route.hide(kind),
            Note::RpcError { code } => self.state().rpc_error = Some(code),
            Note::ToolError => self.state().tool_error = true,
            Note::Violation(reason) => {
                self.route.violation(reason);
                self.state().violation = true;
            }
            Note::Answered { took } => self.state().served = Some(took),
            _ => {}
        }
    }
}
