//! What an answer to an append means: who holds its numbers.

use annals_core::Result;

use super::Attempt;
use crate::client::Write;
use crate::item::{Item, header};
use crate::keys::Group;
use crate::read::item_at;

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolution {
    /// It is stored, by this attempt or by an earlier one.
    Stored,
    /// Another append, or a deleted event, holds its numbers.
    Conflict,
}

impl Attempt<'_> {
    /// Resolves `written`. The first event decides: all are stored with it or none.
    pub(super) async fn resolve(&self, written: Write) -> Result<Resolution> {
        let first = match written {
            Write::Done => return Ok(Resolution::Stored),
            Write::Condition(item) => item,
            Write::Cancelled(reasons) => reasons.into_iter().next().and_then(|first| first.item),
        };
        match first {
            Some(item) => self.holder(&item),
            None => self.look().await,
        }
    }

    fn holder(&self, item: &Item) -> Result<Resolution> {
        let header = header(Group::of(self.append.range().from), item)?;
        Ok(self.of(header.append_id == Some(self.append.append_id())))
    }

    /// Looks who holds the first number, where the answer did not say it.
    async fn look(&self) -> Result<Resolution> {
        let found = item_at(self.inner, self.append.id(), self.append.range().from).await?;
        let own = found.is_some_and(|header| header.append_id == Some(self.append.append_id()));
        Ok(self.of(own))
    }

    fn of(&self, own: bool) -> Resolution {
        if own { Resolution::Stored } else { Resolution::Conflict }
    }
}
