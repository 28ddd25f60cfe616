//! A store that breaks one promise at a time.

use std::sync::{Arc, Mutex};

use annals::memory::MemoryStore;
use annals::{
    Append, Appended, Batch, Bounds, BoxStream, Capabilities, Error, IdPage, Journal, Offset, Page,
    PersistenceId, ReadJournal, Result, Scope, SeqNr, SeqRange, Snapshot, SnapshotCriteria,
    SnapshotInfo, SnapshotStore, Wakeup, WriterId,
};
use annals_core::Store;
use async_trait::async_trait;
use futures_util::StreamExt;
use serde_json::json;

use crate::support::Program;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    HistoryHole,
    HistoryCut,
    HistoryCorrupt,
    IdTwice,
    IdMissing,
    AllSkips,
    TagSkips,
    TagForeign,
    SliceSkips,
    SnapshotCorrupt,
    SnapshotPastEnd,
    /// So many appends answer this way before they are tried.
    Appends(u32, Answer),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Unavailable,
    /// It is stored, and the answer is lost.
    UnknownStored,
    /// As `UnknownStored`, and the store forgets whose it was.
    UnknownForgotten,
    /// It is not stored, and the answer is lost.
    UnknownLost,
    /// Another writer was faster.
    Overtaken,
}

/// Which promise is broken now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Switch(Arc<Mutex<Option<Fault>>>);

impl Switch {
    pub(crate) fn set(&self, fault: Option<Fault>) {
        *self.0.lock().unwrap() = fault;
    }

    fn is(&self, fault: Fault) -> bool {
        *self.0.lock().unwrap() == Some(fault)
    }

