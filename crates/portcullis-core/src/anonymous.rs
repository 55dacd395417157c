//! Callers without proof, where a deployment lets them in for some methods.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Response;

use crate::{Challenge, Denial, GateBody, Method, Reason, ResponseFacts as _};

/// What callers without credentials may ask for, and the challenge that answers everything else
///
///
/// A sign-in layer is configured with it and gives each request without credentials a
/// [`pass`](Self::pass). Whether the request asks for one of the methods is for inspection to say:
/// the sign-in layer does not read bodies.
#[derive(Clone, Debug)]
pub struct AnonymousTerms(Arc<Terms>);

#[derive(Debug)]
struct Terms {
    challenge: Challenge,
    methods: Vec<Method>,
}

impl AnonymousTerms {
    /// Callers without credentials may use `methods`; for others they are answered 401 with
    /// `challenge` (recipe 4.1).
    #[must_use]
    pub fn new(challenge: Challenge, methods: impl IntoIterator<Item = Method>) -> Self {
        Self(Arc::new(Terms { challenge, methods: methods.into_iter().collect() }))
    }

    /// The fact for one request without credentials. `reason` is why there are none, for records.
    #[must_use]
    pub fn pass(&self, reason: Reason) -> AnonymousPass {
        AnonymousPass { terms: self.clone(), reason, heeded: Arc::default() }
    }
}

/// A request without credentials, on its way to the layer that reads what it asks for.
///
/// Written by a sign-in layer in place of a [`Caller`](crate::Caller). Inspection takes it up: it
/// writes [`Caller::Anonymous`](crate::Caller::Anonymous) when every message is of a method that
/// the terms name, and answers [`refusal`](Self::refusal) otherwise. Where no inspection runs there
/// is no caller, which every reader answers with 500; and the sign-in layer lets no answer
/// [`out`](Self::out) that nobody inspected the request for.
#[derive(Clone, Debug)]
pub struct AnonymousPass {
    terms: AnonymousTerms,
    reason: Reason,
    heeded: Arc<AtomicBool>,
}

impl AnonymousPass {
    /// Whether callers without credentials may use `method`.
    #[must_use]
    pub fn permits(&self, method: Method) -> bool {
        self.terms.0.methods.contains(&method)
    }

    /// The answer to a request that needs credentials: 401 without an `error` (recipe 4.1).
    #[must_use]
    pub fn refusal(&self) -> Denial {
        Denial::no_token(&self.terms.0.challenge).because(self.reason)
    }

    /// Says that from here on the terms are enforced. For the layer that does so, and no other.
    pub fn heed(&self) {
        self.heeded.store(true, Ordering::Release);
    }

    /// The response as it may go out: withheld, with 500, when nobody enforced the terms. Refusals
    /// of other layers pass.
    pub fn out<B>(&self, response: Response<GateBody<B>>) -> Response<GateBody<B>> {
        if self.heeded.load(Ordering::Acquire) || response.denial().is_some() {
            return response;
        }
        Denial::miswired("a request without credentials got past sign-in, and nobody inspected it")
            .into_response()
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn pass() -> AnonymousPass {
        let challenge = Challenge::without_metadata(["mcp:read"]).unwrap();
        AnonymousTerms::new(challenge, [Method::ToolsList]).pass(Reason::UntrustedPeer)
    }

    #[test]
    fn only_named_methods_are_permitted() {
        let pass = pass();
        for method in Method::ALL {
            assert_eq!(pass.permits(*method), *method == Method::ToolsList, "{method}");
        }
        let denial = pass.refusal();
        assert_eq!(
            (denial.status(), denial.reason()),
            (StatusCode::UNAUTHORIZED, Reason::UntrustedPeer)
        );
    }

    #[test]
    fn an_answer_that_nobody_inspected_for_is_withheld() {
        let answer = || Response::new(GateBody::inner(()));
        let ours = pass();
        assert_eq!(ours.out(answer()).status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(ours.out(Denial::host().into_response::<()>()).status(), StatusCode::FORBIDDEN);
        ours.clone().heed();
        assert_eq!(ours.out(answer()).status(), StatusCode::OK);
        assert_eq!(
            pass().out(answer()).status(),
            StatusCode::INTERNAL_SERVER_ERROR,
            "each its own"
        );
    }
}
