//! P2: each event counts exactly once where result and offset are one commit.

use std::collections::HashMap;
use std::sync::Arc;

use annals_core::{Bounds, Envelope, ErrorKind, NewEvent, Offset, Timestamp};
use annals_memory::{MemoryOptions, MemoryStore};
use annals_query::{
    HandlerError, Instance, OnFailure, Producer, Projection, ProjectionPhase, ProjectionSettings,
    Source, Transactional,
};
use async_trait::async_trait;
use parking_lot::Mutex;

use super::world::{
    Reaches, Recorder, SECOND, components, eager, history, id, open_embedded, said, stores, text,
    write, write_rounds,
};

/// Says what it was given, each with its number among all results: wrong if its state is not what is
/// stored.
#[derive(Clone, Default)]
pub(super) struct Numbers {
    pub(super) recorder: Recorder,
    pub(super) count: u64,
    pub(super) copies: usize,
    /// Never comes to an end with this event.
    pub(super) stalls_on: Option<&'static str>,
}

#[async_trait]
impl Producer for Numbers {
    async fn start(&mut self, results: Bounds) -> Result<(), HandlerError> {
        self.count = results.highest.get();
        Ok(())
    }

    async fn handle(&mut self, event: &Envelope) -> Result<Vec<NewEvent>, HandlerError> {
        if self.stalls_on.is_some_and(|stalls_on| stalls_on == said(&event.event.payload)) {
            std::future::pending::<()>().await;
        }
        let checked = self.recorder.check(event)?;
        let mut results = Vec::new();
        for _ in 0..self.copies.max(1) {
            self.count += 1;
            let payload = text(format!("{} {checked}", self.count));
            results.push(NewEvent::new(payload, Timestamp::from_millis(1)));
        }
        Ok(results)
    }
}

/// The results without their numbers, which must ascend from 1.
pub(super) fn numbered(results: &[String]) -> Vec<String> {
    let parts = results.iter().zip(1..).map(|(result, number)| {
        let (found, said) = result.split_once(' ').unwrap();
        assert_eq!(found, number.to_string(), "{results:?}");
        said.to_owned()
    });
    parts.collect()
}

/// A database of two tables, with transactions.
#[derive(Debug, Default)]
pub(super) struct Database {
    pub(super) offsets: HashMap<String, Offset>,
    pub(super) rows: Vec<String>,
}

#[derive(Clone, Default)]
pub(super) struct Rows {
    pub(super) recorder: Recorder,
    pub(super) database: Arc<Mutex<Database>>,
}

#[async_trait]
impl Transactional for Rows {
    async fn offset(&mut self, key: &str) -> Result<Option<Offset>, HandlerError> {
        Ok(self.database.lock().offsets.get(key).cloned())
    }

    async fn commit(
        &mut self,
        key: &str,
        events: &[Envelope],
        offset: &Offset,
    ) -> Result<(), HandlerError> {
        let rows: Result<Vec<_>, _> =
            events.iter().map(|event| self.recorder.check(event)).collect();
        let rows = rows?;
        tokio::task::yield_now().await;
        let mut database = self.database.lock();
        database.rows.extend(rows);
        database.offsets.insert(key.to_owned(), offset.clone());
        Ok(())
    }
}

#[tokio::test]
async fn results_and_offset_are_one_commit() {
    for (name, store, _directory) in stores() {
        write_rounds(&store, &["a", "b"], 3).await;
        let seldom = ProjectionSettings::default().with_save_after(4, SECOND * 3600);
        let projection =
            || Projection::new("p", Source::All, store.clone(), components()).with_settings(seldom);
        let produce = |stalls_on| {
            let numbers = Numbers { stalls_on, ..Numbers::default() };
            projection().exactly_once(id("results"), numbers).unwrap()
        };
        let (runner, handle) = produce(Some("b:3"));
        let running = tokio::spawn(runner.run());
        handle.reaches(|status| status.handled == 5).await.unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        // Four were committed; the crash takes what was made of the fifth.
        assert_eq!(history(&store, "results").await.len(), 4, "{name}");

        let (runner, handle) = produce(None);
        let running = tokio::spawn(runner.run());
        handle.reaches(|status| status.handled == 2).await.unwrap();
        handle.stop().await;
        running.await.unwrap().unwrap();
        let results = numbered(&history(&store, "results").await);
        assert_eq!(results, ["a:1", "b:1", "a:2", "b:2", "a:3", "b:3"], "{name}");
        assert_eq!(handle.lag(9).await.unwrap().events, 0, "{name}: its own results are no lag");
    }
}

