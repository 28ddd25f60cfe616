//! The log: segment files, the one writer, and those who read.

mod completer;
mod files;
mod open;
mod packed;
mod queue;
mod scan;
mod spare;
mod tail;
mod writer;

pub(crate) use completer::Completer;
pub(crate) use files::{SegmentFile, corrupt, segment_name, segment_of, unreadable};
pub(crate) use open::{Reading, SegmentFiles};
pub(crate) use packed::{Packed, packed_bytes};
pub(crate) use queue::{Answer, Queue, Refused, Request};
pub(crate) use scan::{Scan, ScannedFrame, Step, first_used};
pub(crate) use spare::{SPARE_PREFIX, Spares, prepare, whole_blocks};
pub(crate) use tail::{Tail, TailBatch};
pub(crate) use writer::{Writer, WriterParts};
