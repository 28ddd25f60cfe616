//! Faults: which call fails, and what of it happens nevertheless.

use std::io;

use super::Operation;

/// The calls of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Create,
    Open,
    Read,
    Write,
    WriteBlocks,
    WriteBlocksSynced,
    Sync,
    Rename,
    Remove,
    SyncDirectory,
}

/// What a failing call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing happens.
    Nothing(io::ErrorKind),
    /// The first pages of a write happen, unsynced.
    Short { pages: usize },
    /// All of it happens, and is not durable.
    NotDurable,
}

/// One call that fails: the `after + 1`th of its kind on a file whose name contains `name`.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) call: Call,
    pub(crate) name: &'static str,
    pub(crate) after: usize,
    pub(crate) effect: Effect,
}

impl Fault {
    /// The next such call fails with an I/O error, and nothing of it happens.
    pub(crate) fn next(call: Call, name: &'static str) -> Self {
        Self { call, name, after: 0, effect: Effect::Nothing(io::ErrorKind::Other) }
    }

    pub(crate) fn with_effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }
}

/// The effect on this call of the first fault that is due, which is used up by it.
pub(super) fn due(faults: &mut Vec<Fault>, call: Call, name: &str) -> Option<Effect> {
    let meant = |fault: &Fault| fault.call == call && name.contains(fault.name);
    let found = faults.iter().position(meant)?;
    match faults[found].after.checked_sub(1) {
        Some(after) => {
            faults[found].after = after;
            None
        }
        None => Some(faults.remove(found).effect),
    }
}

impl Effect {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Nothing(kind) => kind.into(),
            Self::Short { .. } | Self::NotDurable => io::Error::other("the device failed"),
        }
    }

    /// What of `operation` happens.
    pub(super) fn part_of(self, operation: Operation) -> Option<Operation> {
        match (self, operation) {
            (Self::Nothing(_), Operation::Sync { file }) => Some(Operation::FailedSync { file }),
            (Self::Nothing(_), _) => None,
            (Self::Short { pages: count }, Operation::Write { file, mut pages, length, .. }) => {
                pages.truncate(count);
                Some(Operation::Write { file, pages, length, synced: false })
            }
            (Self::NotDurable, Operation::Write { file, pages, length, .. }) => {
                Some(Operation::Write { file, pages, length, synced: false })
            }
            (Self::NotDurable, Operation::Sync { file }) => Some(Operation::FailedSync { file }),
            (_, operation) => Some(operation),
        }
    }
}