#[tokio::test]
async fn results_survive_opening_the_embedded_store_again() {
    let directory = tempfile::tempdir().unwrap();
    for round in 1..=4 {
        let store = open_embedded(&directory);
        write(&store, "a", round).await;
        let projection = Projection::new("p", Source::All, store.clone(), components());
        let numbers = Numbers::default();
        let (runner, handle) = projection.exactly_once(id("results"), numbers).unwrap();
        let running = tokio::spawn(runner.run());
        handle.reaches(|status| status.handled == 1).await.unwrap();
        handle.stop().await;
        running.await.unwrap().unwrap();
        let wanted: Vec<_> = (1..=round).map(|number| format!("a:{number}")).collect();
        assert_eq!(numbered(&history(&store, "results").await), wanted);
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn more_results_than_one_append_takes_are_stored_in_parts() {
    let options = MemoryOptions::default().with_append_bytes_max(32);
    let store = MemoryStore::with_options(options).store();
    write_rounds(&store, &["a"], 7).await;
    let projection = || {
        let settings = ProjectionSettings::default().with_save_after(7, SECOND * 3600);
        Projection::new("p", Source::All, store.clone(), components()).with_settings(settings)
    };
    let numbers = Numbers { copies: 2, ..Numbers::default() };
    let (runner, handle) = projection().exactly_once(id("results"), numbers).unwrap();
    let running = tokio::spawn(runner.run());
    handle.reaches(|status| status.saved.is_some()).await.unwrap();
    handle.stop().await;
    running.await.unwrap().unwrap();
    assert_eq!(numbered(&history(&store, "results").await).len(), 14);
    assert!(store.offsets.load_offset("p").await.unwrap().unwrap().revision.get() >= 3);

    // What can never be stored is refused, and the offset stays before it.
    write(&store, "a", 8).await;
    let numbers = Numbers { copies: 6, ..Numbers::default() };
    let (runner, handle) = projection().exactly_once(id("results"), numbers).unwrap();
    let running = tokio::spawn(runner.run());
    handle.reaches(|status| status.handled == 1).await.unwrap();
    handle.stop().await;
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_eq!(history(&store, "results").await.len(), 14);
}

#[tokio::test]
async fn two_instances_of_one_range_store_each_result_once() {
    for (name, store, _directory) in stores() {
        let produce = || {
            Projection::new("p", Source::All, store.clone(), components())
                .with_settings(eager(OnFailure::STOP))
                .exactly_once(id("results"), Numbers::default())
                .unwrap()
        };
        let runners = [produce(), produce()];
        let mut running = Vec::new();
        for (runner, handle) in runners {
            let run = tokio::spawn(runner.run());
            handle.reaches(|status| status.phase == ProjectionPhase::Running).await.unwrap();
            running.push((run, handle));
        }
        write_rounds(&store, &["a", "b"], 5).await;
        let mut ended = Vec::new();
        while history(&store, "results").await.len() < 10 {
            tokio::task::yield_now().await;
        }
        for (run, handle) in running {
            handle.stop().await;
            ended.push(run.await.unwrap());
        }
        assert!(ended.iter().any(Result::is_ok), "{name}: {ended:?}");
        let failed = ended.iter().filter_map(|ended| ended.as_ref().err());
        assert!(failed.clone().all(annals_core::Error::is_conflict), "{name}: {ended:?}");
        let mut results = numbered(&history(&store, "results").await);
        results.sort();
        results.dedup();
        assert_eq!(results.len(), 10, "{name}");
    }
}

#[tokio::test]
async fn instances_with_results_of_their_own_pass_over_each_others_results() {
    let store = MemoryStore::new().store();
    let entities: Vec<String> = (0..12).map(|number| format!("entity-{}", number * 7919)).collect();
    let entities: Vec<&str> = entities.iter().map(String::as_str).collect();
    let mut running = Vec::new();
    for index in 0..2 {
        let (runner, handle) = Projection::new("p", Source::All, store.clone(), components())
            .with_instance(Instance::new(index, 2).unwrap())
            .with_settings(eager(OnFailure::STOP))
            .exactly_once(id(&format!("results-{index}")), Numbers::default())
            .unwrap();
        running.push((tokio::spawn(runner.run()), handle));
    }
    write_rounds(&store, &entities, 3).await;
    let handled = || running.iter().map(|(_, handle)| handle.status().handled).sum::<u64>();
    while handled() < 36 {
        tokio::task::yield_now().await;
    }
    for (run, handle) in running {
        handle.stop().await;
        run.await.unwrap().unwrap();
    }
    let mut results = numbered(&history(&store, "results-0").await);
    results.extend(numbered(&history(&store, "results-1").await));
    results.sort();
    results.dedup();
    assert_eq!(results.len(), 36);
}

#[tokio::test]
async fn a_handler_that_offers_a_transaction_keeps_the_offset_itself() {
    let store = MemoryStore::new().store();
    write_rounds(&store, &["a"], 5).await;
    let rows = Rows { recorder: Recorder::failing_on(&["a:4"]), ..Rows::default() };
    let projection = || {
        Projection::new("p", Source::All, store.clone(), components())
            .with_settings(eager(OnFailure::STOP))
            .transactional(rows.clone())
            .unwrap()
    };
    let error = projection().0.run().await.unwrap_err();
    assert!(error.to_string().contains("event 4 of a"), "{error}");
    assert_eq!(rows.database.lock().rows, ["a:1", "a:2", "a:3"]);
    rows.recorder.heal();
    let (runner, handle) = projection();
    let running = tokio::spawn(runner.run());
    handle.reaches(|status| status.handled == 2).await.unwrap();
    handle.stop().await;
    running.await.unwrap().unwrap();
    assert_eq!(rows.database.lock().rows, ["a:1", "a:2", "a:3", "a:4", "a:5"]);
    assert_eq!(rows.database.lock().offsets.get("p"), handle.status().saved.as_ref());
    assert!(store.offsets.list_offsets().await.unwrap().is_empty(), "the store keeps none");
}
