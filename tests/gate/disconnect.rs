//! A client that goes away in the middle of a call.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use portcullis::audit::MemorySink;
use portcullis_test::Mint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tower::{Layer as _, Service};

use crate::support::{Ask, ISSUER, Setup, layer, serve, wait_for};

/// Answers with one event and then nothing more, or not at all, and says when it is dropped.
#[derive(Clone)]
struct Endless {
    answers: bool,
    called: Arc<Notify>,
    dropped: Arc<Notify>,
}

struct Probe(Arc<Notify>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

struct EndlessBody {
    first: Option<Bytes>,
    _probe: Probe,
}

impl Body for EndlessBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.first.take() {
            Some(chunk) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            None => Poll::Pending,
        }
    }
}

impl<B> Service<Request<B>> for Endless {
    type Response = Response<EndlessBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let probe = Probe(this.dropped);
            this.called.notify_one();
            if !this.answers {
                std::future::pending::<()>().await;
            }
            let first = Some(Bytes::from_static(b": working\n\n"));
            let mut response = Response::new(EndlessBody { first, _probe: probe });
            response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
            Ok(response)
        })
    }
}

/// the upstream's work is dropped, and the record says that the call was aborted.
#[tokio::test]
async fn the_call_is_aborted_and_recorded() {
    for answers in [true, false] {
        let mint = Mint::es256(ISSUER);
        let records = MemorySink::new();
        let upstream = Endless { answers, called: Arc::default(), dropped: Arc::default() };
        let gate = layer(Setup::default(), &mint, records.clone()).layer(upstream.clone());
        let addr = serve(gate).await;

        let token = mint.token().claim("groups", serde_json::json!(["staff"])).sign();
        let ask = Ask::call("get_weather").bearer(&token);
        let mut bytes = format!("POST /mcp HTTP/1.1\r\nhost: {}\r\n", ask.host);
        for (name, value) in &ask.headers {
            bytes.push_str(&format!("{name}: {value}\r\n"));
        }
        bytes.push_str(&format!("content-length: {}\r\n\r\n", ask.body.len()));
        let mut client = TcpStream::connect(addr).await.unwrap();
        client.write_all(bytes.as_bytes()).await.unwrap();
        client.write_all(&ask.body).await.unwrap();

        upstream.called.notified().await;
        let decision = wait_for(&records, 1).await;
        assert_eq!(decision.len(), 1, "the decision is on record before the call ends");
        if answers {
            let mut buffer = [0; 1024];
            let mut read = Vec::new();
            while !read.windows(3).any(|window| window == b"\n:\n") {
                let count = client.read(&mut buffer).await.unwrap();
                assert_ne!(count, 0, "the stream is open");
                read.extend_from_slice(&buffer[..count]);
            }
        }
        drop(client);

        upstream.dropped.notified().await;
        let records = wait_for(&records, 2).await;
        let outcome = &records[1];
        assert_eq!(outcome["record"], "outcome");
        assert_eq!(outcome["result_type"], "aborted", "answers: {answers}");
    }
}
