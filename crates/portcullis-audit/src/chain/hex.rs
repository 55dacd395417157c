//! Bytes as hexadecimal digits, in lower case.

/// Appends the digits of `bytes`.
pub(crate) fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]));
}

/// The bytes that `digits` stand for; digits in upper case are none.
pub(crate) fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: &u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (value(pair.first()?)?, value(pair.last()?)?);
        *byte = high << 4 | low;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_back() {
        let mut digits = Vec::new();
        push_hex(&[0x00, 0xa9, 0xff], &mut digits);
        assert_eq!(digits, b"00a9ff");
        assert_eq!(unhex(b"00a9ff"), Some([0x00, 0xa9, 0xff]));
        for (name, wrong) in [
            ("short", b"00a9f".as_slice()),
            ("long", b"00a9ff0"),
            ("upper case", b"00A9FF"),
            ("no digit", b"00a9fg"),
        ] {
            assert_eq!(unhex::<3>(wrong), None, "{name}");
        }
    }
}
