//! Reading around damage. A store whose last segments are damaged is not opened for writing; opened
//! read-only, everything that is certain is answered, and everything else is `Corrupt`.
//!
//! What a damaged frame held is not known, so of an id without a later frame nobody can say whether it
//! ends where it seems to: its events are delivered, and then the error.

use annals_core::{Error, PersistenceId, Result};

use crate::engine::Engine;
use crate::position::Position;
use crate::read::LogOffset;

/// Where the segments that are not sealed are damaged.
#[derive(Debug, Clone)]
pub(crate) struct Damage {
    /// The first damaged place.
    pub(crate) first: Position,
    /// The last one.
    pub(crate) last: Position,
    /// What is wrong at the first one.
    pub(crate) message: String,
}

impl Damage {
    /// Adds a place behind those that are known.
    pub(crate) fn add(damage: &mut Option<Self>, at: Position, error: &Error) {
        match damage {
            Some(damage) => damage.last = at,
            None => {
                *damage = Some(Self { first: at, last: at, message: error.message().to_owned() })
            }
        }
    }

    fn error(&self) -> Error {
        Error::corrupt(self.message.clone())
    }
}

impl Engine {
    /// Fails if a record of `id` may lie in a damaged place: unless one of it lies behind.
    ///
    /// # Errors
    /// `Corrupt`, with the damage.
    pub(crate) fn check_certain(&self, id: &PersistenceId) -> Result<()> {
        let Some(damage) = &self.damage else { return Ok(()) };
        let state = self.state.read();
        if damage.first >= state.end {
            return Ok(());
        }
        let sealing = state.sealing.iter().map(|index| &**index);
        let behind = sealing.chain([&state.active]).any(|index| {
            let last = index.get(id).and_then(|entry| entry.frames.last());
            last.is_some_and(|frame| Position::new(index.segment, frame.byte) > damage.last)
        });
        if behind { Ok(()) } else { Err(damage.error()) }
    }

    /// Fails if any record may lie in a damaged place.
    ///
    /// # Errors
    /// `Corrupt`, with the damage.
    pub(crate) fn check_whole(&self) -> Result<()> {
        match &self.damage {
            Some(damage) if damage.first < self.end() => Err(damage.error()),
            _ => Ok(()),
        }
    }

    /// Fails if anything is damaged, also where no record can lie.
    ///
    /// # Errors
    /// `Corrupt`, with the damage.
    pub(crate) fn check_undamaged(&self) -> Result<()> {
        self.damage.as_ref().map_or(Ok(()), |damage| Err(damage.error()))
    }

    /// Where a read from `after` to `until` ends: before the first damaged place, and then with it.
    ///
    /// # Errors
    /// `Corrupt` if it begins there.
    pub(crate) fn certain_until(&self, after: LogOffset, until: LogOffset) -> Result<LogOffset> {
        match &self.damage {
            Some(damage) if until > LogOffset::at(damage.first) => {
                let end = LogOffset::at(damage.first);
                if after >= end { Err(damage.error()) } else { Ok(end) }
            }
            _ => Ok(until),
        }
    }
}
