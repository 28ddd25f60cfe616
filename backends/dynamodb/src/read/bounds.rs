//! How far a history reaches.
//!
//! The high mark says from where to look; it is never trusted alone, since Pekko's plugin may lose it:
//! the group behind the one that it names is always looked at, and then as many as there are.
//!
//! Most histories end in their first group, so that one is looked at beside the marks, and the request for
//! the marks also asks for the first event of the group behind. That is all that a short history costs:
//!
//! ```text
//! marks, first event behind ─┐
//! a guessed group ───────────┴─ it is the marks' group, not full, nothing behind ──► the end
//!                               otherwise ──► the marks' group and the one behind, and so on
//! ```

use annals_core::{AppendId, Bounds, PersistenceId, Result, SeqNr};
use futures_util::future::try_join;

use crate::client::Query;
use crate::item::{
    COMMITTED, Header, Item, header, intent_state, key, mark_value, names, number_of,
};
use crate::keys::{Group, Keys, PARTITION_SIZE, num};
use crate::store::Inner;

/// What a header needs.
pub(crate) const HEADER: &str = "num, idx, cnt, annals_append, annals_intent, annals_deleted";

/// The marks of an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marks {
    /// The highest of the high marks.
    pub(crate) high: SeqNr,
    /// The highest number deleted.
    pub(crate) deleted_to: SeqNr,
    /// Up to where deleted events are emptied; `None` where annals never deleted any.
    pub(crate) swept: Option<SeqNr>,
    /// Up to where there are no tombstones any more, but for that of event 1.
    pub(crate) purged: Option<SeqNr>,
}

/// What is read of marks, and of the event beside them.
const MARK: &str = "par, num, seq, annals_swept, annals_purged";

/// The marks of `id`, over all shards.
pub(crate) async fn marks(inner: &Inner, id: &PersistenceId) -> Result<Marks> {
    Ok(marks_and(inner, id, None).await?.0)
}

/// The marks of `id`, and whether the first event of `group` is there.
pub(super) async fn marks_and(
    inner: &Inner,
    id: &PersistenceId,
    group: Option<Group>,
) -> Result<(Marks, bool)> {
    let keys = &inner.keys;
    let event = group.map(|group| (keys.events(id, group), num(group.first())));
    let pars = keys.high_marks(id).chain(keys.low_marks(id));
    let asked = pars.map(|par| key(par, 0)).chain(event.clone().map(|(par, num)| key(par, num)));
    let (table, keys_max) =
        (&inner.settings.journal_table, inner.settings.client.limits.max_batch_get);
    let what = format!("reading the marks of {id}");
    let items = inner.client.get_all(&what, table, asked.collect(), MARK, keys_max).await?;
    let (mut marks, mut is_there) = (Marks::default(), false);
    for item in items {
        let par = item.get(names::PAR).and_then(|par| par.as_s().ok());
        if event.as_ref().is_some_and(|(event, _)| Some(event) == par) {
            is_there = true;
        } else {
            marks.add(keys, &item).map_err(|error| error.context(&what))?;
        }
    }
    Ok((marks, is_there))
}

impl Marks {
    /// The highest number that is known without a look at any event.
    fn known(self) -> SeqNr {
        self.high.max(self.deleted_to)
    }

    fn add(&mut self, keys: &Keys, item: &Item) -> Result<()> {
        let value = mark_value(item)?;
        let par = item.get(names::PAR).and_then(|par| par.as_s().ok());
        if par.is_some_and(|par| keys.is_high_mark(par)) {
            self.high = self.high.max(value);
            return Ok(());
        }
        self.deleted_to = self.deleted_to.max(value.previous());
        let number =
            |name| Ok::<_, annals_core::Error>(number_of(item, name)?.and_then(SeqNr::new));
        self.swept = self.swept.max(number(names::SWEPT)?);
        self.purged = self.purged.max(number(names::PURGED)?);
        Ok(())
    }
}

/// How far the history of `id` reaches, which probably ends near `near`.
pub(crate) async fn bounds(inner: &Inner, id: &PersistenceId, near: SeqNr) -> Result<Bounds> {
    let guess = Group::of(near);
    let top = Top { inner, id };
    let marks = marks_and(inner, id, Some(guess.next()));
    let ((marks, more), here) = try_join(marks, top.of(guess)).await?;
    let highest = match ends_in(guess, marks, here, more) {
        Some(highest) => highest,
        None => highest(inner, id, marks).await?,
    };
    Ok(Bounds { deleted_to: marks.deleted_to, highest })
}

