//! Parked events: their entity waits, others go on, and order is kept.

use std::time::Duration;

use annals_core::{Envelope, Error, ErrorKind, RetryPolicy, Scope, Store};
use annals_memory::MemoryStore;
use annals_query::{
    GroupedHandler, HandlerError, OnFailure, Projection, ProjectionHandle, ProjectionStatus, Source,
};
use async_trait::async_trait;
use tokio::task::JoinHandle;

use super::exactly_once::{Numbers, Rows, numbered};
use super::world::{
    Reaches, Recorder, SECOND, components, eager, history, id, stores, write, write_rounds,
};

fn start(
    store: &Store,
    recorder: &Recorder,
) -> (JoinHandle<annals_core::Result<()>>, ProjectionHandle) {
    let projection = Projection::new("p", Source::All, store.clone(), components())
        .with_settings(eager(OnFailure::PARK).with_parked_events_max(5));
    let (runner, handle) = projection.at_least_once(recorder.clone()).unwrap();
    (tokio::spawn(runner.run()), handle)
}

async fn stop(running: JoinHandle<annals_core::Result<()>>, handle: &ProjectionHandle) {
    handle.stop().await;
    running.await.unwrap().unwrap();
}

async fn parked(handle: &ProjectionHandle) -> Vec<String> {
    let parked = handle.parked().await.unwrap();
    assert_eq!(parked.len(), handle.status().parked);
    parked.iter().map(|event| format!("{}:{}", event.persistence_id, event.seq_nr)).collect()
}

#[tokio::test]
async fn later_events_of_the_entity_wait_and_are_handled_in_order() {
    for (name, store, _directory) in stores() {
        write_rounds(&store, &["a", "b"], 3).await;
        let recorder = Recorder::failing_on(&["a:2"]);
        let (running, handle) = start(&store, &recorder);
        handle.reaches(|status| status.handled + status.parked as u64 == 6).await.unwrap();
        assert_eq!(recorder.seen(), ["a:1", "b:1", "b:2", "b:3"], "{name}");
        let events = handle.parked().await.unwrap();
        assert_eq!(events[0].reason, "a:2 cannot be handled");
        assert_eq!(events[1].reason, "waits for an earlier event of its entity");
        assert_eq!(parked(&handle).await, ["a:2", "a:3"], "{name}");

        let refused = handle.retry_parked(Some(id("a"))).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        assert_eq!(parked(&handle).await, ["a:2", "a:3"], "{name}");

        recorder.heal();
        handle.retry_parked(None).await.unwrap();
        assert!(parked(&handle).await.is_empty(), "{name}");
        write(&store, "a", 4).await;
        handle.reaches(|status| status.handled == 7).await.unwrap();
        stop(running, &handle).await;
        let wanted = ["a:1", "b:1", "b:2", "b:3", "a:2", "a:3", "a:4"];
        assert_eq!(recorder.seen(), wanted, "{name}");
    }
}

#[tokio::test]
async fn parked_events_stay_parked_over_a_restart() {
    for (name, store, _directory) in stores() {
        write_rounds(&store, &["a"], 4).await;
        let recorder = Recorder::failing_on(&["a:1", "a:3"]);
        let (running, handle) = start(&store, &recorder);
        handle.reaches(|status| status.parked == 4).await.unwrap();
        recorder.fails_on.lock().retain(|what| what != "a:1");
        let refused = handle.retry_parked(None).await.unwrap_err();
        assert!(refused.to_string().contains("event 3 of a"), "{refused}");
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());

        recorder.heal();
        let (running, handle) = start(&store, &recorder);
        assert_eq!(parked(&handle).await, ["a:3", "a:4"], "{name}");
        write(&store, "a", 5).await;
        handle.reaches(|status| status.parked == 3).await.unwrap();
        handle.retry_parked(Some(id("a"))).await.unwrap();
        stop(running, &handle).await;
        assert_eq!(recorder.seen(), ["a:1", "a:2", "a:3", "a:4", "a:5"], "{name}");

        let (running, handle) = start(&store, &recorder);
        assert!(parked(&handle).await.is_empty(), "{name}");
        stop(running, &handle).await;
    }
}

