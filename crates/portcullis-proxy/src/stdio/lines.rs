//! Lines of bounded length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// How many times too long a line may be until it counts as one without an end.
const ENDLESS: usize = 16;

/// What was read.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// A line without its end and without white space around it; never empty.
    Whole(Vec<u8>),
    /// A line is longer than it may be. Its bytes are left out.
    TooLong,
    /// There is no end to that line.
    Endless,
    /// There is nothing more.
    End,
}

/// Reads lines.
pub(super) struct Lines<R> {
    reader: R,
    max: usize,
    line: Vec<u8>,
    /// How much of a line that is too long has gone by.
    skipped: Option<usize>,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// No line may have more than `max` bytes.
    pub(super) fn new(reader: R, max: usize) -> Self {
        Self { reader, max, line: Vec::new(), skipped: None }
    }

    /// The next line that is not empty. What comes without a line end before the end counts as none: it
    /// may be half of something.
    pub(super) async fn next(&mut self) -> io::Result<Line> {
        loop {
            let chunk = self.reader.fill_buf().await?;
            if chunk.is_empty() {
                return Ok(Line::End);
            }
            let (end, taken) = match chunk.iter().position(|byte| *byte == b'\n') {
                Some(at) => (true, at + 1),
                None => (false, chunk.len()),
            };
            if let Some(skipped) = &mut self.skipped {
                *skipped += taken;
                let endless = *skipped > self.max.saturating_mul(ENDLESS);
                if end {
                    self.skipped = None;
                }
                self.reader.consume(taken);
                if endless {
                    return Ok(Line::Endless);
                }
                continue;
            }
            if self.line.len() + taken - usize::from(end) > self.max {
                self.line = Vec::new();
                self.skipped = (!end).then_some(taken);
                self.reader.consume(taken);
                return Ok(Line::TooLong);
            }
            self.line.extend_from_slice(chunk.get(..taken).unwrap_or_default());
            self.reader.consume(taken);
            if end {
                let line = std::mem::take(&mut self.line);
                let text = line.trim_ascii();
                if text.len() == line.len() {
                    return Ok(Line::Whole(line));
                }
                if !text.is_empty() {
                    return Ok(Line::Whole(text.to_vec()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_bounded() {
        let whole = |text: &str| Line::Whole(text.into());
        for (text, expected) in [
            ("", vec![]),
            ("\n\r\n  \n", vec![]),
            ("{}\n[]\r\n", vec![whole("{}"), whole("[]")]),
            ("{}\nhalf", vec![whole("{}")]),
            ("12345678\n", vec![whole("12345678")]),
            ("123456789\n{}\n", vec![Line::TooLong, whole("{}")]),
            ("123456789012345678\n{}\n", vec![Line::TooLong, whole("{}")]),
            ("1234567890", vec![Line::TooLong]),
        ] {
            // In pieces of every size: a line must not depend on how it arrives.
            for size in 1..=text.len().max(1) {
                let reader = tokio::io::BufReader::with_capacity(size, text.as_bytes());
                let mut reader = Lines::new(reader, 8);
                let mut lines = Vec::new();
                loop {
                    match reader.next().await.unwrap() {
                        Line::End => break,
                        line => lines.push(line),
                    }
                }
                assert_eq!(lines, expected, "{text:?} by {size}");
            }
        }
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_noticed() {
        let mut lines = Lines::new(tokio::io::BufReader::new(tokio::io::repeat(b'x')), 100);
        assert_eq!(lines.next().await.unwrap(), Line::TooLong);
        assert_eq!(lines.next().await.unwrap(), Line::Endless);
    }
}
