//! The second part of a rebuild: what should not be there. A pass over the keys of all tag rows, since
//! nothing else tells where the rows of an entity are that none of its events has.

use annals_core::{PersistenceId, Result, SeqNr, Tag};
use scylla::response::PagingState;
use scylla::value::CqlTimeuuid;
use uuid::Uuid;

use super::rebuild::{Rebuilt, RebuiltTags, TagRebuild, key};
use crate::end::seq_nr;
use crate::error;
use crate::store::Inner;
use crate::timeuuid::TimeUuid;
use crate::value::Value;

/// How many keys are read at a time.
const KEYS: i32 = 5_000;

/// A row, as far as it says whose it is.
struct View {
    tag: Tag,
    bucket: i64,
    at: TimeUuid,
    id: PersistenceId,
    counter: i64,
    seq_nr: SeqNr,
}

impl TagRebuild {
    /// Removes the rows of the entities so far that should not be there, and gives what became of each.
    /// `looked_at` is told how many rows were looked at, of whichever entity.
    ///
    /// # Errors
    /// As reading and writing; it can be run again.
    pub async fn sweep(&mut self, looked_at: impl FnMut(u64)) -> Result<Vec<RebuiltTags>> {
        let inner = self.store.inner.clone();
        let _request = inner.enter().await?;
        if !self.entities.is_empty() {
            self.pass(None, looked_at).await?;
        }
        Ok(std::mem::take(&mut self.swept))
    }

    /// The same, for the `part` of a long entity too, which is being read.
    pub(super) async fn pass(
        &mut self,
        mut part: Option<&mut Rebuilt>,
        mut looked_at: impl FnMut(u64),
    ) -> Result<()> {
        let inner = self.store.inner.clone();
        let what = || "looking through all tag rows".to_owned();
        let statement = &inner.connection.statements.tag_rebuild.scan_views;
        let mut page = Some(PagingState::start());
        while let Some(from) = page {
            let found = inner.connection.read_page(statement, (), KEYS, from, what).await?;
            let rows = found.rows.rows::<(String, i64, CqlTimeuuid, String, i64, Option<i64>)>();
            for row in rows.map_err(|error| error::of_rows(what(), error))? {
                let row = row.map_err(|error| error::of_rows(what(), error))?;
                let Some(row) = View::of(row) else { continue };
                let known = self.places.get(&row.id).and_then(|at| self.entities.get_mut(*at));
                let of_part = part.as_deref_mut().filter(|part| part.tags.persistence_id == row.id);
                let Some(entity) = known.or(of_part) else { continue };
                let wanted = key(&row.tag, row.bucket, row.at, &row.id, row.counter);
                if self.wanted.contains(&wanted) || entity.keeps(&inner, &row).await? {
                    continue;
                }
                entity.tags.removed += 1;
                if self.execution.applies() {
                    row.remove(&inner).await?;
                }
            }
            looked_at(u64::try_from(found.rows.rows_num()).unwrap_or_default());
            page = found.next;
        }
        self.places.clear();
        self.wanted.clear();
        self.swept.extend(self.entities.drain(..).map(|entity| entity.tags));
        Ok(())
    }
}

impl Rebuilt {
    /// Whether a row stays although no event that was read has it.
    async fn keeps(&mut self, inner: &Inner, row: &View) -> Result<bool> {
        let View { tag, seq_nr, counter, .. } = row;
        if *seq_nr < self.part.from || *seq_nr > self.part.to {
            return Ok(true);
        }
        if *seq_nr <= self.deleted_to {
            // Of an event that was deleted: nothing else says what it was.
            let base = self.bases.get(tag).copied().unwrap_or_default();
            return Ok(*counter <= base);
        }
        if *seq_nr <= self.tags.highest {
            return Ok(false);
        }
        // Appended since: tag rows are written after their event.
        if *seq_nr > self.seen_to {
            self.seen_to = inner.bounds(&row.id).await?.highest;
        }
        Ok(*seq_nr <= self.seen_to)
    }
}

impl View {
    fn of(row: (String, i64, CqlTimeuuid, String, i64, Option<i64>)) -> Option<Self> {
        let (tag, bucket, at, id, counter, number) = row;
        Some(Self {
            tag: Tag::new(tag).ok()?,
            bucket,
            at: TimeUuid::new(Uuid::from_bytes(*at.as_bytes()))?,
            id: PersistenceId::new(id).ok()?,
            counter,
            seq_nr: number.map_or(SeqNr::ZERO, seq_nr),
        })
    }

    async fn remove(&self, inner: &Inner) -> Result<()> {
        let Self { tag, bucket, at, id, counter, .. } = self;
        let what = || format!("removing a row of tag {tag} of {id}, which none of its events has");
        let values = vec![
            Value::Text(tag.as_str()),
            Value::BigInt(*bucket),
            Value::TimeUuid(*at),
            Value::Text(id.as_str()),
            Value::BigInt(*counter),
        ];
        let statement = &inner.connection.statements.tag_rebuild.delete_view;
        inner.connection.write(statement, values, what).await
    }
}
