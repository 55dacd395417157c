//! The inside of JSON strings and numbers.

use std::iter;

/// The offset of the first byte at or after `from` that ends or interrupts a string: a quote, a
/// backslash or a control character.
#[inline]
pub(crate) fn find_special(bytes: &[u8], from: usize) -> Option<usize> {
    let mut rest = bytes.get(from..)?;
    let mut at = from;
    loop {
        // Most strings are short: a few words before the block loop pays off, and again to find
        // the byte at which that stopped.
        for _ in 0..4 {
            let Some((word, tail)) = rest.split_first_chunk() else { return tail(rest, at) };
            if let Some(offset) = special_in_word(u64::from_le_bytes(*word)) {
                return Some(at + offset);
            }
            rest = tail;
            at += 8;
        }
        // The compiler turns the fold into vector instructions.
        while let Some((block, tail)) = rest.split_first_chunk::<32>() {
            if block.iter().fold(false, |any, byte| any | is_special(*byte)) {
                break;
            }
            rest = tail;
            at += 32;
        }
    }
}

fn tail(rest: &[u8], at: usize) -> Option<usize> {
    rest.iter().position(|byte| is_special(*byte)).map(|offset| at + offset)
}

fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// The offset of the first special byte among eight, which were loaded in little-endian order.
///
/// Borrows can only spoil bytes above the first hit, so the lowest set bit is exact.
fn special_in_word(word: u64) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let hits = ((word.wrapping_sub(ONES * 0x20) & !word)
        | (quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash))
        & HIGH;
    (hits != 0).then(|| hits.trailing_zeros() as usize / 8)
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
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    at += match bytes.get(at)? {
        b'0' => 1,
        b'1'..=b'9' => digits(at),
        _ => return None,
    };
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}
