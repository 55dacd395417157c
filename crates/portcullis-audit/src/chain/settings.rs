//! How a chain is signed.

use std::fmt;
use std::time::Duration;

use crate::CheckpointSigner;

/// Settings of a hash chain: who signs its checkpoints, how often, and who is told of them.
///
/// Each chained line ends with `chain` (the chain's id), `seq` (a number that counts up from 0) and
/// `prev` (the SHA-256 of the line before, without its newline). A *checkpoint* is a record with a
/// signature over its own line; by `prev`, it vouches for every line before it.
///
/// # What can be lost unseen
/// Whoever can write to the file and has no key cannot change, remove, reorder or insert anything
/// before the last checkpoint that is there without being found. The records *behind* it are only
/// chained: they can be cut off, or replaced, unseen.
///
/// The same attacker can also cut off the end of a chain at an earlier checkpoint, delete the files
/// after it, and put records of their own in place of all that was cut. Up to [`every`](Self::every)'s
/// number of records, and up to a minute more than its time after that checkpoint, nothing shows it;
/// beyond, there is a note ([`FindingKind::Overdue`](crate::FindingKind::Overdue)). When the writer
/// starts again, its new chain goes on from what it finds. Look at the time up to which signatures
/// prove a chain ([`ChainReport::signed_to`](crate::ChainReport::signed_to)): behind it, nothing is
/// proved. A chain that did not end with a signed `shutdown` checkpoint, and that no chain continues,
/// is reported as open: it was killed, is being written, or was cut.
///
/// Whole chains at the end can be deleted, and whole files at the beginning: old files are deleted
/// some day. Where files between others are gone, that is found. To tell these apart, keep checkpoints out of the attacker's reach with
/// [`anchor`](Self::anchor), and hand them to [`Verifier::expect`](crate::Verifier::expect):
/// then a cut before the last anchored checkpoint is found, and so is a whole file that is gone.
///
/// Whoever has the key, as the running process does, can make a chain of anything. Keep the key in a
/// service that signs (see [`CheckpointSigner`]) or anchor the checkpoints.
#[must_use = "settings do nothing until a sink has them"]
pub struct Chaining {
    pub(crate) signer: Option<Box<dyn CheckpointSigner>>,
    pub(crate) records: u64,
    pub(crate) every: Duration,
    pub(crate) anchor: Option<Anchor>,
}

pub(crate) type Anchor = Box<dyn FnMut(&str) + Send>;

impl Chaining {
    /// A chain without signatures. It shows accidents, and changes by those who do not know how it
    /// is made; whoever does can make it anew.
    pub fn unsigned() -> Self {
        Self { signer: None, records: 1000, every: Duration::from_secs(10), anchor: None }
    }

    /// A chain with checkpoints that `signer` signs: when it starts, every 1000 records, after 10
    /// seconds, when the file is rotated, and at its end.
    pub fn signed(signer: impl CheckpointSigner) -> Self {
        Self { signer: Some(Box::new(signer)), ..Self::unsigned() }
    }

    /// Makes a checkpoint after this many records, or after this time if there was any record.
    /// Neither may be zero, or time under a second.
    pub fn every(mut self, records: u64, time: Duration) -> Self {
        self.records = records.max(1);
        self.every = time.max(Duration::from_secs(1));
        self
    }

    /// Hands each signed checkpoint, as its line without the newline, to `anchor` once it is written
    /// and flushed. Send it where the owner of this machine cannot change it. It is called on the
    /// sink's thread, and records wait meanwhile.
    pub fn anchor(mut self, anchor: impl FnMut(&str) + Send + 'static) -> Self {
        self.anchor = Some(Box::new(anchor));
        self
    }
}

// By hand: the signer holds a secret.
impl fmt::Debug for Chaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaining")
            .field("key", &self.signer.as_ref().map(|signer| signer.key_id()))
            .field("records", &self.records)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}
