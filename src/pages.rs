//! [`Pages`]: the entries of a store, read page by page, for a comparison with those of another store.

use std::collections::VecDeque;

/// The entries of a store in the order of their keys, of which a page is in memory.
#[derive(Debug)]
pub(crate) struct Pages<K, V = ()> {
    page: VecDeque<(K, V)>,
    size: usize,
    last: Option<K>,
    is_read: bool,
}

impl<K: Ord + Clone, V> Pages<K, V> {
    /// The entries of a store that nothing was read of yet. A page of `size` entries is followed by another one.
    pub(crate) const fn new(size: usize) -> Self {
        Self { page: VecDeque::new(), size, last: None, is_read: false }
    }

    /// Returns whether the next page must be read: the entries behind [`last`](Self::last).
    pub(crate) fn is_due(&self) -> bool {
        self.page.is_empty() && !self.is_read
    }

    /// The last key that was read.
    pub(crate) const fn last(&self) -> Option<&K> {
        self.last.as_ref()
    }

    /// Takes in the next page.
    pub(crate) fn fill(&mut self, page: impl IntoIterator<Item = (K, V)>) {
        self.page = page.into_iter().collect();
        self.is_read = self.page.len() < self.size;
        self.last = self.page.back().map(|(key, _)| key.clone()).or(self.last.take());
    }

    /// The value of `key`, if that is the next one.
    fn take(&mut self, key: &K) -> Option<V> {
        if self.page.front()?.0 == *key { self.page.pop_front().map(|(_, value)| value) } else { None }
    }
}

impl<K: Ord + Clone> Pages<K> {
    /// Takes in the next page of keys without values.
    pub(crate) fn fill_keys(&mut self, page: impl IntoIterator<Item = K>) {
        self.fill(page.into_iter().map(|key| (key, ())));
    }

    /// Takes the next key. The pages are not [due](Self::is_due).
    pub(crate) fn next_key(&mut self) -> Option<K> {
        self.page.pop_front().map(|(key, ())| key)
    }
}

/// Takes the least key of both, with the value that each of them has. Neither of them is [due](Pages::is_due).
pub(crate) fn next_of<K: Ord + Clone, V>(one: &mut Pages<K, V>, other: &mut Pages<K, V>) -> Option<(K, Option<V>, Option<V>)> {
    let key = one.page.front().into_iter().chain(other.page.front()).map(|(key, _)| key).min()?.clone();
    let (of_one, of_other) = (one.take(&key), other.take(&key));
    Some((key, of_one, of_other))
}

/// A page of a store whose keys are in no order: the first `limit` of them behind `after`, in order.
#[cfg(feature = "fs")]
pub(crate) fn first_after<K: Ord>(keys: impl IntoIterator<Item = K>, after: Option<&K>, limit: usize) -> Vec<K> {
    let mut keys: Vec<K> = keys.into_iter().filter(|key| Some(key) > after).collect();
    keys.sort_unstable();
    keys.truncate(limit);
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of both, side by side, with pages of two.
    fn side_by_side(one: &[u32], other: &[u32]) -> Vec<(u32, bool, bool)> {
        let (mut from, mut to) = (Pages::new(2), Pages::new(2));
        let mut found = Vec::new();
        loop {
            for (pages, keys) in [(&mut from, one), (&mut to, other)] {
                if pages.is_due() {
                    let after = pages.last().copied();
                    let page: Vec<u32> = keys.iter().copied().filter(|key| Some(*key) > after).take(2).collect();
                    pages.fill_keys(page);
                }
            }
            match next_of(&mut from, &mut to) {
                Some((key, one, other)) => found.push((key, one.is_some(), other.is_some())),
                None => return found,
            }
        }
    }

    #[test]
    fn every_key_comes_once_with_those_who_have_it() {
        assert_eq!(side_by_side(&[], &[]), []);
        let expected = [(1, true, false), (2, true, true), (3, false, true), (4, true, true), (5, true, false), (9, false, true)];
        assert_eq!(side_by_side(&[1, 2, 4, 5], &[2, 3, 4, 9]), expected);
    }

    #[cfg(feature = "fs")]
    #[test]
    fn a_page_begins_behind_a_key() {
        assert_eq!(first_after([5, 1, 4, 2], None, 3), [1, 2, 4]);
        assert_eq!(first_after([5, 1, 4, 2], Some(&2), 3), [4, 5]);
    }
}
