//! Where an event lies: partitions of one entity, and time buckets of one tag (Pekko's arithmetic).

use annals_core::{Error, Result, SeqNr};
use serde::{Deserialize, Serialize};

use crate::timeuuid::TimeUuid;

/// `journal.target-partition-size`: how many events a partition nominally holds. A storage format: it
/// must never change once there are events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct PartitionSize(u64);

impl PartitionSize {
    /// A partition nominally holds `events` events.
    ///
    /// # Errors
    /// `Invalid` for 0, or for more than a number can count.
    pub fn new(events: u64) -> Result<Self> {
        if events == 0 || SeqNr::new(events).is_none() {
            let message = format!("a target-partition-size of {events} events is not possible");
            return Err(Error::invalid(message));
        }
        Ok(Self(events))
    }

    /// The number of events.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The nominal partition of event `seq_nr`: it lies there, or in the next one.
    pub(crate) fn partition_of(self, seq_nr: SeqNr) -> Partition {
        Partition(seq_nr.previous().get() / self.0)
    }
}

impl Default for PartitionSize {
    /// 500,000, as Pekko's `reference.conf` has it.
    fn default() -> Self {
        Self(500_000)
    }
}

impl TryFrom<u64> for PartitionSize {
    type Error = Error;

    fn try_from(events: u64) -> Result<Self> {
        Self::new(events)
    }
}

impl From<PartitionSize> for u64 {
    fn from(size: PartitionSize) -> Self {
        size.0
    }
}

/// A partition of one entity's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Partition(u64);

impl Partition {
    pub(crate) const FIRST: Self = Self(0);

    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    pub(crate) fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }

    /// The column `partition_nr`.
    pub(crate) fn column(self) -> i64 {
        self.0.cast_signed()
    }
}

/// `events-by-tag.bucket-size`: how long a time bucket of a tag is. A storage format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum BucketSize {
    /// 24 hours, in UTC.
    Day,
    /// One hour.
    #[default]
    Hour,
    /// One minute.
    Minute,
    /// One second; for tests.
    Second,
}

impl BucketSize {
    fn millis(self) -> i64 {
        match self {
            Self::Day => 86_400_000,
            Self::Hour => 3_600_000,
            Self::Minute => 60_000,
            Self::Second => 1_000,
        }
    }

    /// The bucket of a moment.
    pub(crate) fn bucket_at(self, millis: i64) -> Bucket {
        Bucket { start: millis / self.millis() * self.millis(), size: self }
    }

    pub(crate) fn bucket_of(self, uuid: TimeUuid) -> Bucket {
        self.bucket_at(uuid.millis())
    }
}

/// A time bucket of a tag: one partition of `tag_views`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Bucket {
    start: i64,
    size: BucketSize,
}

impl Bucket {
    /// The column `timebucket`: its start in milliseconds.
    pub(crate) fn column(self) -> i64 {
        self.start
    }

    pub(crate) fn next(self) -> Self {
        Self { start: self.start + self.size.millis(), ..self }
    }

    pub(crate) fn previous(self) -> Self {
        Self { start: self.start - self.size.millis(), ..self }
    }

    /// Whether it lies wholly before that of `millis`.
    pub(crate) fn is_before(self, other: Self) -> bool {
        self.start < other.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_those_of_pekko() {
        let nr = |value| SeqNr::new(value).unwrap();
        let size = PartitionSize::default();
        let found = [0, 1, 500_000, 500_001, 1_000_000, 1_000_001]
            .map(|seq_nr| size.partition_of(nr(seq_nr)).column());
        assert_eq!(found, [0, 0, 0, 1, 1, 2]);
        let five = PartitionSize::new(5).unwrap();
        assert_eq!([4, 5, 6].map(|seq_nr| five.partition_of(nr(seq_nr)).column()), [0, 0, 1]);
        assert!(PartitionSize::new(0).is_err());
    }

    #[test]
    fn buckets_are_those_of_pekko() {
        let sizes = [BucketSize::Second, BucketSize::Minute, BucketSize::Hour, BucketSize::Day];
        let at = |millis| sizes.map(|size| size.bucket_at(millis).column());
        assert_eq!(
            at(1_700_000_000_123),
            [1_700_000_000_000, 1_699_999_980_000, 1_699_999_200_000, 1_699_920_000_000]
        );
        assert_eq!(at(1_735_689_600_000), [1_735_689_600_000; 4]);
        let hour = BucketSize::Hour.bucket_at(1_700_000_000_123);
        assert_eq!(hour.next().previous(), hour);
    }
}
