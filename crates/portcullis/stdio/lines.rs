//! Lines of bounded length.

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// The longest line, in bytes: that of a body over HTTP.
pub(super) const MAX_LINE: usize = 4 * 1024 * 1024;

/// What was read.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// A line without its end; never empty.
    Whole(Bytes),
    /// A line that was longer than it may be; its bytes are gone.
    TooLong,
    End,
}

/// The next line that is not empty. A last line without an end counts: launchers are lax.
pub(super) async fn next(reader: &mut (impl AsyncBufRead + Unpin), max: usize) -> io::Result<Line> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let chunk = reader.fill_buf().await?;
        let (end, taken) = match chunk.iter().position(|byte| *byte == b'\n') {
            Some(at) => (true, at + 1),
            None => (chunk.is_empty(), chunk.len()),
        };
        if line.len() + taken > max + 1 {
            too_long = true;
            line = Vec::new();
        } else if !too_long {
            line.extend_from_slice(chunk.get(..taken).unwrap_or_default());
        }
        let closed = chunk.is_empty();
        reader.consume(taken);
        if !end {
            continue;
        }
        if too_long {
            return Ok(Line::TooLong);
        }
        let text = line.trim_ascii();
        if !text.is_empty() {
            return Ok(Line::Whole(Bytes::copy_from_slice(text)));
        }
        if closed {
            return Ok(Line::End);
        }
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(text: &[u8], max: usize) -> Vec<Line> {
        // One byte at a time: a line must not depend on how it arrives.
        let mut reader = tokio::io::BufReader::with_capacity(1, text);
        let mut lines = Vec::new();
        loop {
            match next(&mut reader, max).await.unwrap() {
                Line::End => return lines,
                line => lines.push(line),
            }
        }
    }

    #[tokio::test]
    async fn lines_are_bounded() {
        let whole = |text: &'static str| Line::Whole(Bytes::from_static(text.as_bytes()));
        for (text, expected) in [
            ("", vec![]),
            ("\n\r\n  \n", vec![]),
            ("{}\n[]\r\n", vec![whole("{}"), whole("[]")]),
            ("{}", vec![whole("{}")]),
            ("12345678\n", vec![whole("12345678")]),
            ("123456789\n{}\n", vec![Line::TooLong, whole("{}")]),
            ("1234567890123456789", vec![Line::TooLong]),
        ] {
            assert_eq!(all(text.as_bytes(), 8).await, expected, "{text:?}");
        }
    }
}
