//! The way of one request through the gate, without a tower type: ask, settle, record.

use std::sync::Arc;

use http::{HeaderValue, Request, header};
use portcullis_core::{
    Buffered, Challenge, Clock, Denial, McpMessage, Method, Note, Permit, Receipt,
    RequestFacts as _, Text, View,
};

use crate::batch::{self, Outcome};
use crate::docket::{Asker, Docket, Step, element};
use crate::reduce::without;
use crate::seen::Seen;
use crate::settle::{Circumstances, settle};
use crate::view::Sight;
use crate::{Authorizer, Together};

mod record;
mod refusal;

use record::{Recorded, record};
pub(crate) use refusal::Refusal;

/// What a layer and its services share.
#[derive(Debug)]
pub(crate) struct Gate<A> {
    authorizer: Arc<A>,
    challenge: Challenge,
    seen: Arc<Seen>,
    view: Arc<dyn View>,
}

/// What to do next with a request.
pub(crate) enum Next<L> {
    /// Wait for the answer, hand it to the docket and come back.
    Ask(L, Request<Buffered>, Docket),
    /// The same with several answers.
    AskAll(Together, Request<Buffered>, Docket),
    /// Wait until the decision is on record, then call.
    Record(Recording),
    /// Call the inner service.
    Call(Request<Buffered>, Permit),
    /// Answer.
    Refuse(Refusal),
}

/// A request that may pass once its decisions are on record.
pub(crate) struct Recording {
    pub(crate) request: Request<Buffered>,
    pub(crate) permit: Permit,
    pub(crate) receipts: Vec<Receipt>,
    /// The answer should they not be recorded.
    pub(crate) otherwise: Denial,
}

impl<A: Authorizer> Gate<A> {
    pub(crate) fn new(authorizer: A, challenge: Challenge) -> Self {
        Self::over(Arc::new(authorizer), challenge, Seen::default())
    }

    pub(crate) fn authorizer(&self) -> &Arc<A> {
        &self.authorizer
    }

    /// The same gate, in front of the server `name`.
    pub(crate) fn of_server(&self, name: Text) -> Self {
        self.with(self.seen.of_server(name))
    }

    /// The same gate, with questions about the time of `clock`.
    pub(crate) fn by_clock(&self, clock: Clock) -> Self {
        self.with(self.seen.by_clock(clock))
    }

    fn with(&self, seen: Seen) -> Self {
        Self::over(Arc::clone(&self.authorizer), self.challenge.clone(), seen)
    }

    fn over(authorizer: Arc<A>, challenge: Challenge, seen: Seen) -> Self {
        let seen = Arc::new(seen);
        let view = Arc::new(Sight::new(Arc::clone(&authorizer), Arc::clone(&seen), None));
        Self { authorizer, challenge, seen, view }
    }

    /// Takes a request as far as it gets.
    // INVARIANT: every `Next::Call` and `Next::Record` carries a permit that policy gave for
    // exactly the bytes that are forwarded.
    pub(crate) fn next(&self, request: Request<Buffered>, mut docket: Docket) -> Next<A::Later> {
        let Some(caller) = request.caller() else {
            return refuse(Denial::miswired(
                "portcullis-rbac found no Caller: put a sign-in layer outside it",
            ));
        };
        let Some(message) = request.message() else {
            return refuse(Denial::miswired(
                "portcullis-rbac found no McpMessage: put portcullis-mcp outside it",
            ));
        };
        let asker = Asker { caller, source: request.source_address() };
        loop {
            let version = docket.version(&*self.authorizer);
            match docket.advance(&*self.authorizer, &self.seen, asker, message) {
                Step::Wait(later) => return Next::Ask(later, request, docket),
                Step::WaitForAll(all) => return Next::AskAll(all, request, docket),
                Step::Done => match docket.anew(&*self.authorizer) {
                    // The answers may be of two policies.
                    Some(afresh) => docket = afresh,
                    None => {
                        return match message {
                            McpMessage::Batch(_) => self.conclude_batch(request, docket, &version),
                            _ => self.conclude(request, docket, &version),
                        };
                    }
                },
            }
        }
    }

    fn conclude(
        &self,
        mut request: Request<Buffered>,
        mut docket: Docket,
        policy_version: &Text,
    ) -> Next<A::Later> {
        let left_out = docket.take_left_out();
        let Some(verdict) = self.verdicts(&request, docket, policy_version).next() else {
            return refuse(Denial::miswired("portcullis-rbac decided nothing"));
        };
        match verdict {
            Ok(rule) => {
                let mut permit = Permit::new(rule, policy_version.clone(), self.view(&request));
                if !left_out.is_empty() && is_call(&request) {
                    permit = permit.withholding_tasks();
                }
                // What is on record as allowed is what is left.
                let body = match reduce(&mut request, &left_out) {
                    Ok(body) => body,
                    Err(denial) => {
                        let _refused_anyway = record(&request, 0, Err(&denial));
                        return refuse(denial);
                    }
                };
                let record = record(&request, 0, Ok(&permit));
                self.pass(request, permit, body, record)
            }
            Err(denial) => {
                let _refused_anyway = record(&request, 0, Err(&denial));
                refuse(denial)
            }
        }
    }

