//! Where a gate knows people: the roster, if it has one.
//!
//! The types are the same without the feature `roster`, so that no other crate's choice of features changes
//! those of a gate.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use portcullis_core::{Denial, GateBody};
#[cfg(feature = "roster")]
pub(crate) use portcullis_roster::{RosterLayer as Register, Watch};
use tower_layer::Layer;
use tower_service::Service;

/// What there cannot be.
#[cfg(not(feature = "roster"))]
#[derive(Clone, Debug)]
pub(crate) enum Register {}
#[cfg(not(feature = "roster"))]
pub(crate) type Watch = std::convert::Infallible;

/// Makes [`Known`] services.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownLayer(pub(crate) Option<Register>);

#[cfg(feature = "roster")]
impl KnownLayer {
    /// Keeps `roster`, and has its events put on record.
    pub(crate) fn new(
        roster: Option<portcullis_roster::Roster>,
        server: &str,
        audit: &portcullis_audit::AuditLayer,
    ) -> Self {
        if let Some(roster) = &roster {
            let log = audit.log();
            roster.listen(move |event| {
                if let Some(event) = on_record(event) {
                    log.record(event);
                }
            });
        }
        Self(roster.map(|roster| roster.layer().server(server)))
    }
}

/// The event as records have it.
#[cfg(feature = "roster")]
fn on_record(event: &portcullis_roster::RosterEvent) -> Option<portcullis_audit::Event> {
    use portcullis_audit::{Event, EventKind};
    use portcullis_core::Principal;
    use portcullis_roster::{PersonId, RosterEvent};

    let about = |kind, id: &PersonId| {
        let person = Principal::builder(id.issuer(), id.subject()).build();
        Event::new(kind).about(id.subject()).by(&person)
    };
    match event {
        RosterEvent::Blocked(block) => {
            let event = about(EventKind::Blocked, &block.id);
            let by = block.by.as_deref().map(|by| format!("by {by}"));
            let words: Vec<String> = by.into_iter().chain(block.note.clone()).collect();
            Some(if words.is_empty() { event } else { event.detail(words.join(": ")) })
        }
        RosterEvent::Unblocked(id) => Some(about(EventKind::Unblocked, id)),
        RosterEvent::StoreFailed(_) => {
            Some(Event::new(EventKind::Other).detail("the roster's store failed"))
        }
        RosterEvent::StoreRecovered => {
            Some(Event::new(EventKind::Other).detail("the roster's store works again"))
        }
        _ => None,
    }
}

impl<S> Layer<S> for KnownLayer {
    type Service = Known<S>;

    fn layer(&self, inner: S) -> Known<S> {
        Known { inner, register: self.0.clone() }
    }
}

/// Refuses callers whom the roster says are blocked, and counts the others. Without a roster it hands
/// everything on.
#[derive(Clone, Debug)]
pub struct Known<S> {
    inner: S,
    register: Option<Register>,
}

#[cfg(feature = "roster")]
fn admit<B>(register: &Register, request: &Request<B>) -> Result<Option<Watch>, Denial> {
    register.admit(request)
}

#[cfg(not(feature = "roster"))]
fn admit<B>(register: &Register, _: &Request<B>) -> Result<Option<Watch>, Denial> {
    match *register {}
}

/// The body of an answer to somebody who may be blocked before it has ended.
#[cfg(feature = "roster")]
type Cut<B> = portcullis_roster::RosterBody<B>;
#[cfg(not(feature = "roster"))]
type Cut<B> = B;

fn cut<B>(body: B, watch: Option<Watch>) -> Cut<B> {
    #[cfg(feature = "roster")]
    return portcullis_roster::RosterBody::new(body, watch);
    #[cfg(not(feature = "roster"))]
    match watch {
        None => body,
        Some(watch) => match watch {},
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Known<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<GateBody<KnownBody<ResBody>>>;
    type Error = S::Error; // a refusal is a response
    type Future = KnownFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let admitted = match &self.register {
            Some(register) => admit(register, &request),
            None => Ok(None),
        };
        let state = match admitted {
            Ok(watch) => State::Forward { inner: self.inner.call(request), watch },
            Err(denial) => State::Refuse { denial: Some(denial) },
        };
        KnownFuture { state }
    }
}

pin_project! {
    /// Response future of [`Known`].
    #[must_use = "futures do nothing unless polled"]
    pub struct KnownFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Forward { #[pin] inner: F, watch: Option<Watch> },
        Refuse { denial: Option<Denial> },
    }
}

impl<F, B, E> Future for KnownFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<GateBody<KnownBody<B>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Forward { inner, watch } => {
                let response = ready!(inner.poll(cx))?;
                let body = |body| GateBody::inner(KnownBody { inner: cut(body, watch.take()) });
                Poll::Ready(Ok(response.map(body)))
            }
            #[expect(
                clippy::expect_used,
                reason = "polling a finished future is the caller's fault"
            )]
            StateProj::Refuse { denial } => {
                Poll::Ready(Ok(denial.take().expect("polled after completion").into_response()))
            }
        }
    }
}

impl<F> fmt::Debug for KnownFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownFuture").finish_non_exhaustive()
    }
}

pin_project! {
    /// A response body that ends where its reader is blocked.
    #[derive(Debug)]
    pub struct KnownBody<B> {
        #[pin]
        inner: Cut<B>,
    }
}

impl<B: Body<Data = Bytes>> Body for KnownBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
