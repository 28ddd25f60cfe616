//! In which requests an append goes out.

use std::ops::Range;

use annals_core::{Append, NewEvent};

use super::extras::Extras;
use crate::store::Inner;

/// The most items of one transaction.
pub(super) const ITEMS_MAX: usize = 100;

/// The most bytes of one transaction: DynamoDB takes 4 MB, and our sizes are rounded up.
const BYTES_MAX: usize = 4_000_000;

/// What an item holds beside its event: names, key, numbers, at most.
const ITEM_BYTES: usize = 400;

/// How an append goes out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// One put.
    Put,
    /// One transaction.
    Transaction,
    /// Several transactions, committed by an intent.
    Intent(Parts),
}

/// The events of a large append by their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    /// Those of the transaction that commits: from the first event on, as many as fit, so that Pekko,
    /// which looks for the end of a history where its mark says, meets no leftovers there.
    pub(super) last: Range<usize>,
    /// Those of the transactions before it.
    pub(super) chunks: Vec<Range<usize>>,
}

impl Plan {
    pub(super) fn of(inner: &Inner, append: &Append, extras: &Extras) -> Self {
        let events = append.events();
        if events.len() == 1 && extras.is_none() {
            return Self::Put;
        }
        let around = ITEM_BYTES
            + inner.keys.journal().len()
            + 2 * append.id().as_str().len()
            + append.writer().as_str().len();
        let sizes: Vec<usize> = events.iter().map(|event| bytes(event) + around).collect();
        let extra_bytes = extras.count() * around;
        let items = events.len() + extras.count();
        if items <= ITEMS_MAX && sizes.iter().sum::<usize>() + extra_bytes <= BYTES_MAX {
            return Self::Transaction;
        }
        // The intent is an item of each transaction, too.
        let last =
            take(&sizes, 0, ITEMS_MAX - 1 - extras.count(), BYTES_MAX - extra_bytes - around);
        let mut chunks = Vec::new();
        let mut next = last.end;
        while next < events.len() {
            let chunk = take(&sizes, next, ITEMS_MAX - 1, BYTES_MAX - around);
            next = chunk.end;
            chunks.push(chunk);
        }
        Self::Intent(Parts { last, chunks })
    }
}

/// What an event counts in its item, each tag's length included.
fn bytes(event: &NewEvent) -> usize {
    event.size_bytes() + event.tags.len() + if event.metadata.is_some() { ITEM_BYTES } else { 0 }
}

/// As many as fit from `from` on, at least one.
fn take(sizes: &[usize], from: usize, items_max: usize, bytes_max: usize) -> Range<usize> {
    let mut bytes = 0;
    let mut to = from;
    for size in sizes.iter().skip(from).take(items_max) {
        bytes += size;
        if bytes > bytes_max && to > from {
            break;
        }
        to += 1;
    }
    from..to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_by_count_and_by_bytes() {
        assert_eq!(take(&[1; 250], 0, 98, 1_000), 0..98);
        assert_eq!(take(&[1; 250], 200, 98, 1_000), 200..250);
        assert_eq!(take(&[10; 9], 2, 98, 35), 2..5);
        assert_eq!(take(&[100; 3], 1, 98, 35), 1..2);
    }
}