/// The end of a history that lies in `guess`, whose highest number is `here`, if what was read beside it
/// says that it does: the marks, and whether there is `more` at the beginning of the next group.
pub(super) fn ends_in(
    guess: Group,
    marks: Marks,
    here: Option<SeqNr>,
    more: bool,
) -> Option<SeqNr> {
    let end = here.unwrap_or_default().max(marks.known());
    let ends = Group::of(marks.known()) == guess && end != guess.last() && !more;
    ends.then_some(end)
}

/// The highest number of `id` that is, or ever was, stored.
pub(crate) async fn highest(inner: &Inner, id: &PersistenceId, marks: Marks) -> Result<SeqNr> {
    let known = marks.known();
    let mut group = Group::of(known);
    let top = Top { inner, id };
    let (mut here, mut behind) = try_join(top.of(group), top.of(group.next())).await?;
    loop {
        match behind {
            None => return Ok(here.unwrap_or_default().max(known)),
            found => {
                here = found;
                group = group.next();
                behind = top.of(group.next()).await?;
            }
        }
    }
}

/// What the item of event `seq_nr` says of its append, if there is one.
pub(crate) async fn item_at(
    inner: &Inner,
    id: &PersistenceId,
    seq_nr: SeqNr,
) -> Result<Option<Header>> {
    let group = Group::of(seq_nr);
    let key = key(inner.keys.events(id, group), num(seq_nr));
    let what = format!("looking for event {seq_nr} of {id}");
    let item = inner.client.get(&what, &inner.settings.journal_table, key).await?;
    item.map(|item| header(group, &item)).transpose().map_err(|error| error.context(what))
}

/// Whether the append of `header`, which an intent commits, is stored. The intent says so, and stays for
/// that: the append's first event may be deleted, and another one may have stood in its place.
pub(crate) async fn is_committed(
    inner: &Inner,
    id: &PersistenceId,
    header: &Header,
) -> Result<bool> {
    let first = header.first();
    let Some(append_id) = header.append_id else { return Ok(true) };
    if first == header.seq_nr {
        return Ok(true);
    }
    let what = format!("looking whether the append {append_id} to {id} is stored");
    let key = key(inner.keys.intent(id, append_id), 0);
    let intent = inner.client.get(&what, &inner.settings.journal_table, key).await?;
    match intent_state(intent.as_ref()).map_err(|error| error.context(&what))? {
        Some(state) => Ok(state == COMMITTED),
        // Somebody took the intent away: its first event tells, if it is there.
        None => {
            let found = item_at(inner, id, first).await?;
            Ok(found.is_some_and(|found| found.append_id == Some(append_id)))
        }
    }
}

/// Looks for the highest number of groups.
pub(super) struct Top<'a> {
    pub(super) inner: &'a Inner,
    pub(super) id: &'a PersistenceId,
}

impl Top<'_> {
    /// The highest number of `group` that is stored; leftovers of appends that were not committed do
    /// not count.
    async fn of(&self, group: Group) -> Result<Option<SeqNr>> {
        let mut to = PARTITION_SIZE - 1;
        let mut items_max = 1;
        let mut dead = None;
        loop {
            let par = self.inner.keys.events(self.id, group);
            let query = Query::new(&self.inner.settings.journal_table, par, 0, to)
                .backwards()
                .items_max(items_max)
                .projection(HEADER);
            let page = self.inner.client.query(self.what(), &query, None).await?;
            let Some(last) = page.items.last() else { return Ok(None) };
            let last = self.header(group, last)?.seq_nr;
            if let Some(found) = self.among(group, page.items.iter(), &mut dead).await? {
                return Ok(Some(found));
            }
            match num(last).checked_sub(1) {
                Some(below) => to = below,
                None => return Ok(None),
            }
            // Leftovers are many: look at more of them at a time.
            items_max = 100;
        }
    }

    /// The number of the first of `items` that is stored; `dead` is an append that is known not to be.
    pub(super) async fn among<'i>(
        &self,
        group: Group,
        items: impl Iterator<Item = &'i Item>,
        dead: &mut Option<AppendId>,
    ) -> Result<Option<SeqNr>> {
        for item in items {
            let found = self.header(group, item)?;
            if !found.intent || found.deleted {
                return Ok(Some(found.seq_nr));
            }
            if dead.is_some() && *dead == found.append_id {
                continue;
            }
            if is_committed(self.inner, self.id, &found).await? {
                return Ok(Some(found.seq_nr));
            }
            *dead = found.append_id;
        }
        Ok(None)
    }

    fn header(&self, group: Group, item: &Item) -> Result<Header> {
        header(group, item).map_err(|error| error.context(self.what()))
    }

    fn what(&self) -> String {
        format!("looking for the highest event of {}", self.id)
    }
}
