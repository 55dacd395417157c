//! Names with stars in them, each of which stands for any text.

use std::collections::{BTreeMap, HashMap};

use aho_corasick::AhoCorasick;
use foldhash::fast::FixedState;

/// A name with at least one star.
#[derive(Clone, Debug)]
pub(crate) struct Stars(Box<str>);

impl Stars {
    /// `text` has a star.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Every name.
    pub(crate) fn all() -> Self {
        Self::new("**")
    }

    /// What patterns are sorted by.
    pub(crate) fn key(&self) -> String {
        self.0.split('*').map(globset::escape).collect::<Vec<_>>().join("*")
    }

    /// Whether it means `name`: the texts between the stars follow one another in it, the first at
    /// its start and the last at its end.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let (first, last) =
            (parts.next().unwrap_or_default(), parts.next_back().unwrap_or_default());
        let rest = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
        let Some(mut rest) = rest else { return false };
        // To take each at its first place leaves most room for those after it.
        parts.all(|part| match rest.split_once(part) {
            Some((_, behind)) => {
                rest = behind;
                true
            }
            None => false,
        })
    }

    fn first(&self) -> &str {
        self.0.split('*').next().unwrap_or_default()
    }

    fn last(&self) -> &str {
        self.0.rsplit('*').next().unwrap_or_default()
    }

    fn longest_between(&self) -> &str {
        let mut parts = self.0.split('*');
        let _ends = (parts.next(), parts.next_back());
        parts.max_by_key(|part| part.len()).unwrap_or_default()
    }
}

/// Many of them, by number, so that only those are compared with a name of which some text is in it.
#[derive(Debug, Default)]
pub(crate) struct StarSet {
    all: Box<[Stars]>,
    starts: Ends,
    ends: Ends,
    /// The texts of those that begin and end with a star, and which have each.
    between: Option<AhoCorasick>,
    having: Box<[Vec<usize>]>,
    /// Those that have no text, or too many have one for the automaton.
    any: Vec<usize>,
}

/// Texts at one end of names, and which patterns have each.
#[derive(Debug, Default)]
struct Ends {
    /// The lengths of the texts, each once.
    lengths: Vec<usize>,
    having: HashMap<Box<str>, Vec<usize>, FixedState>,
}

impl Ends {
    fn add(&mut self, text: &str, number: usize) {
        if let Err(place) = self.lengths.binary_search(&text.len()) {
            self.lengths.insert(place, text.len());
        }
        self.having.entry(text.into()).or_default().push(number);
    }

    /// The patterns that have one of the texts that `end` cuts off at the lengths.
    fn of<'a>(
        &'a self,
        end: impl Fn(usize) -> Option<&'a str> + 'a,
    ) -> impl Iterator<Item = usize> + 'a {
        let texts = self.lengths.iter().map_while(move |length| end(*length));
        texts.filter_map(|text| self.having.get(text)).flatten().copied()
    }
}

impl StarSet {
    pub(crate) fn new(all: Vec<Stars>) -> Self {
        let mut set = Self::default();
        let mut between: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, stars) in all.iter().enumerate() {
            let (first, last, inner) = (stars.first(), stars.last(), stars.longest_between());
            // The longest says most.
            if !first.is_empty() && first.len() >= last.len() {
                set.starts.add(first, number);
            } else if !last.is_empty() {
                set.ends.add(last, number);
            } else if !inner.is_empty() {
                between.entry(inner).or_default().push(number);
            } else {
                set.any.push(number);
            }
        }
        if !between.is_empty() {
            match AhoCorasick::new(between.keys()) {
                Ok(automaton) => {
                    set.between = Some(automaton);
                    set.having = between.into_values().collect();
                }
                Err(_) => set.any.extend(between.into_values().flatten()),
            }
        }
        Self { all: all.into(), ..set }
    }

    fn means(&self, number: usize, name: &str) -> bool {
        self.all.get(number).is_some_and(|stars| stars.matches(name))
    }

    /// Adds `base` and the number of each that means `name` to `found`, in order.
    pub(crate) fn matching(&self, name: &str, base: usize, found: &mut Vec<usize>) {
        let before = found.len();
        let mut compare = |number: usize| {
            if self.means(number, name) {
                found.push(base + number);
            }
        };
        // Where a length ends inside a character, no text of that length is there.
        let start = |length| (length <= name.len()).then(|| name.get(..length).unwrap_or_default());
        let end = |length| {
            let place = name.len().checked_sub(length)?;
            Some(name.get(place..).unwrap_or_default())
        };
        self.starts.of(start).for_each(&mut compare);
        self.ends.of(end).for_each(&mut compare);
        self.any.iter().copied().for_each(&mut compare);
        if let Some(automaton) = &self.between {
            // A text can be in a name many times, and to compare takes as long as the name is: once for each.
            let texts = found.len();
            let mut last = None;
            for text in automaton.find_overlapping_iter(name).map(|text| text.pattern().as_usize())
            {
                if last.replace(text) != Some(text) {
                    found.push(text);
                }
            }
            let end = found.len();
            if let Some(texts) = found.get_mut(texts..) {
                texts.sort_unstable();
            }
            let mut last = None;
            for place in texts..end {
                let text = found.get(place).copied();
                if last == text {
                    continue;
                }
                last = text;
                let having = text.and_then(|text| self.having.get(text));
                let matching = having.into_iter().flatten().copied();
                found.extend(
                    matching.filter(|number| self.means(*number, name)).map(|number| base + number),
                );
            }
            found.drain(texts..end);
        }
        if let Some(new) = found.get_mut(before..) {
            new.sort_unstable();
        }
    }
}

#[cfg(test)]
mod tests;
