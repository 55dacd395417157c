//! What people write who think that it means something else.

use std::collections::HashMap;

use super::Warning;
use crate::Rule;
use crate::error::one_line;
use crate::rule::Word;

/// Signs of other kinds of patterns: in names they stand for themselves.
const SIGNS: [char; 11] = ['?', '[', ']', '{', '}', '(', ')', '|', '^', '$', '+'];

/// Names in a rule that are hardly anybody's.
pub(super) fn names(rule: &Rule) -> impl Iterator<Item = Warning> {
    let id = &rule.id.text;
    let warn = |word: &Word, message: String| Warning {
        message: one_line(message),
        place: word.place.or(rule.id.place),
    };
    let names = rule.tools.iter().chain(&rule.prompts).filter_map(move |word| {
        let text = &word.text;
        if text.trim() != text {
            return Some(warn(word, format!("rule {id}: the name {text:?} has spaces around it")));
        }
        let sign = text.chars().find(|c| SIGNS.contains(c))?;
        Some(warn(
            word,
            format!("rule {id}: {sign} in the name {text:?} is only itself: * alone stands for other text"),
        ))
    });
    let uris = rule.resources.iter().filter(|word| word.text != "**" && !word.text.contains(':'));
    let uris = uris.map(move |word| {
        warn(word, format!("rule {id}: {:?} is no URI: it has no scheme", word.text))
    });
    let arguments = rule.arguments.iter().map(|(word, _)| word);
    let arguments = arguments.filter(|word| !word.text.starts_with('/') && word.text.contains('/'));
    let arguments = arguments.map(move |word| {
        let text = &word.text;
        warn(
            word,
            format!("rule {id}: {text:?} is the name of one argument: to point into one, write \"/{text}\""),
        )
    });
    names.chain(uris).chain(arguments)
}

/// Groups with one id, which is surely the wrong one for all but one of them.
pub(super) fn groups(groups: &[(Word, Vec<String>)], found: &mut Vec<Warning>) {
    let mut names: HashMap<&str, &str> = HashMap::new();
    for (group, ids) in groups {
        for id in ids {
            let name = group.text.as_str();
            if let Some(other) = names.insert(id, name).filter(|other| *other != name) {
                found.push(Warning {
                    message: one_line(format!(
                        "the groups {other} and {name} have the same id {id}"
                    )),
                    place: group.place,
                });
            }
        }
    }
}
