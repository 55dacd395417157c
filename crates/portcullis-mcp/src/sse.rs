//! Server-sent events, read and written (WHATWG HTML §9.2; ).
//!
//! An event is never passed on before its last line is there, and never in a form that another
//! parser could cut differently: what is not plainly one event is written anew.

use std::borrow::Cow;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use memchr::{memchr, memchr2};
use portcullis_core::one_line;

const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// What is written for a comment: nobody reads its text, so nobody inspected it either.
pub(crate) const KEEP_ALIVE: &[u8] = b":\n\n";

/// Something complete in a stream.
#[derive(Debug)]
pub(crate) enum Item {
    /// A comment line between events: a sign of life.
    Comment,
    /// An event, with or without data.
    Event(Event),
}

/// An event is larger than the limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TooLong;

/// Cuts a stream of chunks into comments and events.
#[derive(Debug)]
pub(crate) struct Parser {
    limit: usize,
    /// The part of the current event that came with earlier chunks.
    carried: BytesMut,
    /// What is left of the newest chunk.
    chunk: Bytes,
    /// How much of `chunk` belongs to complete lines of the current event.
    scanned: usize,
    /// The first byte of the current line, when an earlier chunk brought it.
    line_start: Option<u8>,
    /// Whether the current event has a line.
    fields: bool,
    /// Whether the last byte was a CR, whose LF may still come.
    after_cr: bool,
    /// How many bytes of a byte order mark came; `None` past the start.
    bom: Option<usize>,
}

impl Parser {
    /// A parser at the start of a stream whose events may have `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            carried: BytesMut::new(),
            chunk: Bytes::new(),
            scanned: 0,
            line_start: None,
            fields: false,
            after_cr: false,
            bom: Some(0),
        }
    }

    /// Takes the next chunk, after [`next`](Self::next) said that it needs one.
    pub(crate) fn push(&mut self, mut chunk: Bytes) {
        while let (Some(seen), Some(&byte)) = (self.bom, chunk.first()) {
            match BOM.get(seen) {
                Some(&expected) if expected == byte => {
                    chunk.advance(1);
                    self.bom = (seen + 1 < BOM.len()).then_some(seen + 1);
                }
                _ => {
                    // Not a mark after all: the bytes swallowed so far begin the first line.
                    let swallowed = BOM.get(..seen).unwrap_or_default();
                    self.carried.extend_from_slice(swallowed);
                    self.line_start = swallowed.first().copied();
                    self.bom = None;
                }
            }
        }
        if self.after_cr && !chunk.is_empty() {
            if chunk.first() == Some(&b'\n') {
                chunk.advance(1);
                if !self.carried.is_empty() {
                    self.carried.put_u8(b'\n'); // The line it ends is part of this event.
                }
            }
            self.after_cr = false;
        }
        self.chunk = chunk;
    }

    /// The next comment or event; `None` when that takes another chunk.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, TooLong> {
        loop {
            let line = self.chunk.get(self.scanned..).unwrap_or_default();
            let first = self.line_start.or(line.first().copied());
            let Some(length) = memchr2(b'\n', b'\r', line) else {
                self.line_start = first;
                self.carried.extend_from_slice(&self.chunk);
                self.chunk = Bytes::new();
                self.scanned = 0;
                return if self.carried.len() > self.limit { Err(TooLong) } else { Ok(None) };
            };
            let blank = length == 0 && self.line_start.is_none();
            self.line_start = None;
            let end = self.scanned + length + self.line_end(self.scanned + length);
            if blank {
                let event = self.take(end)?;
                if std::mem::take(&mut self.fields) {
                    return Ok(Some(Item::Event(Event::parse(event))));
                }
            } else if first == Some(b':') && !self.fields {
                self.take(end)?;
                return Ok(Some(Item::Comment));
            } else {
                self.fields = true;
                self.scanned = end;
            }
        }
    }

    /// The length of the line end at `at`.
    fn line_end(&mut self, at: usize) -> usize {
        match (self.chunk.get(at), self.chunk.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) => 2,
            (Some(b'\r'), None) => {
                self.after_cr = true;
                1
            }
            _ => 1,
        }
    }

    /// Everything up to `end` of the chunk.
    fn take(&mut self, end: usize) -> Result<Bytes, TooLong> {
        self.scanned = 0;
        let tail = self.chunk.split_to(end.min(self.chunk.len()));
        if self.carried.len() + tail.len() > self.limit {
            return Err(TooLong);
        }
        if self.carried.is_empty() {
            return Ok(tail);
        }
        self.carried.extend_from_slice(&tail);
        Ok(std::mem::take(&mut self.carried).freeze())
    }
}

/// One event.
#[derive(Debug)]
pub(crate) struct Event {
    raw: Bytes,
    /// Whether `raw` is an event that no parser can read in another way.
    plain: bool,
    name: Option<Bytes>,
    id: Option<Bytes>,
    retry: Option<Bytes>,
    /// Whether there is a line of data: without one, clients are told of no event (WHATWG HTML §9.2.6).
    has_data: bool,
    data: Bytes,
}

