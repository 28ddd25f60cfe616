//! A projection started where another was dropped, whose last write arrives late.

use std::sync::Arc;

use annals_core::{
    Append, NewEvent, Offset, OffsetRevision, OffsetSave, OffsetStore, Result, Scope, SeqNr, Store,
    StoredOffset, Timestamp, WriterId,
};
use annals_memory::MemoryStore;
use annals_query::{OnFailure, Projection, ProjectionPhase, Source};
use async_trait::async_trait;
use parking_lot::Mutex;

use super::exactly_once::{Numbers, numbered};
use super::world::{Reaches, Recorder, SECOND, components, eager, history, id, text, write_rounds};

/// Each time the offset is read, one write of the predecessor arrives right behind.
#[derive(Debug)]
struct Late {
    inner: Store,
    on_their_way: Mutex<Vec<Append>>,
}

#[async_trait]
impl OffsetStore for Late {
    async fn load_offset(&self, name: &str) -> Result<Option<StoredOffset>> {
        let found = self.inner.offsets.load_offset(name).await?;
        let arriving = self.on_their_way.lock().pop();
        if let Some(append) = arriving {
            self.inner.journal.append(append).await?;
        }
        Ok(found)
    }

    async fn list_offsets(&self) -> Result<Vec<StoredOffset>> {
        self.inner.offsets.list_offsets().await
    }

    async fn save_offset(
        &self,
        name: &str,
        expected: OffsetRevision,
        offset: Offset,
    ) -> Result<OffsetRevision> {
        self.inner.offsets.save_offset(name, expected, offset).await
    }
}

/// A store with three events of `a`, where the results of the first `late` arrive late.
async fn store_with_late(late: u64) -> Store {
    let store = MemoryStore::new().store();
    write_rounds(&store, &["a"], 3).await;
    let page = store.read_journal.page(&Scope::All, None, None, 10).await.unwrap();
    let append = |number: u64| {
        let offset = page.events()[usize::try_from(number - 1).unwrap()].offset.clone();
        let event = NewEvent::new(text(format!("{number} a:{number}")), Timestamp::from_millis(1));
        let (append_id, writer) =
            (components().ids.append_id(), WriterId::new("projection:p:earlier"));
        let after = SeqNr::new(number - 1).unwrap();
        let expected = OffsetRevision::new(number - 1);
        let save = OffsetSave { name: "p".to_owned(), expected, offset };
        let append = Append::new(append_id, id("results"), after, writer, vec![event]);
        append.unwrap().with_offset_save(save)
    };
    let on_their_way = (1..=late).rev().map(append).collect();
    let late = Late { inner: store.clone(), on_their_way: Mutex::new(on_their_way) };
    Store { offsets: Arc::new(late), ..store }
}

#[tokio::test]
async fn a_late_write_of_a_dropped_projection_is_taken_over() {
    for late in 1..=3 {
        let store = store_with_late(late).await;
        let projection = Projection::new("p", Source::All, store.clone(), components())
            .with_settings(eager(OnFailure::STOP));
        let (runner, handle) = projection.exactly_once(id("results"), Numbers::default()).unwrap();
        let running = tokio::spawn(runner.run());
        let caught_up = async {
            while history(&store, "results").await.len() < 3 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SECOND * 10, caught_up).await.expect("it catches up");
        handle.stop().await;
        running.await.unwrap().unwrap();
        let results = numbered(&history(&store, "results").await);
        assert_eq!(results, ["a:1", "a:2", "a:3"], "{late} late");
    }
}

/// Another that goes on saving is not a predecessor's last write.
#[tokio::test]
async fn a_projection_that_has_saved_stops_when_another_moves_the_offset() {
    let store = MemoryStore::new().store();
    write_rounds(&store, &["a"], 1).await;
    let recorder = Recorder::default();
    let projection = Projection::new("p", Source::All, store.clone(), components())
        .with_settings(eager(OnFailure::STOP));
    let (runner, handle) = projection.at_least_once(recorder.clone()).unwrap();
    let running = tokio::spawn(runner.run());
    let saved = handle.reaches(|status| status.saved.is_some());
    tokio::time::timeout(SECOND * 10, saved).await.unwrap().unwrap();
    let stored = store.offsets.load_offset("p").await.unwrap().unwrap();
    store.offsets.save_offset("p", stored.revision, stored.offset).await.unwrap();
    super::world::write(&store, "a", 2).await;
    let ended = tokio::time::timeout(SECOND * 10, running).await.unwrap().unwrap();
    assert!(ended.unwrap_err().is_conflict());
    assert_eq!(handle.status().phase, ProjectionPhase::Failed);
    assert_eq!(recorder.seen(), ["a:1", "a:2"]);
}
