//! Results of cases for CI servers, in the XML that JUnit made common.

use std::fmt::Write as _;

use crate::cases::FileReport;

pub(crate) fn report(files: &[FileReport]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for file in files {
        let failed = file.cases.iter().filter(|case| !case.passed).count();
        // Infallible, as below: writing to a `String`.
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\">",
            escaped(&file.file),
            file.cases.len()
        );
        for case in &file.cases {
            let _ = write!(
                xml,
                "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\"",
                escaped(&file.policy),
                escaped(&case.name),
                escaped(&file.file),
                case.line
            );
            if case.passed {
                xml.push_str("/>\n");
            } else {
                let text = escaped(&case.failures.join("; "));
                let _ = writeln!(xml, ">\n      <failure message=\"{text}\"/>\n    </testcase>");
            }
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// `text` for an attribute. XML has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in crate::escape::plain(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}
