//! Finds the rules about a name: one hash for names that the policy spells out; otherwise a few
//! hashes of how it begins and ends, or for URIs one pass of an automaton for all patterns.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;
use globset::{Candidate, GlobSet, GlobSetBuilder};
use portcullis_core::Text;

use crate::bits::Bits;
use crate::judge::{Entry, Law};
use crate::pattern::Pattern;
use crate::rule::Effect;
use crate::stars::{StarSet, Stars};

/// The rules about the targets of one kind.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Names that rules spell out. Their entries hold the rules of matching patterns as well.
    exact: HashMap<Box<str>, usize, FixedState>,
    globs: GlobSet,
    stars: StarSet,
    /// The entry of each pattern, by its number: globs first.
    pattern_entries: Box<[usize]>,
    entries: Box<[Entry]>,
}

thread_local! {
    /// Matches of one lookup, kept so that a decision allocates nothing.
    static MATCHES: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

impl Index {
    /// Indexes `patterns`, each with the number of its rule in `laws`. Names that are `odd` no pattern
    /// allows, also where a rule that denies spells them out.
    pub(crate) fn new(
        patterns: Vec<(Pattern, usize)>,
        laws: &[Law],
        roles: usize,
        odd: impl Fn(&str) -> bool,
    ) -> Result<Self, globset::Error> {
        let mut exact: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut globs: BTreeMap<String, (globset::Glob, Vec<usize>)> = BTreeMap::new();
        let mut stars: BTreeMap<String, (Stars, Vec<usize>)> = BTreeMap::new();
        for (pattern, law) in patterns {
            match pattern {
                Pattern::Exact(forms) => {
                    forms.into_iter().for_each(|form| exact.entry(form).or_default().push(law));
                }
                Pattern::Glob(glob) => {
                    let entry = globs.entry(glob.glob().to_owned());
                    entry.or_insert_with(|| (glob, Vec::new())).1.push(law);
                }
                Pattern::Stars(pattern) => {
                    let entry = stars.entry(pattern.key());
                    entry.or_insert_with(|| (pattern, Vec::new())).1.push(law);
                }
            }
        }
        let mut set = GlobSetBuilder::new();
        globs.values().for_each(|(glob, _)| _ = set.add(glob.clone()));
        let set = set.build()?;
        let (stars, star_laws): (Vec<_>, Vec<_>) = stars.into_values().unzip();
        let stars = StarSet::new(stars);
        let mut pattern_laws: Vec<Vec<usize>> = globs.into_values().map(|(_, laws)| laws).collect();
        pattern_laws.extend(star_laws);

        // Names with the same rules share an entry.
        let mut interned: HashMap<Vec<usize>, usize> = HashMap::new();
        let mut entries = Vec::new();
        let mut intern = |mut numbers: Vec<usize>| {
            numbers.sort_unstable();
            numbers.dedup();
            *interned.entry(numbers).or_insert_with_key(|numbers| {
                entries.push(Entry::new(numbers, laws, Bits::new(roles)));
                entries.len() - 1
            })
        };
        let pattern_entries = pattern_laws.iter().map(|laws| intern(laws.clone())).collect();
        let laws_of = laws;
        let exact = exact
            .into_iter()
            .map(|(name, mut numbers)| {
                let mut matches = set.matches_candidate(&Candidate::from_bytes(&name));
                stars.matching(&name, set.len(), &mut matches);
                let laws = matches.iter().filter_map(|pattern| pattern_laws.get(*pattern));
                let odd = odd(&name);
                let denies = |number: &&usize| {
                    laws_of.get(**number).is_some_and(|law| law.effect == Effect::Deny)
                };
                numbers.extend(laws.flatten().filter(|number| !odd || denies(number)));
                (name.into(), intern(numbers))
            })
            .collect();
        Ok(Self { exact, globs: set, stars, pattern_entries, entries: entries.into() })
    }

    /// The names that the policy spells out, in order.
    pub(crate) fn spelled_out(&self) -> Vec<Text> {
        let mut names: Vec<_> = self.exact.keys().map(|name| Text::from(&**name)).collect();
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names
    }

    /// The rules about a name that the policy spells out.
    #[inline]
    pub(crate) fn exact(&self, name: &str) -> Option<&Entry> {
        self.exact.get(name).and_then(|entry| self.entries.get(*entry))
    }

    /// The rules about `name`, spelled out or not, in a few entries.
    pub(crate) fn about<R>(
        &self,
        name: &str,
        then: impl FnOnce(&mut dyn Iterator<Item = &Entry>) -> R,
    ) -> R {
        match self.exact(name) {
            Some(entry) => then(&mut std::iter::once(entry)),
            None => self.matching(name, |mut entries| then(&mut entries)),
        }
    }

    /// The rules about any other name, one entry for each pattern that matches.
    pub(crate) fn matching<R>(&self, name: &str, then: impl FnOnce(Matches<'_>) -> R) -> R {
        MATCHES.with(|matches| match matches.try_borrow_mut() {
            Ok(mut matches) => self.matching_into(name, &mut matches, then),
            Err(_) => self.matching_into(name, &mut Vec::new(), then),
        })
    }

    fn matching_into<R>(
        &self,
        name: &str,
        matches: &mut Vec<usize>,
        then: impl FnOnce(Matches<'_>) -> R,
    ) -> R {
        matches.clear();
        if !self.globs.is_empty() {
            self.globs.matches_candidate_into(&Candidate::from_bytes(name), matches);
        }
        self.stars.matching(name, self.globs.len(), matches);
        then(Matches { index: self, patterns: matches.iter() })
    }
}

/// The entries of the patterns that match.
#[derive(Clone)]
pub(crate) struct Matches<'a> {
    index: &'a Index,
    patterns: std::slice::Iter<'a, usize>,
}

impl<'a> Iterator for Matches<'a> {
    type Item = &'a Entry;

    fn next(&mut self) -> Option<&'a Entry> {
        let index = self.index;
        let pattern = self.patterns.next()?;
        index.pattern_entries.get(*pattern).and_then(|entry| index.entries.get(*entry))
    }
}
