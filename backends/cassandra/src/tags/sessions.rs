//! What a reader of a tag has seen of each entity, kept from page to page. A page is asked for by its
//! offset alone; a reader whose session was dropped begins one anew there.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use annals_core::{PersistenceId, Tag};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::recovered::RecoveredRow;
use crate::partition::Bucket;
use crate::timeuuid::TimeUuid;

/// How many readers are remembered.
const SESSIONS_MAX: usize = 64;

/// What a reader has seen.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Each entity's last counter, and when it came.
    pub(crate) seen: HashMap<PersistenceId, (i64, Bucket)>,
    /// Whether the reader began at an offset: then what it saw of an entity first is its first.
    pub(crate) from_offset: bool,
    /// Before it, nothing is late: the reader did not ask for it, or does not know what it has delivered.
    /// `None`: it has not looked yet what lies behind it.
    pub(crate) began: Option<TimeUuid>,
    /// When late rows were last looked for.
    pub(crate) looked_near: Instant,
    /// And far back.
    pub(crate) looked_far: Instant,
    /// Rows that were recovered behind it, to be delivered as of then.
    pub(crate) recovered: VecDeque<Arc<RecoveredRow>>,
    /// How many that were recovered it has noted.
    pub(crate) recovered_to: u64,
}

impl Session {
    /// Of a reader that begins at an offset, or behind `first`.
    pub(crate) fn new(offset: Option<TimeUuid>, first: TimeUuid) -> Self {
        let (now, from_offset) = (Instant::now(), offset.is_some());
        let began = (!from_offset).then_some(first);
        Self {
            seen: HashMap::new(),
            from_offset,
            began,
            looked_near: now,
            looked_far: now,
            recovered: VecDeque::new(),
            recovered_to: 0,
        }
    }

    /// Forgets entities of which nothing came in the last two buckets; gives what it knew of them.
    pub(crate) fn clean_up(&mut self, current: Bucket) -> HashMap<PersistenceId, (i64, Bucket)> {
        let oldest = current.previous().previous();
        self.from_offset = true;
        self.seen.extract_if(|_, (_, bucket)| bucket.is_before(oldest)).collect()
    }
}

/// The sessions of all readers, the newest first.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<VecDeque<(Tag, TimeUuid, Session)>>);

impl Sessions {
    /// The session of the reader of `tag` that stands at `position`.
    pub(crate) fn take(&self, tag: &Tag, position: TimeUuid) -> Option<Session> {
        let mut sessions = self.0.lock();
        let index = sessions.iter().position(|(of, at, _)| of == tag && *at == position)?;
        sessions.remove(index).map(|(_, _, session)| session)
    }

    pub(crate) fn put(&self, tag: &Tag, position: TimeUuid, session: Session) {
        let mut sessions = self.0.lock();
        sessions.truncate(SESSIONS_MAX - 1);
        sessions.push_front((tag.clone(), position, session));
    }
}