    fn conclude_batch(
        &self,
        request: Request<Buffered>,
        docket: Docket,
        policy_version: &Text,
    ) -> Next<A::Later> {
        let mut verdicts: Vec<_> = self.verdicts(&request, docket, policy_version).collect();
        let Some(McpMessage::Batch(elements)) = request.message() else {
            return refuse(Denial::miswired("portcullis-rbac lost a batch"));
        };
        let outcome = batch::conclude(elements, &mut verdicts, &self.challenge);
        let mut recorded = Recorded::default();
        let mut first = None;
        let view = self.view(&request);
        for (element, verdict) in verdicts.iter().enumerate() {
            match verdict {
                Ok(rule) => {
                    let permit =
                        Permit::new(rule.clone(), policy_version.clone(), Arc::clone(&view));
                    recorded.add(record(&request, element, Ok(&permit)));
                    first = first.or(Some(permit));
                }
                Err(denial) => {
                    let _refused_anyway = record(&request, element, Err(denial));
                }
            }
        }
        match (outcome, first) {
            (Outcome::Forward { body, refused }, Some(permit)) => {
                self.pass(request, permit.with_refused(refused), body, recorded)
            }
            (Outcome::Forward { .. }, None) => {
                refuse(Denial::miswired("portcullis-rbac got an empty batch"))
            }
            (Outcome::Whole(denial), _) => refuse(denial),
            (Outcome::Each(denials), _) => Next::Refuse(Refusal::Each(denials)),
        }
    }

    /// What the docket's findings mean for each element.
    fn verdicts<'a>(
        &'a self,
        request: &'a Request<Buffered>,
        docket: Docket,
        policy_version: &'a Text,
    ) -> impl Iterator<Item = Result<Text, Denial>> + 'a {
        let facts = request.caller().zip(request.message());
        docket.findings().enumerate().filter_map(move |(at, finding)| {
            let (caller, message) = facts?;
            let circumstances = Circumstances {
                caller,
                challenge: &self.challenge,
                policy_version,
                trail: request.trail(),
                element: at,
            };
            Some(settle(finding, element(message, at)?, &circumstances))
        })
    }

    /// What may be seen in the answer; from where the request came, if that is known.
    fn view(&self, request: &Request<Buffered>) -> Arc<dyn View> {
        match request.source_address() {
            Some(address) => {
                let (authorizer, seen) = (Arc::clone(&self.authorizer), Arc::clone(&self.seen));
                Arc::new(Sight::new(authorizer, seen, Some(address)))
            }
            None => Arc::clone(&self.view),
        }
    }

    fn pass(
        &self,
        mut request: Request<Buffered>,
        permit: Permit,
        body: Option<bytes::Bytes>,
        recorded: Recorded,
    ) -> Next<A::Later> {
        let unavailable = |request: &Request<Buffered>| {
            Denial::audit_unavailable(match request.message() {
                Some(McpMessage::Request(request)) => Some(request.id()),
                _ => None,
            })
        };
        if recorded.refused {
            return refuse(unavailable(&request));
        }
        if let Some(body) = body {
            let length = HeaderValue::from(body.len());
            request.headers_mut().insert(header::CONTENT_LENGTH, length);
            *request.body_mut() = Buffered::new(body);
        }
        request.set_permit(permit.clone());
        if recorded.receipts.is_empty() {
            return Next::Call(request, permit);
        }
        let otherwise = unavailable(&request);
        Next::Record(Recording { request, permit, receipts: recorded.receipts, otherwise })
    }
}

fn is_call(request: &Request<Buffered>) -> bool {
    matches!(request.message(), Some(McpMessage::Request(asked)) if asked.method() == Method::ToolsCall)
}

/// Leaves out of the message what it may not ask for, and returns what is left.
fn reduce(
    request: &mut Request<Buffered>,
    left_out: &[usize],
) -> Result<Option<bytes::Bytes>, Denial> {
    let Some(McpMessage::Request(asked)) = request.message().filter(|_| !left_out.is_empty())
    else {
        return Ok(None);
    };
    let Some(reduced) = without(asked, left_out) else {
        return Err(Denial::miswired(
            "portcullis-rbac got a message that is not what it is said to be",
        ));
    };
    if let Some(trail) = request.trail() {
        for target in left_out.iter().filter_map(|place| asked.targets().nth(*place)) {
            trail.note(Note::Hidden { kind: target.kind(), name: target.name() });
        }
    }
    let body = reduced.raw().clone();
    request.set_message(McpMessage::Request(reduced));
    Ok(Some(body))
}

fn refuse<L>(denial: Denial) -> Next<L> {
    Next::Refuse(Refusal::One(denial))
}