impl Event {
    fn parse(raw: Bytes) -> Self {
        let mut event = Self {
            raw: Bytes::new(),
            plain: true,
            name: None,
            id: None,
            retry: None,
            has_data: false,
            data: Bytes::new(),
        };
        let mut several = BytesMut::new();
        let mut data_lines = 0_usize;
        let mut rest = raw.clone();
        while let Some(line) = event.next_line(&mut rest) {
            let colon = memchr(b':', &line);
            let name = line.get(..colon.unwrap_or(line.len())).unwrap_or_default();
            let mut value = line.slice(colon.map_or(line.len(), |at| at + 1)..);
            if value.first() == Some(&b' ') {
                value.advance(1);
            }
            match name {
                b"data" => {
                    data_lines += 1;
                    if data_lines == 1 {
                        event.data = value;
                    } else {
                        if data_lines == 2 {
                            several.extend_from_slice(&event.data);
                        }
                        several.put_u8(b'\n');
                        several.extend_from_slice(&value);
                    }
                }
                b"event" => event.set(value, |event| &mut event.name, is_text),
                b"id" => event.set(value, |event| &mut event.id, is_id),
                b"retry" => event.set(value, |event| &mut event.retry, is_number),
                _ => event.plain = false, // Comments are here too: their name is empty.
            }
        }
        if data_lines > 1 {
            event.data = several.freeze();
        }
        event.plain &= matches!(one_line(&event.data), Cow::Borrowed(_));
        event.has_data = data_lines > 0;
        event.raw = raw;
        event
    }

    fn next_line(&mut self, rest: &mut Bytes) -> Option<Bytes> {
        let line = rest.split_to(memchr2(b'\n', b'\r', rest)?);
        let end = if rest.starts_with(b"\r\n") {
            2
        } else {
            self.plain &= rest.first() == Some(&b'\n');
            1
        };
        rest.advance(end);
        // The last line is the blank one that ends the event.
        (!line.is_empty()).then_some(line)
    }

    fn set(
        &mut self,
        value: Bytes,
        field: impl FnOnce(&mut Self) -> &mut Option<Bytes>,
        valid: fn(&[u8]) -> bool,
    ) {
        let valid = valid(&value);
        let repeated = if valid { field(self).replace(value).is_some() } else { false };
        self.plain &= valid && !repeated;
    }

    /// The data, lines joined by LF. Empty when the event only carries an id or a delay.
    pub(crate) fn data(&self) -> &Bytes {
        &self.data
    }

    /// The event with `data` in place of its own.
    pub(crate) fn instead(self, data: Bytes) -> Self {
        Self { data, has_data: true, plain: false, ..self }
    }

    /// Whether it has an id, from which its stream can be resumed.
    pub(crate) fn is_named(&self) -> bool {
        self.id().is_some()
    }

    /// That id.
    pub(crate) fn id(&self) -> Option<&str> {
        let id = self.id.as_deref().filter(|id| !id.is_empty())?;
        std::str::from_utf8(id).ok()
    }

    /// The event under another id, or under none.
    pub(crate) fn renamed(self, id: Option<String>) -> Self {
        Self { id: id.map(Bytes::from), plain: false, ..self }
    }

    /// Whether this is of the type that carries JSON-RPC messages.
    pub(crate) fn is_message(&self) -> bool {
        matches!(self.name.as_deref(), None | Some(b"" | b"message"))
    }

    /// The event to send on when its data may pass.
    pub(crate) fn unchanged(self) -> Bytes {
        match (self.plain, self.has_data) {
            (true, _) => self.raw,
            (false, true) => self.with(&self.data),
            (false, false) => {
                let mut out = self.fields(32);
                let empty = if out.is_empty() { KEEP_ALIVE } else { b"\n" };
                out.extend_from_slice(empty);
                out.freeze()
            }
        }
    }

    /// The event with other data: one line, whatever is in it.
    pub(crate) fn with(&self, data: &[u8]) -> Bytes {
        let mut out = self.fields(data.len() + 32);
        write_data(&mut out, data);
        out.freeze()
    }

    /// The lines of the other fields, with room for `more` bytes.
    fn fields(&self, more: usize) -> BytesMut {
        let mut out = BytesMut::with_capacity(self.raw.len().min(256) + more);
        for (name, value) in [("event", &self.name), ("id", &self.id), ("retry", &self.retry)] {
            if let Some(value) = value {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b": ");
                out.extend_from_slice(value);
                out.put_u8(b'\n');
            }
        }
        out
    }
}

/// An event of our own.
pub(crate) fn event(data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + 8);
    write_data(&mut out, data);
    out.freeze()
}

fn write_data(out: &mut BytesMut, data: &[u8]) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&one_line(data));
    out.extend_from_slice(b"\n\n");
}

/// Text that is not UTF-8 would be replaced.
fn is_text(value: &[u8]) -> bool {
    memchr(0, value).is_none() && simdutf8::basic::from_utf8(value).is_ok()
}

/// An id with NUL is ignored by rule; some clients would end the line at other characters.
fn is_id(value: &[u8]) -> bool {
    let is_odd = |c: char| c != '\t' && c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    simdutf8::basic::from_utf8(value).is_ok_and(|id| !id.contains(is_odd))
}

fn is_number(value: &[u8]) -> bool {
    (1..=10).contains(&value.len()) && value.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests;
