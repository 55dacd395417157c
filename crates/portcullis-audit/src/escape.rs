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

/// Controls, line and paragraph separators, and characters that are invisible or reorder the text
/// around them.
pub(crate) fn is_deceptive(character: char) -> bool {
    matches!(character,
        '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}
