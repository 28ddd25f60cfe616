//! Reading beside a process that writes: takes in what became durable since it last looked.

use std::sync::Arc;
use std::time::Duration;

use annals_core::{ErrorKind, Result, Wakeup};
use parking_lot::Mutex;

use crate::apply::Applier;
use crate::catalog::{MemIndex, Sealed, State};
use crate::end_file::EndFile;
use crate::engine::Engine;
use crate::format::SEGMENT_HEADER_BYTES;
use crate::log::{SegmentFile, corrupt, segment_name, unreadable};
use crate::position::{Position, SegmentNr};
use crate::recovery::take_in;

/// How often a reader that waits looks whether another process wrote.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How many full segments are kept in memory before their index files are looked for.
const UNSEALED_MAX: usize = 2;

/// What a read-only opening follows.
#[derive(Debug)]
pub(crate) struct Follower {
    end_file: EndFile,
    /// The segment that it has come to.
    segment: Mutex<SegmentFile>,
}

impl Follower {
    /// Follows what `end_file` tells, from `segment` on.
    pub(crate) fn new(end_file: EndFile, segment: SegmentFile) -> Self {
        Self { end_file, segment: Mutex::new(segment) }
    }
}

/// What is sealed, and which segment is written, as somebody saw it.
#[derive(Debug, Clone)]
pub(crate) struct View {
    active: SegmentNr,
    sealed: Arc<Sealed>,
}

impl Engine {
    /// Takes in what another process wrote, in a store that is open read-only.
    ///
    /// # Errors
    /// `Corrupt` if what is told to be durable is not there; `Unavailable`.
    pub(crate) fn refresh(&self) -> Result<()> {
        let Some(follower) = &self.follower else { return Ok(()) };
        let end = follower.end_file.read(self.storage())?;
        if end.position <= self.end() {
            return Ok(());
        }
        let mut segment = follower.segment.lock();
        let mut state = self.state.write();
        let state = &mut *state;
        while state.end < end.position {
            let last = segment.header.segment >= end.position.segment;
            let limit = if last { end.position.byte } else { segment.header.capacity };
            let State { active, sealing, sealed, offsets, .. } = state;
            let applier = Applier {
                storage: self.storage(),
                sealed,
                sealing,
                offsets,
                holes: self.damage.is_some(),
            };
            take_in(applier, &segment, active, limit, last)?;
            if last {
                state.end = end.position;
                break;
            }
            let next = self.open_next(&segment, active)?;
            let checksum = next.header.checksum();
            state.roll(MemIndex::new(next.header.segment, SEGMENT_HEADER_BYTES, checksum));
            *segment = next;
            // The other process may have replaced some of them.
            self.files.forget();
            self.drop_sealed(state)?;
        }
        self.announce();
        Ok(())
    }

    /// The segment after `full`, which must follow it.
    fn open_next(&self, full: &SegmentFile, index: &MemIndex) -> Result<SegmentFile> {
        let next: SegmentNr = full.header.segment.next();
        let file = self
            .storage()
            .open(&segment_name(next))
            .map_err(|error| unreadable(self.storage(), next, 0, error))?;
        let file = SegmentFile::open(self.storage(), Some(self.store_id), next, file)?;
        let end = Position::new(full.header.segment, index.end);
        let follows = file.header.previous_end == Some(end)
            && file.header.previous_checksum == index.last_checksum;
        if !follows {
            let what = "the segment does not follow the one before it";
            return Err(corrupt(self.storage(), next, 0, what));
        }
        Ok(file)
    }

    /// Lets go of segments in memory that have index files by now.
    fn drop_sealed(&self, state: &mut State) -> Result<()> {
        if state.sealing.len() <= UNSEALED_MAX {
            return Ok(());
        }
        let sealed = Sealed::open(self.storage.clone(), self.store_id, false)?;
        let Some((end, _)) = sealed.last_end() else { return Ok(()) };
        // The writer may have sealed segments that were not followed yet: those stay unknown.
        if end.segment < state.active.segment {
            state.sealing.retain(|index| index.segment > end.segment);
            state.sealed = Arc::new(sealed);
        }
        Ok(())
    }

    /// Reads what is there now: what another process wrote is taken in first, and what misses a file that
    /// it replaced meanwhile is read again.
    ///
    /// # Errors
    /// What `read` and [`Engine::refresh`] give.
    pub(crate) fn read_again<T>(
        self: &Arc<Self>,
        read: impl Fn(&Arc<Self>) -> Result<T>,
    ) -> Result<T> {
        loop {
            self.refresh()?;
            let view = self.view();
            match read(self) {
                Err(error) if error.kind() == ErrorKind::Corrupt && self.reload(&view)? => {}
                read => return read,
            }
        }
    }

    /// What a read that begins now goes by.
    pub(crate) fn view(&self) -> View {
        let state = self.state.read();
        View { active: state.end.segment, sealed: state.sealed.clone() }
    }

    /// Opens the index files anew, in a store that is open read-only: the other process may have compacted
    /// segments. Tells whether anything is new to who read by `seen`.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) fn reload(&self, seen: &View) -> Result<bool> {
        if self.follower.is_none() {
            return Ok(false);
        }
        self.refresh()?;
        let sealed = Sealed::open(self.storage.clone(), self.store_id, false)?;
        let mut state = self.state.write();
        let sealed = sealed.before(state.active.segment);
        // A segment that was followed may be sealed, and compacted, by now.
        let end = sealed.last_end().map(|(end, _)| end.segment);
        let followed = state.sealing.iter().any(|index| Some(index.segment) <= end);
        if followed || sealed.is_newer_than(&state.sealed) {
            state.sealing.retain(|index| Some(index.segment) > end);
            state.sealed = Arc::new(sealed);
            state.recent = Arc::default();
            self.files.forget();
        }
        Ok(state.end.segment != seen.active || !Arc::ptr_eq(&state.sealed, &seen.sealed))
    }

    /// Completes when another process wrote something after this call.
    pub(crate) fn followed(self: &Arc<Self>) -> Wakeup {
        let engine = self.clone();
        let seen = engine.end();
        Box::pin(async move {
            // A failed look is told by the page that follows.
            while engine.refresh().is_ok() && engine.end() == seen && !engine.queue.is_closed() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
    }
}
