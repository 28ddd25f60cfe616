//! Where things are in sealed segments: an immutable index file per segment, and a directory over
//! all of them that says which segment touched an id last.
//!
//! ```text
//! id ──hash──► Directory (sorted runs) ──► newest segment ──► SegmentIndex ──► frames
//!                                                │ previous
//!                                                ▼
//!                                        older segment ──► …
//! ```

mod summary;

pub(crate) use summary::{FrameRef, SnapshotRef};
