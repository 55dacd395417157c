//! An HTTP server that answers as a test tells it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub(crate) struct Web {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Request<Bytes>>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// The answer to a request, or nothing at all: the connection stays open and silent.
pub(crate) type Answer = Option<Response<String>>;

pub(crate) fn answer(status: u16, body: &str) -> Answer {
    Some(Response::builder().status(status).body(body.to_owned()).unwrap())
}

impl Web {
    pub(crate) fn start(
        answer: impl Fn(usize, &Request<Bytes>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::on(0, answer)
    }

    pub(crate) fn on(
        port: u16,
        answer: impl Fn(usize, &Request<Bytes>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<Request<Bytes>>>> = Arc::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let (answer, log) = (Arc::new(answer), Arc::clone(&seen));
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                let serve = async {
                    loop {
                        let (tcp, _) = listener.accept().await.unwrap();
                        tcp.set_nodelay(true).unwrap();
                        let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                            let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                            async move {
                                let (parts, body) = request.into_parts();
                                let body = body.collect().await.unwrap().to_bytes();
                                let request = Request::from_parts(parts, body);
                                let number = {
                                    let mut log = log.lock().unwrap();
                                    log.push(request.clone());
                                    log.len()
                                };
                                match answer(number, &request) {
                                    Some(answer) => Ok::<_, Infallible>(
                                        answer.map(|b| Full::new(Bytes::from(b))),
                                    ),
                                    None => std::future::pending().await,
                                }
                            }
                        });
                        tokio::spawn(
                            hyper::server::conn::http1::Builder::new()
                                .serve_connection(TokioIo::new(tcp), service),
                        );
                    }
                };
                tokio::select! { () = serve => {}, _ = stopped => {} }
            });
        });
        Self { port, seen, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request<Bytes>> {
        self.seen.lock().unwrap().clone()
    }

    /// Ends it, with every connection.
    pub(crate) fn kill(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.kill();
    }
}
