//! Pages of events across entities, and of ids.

use std::sync::Arc;

use annals_core::{
    Envelope, Error, ErrorKind, IdEntry, IdPage, Page, PersistenceId, Result, Scope, SeqNr,
    SeqRange,
};
use bytes::Bytes;
use hashbrown::HashMap;

use super::{BATCH_BYTES, FrameReader, ListingOffset, LogOffset};
use crate::engine::Engine;
use crate::format::{
    FrameKind, SEGMENT_HEADER_BYTES, byte_count, decode_events, decode_events_head, index,
};
use crate::log::{Reading, Scan, Step, TailBatch, corrupt, whole_blocks};
use crate::position::{Position, SegmentNr};
use crate::stats::Counters;

/// The most batches of the tail that one page is made of.
const TAIL_BATCHES_MAX: usize = 64;

/// What a page is asked for.
#[derive(Debug, Clone)]
pub(crate) struct PageRequest {
    pub(crate) scope: Scope,
    pub(crate) after: Option<LogOffset>,
    pub(crate) until: Option<LogOffset>,
    pub(crate) events_max: usize,
}

/// Reads a page.
pub(crate) fn read_page(engine: &Arc<Engine>, request: &PageRequest) -> Result<Page> {
    if let Some(page) = read_recent(engine, request)? {
        return Ok(page);
    }
    let (after, asked, _) = bounds(engine, request)?;
    let until = engine.certain_until(after, asked)?;
    let mut builder = Builder::new(engine, request, after, until);
    let done = match &request.scope {
        Scope::Id(id, range) => builder.add_id(id, *range)?,
        _ => builder.add_segments()?,
    };
    Ok(builder.finish(done && until == asked))
}

/// Reads a page without a look at a file, if the newest batches reach back far enough.
pub(crate) fn read_recent(engine: &Arc<Engine>, request: &PageRequest) -> Result<Option<Page>> {
    let (after, until, end) = bounds(engine, request)?;
    if after >= until {
        let next = request.after.map(|at| at.encode(engine.store_id));
        return Ok(Some(Page::new(Vec::new(), next, true)));
    }
    page_of_tail(engine, request, after, until, end)
}

/// After what and until where a request reads, and where the log ends.
fn bounds(engine: &Engine, request: &PageRequest) -> Result<(LogOffset, LogOffset, Position)> {
    let end = engine.end();
    let after = request.after.unwrap_or(LogOffset::START);
    if after.position > end && after.position.byte != 0 {
        return Err(Error::invalid(
            "the offset lies behind the end of the store: it is of another one",
        ));
    }
    let until = request.until.unwrap_or(LogOffset::at(end)).min(LogOffset::at(end));
    Ok((after, until, end))
}

/// A page out of the newest batches, if they reach back to `after`: of the first batch that holds an
/// event of the scope. Shared with everybody who reads there.
fn page_of_tail(
    engine: &Arc<Engine>,
    request: &PageRequest,
    after: LogOffset,
    until: LogOffset,
    end: Position,
) -> Result<Option<Page>> {
    let Some(batches) = engine.tail.from(after.position, end, TAIL_BATCHES_MAX) else {
        return Ok(None);
    };
    let mut next = after;
    for batch in &batches {
        let events =
            batch.events(&request.scope, |batch| decode_batch(engine, batch, &request.scope))?;
        next = LogOffset::at(batch.end);
        let place = |envelope: &Envelope| LogOffset::decode(&envelope.offset, engine.store_id).ok();
        let seen = events.partition_point(|event| place(event).is_some_and(|at| at <= after));
        let wanted = events.partition_point(|event| place(event).is_some_and(|at| at <= until));
        let stop = wanted.min(seen.saturating_add(request.events_max));
        if seen < stop {
            let whole = stop == events.len();
            let last = events.get(stop - 1).map(|event| event.offset.clone());
            let next = if whole { Some(next.min(until).encode(engine.store_id)) } else { last };
            let at_end =
                stop == wanted && (next_reaches(batch.end, until) || wanted < events.len());
            return Ok(Some(Page::part(events, seen..stop, next, at_end)));
        }
        if next_reaches(batch.end, until) {
            return Ok(Some(Page::new(Vec::new(), Some(until.encode(engine.store_id)), true)));
        }
    }
    let at_end = next >= until;
    Ok(Some(Page::new(Vec::new(), Some(next.min(until).encode(engine.store_id)), at_end)))
}

