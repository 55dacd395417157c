//! How patient a sink is, and the loop that is.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use portcullis_core::Clock;
use tokio::runtime::{Builder, Runtime};

use crate::ConfigError;

/// The first pause after a failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the end of a connection may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// The longest that a server may ask us to stay away for.
const LONGEST_REQUEST: Duration = Duration::from_secs(300);

/// How patient a sink is, and how much it keeps back.
///
/// A batch that does not arrive is tried again, after 100 milliseconds at first and then twice as long
/// each time, up to 30 seconds, until the patience is at an end: then its records count as lost. While the
/// far side is known to be down each batch is tried once, and between tries none is: those who wait for
/// their record to be kept learn soon that it is not.
///
/// More patience means that records wait longer in the queue of the audit layer, which has its own limit,
/// and that calls which must be on record wait with them.
#[derive(Clone, Copy, Debug)]
#[must_use = "a sink has to be told"]
pub struct Retry {
    pub(crate) timeout: Duration,
    pub(crate) patience: Duration,
    pub(crate) batch_bytes: usize,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            patience: Duration::from_secs(10),
            batch_bytes: 1024 * 1024,
        }
    }
}

impl Retry {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long one attempt may take, connecting included: 5 seconds by default, between 1 millisecond
    /// and 5 minutes.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }

    /// For how long a batch is tried again: 10 seconds by default, 1 hour at most. Zero tries once.
    pub fn patience(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// How many bytes are sent at once: 1 MiB by default, between 64 KiB and 64 MiB. It bounds the memory
    /// that a sink takes.
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let fault =
            if !(Duration::from_millis(1)..=Duration::from_secs(300)).contains(&self.timeout) {
                "the timeout of a sink is between 1 millisecond and 5 minutes"
            } else if self.patience > Duration::from_secs(3600) {
                "the patience of a sink is 1 hour at most"
            } else if !(64 * 1024..=64 * 1024 * 1024).contains(&self.batch_bytes) {
                "the batches of a sink are between 64 KiB and 64 MiB"
            } else {
                return Ok(());
            };
        Err(ConfigError::new(fault))
    }
}

/// Brings a batch to the far side, once.
pub(crate) trait Carrier: Send + 'static {
    /// What is brought.
    type Batch;

    /// Returns when the far side has it, as far as its protocol can say.
    async fn carry(&mut self, batch: &Self::Batch) -> Result<(), Fault>;

    /// Forgets the connection: the last attempt failed or was given up in the middle.
    fn hang_up(&mut self);

    /// Ends the connection as its protocol wants it.
    async fn close(&mut self) {}
}

/// Why a batch did not arrive.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) error: io::Error,
    /// Whether the same batch may succeed later.
    pub(crate) again: bool,
    /// What the far side asked for.
    pub(crate) after: Option<Duration>,
}

impl Fault {
    /// Trying again is of no use.
    pub(crate) fn last(kind: io::ErrorKind, text: impl Into<String>) -> Self {
        Self { error: io::Error::new(kind, text.into()), again: false, after: None }
    }

    /// Trying again may be of use.
    pub(crate) fn again(kind: io::ErrorKind, text: impl Into<String>) -> Self {
        Self { error: io::Error::new(kind, text.into()), again: true, after: None }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self { error, again: true, after: None }
    }
}

/// Keeps bringing a batch until it has arrived or patience is at an end.
pub(crate) struct Courier<C> {
    carrier: C,
    retry: Retry,
    clock: Clock,
    /// Made by the thread that writes: it must not be made, or dropped, inside another.
    runtime: Option<Runtime>,
    /// The next pause.
    pause: Duration,
    /// While the far side is down: when to try it again.
    resting: Option<Instant>,
}

impl<C: Carrier> Courier<C> {
    pub(crate) fn new(carrier: C, retry: Retry) -> Self {
        Self {
            carrier,
            retry,
            clock: Clock::system(), // Waits pass in real time, whatever clock the records have.
            runtime: None,
            pause: FIRST_PAUSE,
            resting: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn carrier(&self) -> &C {
        &self.carrier
    }

    /// Brings `batch` to the far side.
    pub(crate) fn deliver(&mut self, batch: &C::Batch) -> io::Result<()> {
        let runtime = match self.runtime.take() {
            Some(runtime) => runtime,
            None => Builder::new_current_thread().enable_io().enable_time().build()?,
        };
        let delivered = runtime.block_on(self.try_hard(batch));
        self.runtime = Some(runtime);
        delivered
    }

    /// Ends the connection.
    pub(crate) fn close(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            let closed = async { tokio::time::timeout(FAREWELL, self.carrier.close()).await };
            // Whoever does not listen any more has everything that was said, or not.
            let _ = runtime.block_on(closed);
            self.carrier.hang_up();
            self.runtime = Some(runtime);
        }
    }

    async fn try_hard(&mut self, batch: &C::Batch) -> io::Result<()> {
        let mut now = self.clock.instant();
        let deadline = if self.resting.is_some() { now } else { now + self.retry.patience };
        loop {
            if let Some(until) = self.resting
                && until > now
            {
                if until > deadline {
                    return Err(io::Error::new(
                        io::ErrorKind::NotConnected,
                        "the far side is down",
                    ));
                }
                tokio::time::sleep(until.saturating_duration_since(now)).await;
            }
            let attempt = tokio::time::timeout(self.retry.timeout, self.carrier.carry(batch));
            let fault = match attempt.await {
                Ok(Ok(())) => {
                    self.pause = FIRST_PAUSE;
                    self.resting = None;
                    return Ok(());
                }
                Ok(Err(fault)) => fault,
                Err(_) => Fault::again(io::ErrorKind::TimedOut, "no answer in time"),
            };
            self.carrier.hang_up();
            if !fault.again {
                return Err(fault.error);
            }
            now = self.clock.instant();
            // One who asks for less than our own pause, such as none at all, does not get more requests.
            let pause = fault.after.unwrap_or_default().max(self.pause).min(LONGEST_REQUEST);
            self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
            let until = now + pause;
            self.resting = Some(until);
            if until > deadline {
                return Err(fault.error);
            }
        }
    }
}

impl<C> Drop for Courier<C> {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl<C> fmt::Debug for Courier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier").field("down", &self.resting.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Answers as told, then takes everything.
    struct Told(VecDeque<Result<(), Fault>>, usize, usize);

