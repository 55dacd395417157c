//! Sets of small numbers: roles of a caller, scopes of a token.

/// A set of numbers below a limit that all sets of one policy share.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Bits(Box<[u64]>);

impl Bits {
    pub(crate) fn new(limit: usize) -> Self {
        Self(vec![0; limit.div_ceil(64)].into())
    }

    pub(crate) fn insert(&mut self, bit: usize) {
        if let Some(word) = self.0.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    pub(crate) fn remove(&mut self, bit: usize) {
        if let Some(word) = self.0.get_mut(bit / 64) {
            *word &= !(1 << (bit % 64));
        }
    }

    pub(crate) fn contains(&self, bit: usize) -> bool {
        self.0.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    pub(crate) fn clear(&mut self) {
        self.0.fill(0);
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word |= other;
        }
    }

    pub(crate) fn remove_all(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= !other;
        }
    }

    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    pub(crate) fn contains_all(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| b & !a == 0)
    }

    /// Whether this set and `more` together have all of `other`.
    pub(crate) fn contains_all_with(&self, more: &Self, other: &Self) -> bool {
        self.0.iter().zip(&more.0).zip(&other.0).all(|((a, b), other)| other & !(a | b) == 0)
    }

    /// How many members of this set come before the first that `other` has too.
    pub(crate) fn rank_of_first_common(&self, other: &Self) -> Option<usize> {
        let mut before = 0;
        for (a, b) in self.0.iter().zip(&other.0) {
            let common = a & b;
            if common != 0 {
                let below = (common & common.wrapping_neg()) - 1;
                return Some(before + (a & below).count_ones() as usize);
            }
            before += a.count_ones() as usize;
        }
        None
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(index, word)| {
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
        assert!(!a.contains_all(&set(&[1, 2])));
        for (other, rank) in
            [(set(&[1, 130]), Some(0)), (set(&[0, 64]), Some(2)), (set(&[9]), None)]
        {
            assert_eq!(a.rank_of_first_common(&other), rank, "{other:?}");
        }
    }
}
