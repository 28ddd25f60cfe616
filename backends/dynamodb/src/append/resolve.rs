//! What an answer to an append means: who holds its numbers.

use annals_core::Result;

use super::Attempt;
use crate::client::Write;
use crate::item::{Header, Item, header};
use crate::keys::Group;
use crate::read::item_at;

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolution {
    /// It is stored, by this attempt or by an earlier one.
    Stored,
    /// Another append, or a deleted event, holds its numbers.
    Conflict,
    /// What a dead writer left stood in its way and is gone: try again.
    Cleared,
}

impl Attempt<'_> {
    /// Resolves `written`, a write of the events from place `from` on. All of them are stored with the
    /// first or none.
    pub(super) async fn resolve(&self, written: Write, from: usize) -> Result<Resolution> {
        let found = match written {
            Write::Done => return Ok(Resolution::Stored),
            Write::Condition(item) => Some((from, item)),
            Write::Cancelled(reasons) => {
                let failed = |code: Option<&str>| code == Some("ConditionalCheckFailed");
                let mut places = (from..self.append.events().len()).zip(reasons);
                places
                    .find(|(_, reason)| failed(reason.code.as_deref()))
                    .map(|(place, reason)| (place, reason.item))
            }
        };
        let Some((place, item)) = found else {
            // Not an event, but the beginning of the id was in the way.
            return Ok(Resolution::Conflict);
        };
        let Some(header) = self.holder(place, item).await? else {
            // It was cleared away meanwhile.
            return Ok(Resolution::Cleared);
        };
        if header.append_id == Some(self.append.append_id()) {
            return Ok(Resolution::Stored);
        }
        // One clearing removes all that the dead append left.
        let cleared = self.clear(&header).await?;
        Ok(if cleared { Resolution::Cleared } else { Resolution::Conflict })
    }

    /// What holds the number at `place`; looked up where the answer did not tell.
    async fn holder(&self, place: usize, item: Option<Item>) -> Result<Option<Header>> {
        let place = u64::try_from(place).unwrap_or(u64::MAX);
        let seq_nr = self.append.range().from.plus(place);
        match item {
            Some(item) => header(Group::of(seq_nr), &item).map(Some),
            None => item_at(self.inner, self.append.id(), seq_nr).await,
        }
    }
}
