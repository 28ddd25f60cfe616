//! Timeuuids (version 1 UUIDs) as Pekko's plugin makes and compares them: the time, the place in the
//! order and, by tag, the offset of an event.
//!
//! ```text
//!  most significant 64 bits: time_low 32 | time_mid 16 | version 4 | time_high 12
//! least significant 64 bits: variant 2 | 62 bits that tell one process from another
//! ```

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use annals_core::Timestamp;
use parking_lot::Mutex;
use uuid::Uuid;

use crate::times::Times;

/// Between 1582-10-15, where version 1 UUIDs begin to count, and 1970, in milliseconds.
const GREGORIAN_MILLIS: i64 = 12_219_292_800_000;
/// A tick is 100 nanoseconds.
const TICKS_PER_MILLI: i64 = 10_000;
/// How far the clocks of two writers may differ.
const LEAD_MILLIS_MAX: i64 = 5_000;
const START_LOW_HALF: u64 = 0x8080_8080_8080_8080;
const END_LOW_HALF: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// A version 1 UUID, ordered as Cassandra orders it: by time, then by the low half's bytes as signed ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TimeUuid(Uuid);

impl TimeUuid {
    /// The timeuuid `uuid`, or `None` if it is of another version.
    pub(crate) fn new(uuid: Uuid) -> Option<Self> {
        (uuid.get_version_num() == 1).then_some(Self(uuid))
    }

    fn of(ticks: i64, low_half: u64) -> Self {
        let ticks = ticks.cast_unsigned();
        let high_half = (ticks & 0xffff_ffff) << 32
            | ((ticks >> 32) & 0xffff) << 16
            | ((ticks >> 48) & 0x0fff)
            | 0x1000;
        Self(Uuid::from_u64_pair(high_half, low_half))
    }

    /// Before every timeuuid of the millisecond.
    pub(crate) fn start_of(millis: i64) -> Self {
        Self::of(ticks_of(millis), START_LOW_HALF)
    }

    /// After every timeuuid of the millisecond.
    pub(crate) fn end_of(millis: i64) -> Self {
        Self::of(ticks_of(millis.saturating_add(1)).saturating_sub(1), END_LOW_HALF)
    }

    /// Before every timeuuid of this one's tick, and after those of earlier ticks.
    pub(crate) fn just_before(self) -> Self {
        Self::of(self.ticks() - 1, END_LOW_HALF)
    }

    /// After every timeuuid of this one's tick.
    pub(crate) fn just_after(self) -> Self {
        Self::of(self.ticks() + 1, START_LOW_HALF)
    }

    pub(crate) fn uuid(self) -> Uuid {
        self.0
    }

    fn ticks(self) -> i64 {
        let (high, _) = self.0.as_u64_pair();
        let ticks = (high >> 32) | ((high >> 16) & 0xffff) << 32 | (high & 0x0fff) << 48;
        ticks.cast_signed()
    }

    /// Milliseconds since 1970.
    pub(crate) fn millis(self) -> i64 {
        self.ticks() / TICKS_PER_MILLI - GREGORIAN_MILLIS
    }

    pub(crate) fn timestamp(self) -> Timestamp {
        Timestamp::from_millis(self.millis())
    }

    /// The low half with the sign of each byte turned, which makes the unsigned order the signed one.
    fn low_order(self) -> u64 {
        self.0.as_u64_pair().1 ^ START_LOW_HALF
    }
}

impl Ord for TimeUuid {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.ticks(), self.low_order()).cmp(&(other.ticks(), other.low_order()))
    }
}

impl PartialOrd for TimeUuid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for TimeUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TimeUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn ticks_of(millis: i64) -> i64 {
    millis.saturating_add(GREGORIAN_MILLIS).saturating_mul(TICKS_PER_MILLI)
}

/// Draws timeuuids: each later than the one before, also when the clock goes back. Where more than
/// 10,000 are drawn in a millisecond it runs ahead of the clock, instead of waiting for it.
#[derive(Debug)]
pub(crate) struct TimeUuids {
    times: Arc<Times>,
    low_half: u64,
    last_ticks: Mutex<i64>,
}

