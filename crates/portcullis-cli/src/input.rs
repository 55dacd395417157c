//! Files and standard input.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::problem::Problem;

/// The largest file that is read whole, in bytes: that of a policy.
const MAX: u64 = 16 << 20;
/// The longest line of a file that is read line by line, in bytes.
const LINE_MAX: u64 = 1 << 20;

/// The text of a file, or of standard input if it is called `-`.
pub(crate) fn text(path: &Path) -> Result<String, Problem> {
    String::from_utf8(bytes(path)?).map_err(|error| {
        let (line, column) = end_of(error.as_bytes().get(..error.utf8_error().valid_up_to()));
        Problem::new("is not UTF-8 text").at(Some(line), Some(column)).in_file(name(path))
    })
}

/// The line and the column behind `text`, from 1.
fn end_of(text: Option<&[u8]>) -> (u64, u64) {
    let text = String::from_utf8_lossy(text.unwrap_or_default());
    let last = text.rsplit('\n').next().unwrap_or_default();
    (text.matches('\n').count() as u64 + 1, last.chars().count() as u64 + 1)
}

/// The bytes of a file, or of standard input if it is called `-`.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Problem> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let fail = |message: String| Problem::new(message).in_file(name(path));
    let mut bytes = Vec::new();
    let read = if is_stdin(path) {
        if TAKEN.swap(true, Ordering::Relaxed) {
            return Err(fail("standard input can be read only once".into()));
        }
        std::io::stdin().lock().take(MAX + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| fail(format!("cannot be read: {}", cause(&error))))?;
    if bytes.len() as u64 > MAX {
        return Err(fail("is larger than 16 MiB".into()));
    }
    Ok(bytes)
}

/// Calls `each` with every line of a file of any length that is not blank.
pub(crate) fn each_line(
    path: &Path,
    mut each: impl FnMut(&str) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let fail = |message: String| Problem::new(message).in_file(name(path));
    let broken = |error: &std::io::Error| fail(format!("cannot be read: {}", cause(error)));
    let reader: Box<dyn Read> = if is_stdin(path) {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(|error| broken(&error))?)
    };
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE_MAX + 1).read_line(&mut line);
        if read.map_err(|error| broken(&error))? == 0 {
            return Ok(());
        }
        if line.len() as u64 > LINE_MAX {
            return Err(fail("has a line of more than 1 MiB".into()));
        }
        if !line.trim().is_empty() {
            each(&line)?;
        }
    }
}

/// What went wrong, without the number that systems add.
pub(crate) fn cause(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text.get(..end).unwrap_or_default().to_lowercase(),
        None => text,
    }
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The file's name, as people gave it.
pub(crate) fn name(path: &Path) -> String {
    path.display().to_string()
}
