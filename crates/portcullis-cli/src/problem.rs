//! What is wrong with an input, and where.

use schemars::JsonSchema;
use serde::Serialize;

use crate::page::{BAD, BOLD, CARE, DIM, PLAIN, Page, Span, span};

/// Something that is wrong, or probably not meant so.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct Problem {
    /// How bad it is.
    pub(crate) severity: Severity,
    /// The file, as it was named; `-` is standard input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u64>,
    /// The column in that line, in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<u64>,
    /// What it is, in one line.
    pub(crate) message: String,
    /// The text of the line.
    #[serde(skip)]
    pub(crate) source: Option<String>,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    /// The input cannot be used.
    Error,
    /// It can, and probably says what nobody meant.
    Warning,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: None,
            line: None,
            column: None,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    pub(crate) fn at(mut self, line: Option<u64>, column: Option<u64>) -> Self {
        self.line = line;
        self.column = column;
        self
    }

    /// Adds the line of `text` that it is about.
    pub(crate) fn within(mut self, text: &str) -> Self {
        let number = self.line.and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
        self.source = number.and_then(|number| text.lines().nth(number)).map(str::to_owned);
        self
    }

    pub(crate) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// `file:line:column: error: message`, and the line with a caret under the column.
    pub(crate) fn show(&self, page: &mut Page) {
        let mut place = String::new();
        if let Some(file) = &self.file {
            place.push_str(if file == "-" { "standard input" } else { file });
            for number in [self.line, self.column].into_iter().flatten() {
                place.push_str(&format!(":{number}"));
            }
            place.push_str(": ");
        }
        let word = match self.severity {
            Severity::Error => span(BAD.bold(), "error: "),
            Severity::Warning => span(CARE.bold(), "warning: "),
        };
        page.line(2, &[span(BOLD, place), word, span(PLAIN, &*self.message)]);
        if let (Some(line), Some(source)) = (self.line, &self.source) {
            let column = self.column.and_then(|column| usize::try_from(column).ok());
            let (shown, caret) = excerpt(source, column.unwrap_or(1));
            let number = format!("{line:>5} | ");
            page.line(0, &[span(DIM, number), Span(PLAIN, shown)]);
            page.line(0, &[span(DIM, "      | "), span(BAD.bold(), format!("{caret}^"))]);
        }
    }
}

/// The part of a line around `column`, and the space to put before a caret.
fn excerpt(source: &str, column: usize) -> (String, String) {
    const WIDTH: usize = 68;
    let characters: Vec<char> = source.chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
    let at = column.saturating_sub(1).min(characters.len());
    let start = if at < WIDTH - 8 { 0 } else { at - WIDTH / 2 };
    let part = |from: usize, until: usize| -> String {
        let until = until.min(characters.len());
        crate::escape::plain(
            &characters.get(from..until).unwrap_or_default().iter().collect::<String>(),
        )
    };
    let mut shown = part(start, start + WIDTH).trim_end().to_owned();
    let mut before = unicode_width::UnicodeWidthStr::width(part(start, at).as_str());
    if start > 0 {
        shown.insert_str(0, "… ");
        before += 2;
    }
    (shown, " ".repeat(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(problem: &Problem) -> String {
        let mut page = Page::of_width(80);
        problem.show(&mut page);
        anstream::adapter::strip_str(&page.into_text()).to_string()
    }

    #[test]
    fn a_caret_points_at_the_column() {
        let problem = Problem::new("the role a is odd")
            .in_file("policy.yaml")
            .at(Some(2), Some(5))
            .within("roles:\n  漢: { x: 1 }\n");
        assert_eq!(
            shown(&problem),
            "policy.yaml:2:5: error: the role a is odd\n    2 |   漢: { x: 1 }\n      |      ^\n"
        );
        let text = format!("{}x\u{1b}[31m", " ".repeat(200));
        let far = Problem::new("x").in_file("p").at(Some(1), Some(201)).within(&text);
        let shown = shown(&far);
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        let (line, caret) = (shown.lines().nth(1).unwrap(), shown.lines().nth(2).unwrap());
        let at = caret.chars().position(|c| c == '^').unwrap();
        assert_eq!(line.chars().nth(at), Some('x'), "{shown}");
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
}
