//! What the system tells the process.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that ask for settings to be read again: SIGHUP, and nothing on other systems than Unix.
#[derive(Debug)]
pub struct Hangups(#[cfg(unix)] Signal);

impl Hangups {
    /// Listens for them from now on: before this, one ends the process.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new() -> io::Result<Self> {
        Ok(Self(
            #[cfg(unix)]
            signal(SignalKind::hangup())?,
        ))
    }

    /// Waits for the next. Dropping the future loses nothing.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if self.0.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// Signals that ask for an end: Ctrl-C, and the SIGTERM of service managers.
#[derive(Debug)]
pub struct Stops(#[cfg(unix)] [Signal; 2]);

impl Stops {
    /// Listens for them from now on: before this, one ends the process at once.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new() -> io::Result<Self> {
        Ok(Self(
            #[cfg(unix)]
            [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?],
        ))
    }

    /// Waits for the next. Dropping the future loses nothing.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        {
            let [interrupt, terminate] = &mut self.0;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        #[cfg(not(unix))]
        drop(tokio::signal::ctrl_c().await);
    }
}
