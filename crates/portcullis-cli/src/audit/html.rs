//! A page with charts, in one file: no script, nothing fetched, everything escaped.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_crypto::sha256;

use super::report::remarks;
use super::tables::{self, Cell, Table, grouped};
use super::tally::Tally;
use crate::{escape, time};

mod charts;

use charts::{last_use, over_time, top_tools};

const STYLE: &str = include_str!("report.css");

/// The page. `now` is when it is made, and `cut` leaves of a table what is to be shown.
pub(crate) fn write(title: &str, tally: &Tally, now: i64, cut: impl Fn(Table) -> Table) -> String {
    let mut page = String::new();
    let hash = STANDARD.encode(sha256(STYLE.as_bytes()));
    let title = text(title);
    let at = |millis| time::format(millis, "%Y-%m-%d %H:%M");
    let span = match tally.span {
        Some((first, last)) => format!("{} to {} UTC", at(first), at(last)),
        None => "no records".to_owned(),
    };
    // Infallible, here and below: writing to a `String`.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header><h1>{title}</h1><p>{span}, made {} UTC</p></header>\n",
        at(now)
    );
    for remark in remarks(tally) {
        let _ = writeln!(page, "<p class=\"remark\">{}</p>", text(&remark));
    }
    figures(tally, &mut page);
    if tally.span.is_some() {
        over_time(tally, &mut page);
        page.push_str("<div class=\"pair\">\n");
        top_tools(tally, &mut page);
        last_use(tally, &mut page);
        page.push_str("</div>\n");
    }
    for (id, all) in [
        ("denied", tables::denials(tally)),
        ("people", tables::people(tally)),
        ("tools", tables::tools(tally)),
    ] {
        let number = all.rows.len();
        table(id, &cut(all), number, &mut page);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// Text for a page: of what anybody may have written.
fn text(value: &str) -> String {
    let mut safe = String::with_capacity(value.len());
    for c in escape::plain(value).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// At most `most` characters, and the rest as a sign that there is more.
fn short(value: &str, most: usize) -> String {
    text(&escape::shortened(&escape::plain(value), most))
}

fn figures(tally: &Tally, page: &mut String) {
    let total = tally.total;
    page.push_str("<dl class=\"figures\">\n");
    for (class, name, number) in [
        ("", "calls", total.calls),
        ("good", "allowed", total.allowed),
        ("bad", "denied", total.denied),
        ("care", "challenged", total.challenged),
        ("bad", "errors at the gate", total.errors),
        ("care", "allowed, and failed", total.failed),
        ("", "people and clients", tally.people.len() as u64),
        ("", "tools and others", tally.targets.len() as u64),
    ] {
        let class = if number == 0 { "" } else { class };
        let _ = writeln!(
            page,
            "<div><dt>{name}</dt><dd class=\"{class}\">{}</dd></div>",
            grouped(number)
        );
    }
    page.push_str("</dl>\n");
}

fn table(id: &str, table: &Table, number: usize, page: &mut String) {
    if table.rows.is_empty() {
        return;
    }
    let more = match number - table.rows.len() {
        0 => String::new(),
        _ => format!(" <small>{} of {number}</small>", table.rows.len()),
    };
    let _ = write!(
        page,
        "<section><h2 id=\"{id}\">{}{more}</h2>\n<div class=\"scroll\"><table>\n<thead><tr>",
        text(table.title)
    );
    let first = table.rows.first();
    let class = |cell: Option<&Cell>| match cell {
        Some(Cell::Number(_)) => " class=\"number\"",
        Some(Cell::Time(_)) => " class=\"time\"",
        Some(Cell::Text(text)) if text.chars().count() <= 24 => " class=\"short\"",
        _ => "",
    };
    for (at, title) in table.head.iter().enumerate() {
        let class = class(first.and_then(|row| row.get(at)));
        let _ = write!(page, "<th scope=\"col\"{class}>{}</th>", text(title));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        page.push_str("<tr>");
        for cell in row {
            let _ = write!(page, "<td{}>{}</td>", class(Some(cell)), text(&cell.shown()));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table></div></section>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_place() {
        assert_eq!(text("<script>\"&'\u{202e}"), "&lt;script&gt;&quot;&amp;&#39;\\u{202e}");
        assert_eq!(short("abcdef", 4), "abc…");
        assert_eq!(short("a<>", 3), "a&lt;&gt;");
    }
}
