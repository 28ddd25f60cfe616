//! Saves offsets with compare-and-set, and settles what an unknown outcome left open.

use std::collections::HashMap;

use annals_core::{
    Append, Appended, ErrorKind, JournalExt, Offset, OffsetRevision, OffsetSave, Result, Retry,
    RetryPolicy, Store,
};

use super::settings::Components;

/// The store as one projection uses it, with the revisions of its offsets.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) store: Store,
    pub(crate) components: Components,
    pub(crate) retry: RetryPolicy,
    revisions: HashMap<String, OffsetRevision>,
    saved: bool,
}

impl Keeper {
    pub(crate) fn new(store: Store, components: Components, retry: RetryPolicy) -> Self {
        Self { store, components, retry, revisions: HashMap::new(), saved: false }
    }

    pub(crate) fn start_retry(&self) -> Retry {
        self.retry.start(self.components.ids.clone())
    }

    /// Whether it ever saved an offset: from then on, who else moves it is another instance.
    pub(crate) fn has_saved(&self) -> bool {
        self.saved
    }

    fn saved(&mut self, key: &str, revision: OffsetRevision) {
        self.revisions.insert(key.to_owned(), revision);
        self.saved = true;
    }

    fn expected(&self, key: &str) -> OffsetRevision {
        self.revisions.get(key).copied().unwrap_or_default()
    }

    /// The offset under `key`; from now on its revision is the one that counts.
    pub(crate) async fn load(&mut self, key: &str) -> Result<Option<Offset>> {
        let found = self.store.offsets.load_offset(key).await?;
        let revision = found.as_ref().map_or(OffsetRevision::NONE, |stored| stored.revision);
        self.revisions.insert(key.to_owned(), revision);
        Ok(found.map(|stored| stored.offset))
    }

    /// Saves the offset under `key`, if nobody else has since.
    pub(crate) async fn save(&mut self, key: &str, offset: &Offset) -> Result<()> {
        let expected = self.expected(key);
        let mut retry = self.start_retry();
        let mut unknown = false;
        let offsets = self.store.offsets.clone();
        loop {
            let error = match offsets.save_offset(key, expected, offset.clone()).await {
                Ok(revision) => {
                    self.saved(key, revision);
                    return Ok(());
                }
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::OutcomeUnknown => unknown = true,
                ErrorKind::Unavailable => {}
                // The attempt before it may have arrived after all. Another instance that saved the
                // very same offset is no different: the next save decides between the two.
                ErrorKind::Conflict { .. } if unknown => {
                    let found = offsets.load_offset(key).await?;
                    let own = |stored: &annals_core::StoredOffset| {
                        stored.revision == expected.next() && stored.offset == *offset
                    };
                    if !found.as_ref().is_some_and(own) {
                        return Err(error);
                    }
                    self.saved(key, expected.next());
                    return Ok(());
                }
                _ => return Err(error),
            }
            match retry.next_delay() {
                Some(delay) => self.components.sleep.sleep(delay).await,
                None => return Err(error),
            }
        }
    }

    /// Appends.
    pub(crate) async fn append(&self, append: Append) -> Result<Appended> {
        let retry = self.start_retry();
        self.store.journal.append_retrying(append, retry, &*self.components.sleep).await
    }

    /// Appends, and saves the offset under `key` in the same commit.
    pub(crate) async fn append_saving(
        &mut self,
        append: Append,
        key: &str,
        offset: &Offset,
    ) -> Result<Appended> {
        let expected = self.expected(key);
        let save = OffsetSave { name: key.to_owned(), expected, offset: offset.clone() };
        let receipt = self.append(append.with_offset_save(save)).await?;
        self.saved(key, expected.next());
        Ok(receipt)
    }
}