fn next_reaches(end: Position, until: LogOffset) -> bool {
    LogOffset::at(end) >= until
}

fn decode_batch(engine: &Arc<Engine>, batch: &TailBatch, scope: &Scope) -> Result<Vec<Envelope>> {
    let segment = engine.files.get(batch.start.segment)?;
    let mut filter = Filter::new(engine, scope);
    let mut found = Vec::new();
    let mut at = 0;
    while at < batch.bytes.len() {
        let byte = batch.start.byte + byte_count(at);
        let damaged = |what: &dyn std::fmt::Display| {
            corrupt(engine.storage(), batch.start.segment, byte.into(), what)
        };
        let frame = batch.bytes.slice(at..);
        let header = crate::format::FrameHeader::decode(&frame, segment.header.epoch)
            .map_err(|malformed| damaged(&malformed))?
            .ok_or_else(|| damaged(&"a frame is missing"))?;
        if header.kind == FrameKind::Events {
            let body = header.body(&frame).map_err(|malformed| damaged(&malformed))?;
            let body = frame.slice(body);
            let position = Position::new(batch.start.segment, byte);
            filter.add(position, &body, &mut found).map_err(|malformed| damaged(&malformed))?;
        }
        at += index(header.length);
    }
    Ok(found)
}

/// Chooses the events of a scope out of frames.
struct Filter<'a> {
    engine: &'a Arc<Engine>,
    scope: &'a Scope,
    deleted_to: HashMap<PersistenceId, SeqNr>,
}

impl<'a> Filter<'a> {
    fn new(engine: &'a Arc<Engine>, scope: &'a Scope) -> Self {
        Self { engine, scope, deleted_to: HashMap::new() }
    }

    /// Adds the events of the frame at `position` that are in the scope and not deleted.
    fn add(&mut self, position: Position, body: &Bytes, found: &mut Vec<Envelope>) -> Result<()> {
        let malformed = |malformed: crate::format::Malformed| Error::corrupt(malformed.to_string());
        match self.scope {
            Scope::Slices(slices) => {
                let head = decode_events_head(body).map_err(malformed)?;
                if !slices.contains(head.id.slice()) {
                    return Ok(());
                }
            }
            Scope::Id(id, _) => {
                if decode_events_head(body).map_err(malformed)?.id != *id {
                    return Ok(());
                }
            }
            Scope::All | Scope::Tag(_) => {}
        }
        let (head, events) = decode_events(body).map_err(malformed)?;
        Counters::add(&self.engine.counters.events_decoded, events.len());
        let deleted_to = self.deleted_to(&head.id)?;
        for (number, event) in events.into_iter().enumerate() {
            let wanted = match self.scope {
                Scope::All | Scope::Slices(_) => true,
                Scope::Tag(tag) => event.tags.contains(tag),
                Scope::Id(_, range) => range.contains(event.seq_nr),
            };
            if wanted && event.seq_nr > deleted_to {
                let offset = LogOffset { position, events: byte_count(number + 1) };
                found.push(Envelope {
                    offset: offset.encode(self.engine.store_id),
                    persistence_id: head.id.clone(),
                    event,
                });
            }
        }
        Ok(())
    }

    fn deleted_to(&mut self, id: &PersistenceId) -> Result<SeqNr> {
        if let Some(deleted_to) = self.deleted_to.get(id) {
            return Ok(*deleted_to);
        }
        let deleted_to = self.engine.bounds(id)?.deleted_to;
        self.deleted_to.insert(id.clone(), deleted_to);
        Ok(deleted_to)
    }
}

