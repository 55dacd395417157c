//! The request's way in: what follows what until the service is called.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, request};
use portcullis_core::{AnonymousPass, Buffered, Caller, McpMessage, NoMessage, RequestFacts as _};

use super::framing::{ask_for_identity, rewrite_framing};
use super::way_out::nothing;
use super::{Entering, State, Work};
use crate::behind::Behind;
use crate::config::InspectConfig;
use crate::courier::{self, Route};
use crate::crowd::Seat;
use crate::exchange::Exchange;
use crate::inspect::{self, Disposition, Inspected, SessionUse};
use crate::{anonymous, head, hook, throttle};

impl<S, F, ReqBody, ResBody> State<S, F, ReqBody, ResBody> {
    /// Lets an inspected request in, when its caller may ask so much.
    pub(super) fn enter(
        service: S,
        config: Arc<InspectConfig>,
        caller: Caller,
        mut parts: request::Parts,
        inspected: Inspected,
        seat: &mut Option<Seat>,
    ) -> Self
    where
        S: Behind<ResBody, Future = F>,
    {
        if let Some(pass) = pass(&caller, &parts).cloned() {
            if inspected.disposition == Disposition::SignIn {
                parts.set_message(inspected.message);
                return Self::refuse(pass.refusal());
            }
            parts.set_caller(caller.clone());
        }
        parts.set_message(inspected.message.clone());
        if inspected.disposition == Disposition::Accept202 {
            return Self::call(service, config, caller, parts, inspected);
        }
        let demands = match throttle::enter(&config, &caller, &inspected.message) {
            Ok((taken, demands)) => {
                *seat = Some(taken);
                demands
            }
            Err(denial) => return Self::refuse(denial),
        };
        if demands.is_empty() {
            return Self::call(service, config, caller, parts, inspected);
        }
        Box::new(Entering { service, config, caller, parts, inspected, demands }).proceed()
    }

    /// Asks the hooks about an inspected request, and calls the service.
    fn call(
        service: S,
        config: Arc<InspectConfig>,
        caller: Caller,
        parts: request::Parts,
        inspected: Inspected,
    ) -> Self
    where
        S: Behind<ResBody, Future = F>,
    {
        let Some(run) = hook::request::ask(&config, &caller, &inspected.message) else {
            return Self::launch(service, config, caller, parts, inspected);
        };
        let demands = throttle::Demands::new();
        let entering = Entering { service, config, caller, parts, inspected, demands };
        Self::Hooked { run, entering: Some(Box::new(entering)) }
    }

    /// Calls the service with a request that nobody changes any more.
    pub(super) fn launch(
        mut service: S,
        config: Arc<InspectConfig>,
        caller: Caller,
        mut parts: request::Parts,
        inspected: Inspected,
    ) -> Self
    where
        S: Behind<ResBody, Future = F>,
    {
        let mut route = None;
        let is_stream = matches!(inspected.message, McpMessage::NoMessage(NoMessage::Stream(_)));
        let mut exchange = Exchange::new(
            config,
            caller,
            inspected.version,
            &inspected.message,
            is_stream && parts.headers.contains_key(head::LAST_EVENT),
            inspected.refused.clone(),
            parts.trail().cloned(),
        );
        match &inspected.session {
            SessionUse::None => {}
            SessionUse::Open { upstream_id, lists, declared, issued } => {
                exchange.in_session(upstream_id.clone());
                exchange.tells_of(*lists);
                exchange.may_ask(*declared);
                exchange.visit(*issued);
                route = Some(Route::new(service.clone(), &parts.uri, &parts.headers));
            }
            SessionUse::Begins => {
                route = Some(Route::new(service.clone(), &parts.uri, &parts.headers));
            }
            SessionUse::Ends { upstream_id } => exchange.in_session(upstream_id.clone()),
        }
        courier::settle(exchange.config(), || {
            Route::new(service.clone(), &parts.uri, &parts.headers)
        });
        exchange.about(inspected.task.clone());
        exchange.watches(inspected.watched.as_deref().unwrap_or_default());
        if inspected.disposition == Disposition::Accept202 {
            let head = Response::new(()).into_parts().0;
            return Self::done(nothing(head, StatusCode::ACCEPTED, &exchange));
        }
        if inspected.head_fits {
            ask_for_identity(&mut parts.headers);
        } else {
            inspect::rewrite_head(&inspected, &mut parts.headers);
            rewrite_framing(&mut parts.headers);
        }
        let request = Request::from_parts(parts, Buffered::new(inspected.body));
        let future = service.call(request);
        Self::Calling { future, exchange: Some(exchange), route }
    }
}

impl<S> Work<S> {
    /// Inspects the request and calls the service.
    pub(super) fn proceed<F, ReqBody, ResBody>(
        self,
        body: &Bytes,
        seat: &mut Option<Seat>,
    ) -> State<S, F, ReqBody, ResBody>
    where
        S: Behind<ResBody, Future = F>,
    {
        let Self { service, config, caller, parts } = self;
        let inspected = match pass(&caller, &parts) {
            None => inspect::inspect(&config, &caller, &parts.headers, body),
            Some(pass) => anonymous::inspect(pass, &config, &caller, &parts.headers, body),
        };
        match inspected {
            Ok(inspected) => State::enter(service, config, caller, parts, inspected, seat),
            Err(denial) => {
                courier::settle(&config, || Route::new(service, &parts.uri, &parts.headers));
                State::refuse(denial)
            }
        }
    }
}

impl<S> Entering<S> {
    /// Counts the request against what is left, and calls the service.
    pub(super) fn proceed<F, ReqBody, ResBody>(mut self: Box<Self>) -> State<S, F, ReqBody, ResBody>
    where
        S: Behind<ResBody, Future = F>,
    {
        while let Some(demand) = self.demands.pop() {
            let taken = match demand.ask(&self.config).settled() {
                Ok(taken) => taken,
                Err(taking) => return State::Taking { taking, entering: Some(self) },
            };
            if let Err(denial) = throttle::verdict(taken, &self.inspected.message) {
                return State::refuse(denial);
            }
        }
        let Self { service, config, caller, parts, inspected, .. } = *self;
        State::call(service, config, caller, parts, inspected)
    }
}

/// The pass of a request without credentials.
fn pass<'a>(caller: &Caller, parts: &'a request::Parts) -> Option<&'a AnonymousPass> {
    match caller {
        Caller::Verified(_) => None,
        _ => parts.anonymous_pass(),
    }
}
