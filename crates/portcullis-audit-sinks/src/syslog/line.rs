//! The connection to a collector that never answers.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use portcullis_core::Clock;
use portcullis_dial::{Dialer, Stream};
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};

use crate::outbox::Load;
use crate::retry::{Carrier, Fault};

/// How long what was sent is kept, in case the connection breaks.
const RECENT: Duration = Duration::from_secs(5);

impl Load for Vec<u8> {
    fn size(&self) -> usize {
        self.len()
    }
}

/// One connection, made when it is needed.
pub(super) struct Line {
    dialer: Dialer,
    stream: Option<Stream>,
    recent: Recent,
    clock: Clock,
}

/// What was sent lately: a collector that dies takes along what it had not read.
struct Recent {
    sent: VecDeque<(Instant, Vec<u8>)>,
    size: usize,
    limit: usize,
}

impl Recent {
    fn keep(&mut self, batch: &[u8], now: Instant) {
        self.size += batch.len();
        self.sent.push_back((now, batch.to_owned()));
        while self.size > self.limit {
            self.drop_first();
        }
        self.forget(now);
    }

    fn forget(&mut self, now: Instant) {
        while let Some((at, _)) = self.sent.front()
            && now.saturating_duration_since(*at) > RECENT
        {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        let dropped = self.sent.pop_front().map_or(0, |(_, batch)| batch.len());
        self.size = self.size.saturating_sub(dropped);
    }
}

impl Line {
    pub(super) fn new(dialer: Dialer, limit: usize) -> Self {
        let recent = Recent { sent: VecDeque::new(), size: 0, limit };
        Self { dialer, stream: None, recent, clock: Clock::system() }
    }

    async fn send(&mut self, batch: &[u8]) -> io::Result<()> {
        if let Some(stream) = &mut self.stream
            && has_ended(stream).await
        {
            self.stream = None;
        }
        let now = self.clock.instant();
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let mut stream = self.dialer.dial().await?;
                self.recent.forget(now);
                for (_, sent) in &self.recent.sent {
                    stream.write_all(sent).await?;
                }
                self.stream.insert(stream)
            }
        };
        stream.write_all(batch).await?;
        stream.flush().await?;
        self.recent.keep(batch, now);
        Ok(())
    }
}

/// Whether the far side has closed the connection. Without asking, the first batch after that would go
/// nowhere and nobody would know.
async fn has_ended(stream: &mut Stream) -> bool {
    // The runtime stood still since the last batch: let it see what has happened on the network.
    tokio::task::yield_now().await;
    poll_fn(|cx| {
        let mut space = [0; 1024];
        // What a collector says means nothing; one that talks without end is read in the next batch.
        for _ in 0..64 {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Ready(false),
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(true),
            }
        }
        Poll::Ready(false)
    })
    .await
}

impl Carrier for Line {
    type Batch = Vec<u8>;

    async fn carry(&mut self, batch: &Vec<u8>) -> Result<(), Fault> {
        self.send(batch).await.map_err(Fault::from)
    }

    fn hang_up(&mut self) {
        self.stream = None;
    }

    /// TLS says goodbye, so that the collector can tell the end from a cut (RFC 5425 §4.4).
    async fn close(&mut self) {
        if let Some(stream) = &mut self.stream {
            let _ = stream.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_by_time_and_size() {
        let (clock, hand) = Clock::manual(0);
        let mut recent = Recent { sent: VecDeque::new(), size: 0, limit: 10 };
        recent.keep(b"1234", clock.instant());
        recent.keep(b"5678", clock.instant());
        recent.keep(b"9abc", clock.instant());
        assert_eq!((recent.sent.len(), recent.size), (2, 8));
        hand.advance(RECENT);
        recent.forget(clock.instant());
        assert_eq!(recent.sent.len(), 2);
        hand.advance(Duration::from_millis(1));
        recent.forget(clock.instant());
        assert_eq!((recent.sent.len(), recent.size), (0, 0));
        recent.keep(&[0; 99], clock.instant());
        assert!(recent.sent.is_empty(), "what is too large is not kept");
    }
}
