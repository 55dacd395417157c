//! Takes connections, and lets nobody hold them for nothing.

use std::convert::Infallible;
use std::error::Error;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use tower_service::Service;

use crate::{Listener, RequestBody, connection};

/// How long to wait after a connection could not be accepted: no file descriptors, mostly.
const BREATH: Duration = Duration::from_millis(100);

/// Serves a tower service on any number of listeners, until it is told to stop; see the [crate docs](crate).
#[derive(Debug)]
pub struct Server {
    places: Arc<Semaphore>,
    stop: watch::Sender<bool>,
}

impl Default for Server {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(4096)), stop: watch::Sender::new(false) }
    }
}

impl Server {
    /// A server that takes 4096 connections at once, of all its listeners together. Others wait.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes so many connections at once.
    #[must_use]
    pub fn max_connections(mut self, most: NonZeroUsize) -> Self {
        self.places = Arc::new(Semaphore::new(most.get().min(Semaphore::MAX_PERMITS)));
        self
    }

    /// Serves on `listener` until [`stop`](Self::stop). Spawn it on a `tokio` runtime with time; every
    /// connection is a task of its own, and so outlives this future.
    pub fn serve<S, B>(
        &self,
        listener: Listener,
        service: S,
    ) -> impl Future<Output = ()> + Send + 'static + use<S, B>
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        accept(listener, service, Arc::clone(&self.places), self.stop.subscribe())
    }

    /// Takes no connections any more, and lets each that there is end with the answers under way. Streams that
    /// would last for ever are yours to end: see [`EndsWith`](crate::EndsWith).
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until nothing is under way after [`stop`](Self::stop).
    pub async fn stopped(&self) {
        self.stop.closed().await;
    }
}

async fn accept<S, B>(
    listener: Listener,
    service: S,
    places: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = ?error.kind(), "cannot accept a connection");
                sleep(BREATH).await;
                continue;
            }
        };
        // Not before there is somebody: a listener that nobody comes to takes no place from the others.
        let place = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let (certificates, service, stop) =
            (listener.certificates(), service.clone(), stop.clone());
        tokio::spawn(async move {
            connection::serve(stream, remote, certificates, service, stop).await;
            drop(place);
        });
    }
}
