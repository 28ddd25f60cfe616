//! The numbers of the contract: sequence numbers, ranges of them, timestamps.

use std::fmt;

/// The number of an event within one entity: 1, 2, 3 …; 0 = nothing yet. At most `i64::MAX`, since
/// the stores that are shared with Pekko keep it as a signed 64-bit integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SeqNr(u64);

impl SeqNr {
    /// Before the first event.
    pub const ZERO: Self = Self(0);
    /// The first event's number.
    pub const FIRST: Self = Self(1);
    /// The greatest number a store can keep.
    pub const MAX: Self = Self(i64::MAX.cast_unsigned());

    /// The number `value`, or `None` above [`SeqNr::MAX`].
    pub const fn new(value: u64) -> Option<Self> {
        if value > Self::MAX.0 { None } else { Some(Self(value)) }
    }

    /// The number as an integer.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The next number; stays at [`SeqNr::MAX`].
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The number before this one; stays at 0.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The number `count` further on; stays at [`SeqNr::MAX`].
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        let sum = self.0.saturating_add(count);
        if sum > Self::MAX.0 { Self::MAX } else { Self(sum) }
    }

    /// Whether nothing has been stored yet.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for SeqNr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A range of sequence numbers, both ends included; empty if `from > to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeqRange {
    /// The lowest number wanted (0 means the same as 1).
    pub from: SeqNr,
    /// The highest number wanted.
    pub to: SeqNr,
}

impl SeqRange {
    /// Everything.
    pub const ALL: Self = Self { from: SeqNr::FIRST, to: SeqNr::MAX };

    /// From `from` to the end.
    pub const fn from(from: SeqNr) -> Self {
        Self { from, to: SeqNr::MAX }
    }

    /// From `from` to `to`, both included.
    pub const fn new(from: SeqNr, to: SeqNr) -> Self {
        Self { from, to }
    }

    /// Whether the range holds no number.
    pub fn is_empty(self) -> bool {
        self.from > self.to || self.to.is_zero()
    }

    /// Whether `seq_nr` lies in the range.
    pub fn contains(self, seq_nr: SeqNr) -> bool {
        self.from <= seq_nr && seq_nr <= self.to
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Unknown, as data of Pekko that kept no time says.
    pub const UNKNOWN: Self = Self(0);
    /// Before every other.
    pub const MIN: Self = Self(i64::MIN);
    /// After every other.
    pub const MAX: Self = Self(i64::MAX);

    /// The time `millis` milliseconds after 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
