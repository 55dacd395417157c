//! Whether files have changed.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How often to look.
const EVERY: Duration = Duration::from_secs(2);

/// Files that are looked at every two seconds.
///
/// They are looked at, not waited for: that finds renamed files, the symbolic links that Kubernetes swaps, and
/// files on a network alike.
#[derive(Debug)]
pub struct Watched {
    paths: Vec<PathBuf>,
    settled: Vec<Option<Stamp>>,
    pending: Option<Vec<Option<Stamp>>>,
}

/// What changes when a file does: its time, length and number.
type Stamp = (SystemTime, u64, u64);

impl Watched {
    /// These files, as they are now. One that is not there may come.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let paths: Vec<_> = paths.into_iter().collect();
        let settled = stamps(&paths);
        Self { paths, settled, pending: None }
    }

    /// Waits until the files are others, and have been the same for two looks: one that is being written is not
    /// told. Dropping the future loses nothing.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whether a change is told within this many looks.
    async fn told(watched: &mut Watched, looks: u32) -> bool {
        let limit = EVERY * looks + Duration::from_millis(1);
        tokio::time::timeout(limit, watched.changed()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_told_once_and_when_they_have_settled() {
        let folder = tempfile::tempdir().unwrap();
        let (file, beside) = (folder.path().join("file"), folder.path().join("beside"));
        std::fs::write(&file, "one").unwrap();
        let mut watched = Watched::new([file.clone()]);
        assert!(!told(&mut watched, 5).await, "nothing has changed");

        std::fs::write(&file, "longer").unwrap();
        assert!(!told(&mut watched, 1).await, "it may be in the midst of being written");
        std::fs::write(&file, "longer still").unwrap();
        assert!(!told(&mut watched, 1).await, "and is");
        assert!(told(&mut watched, 1).await, "until it stands still");
        assert!(!told(&mut watched, 5).await, "once");

        std::fs::write(&beside, "another one.").unwrap();
        std::fs::rename(&beside, &file).unwrap();
        assert!(told(&mut watched, 2).await, "another file of the same name and length");

        std::fs::remove_file(&file).unwrap();
        assert!(told(&mut watched, 2).await, "it is gone");
        std::fs::write(&file, "back").unwrap();
        assert!(told(&mut watched, 2).await, "and back");
    }
}
