//! What was used most recently, up to a bound: open files, of which a process may have only so many.

use std::hash::Hash;

use hashbrown::HashMap;

/// Values by key; when there are too many, the one that was used longest ago goes.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    values: HashMap<K, (V, u64)>,
    uses: u64,
    values_max: usize,
}

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    /// Nothing yet, and never more than `values_max`.
    pub(crate) fn new(values_max: usize) -> Self {
        Self { values: HashMap::new(), uses: 0, values_max }
    }

    /// The value of `key`, which is used now.
    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        self.uses += 1;
        let (value, used) = self.values.get_mut(key)?;
        *used = self.uses;
        Some(value.clone())
    }

    /// Puts `value` in the place of an older one.
    pub(crate) fn put(&mut self, key: K, value: V) {
        self.uses += 1;
        self.values.insert(key, (value, self.uses));
        while self.values.len() > self.values_max {
            let oldest = self.values.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
            self.values.remove(&oldest);
        }
    }

    /// Forgets the value of `key`.
    pub(crate) fn remove(&mut self, key: &K) {
        self.values.remove(key);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut recent = Recent::new(2);
        recent.put("a", 1);
        recent.put("b", 2);
        assert_eq!(recent.get(&"a"), Some(1));
        recent.put("c", 3);
        assert_eq!(
            [recent.get(&"a"), recent.get(&"b"), recent.get(&"c")],
            [Some(1), None, Some(3)]
        );
        recent.put("c", 4);
        recent.remove(&"a");
        assert_eq!([recent.get(&"a"), recent.get(&"c")], [None, Some(4)]);
    }
}
