//! Text that cannot steer a terminal, or look like other text.

/// The first `most` characters of a text, with a sign where that is not all.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Whether `c` moves the cursor, ends the line, cannot be seen, or changes the direction of text.
pub(crate) fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// `text` on one line, with escapes for what is odd.
pub(crate) fn plain(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if is_odd(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// JSON text that means the same, with escapes for what is odd inside its strings; line breaks
/// between its members stay.
pub(crate) fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || !is_odd(c) {
            safe.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_odd_is_left() {
        let rows = [
            ("plain é 漢字 🦀", "plain é 漢字 🦀"),
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("a\nb\r\t", "a\\nb\\r\\t"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("c1\u{9b}31m", "c1\\u{9b}31m"),
        ];
        for (text, expected) in rows {
            assert_eq!(plain(text), expected);
            assert!(!plain(text).contains(is_odd));
        }
    }

    #[test]
    fn json_means_the_same() {
        let value = serde_json::json!({ "a\u{9b}": ["\u{202e}x", "\u{e0041}", "\n", "é"] });
        let text = json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.contains(|c| c != '\n' && is_odd(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
