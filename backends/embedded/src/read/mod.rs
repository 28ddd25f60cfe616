//! Reading the log: single frames, the history of an id, pages across ids. Blocking; the store's
//! methods call it on the runtime's threads for blocking work.

mod frames;
mod offset;
mod page;
mod replay;

pub(crate) use frames::FrameReader;
pub(crate) use offset::{ListingOffset, LogOffset};
pub(crate) use page::{PageRequest, read_ids, read_page, read_recent};
pub(crate) use replay::Replay;

/// The events and payload bytes that a page holds, and more than a batch of a replay does, but for one append.
pub(crate) const BATCH_BYTES: usize = 1 << 20;
