//! What was found, as a table for a terminal.

use super::group::{Ask, Group, Question, Side};
use super::run::Measured;

pub(super) fn table(name: &str, group: &Group, measured: &Measured) {
    println!("\n## {name}\n");
    println!("| work | time | allocations | bytes |\n|---|---:|---:|---:|");
    for (at, work) in group.works.iter().enumerate() {
        let time = median(measured.times(Side { work: at, floor: None }));
        let (count, bytes) = measured.allocations[at];
        println!("| {} | {} | {count} | {bytes} |", work.name, nanoseconds(time));
    }
    if !group.questions.is_empty() {
        println!("\n| target | ours | against | found | wanted | |\n|---|---|---|---:|---:|---|");
    }
    for question in &group.questions {
        answer(question, group, measured);
    }
    group.notes.iter().for_each(|note| println!("\n{note}"));
}

fn answer(question: &Question, group: &Group, measured: &Measured) {
    let called = |side: Side| {
        let name = &group.works[side.work].name;
        match side.floor {
            Some(floor) => format!("{name} − {}", group.works[floor].name),
            None => name.clone(),
        }
    };
    let ratio = |over: Side, under: Side| {
        let (over, under) = (measured.times(over), measured.times(under));
        median(over.iter().zip(&under).map(|(over, under)| over / under).collect())
    };
    let (ours, against, found, wanted, met) = match question.ask {
        Ask::AtMost(ours, theirs, bound) => {
            let found = ratio(ours, theirs);
            let (shown, wanted) = (format!("{found:.3}×"), format!("≤ {bound}×"));
            (ours, called(theirs), shown, wanted, found <= bound)
        }
        Ask::Faster(ours, theirs, bound) => {
            let found = ratio(theirs, ours);
            let shown = format!("{found:.2}× faster");
            (ours, called(theirs), shown, format!("≥ {bound}×"), found >= bound)
        }
        Ask::Within(ours, bound) => {
            let found = median(measured.times(ours));
            (ours, String::new(), nanoseconds(found), format!("≤ {bound} ns"), found <= bound)
        }
        Ask::Allocations(ours, bound) => {
            let found = measured.allocations(ours);
            let shown = format!("{found} allocations");
            (ours, String::new(), shown, format!("≤ {bound}"), found <= bound)
        }
    };
    let (ours, met) = (called(ours), if met { "met" } else { "NOT MET" });
    println!("| {} | {ours} | {against} | {found} | {wanted} | {met} |", question.target);
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn nanoseconds(time: f64) -> String {
    match time {
        time if time < 1_000.0 => format!("{time:.1} ns"),
        time if time < 1_000_000.0 => format!("{:.2} µs", time / 1_000.0),
        time => format!("{:.2} ms", time / 1_000_000.0),
    }
}
