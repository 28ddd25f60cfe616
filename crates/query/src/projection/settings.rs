//! What can be chosen about a projection.

use std::sync::Arc;
use std::time::Duration;

use annals_core::{Clock, Error, Ids, Result, RetryPolicy, Scope, Sleep, Slice, SliceRange, Tag};

/// What a projection takes from outside.
#[derive(Debug, Clone)]
pub struct Components {
    /// The time of day, for notes of parked events and for the lag.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids, and jitter.
    pub ids: Arc<dyn Ids>,
    /// Waiting, for back-off and for what is saved after a while.
    pub sleep: Arc<dyn Sleep>,
}

/// Which events a projection handles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// All events.
    All,
    /// The events that carry a tag. Several instances each read all of them, and handle their share.
    Tag(Tag),
    /// The events of the entities whose slice lies in a range.
    Slices(SliceRange),
}

/// One of several instances that share a projection: each handles the entities of its range of
/// slices, so that an entity's events stay in order.
///
/// How many there are is a lasting choice: a projection that ran with another number is refused
/// (each range has an offset of its own). Several instances may run in one process, so choose many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    index: u16,
    count: u16,
}

impl Instance {
    /// The only one.
    pub const ONLY: Self = Self { index: 0, count: 1 };

    /// Instance `index` (from 0) of `count`.
    ///
    /// # Errors
    /// `Invalid` unless `index < count <= 1024`.
    pub fn new(index: u16, count: u16) -> Result<Self> {
        if index >= count || count > Slice::COUNT {
            return Err(Error::invalid(format!("there is no instance {index} of {count}")));
        }
        Ok(Self { index, count })
    }

    /// Its part of `slices`.
    pub(crate) fn part(self, slices: SliceRange) -> Result<SliceRange> {
        let (min, max) = (u32::from(slices.min().get()), u32::from(slices.max().get()));
        let (index, count) = (u32::from(self.index), u32::from(self.count));
        let width = max - min + 1;
        if count > width {
            let message = format!("{count} instances cannot share {width} slices");
            return Err(Error::invalid(message));
        }
        let slice = |number: u32| {
            let number = u16::try_from(number).expect("a slice within a range fits");
            Slice::new(number).expect("a slice within a range is one")
        };
        SliceRange::new(
            slice(min + width * index / count),
            slice(min + width * (index + 1) / count - 1),
        )
    }
}

impl Source {
    /// What an instance reads, the slices that it handles, and what its offset's name ends with.
    pub(crate) fn share(&self, instance: Instance) -> Result<(Scope, SliceRange, String)> {
        let whole = match self {
            Self::Slices(slices) => *slices,
            Self::All | Self::Tag(_) => SliceRange::ALL,
        };
        let slices = instance.part(whole)?;
        let scope = match self {
            Self::Tag(tag) => Scope::Tag(tag.clone()),
            Self::All if instance == Instance::ONLY => Scope::All,
            Self::All | Self::Slices(_) => Scope::Slices(slices),
        };
        let suffix = match instance {
            Instance::ONLY => String::new(),
            _ => format!("@{}-{}", slices.min().get(), slices.max().get()),
        };
        Ok((scope, slices, suffix))
    }
}

/// What is done about an event whose handler fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnFailure {
    /// How it is tried again first. Default: [`RetryPolicy::default`].
    pub retry: RetryPolicy,
    /// What follows when that does not help. Default: [`GiveUp::Stop`].
    pub give_up: GiveUp,
}

/// What is done about an event that cannot be handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GiveUp {
    /// The projection stops with an error; the offset stays before the event (P3). The default.
    #[default]
    Stop,
    /// The event is left out, and counted.
    Skip,
    /// The event is recorded in the journal, and the later events of its entity wait with it, until
    /// [`retry_parked`](crate::ProjectionHandle::retry_parked) or
    /// [`skip_parked`](crate::ProjectionHandle::skip_parked). Other entities go on.
    Park,
}

impl OnFailure {
    /// Tries again with back-off, then stops.
    pub const STOP: Self = Self::after_retries(GiveUp::Stop);
    /// Tries again with back-off, then skips the event.
    pub const SKIP: Self = Self::after_retries(GiveUp::Skip);
    /// Tries again with back-off, then parks the event.
    pub const PARK: Self = Self::after_retries(GiveUp::Park);

    const fn after_retries(give_up: GiveUp) -> Self {
        let retry = RetryPolicy {
            first: Duration::from_millis(10),
            max: Duration::from_secs(2),
            retries_max: 8,
        };
        Self { retry, give_up }
    }

    /// The same with `retry`.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }
}

impl Default for OnFailure {
    fn default() -> Self {
        Self::STOP
    }
}

/// Settings of a projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProjectionSettings {
    /// The offset is saved after so many events. Default 1,000.
    pub save_after_events: usize,
    /// Or so long after the first of them. Default 500 ms.
    pub save_after: Duration,
    /// The most events of a group. Default 1,000.
    pub group_events_max: usize,
    /// How long a group waits for more events before it is handled. Default zero: it is made of what
    /// is there.
    pub group_within: Duration,
    /// The most events that are parked at a time; the projection stops when there would be more.
    /// Default 10,000.
    pub parked_events_max: usize,
    /// See [`OnFailure`].
    pub on_failure: OnFailure,
    /// How the store's own failures are retried. Default: [`RetryPolicy::default`].
    pub store_retry: RetryPolicy,
}

impl Default for ProjectionSettings {
    fn default() -> Self {
        Self {
            save_after_events: 1_000,
            save_after: Duration::from_millis(500),
            group_events_max: 1_000,
            group_within: Duration::ZERO,
            parked_events_max: 10_000,
            on_failure: OnFailure::default(),
            store_retry: RetryPolicy::default(),
        }
    }
}

impl ProjectionSettings {
    /// The same settings, with the offset saved after `events` (0 counts as 1) or `after`.
    #[must_use]
    pub fn with_save_after(mut self, events: usize, after: Duration) -> Self {
        self.save_after_events = events.max(1);
        self.save_after = after;
        self
    }

    /// The same settings with groups of up to `events_max` (0 counts as 1), gathered for `within`.
    #[must_use]
    pub fn with_group(mut self, events_max: usize, within: Duration) -> Self {
        self.group_events_max = events_max.max(1);
        self.group_within = within;
        self
    }

    /// The same settings with at most `events_max` parked events.
    #[must_use]
    pub fn with_parked_events_max(mut self, events_max: usize) -> Self {
        self.parked_events_max = events_max;
        self
    }

    /// The same settings with `on_failure`.
    #[must_use]
    pub fn with_on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// The same settings with `store_retry`.
    #[must_use]
    pub fn with_store_retry(mut self, store_retry: RetryPolicy) -> Self {
        self.store_retry = store_retry;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_partition_the_slices() {
        for count in [1_u16, 2, 3, 7, 1024] {
            let mut next = 0;
            for index in 0..count {
                let part = Instance::new(index, count).unwrap().part(SliceRange::ALL).unwrap();
                assert_eq!(part.min().get(), next);
                next = part.max().get() + 1;
            }
            assert_eq!(next, Slice::COUNT);
        }
        assert!(Instance::new(2, 2).is_err());
        let few = SliceRange::new(Slice::MIN, Slice::new(1).unwrap()).unwrap();
        assert!(Instance::new(0, 3).unwrap().part(few).is_err());
    }
}
