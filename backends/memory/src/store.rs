//! The store itself: its identity, its lock, its end.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals_core::{Capabilities, Error, Offset, Result, Store};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::MemoryOptions;
use crate::state::State;

/// The ids of stores whose options name none. The high bit keeps them apart from small ids that
/// callers choose.
static NEXT_STORE_ID: AtomicU64 = AtomicU64::new(1 << 63);

/// A store in memory. Clones share what it holds.
#[derive(Clone)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

struct Inner {
    store_id: u64,
    options: MemoryOptions,
    state: Mutex<State>,
    /// The position of the newest commit; readers wait for it to change.
    committed: watch::Sender<u64>,
}

impl MemoryStore {
    /// An empty store with default options.
    pub fn new() -> Self {
        Self::with_options(MemoryOptions::default())
    }

    /// An empty store with these options.
    pub fn with_options(options: MemoryOptions) -> Self {
        let store_id =
            options.store_id.unwrap_or_else(|| NEXT_STORE_ID.fetch_add(1, Ordering::Relaxed));
        let inner = Inner {
            store_id,
            options,
            state: Mutex::new(State::default()),
            committed: watch::Sender::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The four contracts over this store.
    pub fn store(&self) -> Store {
        Store::of(Arc::new(self.clone()))
    }

    pub(crate) fn limits(&self) -> Capabilities {
        self.inner.options.capabilities
    }

    pub(crate) fn batch_bytes(&self) -> usize {
        self.inner.options.batch_bytes()
    }

    /// Runs `read_or_write` under the lock, unless the store was closed. The lock is never held across
    /// an await, since `read_or_write` is not async.
    pub(crate) fn locked<T>(
        &self,
        read_or_write: impl FnOnce(&mut State) -> Result<T>,
    ) -> Result<T> {
        let mut state = self.inner.state.lock();
        if state.closed {
            return Err(Error::closed("the memory store was closed"));
        }
        read_or_write(&mut state)
    }

    pub(crate) fn end_all(&self) {
        self.inner.state.lock().closed = true;
        // Readers that wait must learn of it; their next read answers `Closed`.
        self.inner.committed.send_modify(|_| {});
    }

    pub(crate) fn announce(&self, position: u64) {
        // Two appends may announce in either order; the newest position must win.
        self.inner.committed.send_modify(|newest| *newest = position.max(*newest));
    }

    /// A receiver that has seen all commits until now, or `None` once the store was closed.
    pub(crate) fn commits(&self) -> Option<watch::Receiver<u64>> {
        let commits = self.inner.committed.subscribe();
        // Subscribed first, looked at second: a close in between still wakes the receiver.
        (!self.inner.state.lock().closed).then_some(commits)
    }

    /// The offset at `position` of the log: 8 bytes of store id, 8 bytes of position.
    pub(crate) fn offset(&self, position: u64) -> Offset {
        let bytes = [self.inner.store_id.to_be_bytes(), position.to_be_bytes()].concat();
        Offset::from_bytes(bytes)
    }

    /// Where a listing of ids goes on that ends at `until`.
    pub(crate) fn listing(&self, position: u64, until: u64) -> Offset {
        let bytes = [self.offset(position).as_bytes(), &until.to_be_bytes()].concat();
        Offset::from_bytes(bytes)
    }

    /// The position that `offset` names, and where its listing ends, if it is one of [`Self::listing`].
    pub(crate) fn listing_position(
        &self,
        offset: &Offset,
        last: u64,
    ) -> Result<(u64, Option<u64>)> {
        let Some((position, until)) = offset.as_bytes().split_last_chunk::<8>() else {
            return self.position(offset, last).map(|position| (position, None));
        };
        if position.len() != 16 {
            return self.position(offset, last).map(|position| (position, None));
        }
        let position = self.position(&Offset::from_bytes(position.to_vec()), last)?;
        let until = u64::from_be_bytes(*until);
        if until < position || until > last {
            return Err(Error::invalid(format!("{offset} lies outside this store's log")));
        }
        Ok((position, Some(until)))
    }

    /// The position that `offset` names, given that the log ends at `last`.
    pub(crate) fn position(&self, offset: &Offset, last: u64) -> Result<u64> {
        let malformed = || Error::invalid(format!("{offset} is not an offset of a memory store"));
        let (store_id, position) =
            offset.as_bytes().split_first_chunk::<8>().ok_or_else(malformed)?;
        let position: [u8; 8] = position.try_into().map_err(|_| malformed())?;
        if u64::from_be_bytes(*store_id) != self.inner.store_id {
            return Err(Error::invalid(format!("{offset} is an offset of another store")));
        }
        let position = u64::from_be_bytes(position);
        if position == 0 || position > last {
            return Err(Error::invalid(format!("{offset} lies outside this store's log")));
        }
        Ok(position)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("store_id", &self.inner.store_id)
            .finish_non_exhaustive()
    }
}
