//! What can be chosen about a query.

/// How far a stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Extent {
    /// It ends at what existed when it was first polled (Q4). The default.
    #[default]
    Current,
    /// It waits for more, and ends only with an error (or behind the last number asked for).
    Live,
}

/// What is done about a hole in the numbers of one entity, which only damage makes in what annals
/// wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Gaps {
    /// The stream ends with `Corrupt`. The default.
    #[default]
    Refuse,
    /// The events around it are delivered: for data that Pekko wrote, where a rejected event may
    /// have used up its number. Order is checked all the same.
    Accept,
}

/// Settings of a [`Query`](crate::Query).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryOptions {
    /// The most events (or ids) that one read asks of the store; at least 1. Default 1,024. Nothing
    /// is read ahead: a stream holds one page.
    pub page_events_max: usize,
    /// See [`Gaps`].
    pub gaps: Gaps,
}

impl Default for QueryOptions {
    fn default() -> Self {
        Self { page_events_max: 1_024, gaps: Gaps::default() }
    }
}

impl QueryOptions {
    /// The same settings with at most `page_events_max` events a page (0 counts as 1).
    #[must_use]
    pub fn with_page_events_max(mut self, page_events_max: usize) -> Self {
        self.page_events_max = page_events_max.max(1);
        self
    }

    /// The same settings with `gaps`.
    #[must_use]
    pub fn with_gaps(mut self, gaps: Gaps) -> Self {
        self.gaps = gaps;
        self
    }
}
