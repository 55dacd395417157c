//! What callers may see and use, as a text.

use super::{AudienceAccess, Seen};
use crate::page::{BAD, BOLD, CARE, DIM, GOOD, NAME, PLAIN, Page, Span, span};

pub(super) fn show_audiences(audiences: &[AudienceAccess], page: &mut Page) {
    for (number, AudienceAccess { audience, access }) in audiences.iter().enumerate() {
        if number > 0 {
            page.blank();
        }
        let words = match audience.as_str() {
            "anonymous" => "Who has not signed in".to_owned(),
            "everyone" => "Everyone who has signed in".to_owned(),
            role => format!("Who has the {role}"),
        };
        page.line(0, &[span(BOLD, words)]);
        if access.is_empty() {
            page.line(0, &[span(DIM, "  may use nothing")]);
            continue;
        }
        let rows: Vec<Vec<Span>> = access
            .iter()
            .map(|access| {
                vec![
                    span(PLAIN, access.kind),
                    span(NAME, &*access.target),
                    span(PLAIN, access.rules()),
                    span(PLAIN, access.terms()),
                ]
            })
            .collect();
        page.table(2, &["KIND", "NAME", "BY RULE", "IF"], &rows);
    }
}

pub(super) fn show_items(items: &[Seen], spelled: bool, page: &mut Page) {
    if items.is_empty() {
        page.line(0, &[span(PLAIN, "This caller may use nothing that the policy names.")]);
        return;
    }
    let rows: Vec<Vec<Span>> = items
        .iter()
        .map(|item| {
            let (style, word) = match item.decision {
                "allow" => (GOOD, "yes"),
                "challenge" => (CARE, "scopes"),
                _ => (BAD, "no"),
            };
            let mut terms = item.conditions.clone();
            if !item.scopes.is_empty() {
                terms.push(format!("with scopes {}", item.scopes.join(" ")));
            }
            let mut terms = terms.join(" and ");
            for other in &item.or {
                terms.push_str("; or ");
                terms.push_str(&other.terms());
            }
            for except in &item.except {
                if !terms.is_empty() {
                    terms.push_str("; ");
                }
                terms.push_str(&format!("except {}", except.conditions.join(" and ")));
            }
            vec![
                span(style, word),
                span(PLAIN, item.kind.replace('_', " ")),
                span(NAME, &*item.name),
                span(PLAIN, rules(item)),
                span(PLAIN, terms),
            ]
        })
        .collect();
    page.table(0, &["MAY USE", "KIND", "NAME", "BY RULE", "IF"], &rows);
    let visible = items.iter().filter(|item| item.visible).count();
    page.blank();
    let summary = if spelled {
        format!(
            "{visible} names and patterns of the policy; what is not here, the caller may not use."
        )
    } else {
        format!("{visible} of {} are in this caller's lists.", items.len())
    };
    page.line(0, &[span(PLAIN, summary)]);
}

/// The rules that allow it, or the one that denies it.
fn rules(item: &Seen) -> String {
    let deciding = item.rule.as_deref().unwrap_or("-");
    let others = item.or.iter().map(|other| other.rule.as_str());
    std::iter::once(deciding).chain(others).collect::<Vec<_>>().join(", ")
}