    fn next_answer(&self) -> Option<Answer> {
        let mut fault = self.0.lock().unwrap();
        match &mut *fault {
            Some(Fault::Appends(left, answer)) if *left > 0 => {
                *left -= 1;
                Some(*answer)
            }
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Faulty {
    inner: Store,
    switch: Switch,
}

impl Faulty {
    pub(crate) fn store() -> (Store, Switch) {
        let switch = Switch::default();
        let inner = MemoryStore::new().store();
        let offsets = inner.offsets.clone();
        let faulty = Arc::new(Self { inner, switch: switch.clone() });
        let store = Store {
            journal: faulty.clone(),
            snapshots: faulty.clone(),
            read_journal: faulty,
            offsets,
        };
        (store, switch)
    }
}

#[async_trait]
impl Journal for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn begin(&self, id: &PersistenceId, writer: &WriterId) -> Result<Bounds> {
        self.inner.journal.begin(id, writer).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        let unknown = || Error::outcome_unknown("the answer was lost");
        match self.switch.next_answer() {
            None => self.inner.journal.append(append).await,
            Some(Answer::Unavailable) => Err(Error::unavailable("try again")),
            Some(Answer::UnknownLost) => Err(unknown()),
            Some(Answer::UnknownStored) => {
                self.inner.journal.append(append).await?;
                Err(unknown())
            }
            Some(Answer::UnknownForgotten) => {
                self.inner.journal.append(another(&append, append.writer().clone())?).await?;
                Err(unknown())
            }
            Some(Answer::Overtaken) => {
                self.inner.journal.append(another(&append, WriterId::new("other"))?).await?;
                self.inner.journal.append(append).await
            }
        }
    }

    async fn end(&self, id: &PersistenceId, writer: &WriterId) -> Result<()> {
        self.inner.journal.end(id, writer).await
    }

    fn replay(&self, id: &PersistenceId, range: SeqRange) -> BoxStream<'static, Result<Batch>> {
        let batches = self.inner.journal.replay(id, range);
        let switch = self.switch.clone();
        Box::pin(batches.map(move |batch| {
            let mut batch = batch?;
            if switch.is(Fault::HistoryCorrupt) {
                return Err(Error::corrupt("a frame is damaged"));
            }
            if switch.is(Fault::HistoryHole) && batch.events.len() > 2 {
                batch.events.remove(1);
            }
            if switch.is(Fault::HistoryCut) {
                batch.events.pop();
            }
            Ok(batch)
        }))
    }

    async fn bounds(&self, id: &PersistenceId) -> Result<Bounds> {
        self.inner.journal.bounds(id).await
    }

    async fn delete_to(&self, id: &PersistenceId, to: SeqNr) -> Result<()> {
        self.inner.journal.delete_to(id, to).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

#[async_trait]
impl SnapshotStore for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn save(&self, snapshot: Snapshot) -> Result<()> {
        self.inner.snapshots.save(snapshot).await
    }

    async fn load(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
    ) -> Result<Option<Snapshot>> {
        if self.switch.is(Fault::SnapshotCorrupt) {
            return Err(Error::corrupt("a snapshot is damaged"));
        }
        self.inner.snapshots.load(id, criteria).await
    }

    async fn list(
        &self,
        id: &PersistenceId,
        criteria: &SnapshotCriteria,
        infos_max: usize,
    ) -> Result<Vec<SnapshotInfo>> {
        let mut infos = self.inner.snapshots.list(id, criteria, infos_max).await?;
        if self.switch.is(Fault::SnapshotPastEnd) {
            infos.iter_mut().for_each(|info| info.seq_nr = info.seq_nr.plus(10));
        }
        Ok(infos)
    }

    async fn delete(&self, id: &PersistenceId, criteria: &SnapshotCriteria) -> Result<()> {
        self.inner.snapshots.delete(id, criteria).await
    }
}

#[async_trait]
impl ReadJournal for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn end(&self, scope: &Scope) -> Result<Option<Offset>> {
        self.inner.read_journal.end(scope).await
    }

    async fn page(
        &self,
        scope: &Scope,
        after: Option<&Offset>,
        until: Option<&Offset>,
        events_max: usize,
    ) -> Result<Page> {
        let foreign = self.switch.is(Fault::TagForeign) && matches!(scope, Scope::Tag(_));
        let asked = if foreign { &Scope::All } else { scope };
        let page = self.inner.read_journal.page(asked, after, until, events_max).await?;
        let skips = match scope {
            Scope::All => self.switch.is(Fault::AllSkips),
            Scope::Tag(_) => self.switch.is(Fault::TagSkips),
            Scope::Slices(_) => self.switch.is(Fault::SliceSkips),
            Scope::Id(..) => false,
        };
        let mut events = page.events().to_vec();
        if skips {
            events.pop();
        }
        Ok(Page::new(events, page.next().cloned(), page.at_end()))
    }

    async fn ids(&self, after: Option<&Offset>, ids_max: usize) -> Result<IdPage> {
        let mut page = self.inner.read_journal.ids(after, ids_max).await?;
        if self.switch.is(Fault::IdTwice) {
            page.ids.extend_from_within(..);
        }
        if self.switch.is(Fault::IdMissing) {
            page.ids.pop();
        }
        Ok(page)
    }

    fn changed(&self) -> Wakeup {
        self.inner.read_journal.changed()
    }
}

/// The same events under another append id.
fn another(append: &Append, writer: WriterId) -> Result<Append> {
    let append_id = annals::AppendId::new(append.append_id().get() ^ 1);
    Append::new(append_id, append.id().clone(), append.after(), writer, append.events().to_vec())
}

const TWO: &str = "{\"payload\":1}\n{\"payload\":2}\n";

#[test]
fn an_append_gets_past_short_faults_without_a_second_copy() {
    for answer in
        [Answer::Unavailable, Answer::UnknownStored, Answer::UnknownForgotten, Answer::UnknownLost]
    {
        let (store, switch) = Faulty::store();
        let program = Program::on(store);
        switch.set(Some(Fault::Appends(1, answer)));
        let first = program.run("events append a --atomic --after 0", "{\"payload\":0}");
        assert_eq!(first.field("sequence_nr"), [json!(1)], "{answer:?}");
        switch.set(Some(Fault::Appends(2, answer)));
        let ended = program.run("events append a", TWO);
        assert_eq!(ended.field("sequence_nr"), [json!(2), json!(3)], "{answer:?}");
        let stored = program.run("events list a", "").field("payload");
        assert_eq!(stored, [json!(0), json!(1), json!(2)], "{answer:?}");
    }
}

#[test]
fn an_append_that_was_overtaken_goes_behind_the_other() {
    let (store, switch) = Faulty::store();
    let program = Program::on(store);
    switch.set(Some(Fault::Appends(1, Answer::Overtaken)));
    let ended = program.run("events append a", TWO);
    assert_eq!(ended.field("sequence_nr"), [json!(2), json!(3)]);

    switch.set(Some(Fault::Appends(1, Answer::Overtaken)));
    let ended = program.run("events append a --after 3", TWO);
    ended.failed(4, &["line 1", "no line was appended"]);

    // Whoever is overtaken without end gives up.
    switch.set(Some(Fault::Appends(u32::MAX, Answer::Overtaken)));
    program.run("events append b", TWO).failed(4, &["faster"]);
}

#[test]
fn an_answer_that_never_comes_is_told_by_its_exit_code() {
    let (store, switch) = Faulty::store();
    let program = Program::on(store);
    switch.set(Some(Fault::Appends(u32::MAX, Answer::UnknownLost)));
    program.run("events append a", TWO).failed(6, &["line 1", "not known"]);
    switch.set(Some(Fault::Appends(u32::MAX, Answer::Unavailable)));
    program.run("events append a", TWO).failed(5, &["line 1", "no line was appended"]);
}
