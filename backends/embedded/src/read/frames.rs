//! Reads frames whose places are known. Neighbours are read together.

use std::sync::Arc;

use annals_core::{Error, Result};
use bytes::Bytes;

use crate::engine::Engine;
use crate::format::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, byte_count, index};
use crate::log::{Reading, SegmentFile, corrupt, unreadable};
use crate::position::{Position, SegmentNr};
use crate::storage::read_exact_at;

/// The most bytes that are read together.
const CHUNK_BYTES: u32 = 1 << 20;
/// What lies between two frames is read along if it is at most this.
const GAP_BYTES: u32 = 16 << 10;
/// What is read of a frame whose length is not known.
const FRAME_BYTES: u32 = 4 << 10;

/// A frame that was read and checked.
#[derive(Debug)]
pub(crate) struct ReadFrame {
    /// What it holds, and how it is chained.
    pub(crate) header: FrameHeader,
    /// Its body; shares the memory of what was read.
    pub(crate) body: Bytes,
}

/// Reads frames of one segment.
#[derive(Debug)]
pub(crate) struct FrameReader {
    engine: Arc<Engine>,
    segment: Arc<SegmentFile>,
    chunk: Bytes,
    chunk_at: u32,
}

impl FrameReader {
    /// A reader of `segment`, as `reading` sees it.
    pub(crate) fn new(engine: Arc<Engine>, reading: &Reading, segment: SegmentNr) -> Result<Self> {
        let segment = reading.file(segment)?;
        Ok(Self { engine, segment, chunk: Bytes::new(), chunk_at: 0 })
    }

    /// The frame at `position`, alone.
    pub(crate) fn read_one(
        engine: &Arc<Engine>,
        reading: &Reading,
        position: Position,
    ) -> Result<ReadFrame> {
        let mut reader = Self::new(engine.clone(), reading, position.segment)?;
        reader.read(position.byte, &mut std::iter::empty())
    }

    /// The frame at `byte`. `next` are the frames that will be asked for next, ascending: those near
    /// by are read along.
    pub(crate) fn read(
        &mut self,
        byte: u32,
        next: &mut dyn Iterator<Item = u32>,
    ) -> Result<ReadFrame> {
        if self.available(byte) < FRAME_HEADER_BYTES {
            let mut end = byte.saturating_add(FRAME_BYTES);
            for following in next {
                let with = following.saturating_add(FRAME_BYTES);
                if following < byte || following - byte > CHUNK_BYTES || with - end > GAP_BYTES {
                    break;
                }
                end = with;
            }
            self.fill(byte, end - byte)?;
        }
        let header = self.header(byte)?;
        if self.available(byte) < index(header.length) {
            self.fill(byte, header.length)?;
        }
        let from = index(byte - self.chunk_at);
        let frame = self.chunk.get(from..from + index(header.length)).unwrap_or_default();
        let body = header.body(frame).map_err(|malformed| self.corrupt(byte, malformed))?;
        let body = self.chunk.slice(from + body.start..from + body.end);
        Ok(ReadFrame { header, body })
    }

    fn header(&self, byte: u32) -> Result<FrameHeader> {
        let from = index(byte - self.chunk_at);
        let head = self.chunk.get(from..).unwrap_or_default();
        match FrameHeader::decode(head, self.segment.header.epoch) {
            Ok(Some(header))
                if header.kind != FrameKind::Gap
                    && header.length <= self.segment.header.capacity - byte =>
            {
                Ok(header)
            }
            Ok(Some(header)) if header.kind == FrameKind::Gap => {
                Err(self.corrupt(byte, "a frame is gone that the index names"))
            }
            Ok(Some(_)) => Err(self.corrupt(byte, "a frame is longer than its segment")),
            Ok(None) => Err(self.corrupt(byte, "a frame is missing")),
            Err(malformed) => Err(self.corrupt(byte, malformed)),
        }
    }

    fn available(&self, byte: u32) -> usize {
        match byte.checked_sub(self.chunk_at) {
            Some(from) => self.chunk.len().saturating_sub(index(from)),
            None => 0,
        }
    }

    fn fill(&mut self, byte: u32, length: u32) -> Result<()> {
        let segment = self.segment.header.segment;
        let rest = self.segment.header.capacity.saturating_sub(byte);
        if rest < byte_count(FRAME_HEADER_BYTES) {
            return Err(self.corrupt(byte, "an index points behind the segment"));
        }
        let mut chunk = vec![0; index(length.min(rest))];
        read_exact_at(&*self.segment.file, &mut chunk, byte.into())
            .map_err(|error| unreadable(self.engine.storage(), segment, byte.into(), error))?;
        self.chunk = chunk.into();
        self.chunk_at = byte;
        Ok(())
    }

    fn corrupt(&self, byte: u32, what: impl std::fmt::Display) -> Error {
        corrupt(self.engine.storage(), self.segment.header.segment, byte.into(), what)
    }

    /// Damage at the frame at `byte`, for what its body says.
    pub(crate) fn damaged(&self, byte: u32, what: impl std::fmt::Display) -> Error {
        self.corrupt(byte, what)
    }
}