#[tokio::test]
async fn the_first_parked_event_can_be_skipped() {
    let store = MemoryStore::new().store();
    write_rounds(&store, &["a"], 3).await;
    let recorder = Recorder::failing_on(&["a:1"]);
    let (running, handle) = start(&store, &recorder);
    handle.reaches(|status| status.parked == 3).await.unwrap();
    let none = handle.skip_parked(id("b")).await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Invalid);
    handle.skip_parked(id("a")).await.unwrap();
    let status = handle.status();
    assert_eq!((status.handled, status.skipped, status.parked), (2, 1, 0));
    stop(running, &handle).await;
    assert_eq!(recorder.seen(), ["a:2", "a:3"]);
}

#[tokio::test]
async fn a_parked_event_that_was_deleted_can_only_be_skipped() {
    let store = MemoryStore::new().store();
    write_rounds(&store, &["a"], 2).await;
    let recorder = Recorder::failing_on(&["a:1"]);
    let (running, handle) = start(&store, &recorder);
    handle.reaches(|status| status.parked == 2).await.unwrap();
    let to = annals_core::SeqNr::new(1).unwrap();
    store.journal.delete_to(&id("a"), to).await.unwrap();
    recorder.heal();
    let refused = handle.retry_parked(None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    handle.skip_parked(id("a")).await.unwrap();
    stop(running, &handle).await;
    assert_eq!(recorder.seen(), ["a:2"]);
}

#[tokio::test]
async fn too_many_parked_events_stop_the_projection() {
    let store = MemoryStore::new().store();
    write_rounds(&store, &["a"], 6).await;
    let recorder = Recorder::failing_on(&["a:1"]);
    let (running, handle) = start(&store, &recorder);
    let error: Error = running.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("5 events are parked"), "{error}");
    let waiting = handle.lag(10).await.unwrap();
    assert_eq!(waiting.events, 1, "the sixth stays ahead of the offset");
}

#[tokio::test]
async fn what_lies_ahead_of_a_rewind_is_handled_anew() {
    let store = MemoryStore::new().store();
    write_rounds(&store, &["a", "b"], 3).await;
    let recorder = Recorder::failing_on(&["a:1", "b:3"]);
    let (running, handle) = start(&store, &recorder);
    handle.reaches(|status| status.handled + status.parked as u64 == 6).await.unwrap();
    assert_eq!(parked(&handle).await, ["a:1", "a:2", "a:3", "b:3"]);
    recorder.heal();
    // Behind a:1, so that one still waits, and what follows waits for it anew.
    let page = store.read_journal.page(&Scope::All, None, None, 1).await.unwrap();
    handle.rewind(Some(page.events()[0].offset.clone())).await.unwrap();
    handle.reaches(|status| status.parked == 3 && status.handled == 5).await.unwrap();
    assert_eq!(parked(&handle).await, ["a:1", "a:2", "a:3"]);
    handle.rewind(None).await.unwrap();
    handle.reaches(|status| status.handled == 11).await.unwrap();
    assert!(parked(&handle).await.is_empty());
    stop(running, &handle).await;
    let seen = recorder.seen();
    assert_eq!(seen[..5], ["b:1", "b:2", "b:1", "b:2", "b:3"]);
    assert_eq!(seen[5..], ["a:1", "b:1", "a:2", "b:2", "a:3", "b:3"]);
}

