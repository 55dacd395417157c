//! `application/x-www-form-urlencoded`.

/// The encoding of one name or value.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A whole form.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<_> =
        fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_has_a_meaning_is_escaped() {
        let rows = [
            ("a-Z_0.*", "a-Z_0.*"),
            ("a b", "a+b"),
            ("a&b=c+d", "a%26b%3Dc%2Bd"),
            ("ü:", "%C3%BC%3A"),
        ];
        for (text, expected) in rows {
            assert_eq!(encode(text), expected);
        }
        assert_eq!(form(&[("token", "a/b=="), ("x", "")]), "token=a%2Fb%3D%3D&x=");
    }

    proptest! {
        #[test]
        fn reads_back(text in ".{0,40}") {
            let mut bytes = Vec::new();
            let encoded = encode(&text).replace('+', " ");
            let mut rest = encoded.as_bytes();
            while let Some((byte, tail)) = rest.split_first() {
                rest = tail;
                if *byte == b'%' {
                    let hex = std::str::from_utf8(&rest[..2]).unwrap();
                    bytes.push(u8::from_str_radix(hex, 16).unwrap());
                    rest = &rest[2..];
                } else {
                    bytes.push(*byte);
                }
            }
            prop_assert_eq!(bytes, text.into_bytes());
        }
    }
}
