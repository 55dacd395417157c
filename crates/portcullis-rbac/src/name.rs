//! Names of tools and prompts.

/// Whether `name` holds characters that make it look like another name, or that a pattern
/// reads differently on another platform. Only a rule that spells such a name out can mean it.
pub(crate) fn is_deceptive(name: &str) -> bool {
    // What nearly every name is made of.
    if name.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'\\') {
        return false;
    }
    name.chars().any(|c| {
        c.is_control()
            || matches!(c,
                '\\'
                | '\u{AD}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{2069}'
                | '\u{FEFF}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_deceive_and_letters_do_not() {
        for name in
            ["delete\u{200b}_user", "a\u{202e}b", "a\nb", "a\0", "a\u{2066}b", "a\u{feff}", "a\\b"]
        {
            assert!(is_deceptive(name), "{name:?}");
        }
        for name in ["delete_user", "svc.read-1/x", "naïve", "\u{430}dmin", "with space", ""] {
            assert!(!is_deceptive(name), "{name:?}");
        }
    }
}
