//! Sets of small numbers: roles of a caller, scopes of a token.

/// A set of numbers below a limit that all sets of one policy share.
///
/// The first 64 numbers are in place: few policies have more roles, and a look at them needs no
/// second place in memory.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Bits {
    first: u64,
    rest: Box<[u64]>,
}

impl Bits {
    pub(crate) fn new(limit: usize) -> Self {
        Self { first: 0, rest: vec![0; limit.div_ceil(64).saturating_sub(1)].into() }
    }

    fn word(&self, bit: usize) -> u64 {
        match (bit / 64).checked_sub(1) {
            None => self.first,
            Some(index) => self.rest.get(index).copied().unwrap_or(0),
        }
    }

    fn word_mut(&mut self, bit: usize) -> Option<&mut u64> {
        match (bit / 64).checked_sub(1) {
            None => Some(&mut self.first),
            Some(index) => self.rest.get_mut(index),
        }
    }

    pub(crate) fn insert(&mut self, bit: usize) {
        if let Some(word) = self.word_mut(bit) {
            *word |= 1 << (bit % 64);
        }
    }

    pub(crate) fn remove(&mut self, bit: usize) {
        if let Some(word) = self.word_mut(bit) {
            *word &= !(1 << (bit % 64));
        }
    }

    pub(crate) fn contains(&self, bit: usize) -> bool {
        self.word(bit) >> (bit % 64) & 1 == 1
    }

    pub(crate) fn clear(&mut self) {
        self.first = 0;
        self.rest.fill(0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first == 0 && self.rest.iter().all(|word| *word == 0)
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        self.first |= other.first;
        for (word, other) in self.rest.iter_mut().zip(&other.rest) {
            *word |= other;
        }
    }

    pub(crate) fn remove_all(&mut self, other: &Self) {
        self.first &= !other.first;
        for (word, other) in self.rest.iter_mut().zip(&other.rest) {
            *word &= !other;
        }
    }

    #[inline]
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.first & other.first != 0 || self.rest.iter().zip(&other.rest).any(|(a, b)| a & b != 0)
    }

    pub(crate) fn contains_all(&self, other: &Self) -> bool {
        other.first & !self.first == 0
            && self.rest.iter().zip(&other.rest).all(|(a, b)| b & !a == 0)
    }

    /// Whether this set and `more` together have all of `other`.
    pub(crate) fn contains_all_with(&self, more: &Self, other: &Self) -> bool {
        let rest = self.rest.iter().zip(&more.rest).zip(&other.rest);
        other.first & !(self.first | more.first) == 0
            && rest.into_iter().all(|((a, b), other)| other & !(a | b) == 0)
    }

    /// How many members of this set come before the first that `other` has too.
    #[inline]
    pub(crate) fn rank_of_first_common(&self, other: &Self) -> Option<usize> {
        let rank = |word: u64, common: u64| {
            let below = (common & common.wrapping_neg()) - 1;
            (word & below).count_ones() as usize
        };
        let common = self.first & other.first;
        if common != 0 {
            return Some(rank(self.first, common));
        }
        let mut before = self.first.count_ones() as usize;
        for (word, other) in self.rest.iter().zip(&other.rest) {
            let common = word & other;
            if common != 0 {
                return Some(before + rank(*word, common));
            }
            before += word.count_ones() as usize;
        }
        None
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        std::iter::once(&self.first).chain(&self.rest).enumerate().flat_map(|(index, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(bits: &[usize]) -> Bits {
        let mut set = Bits::new(200);
        bits.iter().for_each(|bit| set.insert(*bit));
        set
    }

    #[test]
    fn sets() {
        let a = set(&[1, 63, 64, 130]);
        assert_eq!(a.iter().collect::<Vec<_>>(), [1, 63, 64, 130]);
        assert!(a.meets(&set(&[64])) && !a.meets(&set(&[65])) && !a.meets(&set(&[])));
        assert!(a.contains_all(&set(&[1, 130])) && a.contains_all(&set(&[])));
        assert!(!a.contains_all(&set(&[1, 2])) && !a.contains_all(&set(&[131])));
        assert!(set(&[1]).contains_all_with(&set(&[64, 130]), &set(&[1, 130])));
        assert!(!set(&[1]).contains_all_with(&set(&[64]), &set(&[1, 65])));
        assert!(a.contains(63) && a.contains(64) && !a.contains(62) && !a.contains(500));
        let mut b = a.clone();
        b.remove(64);
        b.remove(1);
        assert_eq!(b, set(&[63, 130]));
        assert!(!b.is_empty());
        b.clear();
        assert!(b.is_empty() && !set(&[130]).is_empty());
        for (other, rank) in
            [(set(&[1, 130]), Some(0)), (set(&[0, 64]), Some(2)), (set(&[9]), None)]
        {
            assert_eq!(a.rank_of_first_common(&other), rank, "{other:?}");
        }
    }
}
