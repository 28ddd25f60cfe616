//! Only appends that are whole are delivered.
//!
//! What annals writes in one transaction is whole. What it commits by an intent is whole once its first
//! event is there. What Pekko wrote of several events may be there in part: it is held back until its
//! last event has come. A range that cuts an append delivers its part of it, if the rest is stored, too.

use std::sync::Arc;

use annals_core::{AppendId, PersistenceId, Result, SeqNr, SeqRange, StoredEvent};

use super::bounds::{HEADER, is_committed};
use crate::client::Query;
use crate::item::{Header, Stored, StoredItem, header};
use crate::keys::{Group, num};
use crate::store::Inner;

/// The most bytes of events that are held back until their append is known to be whole; beyond that,
/// the rest of the append is looked at first.
pub(crate) const HELD_BYTES_MAX: usize = 4 << 20;

/// Lets whole appends through.
pub(super) struct Whole {
    inner: Arc<Inner>,
    id: PersistenceId,
    /// What is read: nothing outside of it comes by.
    range: SeqRange,
    deleted_to: SeqNr,
    held: Option<Held>,
    /// The append of Pekko's that was found to be whole before its last event came.
    known: Option<SeqRange>,
    /// The newest append with an intent, and whether it is committed.
    committed: Option<(Option<AppendId>, bool)>,
    /// What has been let through.
    pub(super) ready: Vec<StoredEvent>,
    /// Parts of appends that are not whole.
    pub(super) parts: Vec<SeqRange>,
}

/// The events of one append of Pekko's that have come so far.
struct Held {
    append: SeqRange,
    next: SeqNr,
    bytes: usize,
    events: Vec<StoredEvent>,
}

impl Whole {
    pub(super) fn new(
        inner: Arc<Inner>,
        id: PersistenceId,
        range: SeqRange,
        deleted_to: SeqNr,
    ) -> Self {
        let (held, known, committed) = (None, None, None);
        let (ready, parts) = (Vec::new(), Vec::new());
        Self { inner, id, range, deleted_to, held, known, committed, ready, parts }
    }

    /// Takes the next item of the range.
    pub(super) async fn push(&mut self, item: StoredItem) -> Result<()> {
        let Stored::Event(event) = item.stored else {
            return Ok(());
        };
        let header = item.header;
        let append = SeqRange::new(header.first(), header.last());
        let goes_on = |held: &Held| held.append == append && held.next == header.seq_nr;
        if self.held.as_ref().is_some_and(|held| header.append_id.is_some() || !goes_on(held)) {
            self.give_up();
        }
        if header.place.is_none() || self.known == Some(append) {
            self.ready.push(*event);
        } else if header.append_id.is_some() {
            if !header.intent || self.is_committed(&header).await? {
                self.ready.push(*event);
            } else {
                self.parts.push(SeqRange::new(header.seq_nr, header.seq_nr));
            }
        } else {
            self.hold(append, *event).await?;
        }
        Ok(())
    }

    /// Ends the range: what is held back is let through if the range cut it.
    pub(super) async fn finish(&mut self) -> Result<()> {
        let Some(held) = &self.held else { return Ok(()) };
        let rest = SeqRange::new(held.next, held.append.to);
        if held.append.to > self.range.to && self.all_there(held.append, rest).await? {
            self.release();
        } else {
            self.give_up();
        }
        Ok(())
    }

    async fn hold(&mut self, append: SeqRange, event: StoredEvent) -> Result<()> {
        let seq_nr = event.seq_nr;
        if self.held.is_none() {
            // Events before this one may lie below the range, or be deleted; in the range they are missing.
            let before = SeqRange::new(append.from.max(self.deleted_to.next()), seq_nr.previous());
            let begins = before.is_empty()
                || (before.to < self.range.from && self.all_there(append, before).await?);
            if !begins {
                self.parts.push(SeqRange::new(seq_nr, seq_nr));
                return Ok(());
            }
        }
        let held = self.held.get_or_insert_with(|| Held {
            append,
            next: seq_nr,
            bytes: 0,
            events: Vec::new(),
        });
        held.next = seq_nr.next();
        held.bytes += event.size_bytes();
        held.events.push(event);
        if seq_nr >= append.to {
            self.release();
        } else if held.bytes > HELD_BYTES_MAX {
            let rest = SeqRange::new(held.next, append.to);
            if self.all_there(append, rest).await? {
                self.known = Some(append);
                self.release();
            } else {
                self.give_up();
            }
        }
        Ok(())
    }

    fn release(&mut self) {
        if let Some(held) = self.held.take() {
            self.ready.extend(held.events);
        }
    }

    fn give_up(&mut self) {
        if let Some(held) = self.held.take() {
            self.parts.push(SeqRange::new(held.append.from, held.next.previous()));
        }
    }

    async fn is_committed(&mut self, header: &Header) -> Result<bool> {
        match self.committed {
            Some((append_id, committed)) if append_id == header.append_id => return Ok(committed),
            _ => {}
        }
        let committed = is_committed(&self.inner, &self.id, header).await?;
        self.committed = Some((header.append_id, committed));
        Ok(committed)
    }

    /// Whether the events `range` of Pekko's append `append` are all stored.
    async fn all_there(&self, append: SeqRange, range: SeqRange) -> Result<bool> {
        let what = format!(
            "looking whether events {}-{} of {} are whole",
            append.from, append.to, self.id
        );
        let mut next = range.from;
        while next <= range.to {
            let group = Group::of(next);
            let to = range.to.min(group.last());
            let par = self.inner.keys.events(&self.id, group);
            let table = &self.inner.settings.journal_table;
            let query = Query::new(table, par, num(next), num(to)).projection(HEADER);
            let mut after = None;
            loop {
                let page = self.inner.client.query(&what, &query, after).await?;
                for item in &page.items {
                    let found = header(group, item).map_err(|error| error.context(&what))?;
                    let belongs = found.first() == append.from && found.last() == append.to;
                    if found.seq_nr != next || !belongs || found.append_id.is_some() {
                        return Ok(false);
                    }
                    next = next.next();
                }
                match page.next {
                    Some(key) => after = Some(key),
                    None => break,
                }
            }
            if next <= to {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