/// A page in the making.
struct Builder<'a> {
    engine: &'a Arc<Engine>,
    request: &'a PageRequest,
    reading: Reading,
    filter: Filter<'a>,
    after: LogOffset,
    until: LogOffset,
    found: Vec<Envelope>,
    bytes: usize,
    /// How far everything was looked at.
    next: LogOffset,
}

impl<'a> Builder<'a> {
    fn new(
        engine: &'a Arc<Engine>,
        request: &'a PageRequest,
        after: LogOffset,
        until: LogOffset,
    ) -> Self {
        // Before anything is looked up.
        let reading = Reading::begin(&engine.files);
        let filter = Filter::new(engine, &request.scope);
        let (found, next) = (Vec::new(), after);
        Self { engine, request, reading, filter, after, until, found, bytes: 0, next }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.request.events_max || self.bytes >= BATCH_BYTES
    }

    /// Adds what is wanted of the frame at `position`; `true` if the page ends here.
    fn add_frame(&mut self, position: Position, body: &Bytes) -> Result<bool> {
        let before = self.found.len();
        self.filter.add(position, body, &mut self.found)?;
        let (engine, after, until) = (self.engine, self.after, self.until);
        let place = |event: &Envelope| LogOffset::decode(&event.offset, engine.store_id).ok();
        let fits = |event: &Envelope| place(event).is_some_and(|at| after < at && at <= until);
        // Only what came with this frame is looked at, and mostly all of it fits.
        if !self.found.iter().skip(before).all(fits) {
            let fresh = self.found.split_off(before);
            self.found.extend(fresh.into_iter().filter(fits));
        }
        self.bytes += body.len();
        self.next = LogOffset { position, events: u32::MAX };
        if self.found.len() > self.request.events_max {
            self.found.truncate(self.request.events_max);
            self.next = self.found.last().and_then(place).unwrap_or(after);
        }
        Ok(self.is_full())
    }

    /// Adds from the segments one after another; `true` if everything up to the bound was looked at.
    fn add_segments(&mut self) -> Result<bool> {
        let mut at = self.after.position;
        loop {
            let last = at.segment == self.until.position.segment;
            let limit = if last { Some(self.until.position.byte) } else { None };
            let full = match &self.request.scope {
                Scope::Tag(_) => self.add_tagged(at, limit)?,
                _ => self.walk(at, limit)?,
            };
            if full {
                return Ok(false);
            }
            if last {
                self.next = self.until;
                return Ok(true);
            }
            at = Position::new(at.segment.next(), 0);
            self.next = LogOffset::at(at);
        }
    }

    fn walk(&mut self, at: Position, limit: Option<u32>) -> Result<bool> {
        let segment = self.reading.file(at.segment)?;
        let start = at.byte.max(SEGMENT_HEADER_BYTES);
        // What is gone since the offset was given is passed over.
        let Some(start) = segment.left_from(start) else { return Ok(false) };
        let end = self.engine.end();
        let limit = if end.segment == at.segment {
            // A bound within a frame (its events were counted) includes that frame.
            limit.filter(|_| self.until.events == 0).unwrap_or(end.byte).min(end.byte)
        } else {
            // A bound in a full segment may lie in a gap.
            segment.header.capacity
        };
        let mut scan = Scan::new(self.engine.storage(), &segment, start, None, limit);
        let mut first = true;
        loop {
            match scan.step()? {
                Step::Frame(frame) => {
                    let position = Position::new(at.segment, frame.byte);
                    if LogOffset::at(position) >= self.until {
                        return Ok(false);
                    }
                    if frame.header.kind == FrameKind::Events
                        && self.add_frame(position, &frame.body)?
                    {
                        return Ok(true);
                    }
                }
                Step::End { byte } if whole_blocks(byte) >= limit => return Ok(false),
                Step::End { byte } if self.engine.is_end(Position::new(at.segment, byte))? => {
                    return Ok(false);
                }
                Step::End { byte } | Step::Invalid { byte, .. }
                    if first && byte == start && at.byte != 0 =>
                {
                    return Err(Error::invalid("the offset names no place of this store"));
                }
                Step::End { byte } => {
                    let what = "frames are missing before the end of the segment";
                    return Err(corrupt(self.engine.storage(), at.segment, byte.into(), what));
                }
                Step::Invalid { byte, what } => {
                    return Err(corrupt(self.engine.storage(), at.segment, byte.into(), what));
                }
            }
            first = false;
        }
    }

