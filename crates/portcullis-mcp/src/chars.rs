//! The inside of JSON strings and numbers.

use std::iter;

use wide::u8x16;

/// How many bytes are looked at at once, and how many such blocks where strings are long.
pub(crate) const BLOCK: usize = 16;
const ROW: usize = 4;

/// The offset of the first byte at or after `from` that ends or interrupts a string: a quote, a
/// backslash or a control character.
#[inline]
pub(crate) fn find_special(bytes: &[u8], from: usize) -> Option<usize> {
    match bytes.get(from..)?.first_chunk() {
        Some(block) => match first_special(*block) {
            Some(offset) => Some(from + offset), // Most strings are short.
            None => find_far(bytes, from + BLOCK),
        },
        None => find_late(bytes, from),
    }
}

/// The same for long strings.
#[inline(never)]
pub(crate) fn find_far(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    let mut blocks = bytes.get(from..)?.as_chunks::<BLOCK>().0;
    loop {
        // A few blocks before rows pay off, and again to find where a row has it.
        for _ in 0..ROW {
            let Some((block, rest)) = blocks.split_first() else { return find_late(bytes, at) };
            if let Some(offset) = first_special(*block) {
                return Some(at + offset);
            }
            blocks = rest;
            at += BLOCK;
        }
        while let Some((row, rest)) = blocks.split_first_chunk::<ROW>() {
            if any_special(row) {
                break;
            }
            blocks = rest;
            at += ROW * BLOCK;
        }
    }
}

/// The same near the end of `bytes`.
#[inline(never)]
fn find_late(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.iter().position(|byte| is_special(*byte)).map(|offset| from + offset)
}

fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// The offset of the first special byte.
#[inline]
pub(crate) fn first_special(block: [u8; BLOCK]) -> Option<usize> {
    let hits = specials(block).to_bitmask();
    (hits != 0).then(|| hits.trailing_zeros() as usize)
}

/// Whether there is a special byte.
#[inline]
fn any_special(row: &[[u8; BLOCK]; ROW]) -> bool {
    let [a, b, c, d] = row.map(specials);
    ((a | b) | (c | d)).to_bitmask() != 0
}

/// All ones where a byte is special.
#[inline]
fn specials(block: [u8; BLOCK]) -> u8x16 {
    let block = u8x16::new(block);
    let is = |byte: u8| block.simd_eq(u8x16::splat(byte));
    let is_control = block.min(u8x16::splat(0x1F)).simd_eq(block);
    is_control | (is(b'"') | is(b'\\'))
}

/// How many bytes the escape at the start of `bytes` takes; a surrogate pair counts as one. `None`
/// when it is not an escape, or a surrogate is alone.
pub(crate) fn escape_len(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => match hex4(bytes.get(2..6)?)? {
            0xD800..=0xDBFF => {
                let low = bytes.get(6..12)?;
                let low = low.starts_with(b"\\u").then(|| low.get(2..).and_then(hex4))??;
                matches!(low, 0xDC00..=0xDFFF).then_some(12)
            }
            0xDC00..=0xDFFF => None,
            _ => Some(6),
        },
        _ => None,
    }
}

fn hex4(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}

/// The text that `raw`, the valid inside of a JSON string, stands for.
pub(crate) fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut chars = escape.chars();
        match chars.next() {
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{C}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('u') => {
                let first = unit(&mut chars);
                let units = if matches!(first, 0xD800..=0xDBFF) {
                    chars.nth(1); // The `\u` of the low half.
                    [Some(first), Some(unit(&mut chars))]
                } else {
                    [Some(first), None]
                };
                let units = units.into_iter().flatten();
                // Never replaced: the scanner lets no lone surrogate pass.
                text.extend(char::decode_utf16(units).map(|c| c.unwrap_or('\u{FFFD}')));
            }
            other => text.extend(other),
        }
        rest = chars.as_str();
    }
    text.push_str(rest);
    text
}

fn unit(chars: &mut std::str::Chars<'_>) -> u16 {
    let digits = iter::from_fn(|| chars.next()?.to_digit(16)).take(4);
    digits.fold(0, |value, digit| value << 4 | u16::try_from(digit).unwrap_or_default())
}

/// How many bytes the number at the start of `bytes` takes (RFC 8259 section 6).
pub(crate) fn number_len(bytes: &[u8]) -> Option<usize> {
    number_end(bytes, 0)
}

/// The offset behind the number at `from`.
#[inline]
pub(crate) fn number_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from + usize::from(bytes.get(from) == Some(&b'-'));
    at = match bytes.get(at)? {
        b'0' => at + 1,
        b'1'..=b'9' => digits(bytes, at + 1),
        _ => return None,
    };
    match bytes.get(at) {
        Some(b'.' | b'e' | b'E') => fraction(bytes, at),
        _ => Some(at),
    }
}

/// The offset behind the fraction and exponent at `at`.
fn fraction(bytes: &[u8], mut at: usize) -> Option<usize> {
    let some_digits = |from: usize| Some(digits(bytes, from)).filter(|end| *end > from);
    if bytes.get(at) == Some(&b'.') {
        at = some_digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = some_digits(at + 1 + sign)?;
    }
    Some(at)
}

/// The offset behind the digits at `at`, if any.
#[inline]
fn digits(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    at
}
