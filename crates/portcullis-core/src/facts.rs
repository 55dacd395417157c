//! The only place in the workspace that touches `http::Extensions`.
//!
//! All facts of a request live in one extension: each insertion costs a hash and an allocation.
#![expect(clippy::disallowed_methods, reason = "this is the accessor that everything else uses")]

use std::net::IpAddr;

use http::{Extensions, Request, Response, request, response};

use crate::{AnonymousPass, Caller, ClientCertificate, Denial, McpMessage, Permit, Trail};

#[derive(Clone, Debug, Default)]
struct Facts {
    caller: Option<Caller>,
    /// Only while there is no caller.
    anonymous_pass: Option<AnonymousPass>,
    message: Option<McpMessage>,
    permit: Option<Permit>,
    trail: Option<Trail>,
}

/// Where a request came from. It belongs to the connection, as a certificate does.
#[derive(Clone, Copy, Debug)]
struct Source(IpAddr);

/// Facts about a request: who is calling, what is asked, why it may pass.
///
/// Each fact has one writer per stack. A writer first clears what is there, on every path, so that
/// a stale fact from an outer stack is never mistaken for its own.
pub trait RequestFacts: Carrier {
    /// Who is calling; `None` when no sign-in layer ran.
    fn caller(&self) -> Option<&Caller> {
        facts(self.carried())?.caller.as_ref()
    }

    /// The pass of a request without credentials, until inspection has made a caller of it.
    fn anonymous_pass(&self) -> Option<&AnonymousPass> {
        facts(self.carried())?.anonymous_pass.as_ref()
    }

    /// What is asked; `None` when no inspection ran.
    fn message(&self) -> Option<&McpMessage> {
        facts(self.carried())?.message.as_ref()
    }

    /// Why the request may pass; `None` when nobody authorized it.
    fn permit(&self) -> Option<&Permit> {
        facts(self.carried())?.permit.as_ref()
    }

    /// The handle to the audit record; `None` when auditing is off.
    fn trail(&self) -> Option<&Trail> {
        facts(self.carried())?.trail.as_ref()
    }

    /// Says who is calling, and appends it to the trail.
    fn set_caller(&mut self, caller: Caller) {
        let facts = facts_mut(self.carried_mut());
        if let Some(trail) = &facts.trail {
            trail.caller(&caller);
        }
        facts.caller = Some(caller);
        facts.anonymous_pass = None;
    }

    /// Says that nobody proved to be calling, in place of who is.
    fn set_anonymous_pass(&mut self, pass: AnonymousPass) {
        let facts = facts_mut(self.carried_mut());
        facts.caller = None;
        facts.anonymous_pass = Some(pass);
    }

    /// Forgets who is calling, and that nobody proved to be.
    fn clear_caller(&mut self) {
        if let Some(facts) = self.carried_mut().get_mut::<Facts>() {
            facts.caller = None;
            facts.anonymous_pass = None;
        }
    }

    /// Says what is asked, and appends it to the trail.
    fn set_message(&mut self, message: McpMessage) {
        let facts = facts_mut(self.carried_mut());
        if let Some(trail) = &facts.trail {
            trail.message(&message);
        }
        facts.message = Some(message);
    }

    /// Forgets what is asked.
    fn clear_message(&mut self) {
        if let Some(facts) = self.carried_mut().get_mut::<Facts>() {
            facts.message = None;
        }
    }

    /// Says why the request may pass. Recording the decision is the writer's own duty, because it
    /// must wait for the acknowledgement.
    fn set_permit(&mut self, permit: Permit) {
        facts_mut(self.carried_mut()).permit = Some(permit);
    }

    /// Forgets why the request may pass.
    fn clear_permit(&mut self) {
        if let Some(facts) = self.carried_mut().get_mut::<Facts>() {
            facts.permit = None;
        }
    }

    /// Starts an audit record. Every other fact is forgotten: the trail's writer is outermost, so
    /// what is there came from elsewhere. Who watched the trail that was there watches this one.
    fn set_trail(&mut self, trail: Trail) {
        let facts = facts_mut(self.carried_mut());
        let trail = trail.within(facts.trail.as_ref());
        *facts = Facts { trail: Some(trail), ..Facts::default() };
    }

    /// The certificate that the client proved to have; `None` when nobody said so.
    fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.carried().get()
    }

    /// Says which certificate the client proved to have. It belongs to the connection and is kept
    /// apart from the other facts, so that [`set_trail`](Self::set_trail) does not forget it: who
    /// knows the handshake stands outside the whole stack.
    fn set_client_certificate(&mut self, certificate: ClientCertificate) {
        self.carried_mut().insert(certificate);
    }

    /// Forgets which certificate the client proved to have.
    fn clear_client_certificate(&mut self) {
        self.carried_mut().remove::<ClientCertificate>();
    }

    /// The address that the request came from, an IPv4 address never in its IPv6 form; `None` when nobody
    /// said so.
    fn source_address(&self) -> Option<IpAddr> {
        self.carried().get::<Source>().map(|source| source.0)
    }

    /// Says which address the request came from: that of the other end of the connection, or the one that
    /// a trusted proxy names, and never what a caller says. Like the certificate, it is kept apart.
    fn set_source_address(&mut self, address: IpAddr) {
        self.carried_mut().insert(Source(address.to_canonical()));
    }

    /// Forgets which address the request came from.
    fn clear_source_address(&mut self) {
        self.carried_mut().remove::<Source>();
    }
}