#[tokio::test]
async fn results_of_a_retry_are_stored_once_though_a_crash_follows() {
    let stores = [MemoryStore::new().store(), MemoryStore::new().store()];
    for store in &stores {
        write_rounds(store, &["a", "b"], 1).await;
    }
    let numbers = Numbers { recorder: Recorder::failing_on(&["a:1"]), ..Numbers::default() };
    let rows = Rows { recorder: numbers.recorder.clone(), ..Rows::default() };
    let seldom = eager(OnFailure::PARK).with_save_after(100, SECOND * 3600);
    for round in 0..2 {
        for (kind, store) in ["producer", "rows"].into_iter().zip(&stores) {
            let projection = Projection::new(kind, Source::All, store.clone(), components());
            let projection = projection.with_settings(seldom);
            let (runner, handle) = match kind {
                "rows" => projection.transactional(rows.clone()),
                _ => projection.exactly_once(id("results"), numbers.clone()),
            }
            .unwrap();
            let running = tokio::spawn(runner.run());
            if round == 0 {
                numbers.recorder.fails_on.lock().push("a:1".to_owned());
                handle.reaches(|status| (status.parked, status.handled) == (1, 1)).await.unwrap();
                numbers.recorder.heal();
                handle.retry_parked(None).await.unwrap();
            } else {
                handle.pause().await.unwrap();
                handle.resume().await.unwrap();
                while handle.lag(1).await.unwrap().events > 0 {
                    tokio::task::yield_now().await;
                }
                handle.pause().await.unwrap();
            }
            running.abort();
            let _ = running.await;
        }
    }
    let mut results = numbered(&history(&stores[0], "results").await);
    results.sort();
    assert_eq!(results, ["a:1", "b:1"]);
    let rows = rows.database.lock().rows.clone();
    assert_eq!(rows, ["b:1", "a:1"]);
}

/// Events that are handled together, one of which fails.
#[derive(Clone)]
struct Together(Recorder);

#[async_trait]
impl GroupedHandler for Together {
    async fn handle(&mut self, events: &[Envelope]) -> Result<(), HandlerError> {
        for event in events {
            self.0.check(event)?;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_event_never_moves_the_offset_past_the_group_before_it() {
    let store = MemoryStore::new().store();
    write(&store, "a", 1).await;
    let recorder = Recorder::failing_on(&["a:1", "b:1"]);
    let slowly = RetryPolicy { first: SECOND * 9, max: SECOND * 9, retries_max: 2 };
    let settings = eager(OnFailure::PARK.with_retry(slowly)).with_group(3, Duration::ZERO);
    let settings = settings.with_on_failure(OnFailure::PARK.with_retry(slowly));
    let projection = Projection::new("p", Source::All, store.clone(), components());
    let projection = projection.with_settings(settings);
    let (runner, handle) = projection.grouped(Together(recorder)).unwrap();
    let running = tokio::spawn(runner.run());
    handle.reaches(|status| status.parked == 1).await.unwrap();
    handle.pause().await.unwrap();
    for (entity, seq_nr) in [("b", 1), ("a", 2), ("b", 2)] {
        write(&store, entity, seq_nr).await;
    }
    handle.resume().await.unwrap();
    let fails = |status: &ProjectionStatus| {
        status.parked == 1 && status.error.as_deref() == Some("b:1 cannot be handled")
    };
    handle.reaches(fails).await.unwrap();
    let saved = store.offsets.load_offset("p").await.unwrap().map(|stored| stored.offset);
    let page = store.read_journal.page(&Scope::All, saved.as_ref(), None, 9).await.unwrap();
    let ahead: Vec<_> = page.events().iter().map(|event| event.persistence_id.as_str()).collect();
    assert!(ahead.ends_with(&["b", "a", "b"]), "nothing of these is dealt with: {ahead:?}");
    running.abort();
}

#[tokio::test]
async fn later_events_of_the_same_group_wait_as_well() {
    let store = MemoryStore::new().store();
    write_rounds(&store, &["a", "b"], 3).await;
    let recorder = Recorder::failing_on(&["a:2"]);
    let projection = Projection::new("p", Source::All, store.clone(), components());
    let projection = projection.with_settings(eager(OnFailure::PARK));
    let rows = Rows { recorder: recorder.clone(), ..Rows::default() };
    let (runner, handle) = projection.transactional(rows.clone()).unwrap();
    let running = tokio::spawn(runner.run());
    handle.reaches(|status| status.handled + status.parked as u64 == 6).await.unwrap();
    assert_eq!(parked(&handle).await, ["a:2", "a:3"]);
    recorder.heal();
    handle.retry_parked(None).await.unwrap();
    stop(running, &handle).await;
    assert_eq!(rows.database.lock().rows, ["a:1", "b:1", "b:2", "b:3", "a:2", "a:3"]);
}
