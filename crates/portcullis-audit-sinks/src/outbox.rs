//! Records on their way into one batch.

use std::fmt;
use std::io;

use crate::Retry;
use crate::retry::{Carrier, Courier};

/// What a batch is made of.
pub(crate) trait Load: Default {
    /// The bytes that it takes.
    fn size(&self) -> usize;
}

/// Collects records and has them delivered; bounded by the batch size of [`Retry`].
pub(crate) struct Outbox<C: Carrier> {
    courier: Courier<C>,
    load: C::Batch,
    limit: usize,
    /// A record that was taken since the last flush is lost.
    broken: bool,
}

impl<C: Carrier<Batch: Load>> Outbox<C> {
    pub(crate) fn new(carrier: C, retry: Retry) -> Self {
        Self {
            courier: Courier::new(carrier, retry),
            load: C::Batch::default(),
            limit: retry.batch_bytes,
            broken: false,
        }
    }

    /// The batch to add to, which has room for `coming` bytes unless they fill one alone.
    pub(crate) fn room(&mut self, coming: usize) -> &mut C::Batch {
        let size = self.load.size();
        if size > 0 && size.saturating_add(coming) > self.limit {
            self.broken |= self.send().is_err();
        }
        &mut self.load
    }

    /// Delivers what there is.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let broken = std::mem::take(&mut self.broken);
        if self.load.size() > 0 {
            self.send()?;
        }
        if broken { Err(io::Error::other("an earlier batch was lost")) } else { Ok(()) }
    }

    /// Ends the connection.
    pub(crate) fn close(&mut self) {
        self.courier.close();
    }

    /// The batch is gone, whichever way: what did not arrive counts as lost.
    fn send(&mut self) -> io::Result<()> {
        let load = std::mem::take(&mut self.load);
        self.courier.deliver(&load)
    }
}

impl<C: Carrier> fmt::Debug for Outbox<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("courier", &self.courier).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::retry::Fault;

    #[derive(Default)]
    struct Bytes(usize);

    impl Load for Bytes {
        fn size(&self) -> usize {
            self.0
        }
    }

    struct Takes(Vec<usize>, bool);

    impl Carrier for Takes {
        type Batch = Bytes;

        async fn carry(&mut self, batch: &Bytes) -> Result<(), Fault> {
            if self.1 {
                return Err(Fault::last(io::ErrorKind::Other, "no"));
            }
            self.0.push(batch.0);
            Ok(())
        }

        fn hang_up(&mut self) {
            self.1 = false; // It fails once.
        }
    }

    #[test]
    fn a_batch_is_bounded_and_a_loss_is_admitted() {
        let retry = Retry::new().batch_bytes(1000).patience(Duration::ZERO);
        let mut outbox = Outbox::new(Takes(Vec::new(), true), retry);
        for _ in 0..3 {
            outbox.room(400).0 += 400;
        }
        outbox.flush().unwrap_err();
        outbox.flush().unwrap();
        for _ in 0..3 {
            outbox.room(400).0 += 400;
        }
        outbox.flush().unwrap();
        outbox.room(5000).0 += 5000;
        outbox.flush().unwrap();
        outbox.flush().unwrap();
        assert_eq!(outbox.courier_log(), [400, 800, 400, 5000]);
    }

    impl Outbox<Takes> {
        fn courier_log(&self) -> &[usize] {
            &self.courier.carrier().0
        }
    }
}
