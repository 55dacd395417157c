//! What children say on standard error.

use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};
use tokio::time::Instant;

/// The most bytes of a line that are logged.
const MAX_LINE: usize = 1024;
const LINES: u32 = 50;
const PER: Duration = Duration::from_secs(1);
/// What is shorter is in many lines by chance.
const MIN_SECRET: usize = 4;

/// Reads it to its end, so that nobody who writes has to wait.
pub(super) async fn drain(
    mut reader: impl AsyncBufRead + Unpin,
    upstream: String,
    secrets: Vec<String>,
) {
    let secrets = secrets.iter().flat_map(|secret| secret.lines()).map(str::trim);
    let secrets: Vec<_> = secrets.filter(|s| s.len() >= MIN_SECRET).map(str::to_owned).collect();
    let mut line = Vec::new();
    // What may be told is judged by the whole line, of which only the beginning is kept: a secret must
    // not slip through at the cut.
    let (mut since, mut said, mut cut) = (Instant::now(), 0, false);
    loop {
        let Ok(chunk) = reader.fill_buf().await else { return };
        if chunk.is_empty() {
            return;
        }
        let (end, taken) = match chunk.iter().position(|byte| *byte == b'\n') {
            Some(at) => (true, at + 1),
            None => (false, chunk.len()),
        };
        let room = (MAX_LINE * 2).saturating_sub(line.len());
        cut |= taken > room;
        line.extend_from_slice(chunk.get(..taken.min(room)).unwrap_or_default());
        reader.consume(taken);
        if !end {
            continue;
        }
        if since.elapsed() > PER {
            (since, said) = (Instant::now(), 0);
        }
        said += 1;
        if said <= LINES
            && let Some(text) = loggable(&line, cut, &secrets)
        {
            tracing::debug!(target: "portcullis::proxy", upstream, "standard error: {text}");
        }
        (line, cut) = (Vec::new(), false);
    }
}

/// The line as it may be logged: without what steers a terminal, and not when a secret is in it, or may be
/// in what was cut off.
fn loggable(line: &[u8], cut: bool, secrets: &[String]) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    if secrets.iter().any(|secret| text.contains(&**secret)) {
        return None;
    }
    let long = text.len() > MAX_LINE;
    if (long || cut) && !secrets.is_empty() {
        return None;
    }
    let mut end = text.len().min(MAX_LINE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = text.get(..end)?.escape_debug().to_string();
    (!kept.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_secrets_nor_escapes_are_logged() {
        let secrets = ["s3cret-key".to_owned()];
        assert_eq!(loggable(b" hello\n", false, &secrets).as_deref(), Some("hello"));
        assert_eq!(loggable(b"key=s3cret-key.", false, &secrets), None);
        assert_eq!(loggable(b"\x1b[2Jx", false, &[]).as_deref(), Some("\\u{1b}[2Jx"));
        assert_eq!(loggable(b"  \n", false, &[]), None);
        assert_eq!(loggable("ä".repeat(600).as_bytes(), false, &[]).unwrap().len(), 1024);
        assert_eq!(loggable("ä".repeat(600).as_bytes(), false, &secrets), None);
    }
}
