//! Conveniences over every journal.

use std::future::poll_fn;

use async_trait::async_trait;

use crate::{
    Append, Appended, Bounds, ErrorKind, Journal, PersistenceId, Result, Retry, SeqRange, Sleep,
    StoredEvent,
};

/// What can be said with the required methods of [`Journal`].
#[async_trait]
pub trait JournalExt: Journal {
    /// The stored events of `range`, all in memory: for tests, tools and short histories.
    ///
    /// # Errors
    /// As [`Journal::replay`].
    async fn read_all(&self, id: &PersistenceId, range: SeqRange) -> Result<Vec<StoredEvent>> {
        let mut batches = self.replay(id, range);
        let mut events = Vec::new();
        while let Some(batch) = poll_fn(|cx| batches.as_mut().poll_next(cx)).await {
            events.extend(batch?.events);
        }
        Ok(events)
    }

    /// Appends, repeating the very same append while the store is unavailable or its answer unknown,
    /// as `retry` paces it. Once an attempt's outcome was unknown, giving up is `OutcomeUnknown`,
    /// whatever the last attempt said of itself.
    ///
    /// # Errors
    /// As [`Journal::append`].
    async fn append_retrying(
        &self,
        append: Append,
        mut retry: Retry,
        sleep: &dyn Sleep,
    ) -> Result<Appended> {
        let mut unknown = false;
        loop {
            let error = match self.append(append.clone()).await {
                Err(error) => error,
                receipt => return receipt,
            };
            match error.kind() {
                ErrorKind::OutcomeUnknown => unknown = true,
                ErrorKind::Unavailable => {}
                ErrorKind::Closed | ErrorKind::Internal if unknown => {
                    return Err(still_unknown(&append, error));
                }
                _ => return Err(error),
            }
            match retry.next_delay() {
                Some(delay) => sleep.sleep(delay).await,
                None if unknown => return Err(still_unknown(&append, error)),
                None => return Err(error),
            }
        }
    }

    /// The bounds, or `None` for an id that never held an event.
    ///
    /// # Errors
    /// As [`Journal::bounds`].
    async fn known_bounds(&self, id: &PersistenceId) -> Result<Option<Bounds>> {
        let bounds = self.bounds(id).await?;
        Ok((!bounds.highest.is_zero()).then_some(bounds))
    }
}

impl<J: Journal + ?Sized> JournalExt for J {}

fn still_unknown(append: &Append, last: crate::Error) -> crate::Error {
    let message = format!(
        "whether events {}-{} of {} were stored is not known: repeat the same append ({}) or reload",
        append.range().from,
        append.range().to,
        append.id(),
        append.append_id(),
    );
    crate::Error::outcome_unknown(message).with_source(last)
}
