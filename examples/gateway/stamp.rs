//! Whether files have changed.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How often to look.
pub const EVERY: Duration = Duration::from_secs(2);

/// Files to look at: that finds renamed files, the links that Kubernetes swaps, and network file systems alike.
pub struct Watched {
    paths: Vec<PathBuf>,
    settled: Vec<Option<Stamp>>,
    pending: Option<Vec<Option<Stamp>>>,
}

/// What changes when a file does: its time, length and number.
type Stamp = (SystemTime, u64, u64);

impl Watched {
    pub fn new(paths: Vec<PathBuf>) -> Self {
        let settled = stamps(&paths);
        Self { paths, settled, pending: None }
    }

    /// Waits until the files are others, and have been the same for two looks: one that is being written is not
    /// read.
    pub async fn changed(&mut self) {
        loop {
            tokio::time::sleep(EVERY).await;
            let now = stamps(&self.paths);
            if now == self.settled {
                self.pending = None;
            } else if self.pending.as_ref() == Some(&now) {
                self.pending = None;
                self.settled = now;
                return;
            } else {
                self.pending = Some(now);
            }
        }
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |path: &PathBuf| {
        let about = std::fs::metadata(path).ok()?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&about);
        #[cfg(not(unix))]
        let number = 0;
        Some((about.modified().ok()?, about.len(), number))
    };
    paths.iter().map(stamp).collect()
}
