//! Which plain writes go out together. While some are under way on the same way, those that come wait for
//! one of them to finish, and then go as one request: nothing waits for a timer, and a write that finds the
//! way free goes alone and at once. Pure.

use std::collections::HashMap;
use std::hash::Hash;

/// What one way takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Requests under way before writes are gathered.
    pub(crate) at_once: usize,
    /// Of one request.
    pub(crate) rows_max: usize,
    pub(crate) bytes_max: usize,
}

/// A write, and how large it is.
#[derive(Debug)]
struct Waiting<W> {
    write: W,
    rows: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Way<W> {
    under_way: usize,
    waiting: Vec<Waiting<W>>,
    limits: Limits,
}

/// What becomes of a write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn<W> {
    /// It goes now, alone.
    Alone(W),
    /// It waits; these, which have waited, go now.
    Others(Vec<W>),
    /// It waits.
    Waits,
}

/// The ways of one store: what has the same `K` may go together.
#[derive(Debug)]
pub(crate) struct Gather<K, W>(HashMap<K, Way<W>>);

impl<K, W> Default for Gather<K, W> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone, W> Gather<K, W> {
    /// A write of so many rows and bytes. Each request that is answered must be [`Gather::finished`].
    pub(crate) fn enter(
        &mut self,
        key: &K,
        limits: Limits,
        write: W,
        rows: usize,
        bytes: usize,
    ) -> Turn<W> {
        let empty = || Way { under_way: 0, waiting: Vec::new(), limits };
        let way = self.0.entry(key.clone()).or_insert_with(empty);
        let fills_one = rows >= limits.rows_max || bytes >= limits.bytes_max;
        if way.under_way < limits.at_once || fills_one {
            way.under_way += 1;
            return Turn::Alone(write);
        }
        // Where the next one does not fit, there is nothing to wait for any more.
        let full = !way.waiting.is_empty() && !way.takes(rows, bytes);
        let group = if full { way.take() } else { Vec::new() };
        way.waiting.push(Waiting { write, rows, bytes });
        if group.is_empty() { Turn::Waits } else { Turn::Others(group) }
    }

    /// A request was answered, or is not waited for any more: what goes now.
    pub(crate) fn finished(&mut self, key: &K) -> Vec<W> {
        let Some(way) = self.0.get_mut(key) else { return Vec::new() };
        way.under_way = way.under_way.saturating_sub(1);
        if way.under_way < way.limits.at_once && !way.waiting.is_empty() {
            return way.take();
        }
        if way.under_way == 0 {
            self.0.remove(key);
        }
        Vec::new()
    }
}

impl<W> Way<W> {
    fn takes(&self, rows: usize, bytes: usize) -> bool {
        let (all_rows, all_bytes) = self.waiting.iter().fold((rows, bytes), |sum, waiting| {
            (sum.0.saturating_add(waiting.rows), sum.1.saturating_add(waiting.bytes))
        });
        all_rows <= self.limits.rows_max && all_bytes <= self.limits.bytes_max
    }

    fn take(&mut self) -> Vec<W> {
        self.under_way += 1;
        std::mem::take(&mut self.waiting).into_iter().map(|waiting| waiting.write).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { at_once: 2, rows_max: 3, bytes_max: 100 };

    fn enter(gather: &mut Gather<u8, u32>, write: u32, bytes: usize) -> Turn<u32> {
        gather.enter(&0, LIMITS, write, 1, bytes)
    }

    #[test]
    fn a_free_way_is_taken_at_once() {
        let mut gather = Gather::default();
        assert_eq!(enter(&mut gather, 1, 10), Turn::Alone(1));
        assert_eq!(enter(&mut gather, 2, 10), Turn::Alone(2));
        assert_eq!(enter(&mut gather, 3, 10), Turn::Waits);
        assert_eq!(gather.enter(&1, LIMITS, 4, 1, 10), Turn::Alone(4));
    }

    #[test]
    fn what_waited_goes_together() {
        let mut gather = Gather::default();
        for write in 1..=4 {
            enter(&mut gather, write, 10);
        }
        assert_eq!(gather.finished(&0), [3, 4]);
        assert!(gather.finished(&0).is_empty());
        assert!(gather.finished(&0).is_empty());
        assert_eq!(gather.0.len(), 0);
    }

    #[test]
    fn a_full_group_does_not_wait() {
        let mut gather = Gather::default();
        for write in 1..=5 {
            enter(&mut gather, write, 10);
        }
        assert_eq!(enter(&mut gather, 6, 10), Turn::Others(vec![3, 4, 5]));
        assert!(gather.finished(&0).is_empty());
        assert_eq!(gather.finished(&0), [6]);
    }

    #[test]
    fn a_group_keeps_within_its_bytes_and_a_large_write_goes_alone() {
        let mut gather = Gather::default();
        for write in 1..=3 {
            enter(&mut gather, write, 60);
        }
        assert_eq!(enter(&mut gather, 4, 100), Turn::Alone(4));
        assert_eq!(enter(&mut gather, 5, 60), Turn::Others(vec![3]));
    }
}