/// Facts about a response: why it is a refusal, or who let its request pass.
pub trait ResponseFacts: Carrier {
    /// Why the request was refused; `None` when nobody refused it.
    fn denial(&self) -> Option<&Denial> {
        self.carried().get()
    }

    /// Says why the request was refused.
    fn set_denial(&mut self, denial: Denial) {
        self.carried_mut().insert(denial);
    }

    /// Why the request was let pass; `None` when nobody authorized it.
    fn permit(&self) -> Option<&Permit> {
        self.carried().get()
    }

    /// Says why the request was let pass.
    fn set_permit(&mut self, permit: Permit) {
        self.carried_mut().insert(permit);
    }

    /// Forgets both.
    fn clear(&mut self) {
        let extensions = self.carried_mut();
        extensions.remove::<Denial>();
        extensions.remove::<Permit>();
    }
}

/// Something with HTTP extensions. Sealed: facts have exactly one accessor.
pub trait Carrier: sealed::Sealed {
    #[doc(hidden)]
    fn carried(&self) -> &Extensions;
    #[doc(hidden)]
    fn carried_mut(&mut self) -> &mut Extensions;
}

mod sealed {
    #[expect(unnameable_types, reason = "sealed")]
    pub trait Sealed {}
}

fn facts(extensions: &Extensions) -> Option<&Facts> {
    extensions.get()
}

fn facts_mut(extensions: &mut Extensions) -> &mut Facts {
    extensions.get_or_insert_default()
}

macro_rules! carriers {
    ($($facts:ident: $carrier:ty, [$($generic:ident)?], $field:ident $(, $call:tt)?;)+) => {$(
        impl<$($generic)?> sealed::Sealed for $carrier {}

        impl<$($generic)?> Carrier for $carrier {
            fn carried(&self) -> &Extensions {
                carriers!(@get self $field $($call)?)
            }

            fn carried_mut(&mut self) -> &mut Extensions {
                carriers!(@get_mut self $field $($call)?)
            }
        }

        impl<$($generic)?> $facts for $carrier {}
    )+};
    (@get $self:ident extensions call) => { $self.extensions() };
    (@get_mut $self:ident extensions call) => { $self.extensions_mut() };
    (@get $self:ident extensions) => { &$self.extensions };
    (@get_mut $self:ident extensions) => { &mut $self.extensions };
}

carriers! {
    RequestFacts: Request<B>, [B], extensions, call;
    RequestFacts: request::Parts, [], extensions;
    ResponseFacts: Response<B>, [B], extensions, call;
    ResponseFacts: response::Parts, [], extensions;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AnonymousReason, AnonymousTerms, Challenge, Principal, Reason};

    #[test]
    fn a_cleared_fact_is_absent() {
        let mut request = Request::new(());
        assert!(request.caller().is_none());
        request.clear_caller();
        request.set_caller(Caller::Anonymous(AnonymousReason::NoCredentials));
        request.set_caller(Caller::Verified(Principal::builder("i", "s").build().into()));
        assert!(request.caller().and_then(Caller::principal).is_some(), "the last writer wins");
        request.clear_caller();
        assert!(request.caller().is_none());
    }

    #[test]
    fn an_address_is_that_of_the_connection() {
        let mut request = Request::new(());
        assert_eq!(request.source_address(), None);
        request.set_source_address("::ffff:192.0.2.1".parse().unwrap());
        let address = "192.0.2.1".parse().ok();
        assert_eq!(request.source_address(), address);
        request.clear_caller();
        assert_eq!(request.source_address(), address);
        request.clear_source_address();
        assert_eq!(request.source_address(), None);
    }

    #[test]
    fn a_request_has_a_caller_or_a_pass_and_never_both() {
        let challenge = Challenge::without_metadata::<&str>([]).unwrap();
        let pass = AnonymousTerms::new(challenge, []).pass(Reason::NoToken);
        let alice = || Caller::Verified(Principal::builder("i", "s").build().into());
        let mut request = Request::new(());
        request.set_caller(alice());
        request.set_anonymous_pass(pass.clone());
        assert!(request.caller().is_none() && request.anonymous_pass().is_some());
        request.set_caller(alice());
        assert!(request.caller().is_some() && request.anonymous_pass().is_none());
        request.set_anonymous_pass(pass);
        request.clear_caller();
        assert!(request.caller().is_none() && request.anonymous_pass().is_none());
    }
}
