//! What the system tells the process.

use crate::read::Problem;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that ask for a reload.
pub struct Hangups(#[cfg(unix)] Signal);

impl Hangups {
    pub fn new() -> Result<Self, Problem> {
        Ok(Self(
            #[cfg(unix)]
            signal(SignalKind::hangup()).map_err(|error| Problem::of(&error))?,
        ))
    }

    pub async fn next(&mut self) {
        #[cfg(unix)]
        if self.0.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// Ctrl-C, or what service managers send.
pub struct Stops(#[cfg(unix)] [Signal; 2]);

impl Stops {
    pub fn new() -> Result<Self, Problem> {
        #[cfg(unix)]
        let to = |kind| signal(kind).map_err(|error| Problem::of(&error));
        Ok(Self(
            #[cfg(unix)]
            [to(SignalKind::interrupt())?, to(SignalKind::terminate())?],
        ))
    }

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
