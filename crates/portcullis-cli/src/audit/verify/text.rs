//! What was found out about records, as a text.

use super::{Chain, Found, VerifyReport};
use crate::audit::tables::grouped;
use crate::page::{BAD, BOLD, CARE, DIM, GOOD, NAME, PLAIN, Page, span};

/// The most findings, and the most chains, that text shows.
const SHOWN: usize = 50;

pub(super) fn show(report: &VerifyReport, expected: bool, page: &mut Page) {
    let what = match (report.intact, report.signatures_checked) {
        (true, true) => span(GOOD.bold(), "INTACT"),
        (true, false) => span(CARE.bold(), "CONSISTENT"),
        (false, _) if report.records == 0 && report.found == 0 => span(BAD.bold(), "NO CHAIN"),
        (false, _) => span(BAD.bold(), "NOT INTACT"),
    };
    let records = format!(
        "  {} records in {}, {}",
        grouped(report.records),
        counted(report.chains.len() as u64, "chain", "chains"),
        counted(report.files, "file", "files"),
    );
    page.line(2, &[what, span(PLAIN, records)]);
    let mut remark = |text: String| page.line(2, &[span(PLAIN, format!("  {text}"))]);
    if !report.signatures_checked {
        remark(
            "No key was given, so no signature was checked: whoever can write these files could \
             have written all of it."
                .to_owned(),
        );
    }
    if report.records == 0 {
        remark("Nothing here is chained, so nothing can be said about it.".to_owned());
    }
    if report.dropped > 0 {
        let lost = counted(report.dropped, "record", "records");
        remark(format!("The writers themselves say that they lost {lost}."));
    }
    if report.torn > 0 {
        let lines = counted(report.torn, "unfinished line is", "unfinished lines are");
        remark(format!("{lines} accounted for: a writer was killed."));
    }
    let open = report.chains.iter().filter(|chain| chain.end == "open").count() as u64;
    if open > 0 {
        let chains = counted(open, "chain has no end", "chains have no end");
        remark(format!(
            "{chains}: what a writer wrote after it would not be missed here. Checkpoints that \
             were kept elsewhere (--expect) would tell."
        ));
    } else if report.records > 0 && !expected {
        remark(
            "Whole chains after the last one would not be missed here. Checkpoints that were kept \
             elsewhere (--expect) would tell."
                .to_owned(),
        );
    }
    for key in &report.unknown_keys {
        remark(format!("A key that is not trusted has signed: {key}"));
    }
    findings("Wrong", BAD, &report.findings, report.found, page);
    findings("Worth a look", CARE, &report.notes, report.notes.len() as u64, page);
    if report.chains.is_empty() {
        return;
    }
    page.blank();
    page.line(
        0,
        &[span(BOLD, "Time covered"), span(DIM, "  (UTC; a chain is what one writer wrote)")],
    );
    report.chains.iter().take(SHOWN).for_each(|chain| show_chain(chain, page));
    if report.chains.len() > SHOWN {
        page.line(0, &[span(DIM, format!("  and {} more", report.chains.len() - SHOWN))]);
    }
}

fn show_chain(chain: &Chain, page: &mut Page) {
    let at = |time: &Option<String>| {
        let time = time.as_deref().unwrap_or("-");
        // To the second, as in the other tables.
        time.get(..19).unwrap_or(time).replacen('T', " ", 1)
    };
    let end = match chain.end {
        "clean" => span(GOOD, "its writer ended in order"),
        "continued" => span(PLAIN, "its writer was killed, and another chain goes on"),
        _ => span(CARE, "no end: it is being written, or its writer was killed, or it was cut off"),
    };
    let id: String = chain.id.chars().take(8).collect();
    let records = format!("{}, ", counted(chain.records, "record", "records"));
    page.item(2, span(NAME, id), 8, &[span(PLAIN, records), end]);
    let span_of_time = format!("from {} until {}", at(&chain.from), at(&chain.until));
    page.item(2, span(PLAIN, ""), 8, &[span(PLAIN, span_of_time)]);
    let rest = match chain.unsigned {
        0 => String::new(),
        rest => format!("; {} after that", counted(rest, "record", "records")),
    };
    let proof = match &chain.proved_until {
        Some(_) => {
            let until = format!("proved by signatures until {}", at(&chain.proved_until));
            [span(GOOD, until), span(CARE, rest)]
        }
        None => [span(DIM, "not proved by any signature"), span(PLAIN, "")],
    };
    page.item(2, span(PLAIN, ""), 8, &proof);
}

fn findings(title: &str, style: anstyle::Style, list: &[Found], all: u64, page: &mut Page) {
    if list.is_empty() {
        return;
    }
    page.blank();
    page.line(0, &[span(BOLD, title)]);
    // Many lines in a row with one and the same fault are one thing to see.
    let runs: Vec<&[Found]> = list
        .chunk_by(|one, next| {
            one.file == next.file
                && one.message == next.message
                && one.line + 1 == next.line
                && one.chain == next.chain
        })
        .collect();
    let mut seen = 0;
    for run in runs.iter().take(SHOWN) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        seen += run.len() as u64;
        let lines = if run.len() > 1 {
            format!("{}-{}", first.line, last.line)
        } else {
            first.line.to_string()
        };
        let seq = first.seq.filter(|_| run.len() == 1);
        let place = match &first.chain {
            Some(chain) if first.file.is_empty() => {
                format!("chain {}: ", chain.chars().take(8).collect::<String>())
            }
            _ => format!("{}:{lines}: ", first.file),
        };
        let said = [
            span(PLAIN, "  "),
            span(NAME, place),
            span(style, &*first.message),
            span(DIM, seq.map(|seq| format!(" (record {seq})")).unwrap_or_default()),
        ];
        page.line(4, &said);
    }
    let rest = all.saturating_sub(seen);
    if rest > 0 {
        page.line(0, &[span(DIM, format!("  and {} more", grouped(rest)))]);
    }
}

fn counted(number: u64, one: &str, several: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { several })
}
