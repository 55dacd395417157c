//! Knowing when something was dropped.

use tokio::sync::watch;

/// Tells when the thing that holds its guard was dropped: a cancelled stream, an abandoned body.
#[derive(Clone, Debug)]
pub struct DropProbe {
    dropped: watch::Sender<bool>,
}

impl DropProbe {
    /// A probe whose guard is not dropped yet.
    #[must_use]
    pub fn new() -> Self {
        Self { dropped: watch::Sender::new(false) }
    }

    /// The guard to put into the thing under observation.
    #[must_use]
    pub fn guard(&self) -> DropGuard {
        DropGuard { dropped: self.dropped.clone() }
    }

    /// Whether a guard was dropped.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        *self.dropped.borrow()
    }

    /// Waits until a guard is dropped.
    pub async fn dropped(&self) {
        // The sender lives as long as `self`, so this ends only when a guard is dropped.
        self.dropped.subscribe().wait_for(|dropped| *dropped).await.unwrap();
    }
}

impl Default for DropProbe {
    fn default() -> Self {
        Self::new()
    }
}

/// Reports its own end to the [`DropProbe`] that made it.
#[derive(Debug)]
pub struct DropGuard {
    dropped: watch::Sender<bool>,
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        self.dropped.send_replace(true);
    }
}
