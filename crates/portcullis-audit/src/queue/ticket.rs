//! What a request waits for: that every sink wrote its record.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_core::{Receipt, ReceiptSender};

/// One sink's part in the receipt for a record; dropped without a word, it says "not recorded".
#[derive(Debug)]
pub(crate) struct Ticket(Arc<Pledge>);

#[derive(Debug)]
struct Pledge {
    missing: AtomicUsize,
    failed: AtomicBool,
    sender: Mutex<Option<ReceiptSender>>,
}

impl Ticket {
    /// As many tickets as there are sinks, and the receipt that says whether all of them wrote.
    pub(crate) fn pool(sinks: usize) -> (impl FnMut() -> Self, Receipt) {
        let (sender, receipt) = Receipt::pair();
        let pledge = Arc::new(Pledge {
            missing: AtomicUsize::new(sinks),
            failed: AtomicBool::new(false),
            sender: Mutex::new(Some(sender)),
        });
        (move || Self(Arc::clone(&pledge)), receipt)
    }

    /// Whether anybody still waits.
    pub(super) fn is_awaited(&self) -> bool {
        let sender = self.0.sender.lock().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().is_some_and(ReceiptSender::is_awaited)
    }

    /// Says whether this sink wrote the record.
    pub(crate) fn settle(self, written: bool) {
        if !written {
            self.0.failed.store(true, Ordering::Relaxed);
        }
        // AcqRel: the last one to settle sees what the others stored.
        if self.0.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            let sender = self.0.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(sender) = sender {
                sender.send(!self.0.failed.load(Ordering::Relaxed));
            }
        }
    }
}
