//! Comma-separated values (RFC 4180) that spreadsheets do not run.

use super::tables::{Cell, Table};
use crate::{escape, time};

pub(crate) fn write(table: &Table) -> String {
    let head: Vec<String> = table.head.iter().map(|title| text(title)).collect();
    let mut csv = head.join(",") + "\r\n";
    for row in &table.rows {
        let cells: Vec<String> = row
            .iter()
            .map(|cell| match cell {
                Cell::Text(value) => text(value),
                Cell::Number(number) => number.to_string(),
                Cell::Time(at) => time::format(*at, "%Y-%m-%dT%H:%M:%SZ"),
            })
            .collect();
        csv.push_str(&cells.join(","));
        csv.push_str("\r\n");
    }
    csv
}

/// A text in quotes. One that a spreadsheet would take for a formula gets an apostrophe before it:
/// callers choose names.
fn text(value: &str) -> String {
    let value = escape::plain(value);
    let start = value.trim_start().chars().next();
    let formula = matches!(start, Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠'));
    let apostrophe = if formula { "'" } else { "" };
    format!("\"{apostrophe}{}\"", value.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_and_no_formulas() {
        let rows = [
            ("plain", "\"plain\""),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            (" =1", "\"' =1\""),
            ("\t=1", "\"\\t=1\""),
            ("\r\n=1", "\"\\r\\n=1\""),
            ("＝1", "\"'＝1\""),
            ("", "\"\""),
        ];
        for (value, expected) in rows {
            assert_eq!(text(value), expected);
        }
    }
}
