//! Comma-separated values (RFC 4180).

use crate::ConfigError;

/// The rows of `text`: fields with commas between, quoted where they hold a comma, a quote or a line break.
pub(super) fn rows(text: &str) -> Result<Vec<Vec<String>>, ConfigError> {
    let fault = |line: usize, what: &str| {
        Err(ConfigError::new(format!("line {line} of the list is not CSV: {what}")))
    };
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut line = 1;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if field.is_empty() => {
                let start = line;
                loop {
                    match characters.next() {
                        None => return fault(start, "a quote does not end"),
                        Some('"') if characters.next_if_eq(&'"').is_some() => field.push('"'),
                        Some('"') => break,
                        Some(other) => {
                            line += usize::from(other == '\n');
                            field.push(other);
                        }
                    }
                }
                if !matches!(characters.peek(), None | Some(',' | '\r' | '\n')) {
                    return fault(line, "text follows a quoted field");
                }
            }
            '"' => return fault(line, "a quote inside a field that is not quoted"),
            ',' => row.push(std::mem::take(&mut field)),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' => {
                line += 1;
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            other => field.push(other),
        }
    }
    if !row.is_empty() || !field.is_empty() {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_as_rfc_4180_says() {
        let rows = |text| rows(text).map_err(|error| error.to_string());
        let table: [(&str, &[&[&str]]); 6] = [
            ("", &[]),
            ("a,b\nc,d\n", &[&["a", "b"], &["c", "d"]]),
            ("a,b\r\nc,d", &[&["a", "b"], &["c", "d"]]),
            ("\"a,\"\"b\"\"\n\",\n", &[&["a,\"b\"\n", ""]]),
            ("a\n\nb", &[&["a"], &[""], &["b"]]),
            ("é, b ", &[&["é", " b "]]),
        ];
        for (text, expected) in table {
            let expected: Vec<Vec<String>> =
                expected.iter().map(|row| row.iter().map(|&f| f.to_owned()).collect()).collect();
            assert_eq!(rows(text), Ok(expected), "{text:?}");
        }
        for (text, line) in [("a\n\"b", 2), ("\"a\"b", 1), ("a\"b", 1), ("\"a\nb\"c", 2)] {
            assert!(rows(text).unwrap_err().starts_with(&format!("line {line} ")), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_quoted_comes_back(fields in prop::collection::vec(any::<String>(), 1..5)) {
            let quoted: Vec<_> =
                fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
            let text = format!("{}\n", quoted.join(","));
            prop_assert_eq!(rows(&text).unwrap(), vec![fields]);
        }

        #[test]
        fn nothing_makes_it_panic(text in any::<String>()) {
            let _ = rows(&text);
        }
    }
}
