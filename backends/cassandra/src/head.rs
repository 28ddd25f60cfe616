//! The head of a partition under `fencing = lwt`: what its static column says. The value *is* the
//! condition of the next write, so a writer has to know it exactly.
//!
//! ```text
//!   (null) ──append──► open:7 ──append──► open:9 ──seal──► sealed:9      the next partition may be begun
//!      └────ingest───► begun:41 ─append─► open:43
//! ```
//!
//! * `open:N`: the entity's highest number is N, and it is (or would be) in this partition.
//! * `sealed:N`: nothing may be appended here any more; the entity went on, or may go on, after N in the
//!   next partition. A partition is begun (from null) only when the one before it is sealed, so two
//!   writers cannot pass a boundary on both sides of it.
//! * `begun:N` (first partition only): the history begins after N, and nothing is stored yet.

use std::fmt;

use annals_core::{Error, Result, SeqNr};

/// What the static column of a partition says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) state: HeadState,
    pub(crate) at: SeqNr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadState {
    Open,
    Sealed,
    Begun,
}

impl Head {
    pub(crate) fn open(at: SeqNr) -> Self {
        Self { state: HeadState::Open, at }
    }

    pub(crate) fn sealed(at: SeqNr) -> Self {
        Self { state: HeadState::Sealed, at }
    }

    pub(crate) fn begun(at: SeqNr) -> Self {
        Self { state: HeadState::Begun, at }
    }

    /// The head that the column's `text` says.
    ///
    /// # Errors
    /// `Corrupt` for anything else.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let malformed = || Error::corrupt(format!("a partition's annals_head is {text:?}"));
        let (state, at) = text.split_once(':').ok_or_else(malformed)?;
        let state = match state {
            "open" => HeadState::Open,
            "sealed" => HeadState::Sealed,
            "begun" => HeadState::Begun,
            _ => return Err(malformed()),
        };
        let at = at.parse().ok().and_then(SeqNr::new).ok_or_else(malformed)?;
        Ok(Self { state, at })
    }

    pub(crate) fn is_sealed(self) -> bool {
        self.state == HeadState::Sealed
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            HeadState::Open => "open",
            HeadState::Sealed => "sealed",
            HeadState::Begun => "begun",
        };
        write!(f, "{state}:{}", self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_as_it_was_written() {
        let at = SeqNr::new(41).unwrap();
        for (head, text) in [
            (Head::open(at), "open:41"),
            (Head::sealed(at), "sealed:41"),
            (Head::begun(SeqNr::ZERO), "begun:0"),
        ] {
            assert_eq!(head.to_string(), text);
            assert_eq!(Head::parse(text).unwrap(), head);
        }
        for malformed in ["", "open", "open:", "open:-1", "shut:1", "open:9223372036854775808"] {
            assert!(Head::parse(malformed).is_err(), "{malformed}");
        }
    }
}
