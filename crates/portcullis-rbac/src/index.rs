//! Finds the rules about a name: one hash for names that the policy spells out, one pass of an
//! automaton for all patterns otherwise.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;
use globset::{Candidate, GlobSet, GlobSetBuilder};
use portcullis_core::Text;

use crate::bits::Bits;
use crate::judge::{Entry, Law};
use crate::pattern::Pattern;

/// The rules about the targets of one kind.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Names that rules spell out. Their entries hold the rules of matching patterns as well.
    exact: HashMap<Box<str>, usize, FixedState>,
    globs: GlobSet,
    /// The entry of each glob, by its number in the set.
    glob_entries: Box<[usize]>,
    entries: Box<[Entry]>,
}

thread_local! {
    /// Matches of one lookup, kept so that a decision allocates nothing.
    static MATCHES: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

impl Index {
    /// Indexes `patterns`, each with the number of its rule in `laws`.
    pub(crate) fn new(
        patterns: Vec<(Pattern, usize)>,
        laws: &[Law],
        roles: usize,
    ) -> Result<Self, globset::Error> {
        let mut exact: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut globs: BTreeMap<String, (globset::Glob, Vec<usize>)> = BTreeMap::new();
        for (pattern, law) in patterns {
            match pattern {
                Pattern::Exact(forms) => {
                    forms.into_iter().for_each(|form| exact.entry(form).or_default().push(law));
                }
                Pattern::Glob(glob) => {
                    let entry = globs.entry(glob.glob().to_owned());
                    entry.or_insert_with(|| (glob, Vec::new())).1.push(law);
                }
            }
        }
        let mut set = GlobSetBuilder::new();
        globs.values().for_each(|(glob, _)| _ = set.add(glob.clone()));
        let set = set.build()?;
        let glob_laws: Vec<Vec<usize>> = globs.into_values().map(|(_, laws)| laws).collect();

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
        let glob_entries = glob_laws.iter().map(|laws| intern(laws.clone())).collect();
        let exact = exact
            .into_iter()
            .map(|(name, mut numbers)| {
                let matches = set.matches_candidate(&Candidate::from_bytes(&name));
                numbers.extend(matches.iter().filter_map(|glob| glob_laws.get(*glob)).flatten());
                (name.into(), intern(numbers))
            })
            .collect();
        Ok(Self { exact, globs: set, glob_entries, entries: entries.into() })
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
        self.globs.matches_candidate_into(&Candidate::from_bytes(name), matches);
        then(Matches { index: self, globs: matches.iter() })
    }
}

/// The entries of the patterns that match.
#[derive(Clone)]
pub(crate) struct Matches<'a> {
    index: &'a Index,
    globs: std::slice::Iter<'a, usize>,
}

impl<'a> Iterator for Matches<'a> {
    type Item = &'a Entry;

    fn next(&mut self) -> Option<&'a Entry> {
        let index = self.index;
        let glob = self.globs.next()?;
        index.glob_entries.get(*glob).and_then(|entry| index.entries.get(*entry))
    }
}
