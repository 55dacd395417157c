//! Strings that stay on their line and look like what they are.

use std::io;

use serde_json::ser::Formatter;

/// Escapes what JSON allows in a string but a terminal, a log viewer or a line-based tool may take
/// for something else. `serde_json` itself escapes U+0000 to U+001F.
pub(crate) struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        if fragment.bytes().all(|byte| byte < 0x7f) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut units = [0; 2];
        let mut utf8 = [0; 4];
        for character in fragment.chars() {
            if is_deceptive(character) {
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            } else {
                writer.write_all(character.encode_utf8(&mut utf8).as_bytes())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[test]
fn what_cannot_be_seen_is_deceptive() {
    let blank = "\u{34f}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}\u{180d}\u{180e}\u{180f}\u{2800}\u{3164}\
                 \u{fe00}\u{fe0f}\u{ffa0}\u{fff0}\u{fff8}\u{fffb}\u{1d173}\u{1d17a}\u{200b}\u{feff}";
    for character in blank.chars() {
        assert!(is_deceptive(character), "{character:?}");
    }
    assert!(!"a é 漢字 🦀".contains(is_deceptive));
}

/// Controls, line and paragraph separators, and characters that are invisible or reorder the text
/// around them.
pub(crate) fn is_deceptive(character: char) -> bool {
    matches!(character,
        '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}
