//! What the gate itself tells the service behind: that a question of its is declined, that a session
//! has ended.
//!
//! Each goes the way of a request of the caller's, through the layers inside, but nobody waits for it: a
//! task of its own sees it through, also when the client leaves.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Uri};
use portcullis_core::{
    Buffered, Caller, Era, McpMessage, McpResponse, NoMessage, RequestFacts as _, Text, Version,
};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tower_service::Service;

use crate::behind::Behind;
use crate::config::InspectConfig;
use crate::{head, mirror, respond};

/// How many errands of one exchange may be on their way. A service that asks more than it reads gets
/// no answers.
const MOST: usize = 16;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The way to the service behind, for whoever turns out to need it.
// Boxed: few exchanges have one, and all make room for it.
#[derive(Clone, Debug)]
pub(crate) struct Route<S>(Box<Way<S>>);

#[derive(Clone, Debug)]
struct Way<S> {
    service: S,
    uri: Uri,
    host: Option<HeaderValue>,
}

/// Runs the errands of one exchange.
pub(crate) struct Courier {
    run: Box<dyn FnMut(Request<Buffered>, Arc<()>) + Send>,
    on_the_way: Arc<()>,
}

/// In whose name, and in which session.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) caller: Caller,
    pub(crate) version: Version,
    /// The session's id at the service behind.
    pub(crate) session: String,
}

impl<S> Route<S> {
    /// The way of a request to `uri` with these `headers`.
    pub(crate) fn new(service: S, uri: &Uri, headers: &HeaderMap) -> Self {
        let host = headers.get(header::HOST).cloned();
        Self(Box::new(Way { service, uri: uri.clone(), host }))
    }

    /// A courier for one exchange.
    pub(crate) fn courier<ResBody>(self) -> Courier
    where
        S: Behind<ResBody>,
    {
        let Way { service, uri, host } = *self.0;
        let run = move |mut request: Request<Buffered>, on_the_way: Arc<()>| {
            request.uri_mut().clone_from(&uri);
            if let Some(host) = &host {
                request.headers_mut().insert(header::HOST, host.clone());
            }
            let service = service.clone();
            // Without a runtime there is nobody to run it, and nobody to run the service.
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(async move {
                    let _done_or_given_up = timeout(PATIENCE, deliver(service, request)).await;
                    drop(on_the_way);
                });
            }
        };
        Courier { run: Box::new(run), on_the_way: Arc::new(()) }
    }
}

/// Tells the service behind of the sessions that have ended here.
pub(crate) fn settle<S, ResBody>(config: &InspectConfig, route: impl FnOnce() -> Route<S>)
where
    S: Behind<ResBody>,
{
    let owed = config.session_table.take_owed();
    if owed.is_empty() {
        return;
    }
    let mut courier = route().courier();
    for address in owed {
        courier.end(address);
    }
}

async fn deliver<S: Service<Request<Buffered>>>(mut service: S, request: Request<Buffered>) {
    let is_ready = poll_fn(|cx| service.poll_ready(cx)).await.is_ok();
    if is_ready {
        let _nobody_asks = service.call(request).await.is_ok();
    }
}

impl Courier {
    /// Answers the service's own request `id`. Says whether it is on its way.
    pub(crate) fn answer(&mut self, address: Address, id: &str, json: String) -> bool {
        let body = Bytes::from(json);
        let response = McpResponse::new(address.version, Text::from(id), body.clone());
        let mut request = Request::new(Buffered::new(body.clone()));
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accept = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::ACCEPT, accept);
        respond::set_length(headers, body.len());
        self.send(request, address, McpMessage::Response(response))
    }

    /// Ends a session.
    pub(crate) fn end(&mut self, address: Address) -> bool {
        let ends = NoMessage::EndSession(address.version);
        let mut request = Request::new(Buffered::new(Bytes::new()));
        *request.method_mut() = Method::DELETE;
        self.send(request, address, McpMessage::NoMessage(ends))
    }

    fn send(
        &mut self,
        mut request: Request<Buffered>,
        address: Address,
        message: McpMessage,
    ) -> bool {
        let Address { caller, version, session } = address;
        let Ok(session) = HeaderValue::from_str(&session) else { return false };
        if Arc::strong_count(&self.on_the_way) > MOST {
            return false;
        }
        let headers: &mut HeaderMap = request.headers_mut();
        headers.insert(head::SESSION, session);
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if version.era() == Era::Legacy && version != Version::V2025_03_26 {
            let version = HeaderValue::from_static(version.as_str());
            headers.insert(mirror::VERSION.name.clone(), version);
        }
        request.set_caller(caller);
        request.set_message(message);
        (self.run)(request, Arc::clone(&self.on_the_way));
        true
    }
}

// By hand: a service is of no use in a log.
impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier").finish_non_exhaustive()
    }
}