impl TimeUuids {
    /// A source of its own; `random` tells it from all others.
    pub(crate) fn new(random: u64, times: Arc<Times>) -> Self {
        // The variant, and the bit that says that the node is no hardware address.
        let low_half = random & 0x3fff_ffff_ffff_ffff | 0x8000_0100_0000_0000;
        Self { times, low_half, last_ticks: Mutex::new(0) }
    }

    /// The next one, of now or later.
    pub(crate) fn draw(&self) -> TimeUuid {
        let mut last = self.last_ticks.lock();
        *last = ticks_of(self.times.now_millis()).max(*last + 1);
        TimeUuid::of(*last, self.low_half)
    }

    /// Draws none before `seen`, the last event of an entity that goes on here: clocks of two processes
    /// differ a little. What is further ahead is a clock that is wrong, and not followed.
    pub(crate) fn follow(&self, seen: TimeUuid) {
        if seen.millis().saturating_sub(self.times.now_millis()) <= LEAD_MILLIS_MAX {
            let mut last = self.last_ticks.lock();
            *last = seen.ticks().max(*last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::times::Manual;

    #[test]
    fn starts_and_ends_are_those_of_the_java_driver() {
        let vectors = [
            (0, "13814000-1dd2-11b2-8080-808080808080", "1381670f-1dd2-11b2-7f7f-7f7f7f7f7f7f"),
            (
                1_447_977_600_000,
                "a4698000-8f19-11e5-8080-808080808080",
                "a469a70f-8f19-11e5-7f7f-7f7f7f7f7f7f",
            ),
            (
                1_735_689_599_999,
                "57fcd8f0-c7d3-11ef-8080-808080808080",
                "57fcffff-c7d3-11ef-7f7f-7f7f7f7f7f7f",
            ),
        ];
        for (millis, start, end) in vectors {
            assert_eq!(TimeUuid::start_of(millis).to_string(), start);
            assert_eq!(TimeUuid::end_of(millis).to_string(), end);
            assert_eq!(TimeUuid::start_of(millis).millis(), millis);
            assert_eq!(TimeUuid::end_of(millis).millis(), millis);
        }
    }

    #[test]
    fn the_order_is_that_of_the_server() {
        let real = TimeUuid::of(ticks_of(5), 0x8123_4567_89ab_cdef);
        assert!(TimeUuid::start_of(5) < real && real < TimeUuid::end_of(5));
        let late = TimeUuid::of(ticks_of(5) + 9_999, 0x8123_4567_89ab_cdef);
        assert!(real < late && late < TimeUuid::end_of(5) && late.millis() == 5);
        assert!(TimeUuid::end_of(5) < TimeUuid::start_of(6));
        assert_eq!(TimeUuid::of(ticks_of(6) - 1 + 1, 0x8000_0000_0000_0000).millis(), 6);
    }

    #[test]
    fn drawn_ones_grow_whatever_the_clock_does() {
        let clock = Manual::at(0);
        let source = TimeUuids::new(u64::MAX, Arc::new(Times::new(clock.clone())));
        let mut draw = |millis| {
            clock.set(millis);
            source.draw()
        };
        let drawn: Vec<_> = [7, 7, 3, 8, 8].into_iter().map(&mut draw).collect();
        assert!(drawn.is_sorted_by(|a, b| a < b), "{drawn:?}");
        let millis: Vec<_> = drawn.iter().map(|uuid| uuid.millis()).collect();
        assert_eq!(millis, [7, 7, 7, 8, 8]);
        assert!(drawn.iter().all(|uuid| TimeUuid::new(uuid.uuid()) == Some(*uuid)));
    }

    #[test]
    fn an_event_comes_after_the_one_that_it_follows_unless_that_ones_clock_was_wrong() {
        let clock = Manual::at(1_000_000);
        let source = TimeUuids::new(7, Arc::new(Times::new(clock)));
        let near = TimeUuid::end_of(1_002_000);
        source.follow(near);
        assert!(source.draw() > near);
        let far = TimeUuid::end_of(1_300_000);
        source.follow(far);
        assert!(source.draw() < far);
    }
}
