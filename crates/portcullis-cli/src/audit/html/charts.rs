//! Charts, drawn without a script.

use std::fmt::Write as _;

use super::{short, text};
use crate::audit::tables::{self, Bucket, grouped};
use crate::audit::tally::{Subject, Tally, Target};
use crate::time;

/// Calls and refusals over time, as bars.
pub(super) fn over_time(tally: &Tally, page: &mut String) {
    const LEFT: i64 = 56;
    const WIDTH: i64 = 900;
    const HEIGHT: i64 = 200;
    const TOP: i64 = 12;
    let (minutes, buckets) = tables::buckets(tally, 72);
    let number = i64::try_from(buckets.len()).unwrap_or(1).max(1);
    let most = buckets.iter().map(|bucket| bucket.counts.calls).max().unwrap_or_default();
    let (step, lines) = scale(most);
    let full = step * lines;
    let each = tables::length(minutes);
    let room = WIDTH - LEFT - 8;
    let bottom = TOP + HEIGHT;
    let height = |count: u64| i64::try_from(count).unwrap_or(i64::MAX) * HEIGHT / full.max(1);
    let _ = write!(
        page,
        "<section><h2>Calls and refusals over time <small>one bar is {}</small></h2>\n\
         <p class=\"legend\"><i class=\"allowed\"></i> allowed <i class=\"challenged\"></i> challenged <i class=\"refused\"></i> denied and errors</p>\n\
         <svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"Calls and refusals over time\">\n",
        if each.starts_with(|c: char| c.is_ascii_digit()) { each } else { format!("one {each}") },
        bottom + 30,
    );
    for line in 0..=lines {
        let y = bottom - HEIGHT * line / lines.max(1);
        let label = grouped(u64::try_from(line * step).unwrap_or_default());
        let _ = writeln!(
            page,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\"/><text class=\"end\" x=\"{}\" y=\"{}\">{label}</text>",
            LEFT - 8,
            y + 4,
        );
    }
    let x = |at: i64| LEFT + 4 + room * at / number;
    let every = (number + 7) / 8;
    let pattern = if minutes >= 1440 { "%b %-d" } else { "%b %-d %H:%M" };
    for (at, Bucket { start, counts }) in (0..).zip(&buckets) {
        let wide = (x(at + 1) - x(at) - 2).clamp(1, 60);
        let when = time::format(*start, "%Y-%m-%d %H:%M");
        let _ = write!(
            page,
            "<g><title>{when}: {} calls, {} challenged, {} denied, {} errors</title>",
            grouped(counts.calls),
            grouped(counts.challenged),
            grouped(counts.denied),
            grouped(counts.errors),
        );
        let mut y = bottom;
        let refused = counts.denied + counts.errors;
        let parts =
            [("refused", refused), ("challenged", counts.challenged), ("allowed", counts.allowed)];
        for (class, count) in parts.into_iter().filter(|(_, count)| *count > 0) {
            let high = height(count).max(1);
            y -= high;
            let _ = write!(
                page,
                "<rect class=\"{class}\" x=\"{}\" y=\"{y}\" width=\"{wide}\" height=\"{high}\"/>",
                x(at)
            );
        }
        page.push_str("</g>\n");
        // The last label has as much room as any.
        if at % every == 0 && x(at) + 80 < WIDTH {
            let _ = writeln!(
                page,
                "<text x=\"{}\" y=\"{}\">{}</text>",
                x(at),
                bottom + 20,
                time::format(*start, pattern),
            );
        }
    }
    page.push_str("</svg></section>\n");
}

