//! Tables of a report: the same rows for text, CSV and HTML.

use std::cmp::Reverse;

use super::tally::{Counts, Tally, Target};
use crate::time;

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) title: &'static str,
    pub(crate) head: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// A cell.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// A text, which somebody else may have made up.
    Text(String),
    Number(u64),
    /// A time, in milliseconds since the Unix epoch.
    Time(i64),
}

impl Cell {
    /// For people.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => grouped(*number),
            Self::Time(at) => time::format(*at, "%Y-%m-%d %H:%M"),
        }
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// Who called: the last to call first.
pub(crate) fn people(tally: &Tally) -> Table {
    let mut rows: Vec<_> = tally.person_names.names.iter().zip(&tally.people).collect();
    rows.sort_by_key(|(name, person)| (Reverse(person.last), (*name).clone()));
    let rows = rows.into_iter().map(|(name, person)| {
        let Counts { calls, allowed, failed, .. } = person.counts;
        vec![
            Cell::Text(name.shown()),
            text(name.iss.as_deref().unwrap_or_default()),
            text(name.client_id.as_deref().unwrap_or_default()),
            Cell::Number(calls),
            Cell::Number(allowed),
            Cell::Number(person.counts.refused()),
            Cell::Number(failed),
            Cell::Number(person.others.len() as u64),
            Cell::Time(person.first),
            Cell::Time(person.last),
        ]
    });
    Table {
        title: "People, by last use",
        head: vec![
            "person",
            "issuer",
            "client",
            "calls",
            "allowed",
            "refused",
            "failed",
            "tools",
            "first use",
            "last use",
        ],
        rows: rows.collect(),
    }
}

/// What was used: the most used first.
pub(crate) fn tools(tally: &Tally) -> Table {
    let mut rows: Vec<_> = tally.target_names.names.iter().zip(&tally.targets).collect();
    rows.sort_by_key(|(name, target)| (Reverse(target.counts.calls), (*name).clone()));
    let rows = rows.into_iter().map(|(name, target)| {
        let Target { kind, name, server } = name;
        let Counts { calls, allowed, failed, .. } = target.counts;
        vec![
            Cell::Text(kind.replace('_', " ")),
            text(name),
            Cell::Number(calls),
            Cell::Number(allowed),
            Cell::Number(target.counts.refused()),
            Cell::Number(failed),
            Cell::Number(target.others.len() as u64),
            // Nothing is known of calls that did not happen.
            target.millis.checked_div(target.ended).map_or_else(|| text(""), Cell::Number),
            Cell::Time(target.last),
            text(server),
        ]
    });
    Table {
        title: "Tools, prompts and resources, by calls",
        head: vec![
            "kind", "name", "calls", "allowed", "refused", "failed", "people", "mean ms",
            "last use", "server",
        ],
        rows: rows.collect(),
    }
}

/// What was refused: the latest first.
pub(crate) fn denials(tally: &Tally) -> Table {
    let mut rows: Vec<_> = tally.denials.iter().collect();
    rows.sort_by_key(|(denial, (count, last))| {
        (Reverse(*last), Reverse(*count), (*denial).clone())
    });
    let rows = rows.into_iter().map(|(denial, (count, last))| {
        let person = tally.person_names.names.get(denial.person);
        let Target { kind, name, server } = tally.target(denial.target);
        vec![
            Cell::Text(person.map(super::read::Person::shown).unwrap_or_default()),
            Cell::Text(if name.is_empty() { kind } else { name }),
            text(&denial.decision),
            text(&denial.reason),
            text(&denial.rule),
            Cell::Number(*count),
            Cell::Time(*last),
            Cell::Text(server),
        ]
    });
    Table {
        title: "Refused, latest first",
        head: vec!["person", "name", "decision", "reason", "rule", "times", "last", "server"],
        rows: rows.collect(),
    }
}

/// Counts of a stretch of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// When it starts, in milliseconds since the Unix epoch.
    pub(crate) start: i64,
    pub(crate) counts: Counts,
}

/// Calls over time, in stretches of a length that leaves at most `most` of them.
pub(crate) fn buckets(tally: &Tally, most: i64) -> (i64, Vec<Bucket>) {
    const MINUTES: [i64; 14] =
        [1, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080, 40_320];
    let (Some((first, _)), Some((last, _))) =
        (tally.slots.first_key_value(), tally.slots.last_key_value())
    else {
        return (1, Vec::new());
    };
    let fits = |minutes: &i64| last.div_euclid(*minutes) - first.div_euclid(*minutes) < most;
    // A trail of thousands of years has wide bars.
    let minutes = MINUTES.into_iter().find(fits).unwrap_or_else(|| (last - first) / (most - 1) + 1);
    let start = first.div_euclid(minutes);
    let mut buckets: Vec<Bucket> = (start..=last.div_euclid(minutes))
        .map(|at| Bucket { start: at * minutes * super::tally::SLOT, counts: Counts::default() })
        .collect();
    for (slot, counts) in &tally.slots {
        let at = usize::try_from(slot.div_euclid(minutes) - start).unwrap_or_default();
        if let Some(bucket) = buckets.get_mut(at) {
            bucket.counts.merge(counts);
        }
    }
    (minutes, buckets)
}

/// A length of time in words.
pub(crate) fn length(minutes: i64) -> String {
    let (number, unit) = match minutes {
        m if m % 10_080 == 0 => (m / 10_080, "week"),
        m if m % 1440 == 0 => (m / 1440, "day"),
        m if m % 60 == 0 => (m / 60, "hour"),
        m => (m, "minute"),
    };
    if number == 1 { unit.to_owned() } else { format!("{number} {unit}s") }
}

/// Calls over time.
pub(crate) fn over_time(tally: &Tally, most: i64) -> Table {
    let (_, buckets) = buckets(tally, most);
    let rows = buckets.into_iter().map(|Bucket { start, counts }| {
        vec![
            Cell::Time(start),
            Cell::Number(counts.calls),
            Cell::Number(counts.allowed),
            Cell::Number(counts.denied),
            Cell::Number(counts.challenged),
            Cell::Number(counts.errors),
            Cell::Number(counts.failed),
        ]
    });
    Table {
        title: "Over time",
        head: vec!["from", "calls", "allowed", "denied", "challenged", "errors", "failed"],
        rows: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let rows = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, expected) in rows {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn time_is_cut_into_few_pieces() {
        let one = Counts { calls: 1, ..Counts::default() };
        for last in [0, 59, 1440, 500_000, i64::from(u32::MAX)] {
            let mut tally = Tally::new();
            tally.slots.insert(-3, one);
            tally.slots.insert(last, one);
            let (_, buckets) = buckets(&tally, 60);
            assert!(buckets.len() <= 60, "{last}: {}", buckets.len());
            let calls: u64 = buckets.iter().map(|bucket| bucket.counts.calls).sum();
            assert_eq!(calls, 2, "{last}");
        }
        assert_eq!(
            [1, 60, 360, 1440, 10_080].map(length),
            ["minute", "hour", "6 hours", "day", "week"]
        );
    }
}
