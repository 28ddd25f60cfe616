//! Where things are in sealed segments: an immutable index file per segment, and a directory over
//! all of them that says which segment touched an id last. `docs/format/index.md` describes the bytes.
//!
//! ```text
//! id ──hash──► Directory (sorted runs) ──► newest segment ──► SegmentIndex ──► frames
//!                                                │ previous
//!                                                ▼
//!                                        older segment ──► …
//! ```

mod block_writer;
mod blocks;
mod bytes;
mod directory;
mod filter;
mod handles;
mod hash;
mod header;
mod items;
mod list;
mod previous;
mod record;
mod run;
mod segment;
mod segment_writer;
mod summary;
mod table;

#[cfg(test)]
mod tests;

pub(crate) use blocks::reseal_blocks;
pub(crate) use directory::{Directory, DirectoryAccess, OpenedDirectory, directory_run_end};
pub(crate) use handles::Handles;
pub(crate) use hash::text_hash;
pub(crate) use header::SegmentMeta;
pub(crate) use previous::PreviousSegments;
pub(crate) use record::IdRecord;
pub(crate) use segment::{Lookup, SegmentIndex};
pub(crate) use summary::{
    DeadBytes, FrameRef, IdState, IdSummary, SegmentSummary, SnapshotRef, TagSummary,
};
