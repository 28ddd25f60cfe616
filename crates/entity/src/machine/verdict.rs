//! What an append without a receipt means for each of its commands. Pure.

use annals_core::ErrorKind;

/// A command of such an append, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried {
    /// It put events into the append.
    pub(super) persists: bool,
    /// Other commands put events into the append, too.
    pub(super) shared: bool,
    /// How many appends with it met a conflict, this one included.
    pub(super) conflicts: u32,
}

/// What becomes of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its caller gets the error.
    Fail,
    /// It is handled again, on the recovered state.
    Again,
    /// It is handled again, in an append of its own.
    Alone,
}

/// What `kind` means for a command. It is handled again only when it is certain that nothing of it
/// was written: the append was refused as a whole (J1), or the command writes nothing.
pub(super) fn verdict(kind: ErrorKind, tried: Tried, conflict_retries: u32) -> Verdict {
    match kind {
        ErrorKind::Conflict { .. } if tried.conflicts <= conflict_retries => Verdict::Again,
        ErrorKind::Conflict { .. } | ErrorKind::Fenced | ErrorKind::Closed => Verdict::Fail,
        ErrorKind::Invalid | ErrorKind::Unsupported if tried.persists && tried.shared => {
            Verdict::Alone
        }
        // It only waited for the others' events: it is as if it came now.
        _ if !tried.persists => Verdict::Again,
        _ => Verdict::Fail,
    }
}

/// Whether an append that ended so left the history as it was, for sure: nothing was written (J1), and no
/// other writer was met.
pub(super) fn leaves_history(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::Invalid | ErrorKind::Unsupported)
}

#[cfg(test)]
mod tests {
    use super::*;
    use annals_core::SeqNr;

    const WRITE: Tried = Tried { persists: true, shared: true, conflicts: 0 };
    const READ: Tried = Tried { persists: false, ..WRITE };

    #[test]
    fn an_unknown_outcome_is_never_handled_again() {
        for kind in [ErrorKind::OutcomeUnknown, ErrorKind::Internal] {
            assert_eq!(verdict(kind, WRITE, 3), Verdict::Fail);
            assert_eq!(verdict(kind, READ, 3), Verdict::Again);
        }
    }

    #[test]
    fn a_refused_append_is_taken_apart_once() {
        assert_eq!(verdict(ErrorKind::Invalid, WRITE, 3), Verdict::Alone);
        let alone = Tried { shared: false, ..WRITE };
        assert_eq!(verdict(ErrorKind::Invalid, alone, 3), Verdict::Fail);
    }

    #[test]
    fn conflicts_are_retried_so_often() {
        let conflict = ErrorKind::Conflict { highest: SeqNr::FIRST };
        assert_eq!(verdict(conflict, Tried { conflicts: 3, ..WRITE }, 3), Verdict::Again);
        assert_eq!(verdict(conflict, Tried { conflicts: 4, ..READ }, 3), Verdict::Fail);
    }
}