/// What is used most.
pub(super) fn top_tools(tally: &Tally, page: &mut String) {
    const ROW: i64 = 26;
    const LEFT: i64 = 190;
    const WIDTH: i64 = 520;
    let mut tools: Vec<_> = tally.target_names.names.iter().zip(&tally.targets).collect();
    tools.sort_by_key(|(name, tool)| (std::cmp::Reverse(tool.counts.calls), (*name).clone()));
    tools.truncate(12);
    let most = tools.iter().map(|(_, tool)| tool.counts.calls).max().unwrap_or(1).max(1);
    let room = WIDTH - LEFT - 70;
    let rows = i64::try_from(tools.len()).unwrap_or_default();
    let _ = writeln!(
        page,
        "<section><h2>Most used</h2>\n<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"Tools, prompts and resources by calls\">",
        rows * ROW + 4,
    );
    for (row, (target, tool)) in (0..).zip(tools) {
        let y = row * ROW;
        let counts = tool.counts;
        let Target { kind, name, .. } = target;
        let shown = if name.is_empty() { kind } else { name };
        let wide = |count: u64| {
            let part = u128::from(count) * u128::from(room.unsigned_abs()) / u128::from(most);
            i64::try_from(part).unwrap_or_default()
        };
        let refused = counts.refused();
        let (ok, not) = (wide(counts.allowed), wide(refused).max(i64::from(refused > 0)));
        let _ = writeln!(
            page,
            "<g><title>{} {}: {} calls, {} refused, {} failed</title>\
             <text class=\"end\" x=\"{}\" y=\"{}\">{}</text>\
             <rect class=\"allowed\" x=\"{LEFT}\" y=\"{}\" width=\"{ok}\" height=\"16\"/>\
             <rect class=\"refused\" x=\"{}\" y=\"{}\" width=\"{not}\" height=\"16\"/>\
             <text x=\"{}\" y=\"{}\">{}</text></g>",
            text(kind),
            text(name),
            grouped(counts.calls),
            grouped(refused),
            grouped(counts.failed),
            LEFT - 8,
            y + 17,
            short(shown, 26),
            y + 4,
            LEFT + ok,
            y + 4,
            LEFT + ok + not + 6,
            y + 17,
            grouped(counts.calls),
        );
    }
    page.push_str("</svg></section>\n");
}

/// From when to when people called, the last first.
pub(super) fn last_use(tally: &Tally, page: &mut String) {
    const ROW: i64 = 26;
    const LEFT: i64 = 150;
    const WIDTH: i64 = 520;
    let Some((first, last)) = tally.span else { return };
    let mut people: Vec<_> = tally.person_names.names.iter().zip(&tally.people).collect();
    people.sort_by_key(|(name, person)| (std::cmp::Reverse(person.last), (*name).clone()));
    let number = people.len();
    people.truncate(12);
    let room = WIDTH - LEFT - 100;
    let x = |at: i64| {
        let all = i128::from((last - first).max(1));
        let part = i128::from(at - first) * i128::from(room) / all;
        LEFT + i64::try_from(part).unwrap_or_default()
    };
    let rows = i64::try_from(people.len()).unwrap_or_default();
    let _ = writeln!(
        page,
        "<section><h2>People by last use <small>from the first call to the last{}</small></h2>\n<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"People and clients by last use\">",
        if number > 12 { format!(", 12 of {number}") } else { String::new() },
        rows * ROW + 4,
    );
    for (row, (name, person)) in (0..).zip(people) {
        let Subject { counts, first, last, .. } = person;
        let y = row * ROW + 13;
        let (from, until) = (x(*first), x(*last));
        let at = |millis| time::format(millis, "%Y-%m-%d %H:%M");
        let _ = writeln!(
            page,
            "<g><title>{}: {} calls, {} refused, from {} to {}</title>\
             <text class=\"end\" x=\"{}\" y=\"{}\">{}</text>\
             <line class=\"track\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>\
             <line class=\"use\" x1=\"{from}\" x2=\"{until}\" y1=\"{y}\" y2=\"{y}\"/>\
             <circle class=\"last\" cx=\"{until}\" cy=\"{y}\" r=\"5\"/>\
             <text x=\"{}\" y=\"{}\">{}</text></g>",
            text(&name.shown()),
            grouped(counts.calls),
            grouped(counts.refused()),
            at(*first),
            at(*last),
            LEFT - 8,
            y + 4,
            short(&name.shown(), 20),
            LEFT + room,
            LEFT + room + 12,
            y + 4,
            time::format(*last, "%b %-d %H:%M"),
        );
    }
    page.push_str("</svg></section>\n");
}

/// Steps of a scale that reaches `most`: their size and their number.
fn scale(most: u64) -> (i64, i64) {
    let most = i64::try_from(most).unwrap_or(i64::MAX / 100).max(1);
    let mut unit = 1;
    loop {
        for step in [unit, 2 * unit, 5 * unit] {
            let lines = (most + step - 1) / step;
            if lines <= 5 {
                return (step, lines);
            }
        }
        unit *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_few_lines_and_reach_the_top() {
        for most in [0, 1, 4, 5, 6, 9, 11, 99, 100, 101, 12_345, u64::MAX / 200] {
            let (step, lines) = scale(most);
            assert!((1..=5).contains(&lines), "{most}: {step} {lines}");
            assert!(u64::try_from(step * lines).unwrap() >= most, "{most}");
        }
    }
}
