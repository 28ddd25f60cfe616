//! Where things are, segment by segment, whether a segment is in memory or sealed.

use std::sync::Arc;

use annals_core::{PersistenceId, Result, SeqRange, Tag};

use crate::catalog::{MemIndex, Sealed};
use crate::engine::Engine;
use crate::position::{Position, SegmentNr};

/// The index of one segment.
enum Place {
    InMemory(Arc<MemIndex>),
    Sealed(Arc<Sealed>),
}

impl Engine {
    /// The index of `segment`, unless it is the active one, of which `active` takes what it needs.
    fn place<T>(
        &self,
        segment: SegmentNr,
        active: impl FnOnce(&MemIndex) -> T,
    ) -> Result<T, Place> {
        let state = self.state.read();
        if state.active.segment == segment {
            return Ok(active(&state.active));
        }
        Err(match state.sealing.iter().find(|index| index.segment == segment) {
            Some(index) => Place::InMemory(index.clone()),
            None => Place::Sealed(state.sealed.clone()),
        })
    }

    /// Whether the last frame of its segment ends at `position`: as the next segment says, or, of the
    /// active one, what is durable.
    pub(crate) fn is_end(&self, position: Position) -> Result<bool> {
        let end = self.end();
        if position.segment >= end.segment {
            return Ok(position == end);
        }
        let next = self.files.get(position.segment.next())?;
        Ok(next.header.previous_end == Some(position))
    }

    /// The frames of `segment` from `byte` on that hold an event with `tag`.
    pub(crate) fn tag_frames(&self, tag: &Tag, segment: SegmentNr, byte: u32) -> Result<Vec<u32>> {
        let from = |index: &MemIndex| {
            let frames = index.tag_frames(tag);
            frames.get(frames.partition_point(|at| *at < byte)..).unwrap_or_default().to_vec()
        };
        match self.place(segment, from) {
            Ok(frames) => Ok(frames),
            Err(Place::InMemory(index)) => Ok(from(&index)),
            Err(Place::Sealed(sealed)) => sealed.tag_frames(segment, tag, byte, usize::MAX),
        }
    }

    /// The frames of `segment` that hold events of `id` in `range`.
    pub(crate) fn id_frames(
        &self,
        segment: SegmentNr,
        id: &PersistenceId,
        range: SeqRange,
    ) -> Result<Vec<u32>> {
        let from = |index: &MemIndex| {
            let entry = index.get(id);
            let frames = entry.map(|entry| entry.frames_in(range.from, range.to));
            frames.unwrap_or_default().iter().map(|frame| frame.byte).collect()
        };
        match self.place(segment, from) {
            Ok(frames) => Ok(frames),
            Err(Place::InMemory(index)) => Ok(from(&index)),
            Err(Place::Sealed(sealed)) => {
                let frames = sealed.frames(segment, id, range)?;
                Ok(frames.iter().map(|frame| frame.byte).collect())
            }
        }
    }

    /// The segments that may hold events of `id` in `range`, oldest first.
    pub(crate) fn segments_of(
        &self,
        id: &PersistenceId,
        range: SeqRange,
    ) -> Result<Vec<SegmentNr>> {
        let (unsealed, sealed) = {
            let state = self.state.read();
            let sealing = state.sealing.iter().filter(|index| index.get(id).is_some());
            let mut unsealed: Vec<SegmentNr> = sealing.map(|index| index.segment).collect();
            if state.active.get(id).is_some() {
                unsealed.push(state.active.segment);
            }
            (unsealed, state.sealed.clone())
        };
        let mut segments = sealed.segments_of(id, range)?;
        segments.reverse();
        segments.extend(unsealed);
        Ok(segments)
    }

    /// The ids whose first event is in `segment` at or after `byte`, up to `ids_max`.
    pub(crate) fn beginning_ids(
        &self,
        segment: SegmentNr,
        byte: u32,
        ids_max: usize,
    ) -> Result<Vec<(PersistenceId, u32)>> {
        let from = |index: &MemIndex| index.beginning_ids(byte, ids_max);
        match self.place(segment, from) {
            Ok(ids) => Ok(ids),
            Err(Place::InMemory(index)) => Ok(from(&index)),
            Err(Place::Sealed(sealed)) => sealed.beginning_ids(segment, byte, ids_max),
        }
    }
}
