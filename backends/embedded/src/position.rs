//! Places in the log: a segment's number, and a byte within it.

use std::fmt;

/// The number of a segment: 1, 2, 3 … in the order of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SegmentNr(u32);

impl SegmentNr {
    /// The first segment.
    pub(crate) const FIRST: Self = Self(1);

    /// Segment `number`.
    pub(crate) const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The segment's number.
    pub(crate) const fn get(self) -> u32 {
        self.0
    }

    /// The segment after this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for SegmentNr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A byte of the log. Ordered as the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Position {
    /// The segment.
    pub(crate) segment: SegmentNr,
    /// The byte within the segment's file.
    pub(crate) byte: u32,
}

impl Position {
    /// Byte `byte` of `segment`.
    pub(crate) const fn new(segment: SegmentNr, byte: u32) -> Self {
        Self { segment, byte }
    }

    /// The position as one integer: the segment in the upper half.
    pub(crate) fn to_u64(self) -> u64 {
        (u64::from(self.segment.0) << 32) | u64::from(self.byte)
    }

    /// The position that [`Position::to_u64`] made `value` of.
    pub(crate) fn from_u64(value: u64) -> Self {
        let [s0, s1, s2, s3, b0, b1, b2, b3] = value.to_be_bytes();
        Self {
            segment: SegmentNr(u32::from_be_bytes([s0, s1, s2, s3])),
            byte: u32::from_be_bytes([b0, b1, b2, b3]),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment, self.byte)
    }
}
