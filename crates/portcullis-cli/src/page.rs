//! What people read: lines, wrapped at the width of a page, with styles that the stream may strip.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::escape;

pub(crate) const PLAIN: Style = Style::new();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const CARE: Style = AnsiColor::Yellow.on_default();
pub(crate) const NAME: Style = AnsiColor::Cyan.on_default();

/// A piece of text in one style.
#[derive(Clone, Debug)]
pub(crate) struct Span(pub(crate) Style, pub(crate) String);

pub(crate) fn span(style: Style, text: impl Into<String>) -> Span {
    Span(style, text.into())
}

/// Collects lines. Every text is escaped on its way in, so that names from files cannot steer a
/// terminal.
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
    width: usize,
}

impl Page {
    /// A page of `COLUMNS` columns, 80 where that is not set to a number that makes sense.
    pub(crate) fn new() -> Self {
        let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        Self::of_width(set.filter(|columns| (40..=240).contains(columns)).unwrap_or(80))
    }

    pub(crate) fn of_width(width: usize) -> Self {
        Self { text: String::new(), width }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// One line, wrapped if it must be; what goes on stands `hang` columns in.
    pub(crate) fn line(&mut self, hang: usize, spans: &[Span]) {
        let (mut at, mut space) = (0, 0);
        for Span(style, text) in spans {
            for part in escape::plain(text).split_inclusive(' ') {
                let word = part.trim_end_matches(' ');
                if !word.is_empty() {
                    if at > hang && at + space + word.width() > self.width {
                        self.text.push('\n');
                        (at, space) = (0, hang);
                    }
                    self.put(PLAIN, &" ".repeat(space));
                    at = self.word(*style, word, at + space, hang);
                    space = 0;
                }
                // Spaces wait for a word that follows on the same line.
                space += part.len() - word.len();
            }
        }
        self.text.push('\n');
    }

    /// A text of its own, such as a body, as it is but for escapes: nothing is wrapped.
    pub(crate) fn verbatim(&mut self, indent: usize, style: Style, text: &str) {
        self.put(PLAIN, &" ".repeat(indent));
        self.put(style, &escape::plain(text));
        self.text.push('\n');
    }

    /// `label`, then what is to say about it, the wrapped lines under one another.
    pub(crate) fn item(&mut self, indent: usize, label: Span, width: usize, said: &[Span]) {
        let label_width = escape::plain(&label.1).width();
        let column = indent + width + 2;
        let mut spans = vec![span(PLAIN, " ".repeat(indent)), label];
        if label_width > width {
            self.line(indent, &spans);
            spans = vec![span(PLAIN, " ".repeat(column))];
        } else {
            spans.push(span(PLAIN, " ".repeat(width + 2 - label_width)));
        }
        spans.extend(said.iter().cloned());
        self.line(column, &spans);
    }

    /// Rows under a head, in columns as wide as they have to be. Numbers stand to the right, and times
    /// are not broken.
    pub(crate) fn table(&mut self, indent: usize, head: &[&str], rows: &[Vec<Span>]) {
        let head: Vec<Span> = head.iter().map(|title| span(DIM, *title)).collect();
        let mut widths: Vec<usize> = vec![0; head.len()];
        for row in std::iter::once(&head).chain(rows) {
            for (width, Span(_, text)) in widths.iter_mut().zip(row) {
                *width = (*width).max(escape::plain(text).width());
            }
        }
        let gaps = indent + 2 * widths.len().saturating_sub(1);
        let all = |column: usize, is: fn(char) -> bool| {
            let mut cells = rows.iter().filter_map(|row| row.get(column));
            cells.any(|Span(_, text)| !text.is_empty())
                && rows.iter().filter_map(|row| row.get(column)).all(|cell| cell.1.chars().all(is))
        };
        let numbers: Vec<bool> = (0..widths.len())
            .map(|column| all(column, |c| c.is_ascii_digit() || c == ','))
            .collect();
        let fixed: Vec<bool> = (0..widths.len())
            .map(|column| all(column, |c| c.is_ascii_digit() || ",:- ".contains(c)))
            .collect();
        while widths.iter().sum::<usize>() + gaps > self.width {
            let breakable = widths.iter_mut().zip(&fixed).filter(|(_, fixed)| !**fixed);
            let Some((widest, _)) = breakable.max_by_key(|(width, _)| **width) else { break };
            if *widest <= 8 {
                break;
            }
            *widest -= 1;
        }
        for row in std::iter::once(&head).chain(rows) {
            self.row(indent, &widths, &numbers, row);
        }
    }

    fn row(&mut self, indent: usize, widths: &[usize], right: &[bool], row: &[Span]) {
        let cells: Vec<(Style, Vec<String>)> = row
            .iter()
            .zip(widths)
            .map(|(Span(style, text), width)| (*style, wrap(&escape::plain(text), *width)))
            .collect();
        let height = cells.iter().map(|(_, lines)| lines.len()).max().unwrap_or_default();
        for number in 0..height {
            self.text.push_str(&" ".repeat(indent));
            for (at, ((style, lines), width)) in cells.iter().zip(widths).enumerate() {
                let text = lines.get(number).map(String::as_str).unwrap_or_default();
                if at > 0 {
                    self.text.push_str("  ");
                }
                let space = " ".repeat(width.saturating_sub(text.width()));
                let (before, after) =
                    if right.get(at) == Some(&true) { (&*space, "") } else { ("", &*space) };
                self.text.push_str(before);
                self.put(*style, text);
                self.text.push_str(after);
            }
            self.trim_line();
            self.text.push('\n');
        }
    }

    /// Puts a word, in pieces where it is wider than the page.
    fn word(&mut self, style: Style, word: &str, mut at: usize, hang: usize) -> usize {
        if at + word.width() <= self.width {
            self.put(style, word);
            return at + word.width();
        }
        let mut piece = String::new();
        for c in word.chars() {
            let wide = c.width().unwrap_or_default();
            if at + wide > self.width && at > hang {
                self.put(style, &piece);
                piece.clear();
                self.text.push('\n');
                self.put(PLAIN, &" ".repeat(hang));
                at = hang;
            }
            piece.push(c);
            at += wide;
        }
        self.put(style, &piece);
        at
    }

    fn put(&mut self, style: Style, text: &str) {
        if style == PLAIN || text.is_empty() {
            self.text.push_str(text);
        } else {
            // Infallible: writing to a `String`.
            let _ = write!(self.text, "{style}{text}{style:#}");
        }
    }

    fn trim_line(&mut self) {
        let kept = self.text.trim_end_matches(' ').len();
        self.text.truncate(kept);
    }
}

/// `text` in lines of at most `width` columns.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut page = Page::of_width(width.max(1));
    page.line(0, &[span(PLAIN, text)]);
    page.text.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_under_their_text() {
        let mut page = Page::of_width(24);
        page.item(2, span(PLAIN, "to"), 4, &[span(PLAIN, "reader, admin, and somebody else")]);
        assert_eq!(
            page.into_text(),
            "  to    reader, admin,\n        and somebody\n        else\n"
        );
    }

    #[test]
    fn long_words_are_broken_and_wide_ones_counted() {
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("漢字漢字", 4), ["漢字", "漢字"]);
        assert_eq!(wrap("ab cd", 4), ["ab", "cd"]);
    }

    #[test]
    fn tables_fit_the_page() {
        let mut page = Page::of_width(40);
        let row = |a: &str, b: &str| vec![span(PLAIN, a), span(PLAIN, b)];
        let long = "a sentence that is much longer than the page is wide";
        page.table(0, &["TOOL", "WHY"], &[row("get_note", "x"), row("b\u{1b}[2J", long)]);
        let text = page.into_text();
        assert!(text.lines().all(|line| line.len() <= 48), "{text}");
        assert!(text.contains("b\\u{1b}[2J"), "{text}");
        assert!(text.contains("get_note"), "{text}");
    }
}
