//! How a file ends that an earlier writer left.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use portcullis_crypto::sha256;

use crate::chain::Left;
use crate::chain::trailer;
use crate::verify::line::Facts;

/// How far back a whole line is looked for. No record is nearly as long.
const REACH: u64 = 1024 * 1024;

/// How a file ends.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    pub(crate) length: u64,
    /// Bytes behind the last chained line: what was not finished.
    pub(crate) behind: u64,
    /// The last byte is no newline.
    pub(crate) open: bool,
    /// The last chained line.
    pub(crate) left: Option<Left>,
    /// There are lines that are not chained, and none that is.
    pub(crate) foreign: bool,
    /// When the first record was written.
    pub(crate) began: Option<Duration>,
}

pub(crate) fn read(path: &Path) -> io::Result<Tail> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut first = Vec::new();
    BufReader::new(&mut file).take(REACH).read_until(b'\n', &mut first)?;
    let began = Facts::read(&first).and_then(|facts| facts.at());

    file.seek(SeekFrom::Start(length.saturating_sub(REACH)))?;
    let mut end = Vec::new();
    file.take(REACH).read_to_end(&mut end)?;
    let mut tail = Tail { length, began, open: !end.ends_with(b"\n"), ..Tail::default() };
    tail.open &= !end.is_empty();
    let whole = end.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let mut lines = end.get(..whole).unwrap_or_default();
    // Behind the last chained line there may be the unfinished ones of several crashes.
    while let Some(before) = lines.strip_suffix(b"\n") {
        let from = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let line = before.get(from..).unwrap_or_default();
        tail.left = left(line);
        if tail.left.is_some() {
            break;
        }
        tail.foreign |= Facts::read(line).is_some();
        lines = before.get(..from).unwrap_or_default();
    }
    tail.foreign &= tail.left.is_none();
    tail.behind = end.len().saturating_sub(lines.len()) as u64;
    let rest = end.get(lines.len()..).unwrap_or_default();
    if tail.open
        && let Some(whole) = only_newline_missing(rest, tail.left.as_ref())
    {
        tail.left = Some(whole);
        tail.behind = 0;
    }
    Ok(tail)
}

/// What comes after the last line, if it is the next one and all there but for its newline: whoever
/// reads the file later cannot tell that the newline came late.
fn only_newline_missing(rest: &[u8], last: Option<&Left>) -> Option<Left> {
    // The lines before it, which an earlier crash left, are accounted for by it: only a start follows
    // such.
    let (torn, line) = match rest.iter().rposition(|&byte| byte == b'\n') {
        Some(end) => rest.split_at_checked(end + 1)?,
        None => (&[][..], rest),
    };
    let trailer = trailer::read(line)?;
    let prev = last.map_or([0; 32], |last| last.hash);
    let next = trailer.seq == 0
        || torn.is_empty()
            && last.is_some_and(|last| {
                last.chain == trailer.chain && last.seq.checked_add(1) == Some(trailer.seq)
            });
    (next && trailer.prev == prev).then(|| left(line))?
}

fn left(line: &[u8]) -> Option<Left> {
    let trailer = trailer::read(line)?;
    Some(Left {
        chain: trailer.chain.to_owned(),
        seq: trailer.seq,
        hash: sha256(line),
        clean: Facts::read(line).is_some_and(|facts| facts.is_shutdown()),
    })
}