    fn add_tagged(&mut self, at: Position, limit: Option<u32>) -> Result<bool> {
        let Scope::Tag(tag) = &self.request.scope else { return Ok(false) };
        let frames = self.engine.tag_frames(tag, at.segment, at.byte)?;
        self.add_listed(at.segment, frames, limit)
    }

    fn add_listed(
        &mut self,
        segment: SegmentNr,
        frames: Vec<u32>,
        limit: Option<u32>,
    ) -> Result<bool> {
        if frames.is_empty() {
            return Ok(false);
        }
        let mut reader = FrameReader::new(self.engine.clone(), &self.reading, segment)?;
        let mut rest = frames.iter().copied();
        while let Some(byte) = rest.next() {
            let position = Position::new(segment, byte);
            if limit.is_some_and(|limit| byte > limit) || LogOffset::at(position) >= self.until {
                return Ok(false);
            }
            let frame = reader.read(byte, &mut rest.clone())?;
            if self.add_frame(position, &frame.body)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn add_id(&mut self, id: &PersistenceId, range: SeqRange) -> Result<bool> {
        let places = self.engine.segments_of(id, range)?;
        for segment in places {
            if segment < self.after.position.segment || segment > self.until.position.segment {
                continue;
            }
            let mut frames = self.engine.id_frames(segment, id, range)?;
            if segment == self.after.position.segment {
                frames.retain(|byte| *byte >= self.after.position.byte);
            }
            if self.add_listed(segment, frames, None)? {
                return Ok(false);
            }
        }
        self.next = self.until;
        Ok(true)
    }

    fn finish(self, done: bool) -> Page {
        let next = Some(self.next.encode(self.engine.store_id));
        Page::new(self.found, next, done)
    }
}

/// Reads a page of ids, in the order of their first events.
pub(crate) fn read_ids(
    engine: &Arc<Engine>,
    after: Option<ListingOffset>,
    ids_max: usize,
) -> Result<IdPage> {
    let end = engine.end();
    let ListingOffset { after, until } =
        after.unwrap_or(ListingOffset { after: LogOffset::START.position, until: None });
    let until = until.unwrap_or(end);
    if after > end || until > end {
        return Err(Error::new(ErrorKind::Invalid, "the offset lies behind the end of the store"));
    }
    let certain = engine.certain_until(LogOffset::at(after), LogOffset::at(until))?.position;
    let mut at = after;
    let mut ids = Vec::new();
    while ids.len() < ids_max && at <= certain {
        let found = engine.beginning_ids(at.segment, at.byte, ids_max - ids.len())?;
        for (persistence_id, byte) in found {
            if Position::new(at.segment, byte) >= certain {
                break;
            }
            let after = Position::new(at.segment, byte.saturating_add(1));
            let offset = ListingOffset { after, until: None }.encode(engine.store_id);
            ids.push(IdEntry { offset, persistence_id });
            at = after;
        }
        if ids.len() < ids_max {
            at = Position::new(at.segment.next(), 0);
        }
    }
    let full = ids.len() >= ids_max;
    let next = match full || certain < until {
        true => {
            let after = if full { at } else { certain };
            ListingOffset { after, until: Some(until) }
        }
        // What follows is another listing.
        false => ListingOffset { after: until.max(after), until: None },
    };
    let at_end = !full && certain >= until;
    Ok(IdPage { ids, next: Some(next.encode(engine.store_id)), at_end })
}