    impl Carrier for Told {
        type Batch = ();

        async fn carry(&mut self, (): &()) -> Result<(), Fault> {
            self.1 += 1;
            self.0.pop_front().unwrap_or(Ok(()))
        }

        fn hang_up(&mut self) {
            self.2 += 1;
        }
    }

    fn down() -> Result<(), Fault> {
        Err(Fault::again(io::ErrorKind::ConnectionRefused, "down"))
    }

    fn courier(answers: impl IntoIterator<Item = Result<(), Fault>>, ms: u64) -> Courier<Told> {
        let retry = Retry::new().patience(Duration::from_millis(ms));
        Courier::new(Told(answers.into_iter().collect(), 0, 0), retry)
    }

    #[test]
    fn a_batch_is_tried_again_while_patience_lasts() {
        let mut courier = courier([down(), down()], 60_000);
        courier.deliver(&()).unwrap();
        assert_eq!((courier.carrier.1, courier.carrier.2), (3, 2));
        assert!(
            courier.resting.is_none() && courier.pause == FIRST_PAUSE,
            "as if nothing had been"
        );
    }

    #[test]
    fn what_cannot_succeed_is_not_tried_again() {
        let refused = Err(Fault::last(io::ErrorKind::PermissionDenied, "no"));
        let mut courier = courier([refused], 60_000);
        let error = courier.deliver(&()).unwrap_err();
        assert_eq!((error.kind(), courier.carrier.1), (io::ErrorKind::PermissionDenied, 1));
        courier.deliver(&()).unwrap();
    }

    #[test]
    fn while_it_is_down_nobody_waits() {
        let mut courier = courier((0..9).map(|_| down()), 0);
        courier.deliver(&()).unwrap_err();
        assert_eq!(courier.carrier.1, 1, "no patience");
        let error = courier.deliver(&()).unwrap_err();
        assert_eq!((error.kind(), courier.carrier.1), (io::ErrorKind::NotConnected, 1), "at rest");
        courier.resting = Some(courier.clock.instant());
        courier.deliver(&()).unwrap_err();
        assert_eq!(courier.carrier.1, 2, "one try when the rest is over");
        assert!(courier.pause > FIRST_PAUSE);
    }

    #[test]
    fn the_far_side_may_ask_for_time() {
        let busy = Fault { after: Some(Duration::from_secs(3600)), ..down().unwrap_err() };
        let mut courier = courier([Err(busy)], 1000);
        courier.deliver(&()).unwrap_err();
        let rest = courier.resting.unwrap().saturating_duration_since(courier.clock.instant());
        assert!(rest > Duration::from_secs(200) && rest <= LONGEST_REQUEST, "{rest:?}");
    }

    #[test]
    fn a_request_for_no_time_is_no_reason_to_hurry() {
        let hurry = Fault { after: Some(Duration::ZERO), ..down().unwrap_err() };
        let mut courier = courier([Err(hurry)], 0);
        courier.deliver(&()).unwrap_err();
        assert!(courier.resting.unwrap() > courier.clock.instant());
        assert_eq!(courier.carrier.1, 1);
    }

    #[test]
    fn an_attempt_that_hangs_is_given_up() {
        struct Hangs(usize);
        impl Carrier for Hangs {
            type Batch = ();
            async fn carry(&mut self, (): &()) -> Result<(), Fault> {
                std::future::pending().await
            }
            fn hang_up(&mut self) {
                self.0 += 1;
            }
        }
        let retry = Retry::new().timeout(Duration::from_millis(5)).patience(Duration::ZERO);
        let mut courier = Courier::new(Hangs(0), retry);
        assert_eq!(courier.deliver(&()).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(courier.carrier.0, 1);
    }

    #[test]
    fn settings_have_bounds() {
        let rows = [
            (Retry::new(), true),
            (Retry::new().timeout(Duration::ZERO), false),
            (Retry::new().timeout(Duration::from_secs(301)), false),
            (Retry::new().patience(Duration::ZERO), true),
            (Retry::new().patience(Duration::from_secs(3601)), false),
            (Retry::new().batch_bytes(1024), false),
            (Retry::new().batch_bytes(usize::MAX), false),
        ];
        for (retry, expected) in rows {
            assert_eq!(retry.check().is_ok(), expected, "{retry:?}");
        }
    }
}
