//! P1 and P3: each event at least once, in order, and never past one that failed.

use std::sync::atomic::Ordering;
use std::time::Duration;

use annals_core::{Envelope, ErrorKind, RetryPolicy};
use annals_memory::MemoryStore;
use annals_query::{
    GroupedHandler, Handler, HandlerError, OnFailure, Projection, ProjectionPhase,
    ProjectionSettings, Source,
};
use async_trait::async_trait;

use super::world::{
    Reaches, Recorder, SECOND, components, eager, said, stores, write, write_rounds,
};

#[tokio::test]
async fn events_are_handled_in_order_and_the_offset_follows() {
    for (name, store, _directory) in stores() {
        write_rounds(&store, &["a", "b"], 3).await;
        let recorder = Recorder::default();
        let projection = Projection::new("p", Source::All, store.clone(), components());
        let (runner, handle) = projection.at_least_once(recorder.clone()).unwrap();
        let running = tokio::spawn(runner.run());
        handle.reaches(|status| status.handled == 6).await.unwrap();
        write(&store, "a", 4).await;
        handle.reaches(|status| status.handled == 7).await.unwrap();
        handle.stop().await;
        running.await.unwrap().unwrap();

        let wanted = ["a:1", "b:1", "a:2", "b:2", "a:3", "b:3", "a:4"];
        assert_eq!(recorder.seen(), wanted, "{name}");
        let saved = store.offsets.load_offset("p").await.unwrap().unwrap();
        let end = store.read_journal.page(&annals_core::Scope::All, Some(&saved.offset), None, 9);
        assert!(end.await.unwrap().events().is_empty(), "{name}: the saved offset is the end");
        let status = handle.status();
        assert_eq!((status.phase, status.saved), (ProjectionPhase::Stopped, Some(saved.offset)));
    }
}

#[tokio::test]
async fn a_crash_between_handler_and_save_repeats_and_skips_nothing() {
    for (name, store, _directory) in stores() {
        write_rounds(&store, &["a"], 5).await;
        let seldom = ProjectionSettings::default().with_save_after(3, Duration::from_secs(3600));
        let recorder = Recorder::default();
        let projection =
            || Projection::new("p", Source::All, store.clone(), components()).with_settings(seldom);
        let (runner, handle) = projection().at_least_once(recorder.clone()).unwrap();
        let running = tokio::spawn(runner.run());
        handle.reaches(|status| status.handled == 5).await.unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        assert_eq!(handle.status().phase, ProjectionPhase::Stopped);

        let (runner, handle) = projection().at_least_once(recorder.clone()).unwrap();
        let running = tokio::spawn(runner.run());
        handle.reaches(|status| status.handled == 2).await.unwrap();
        handle.stop().await;
        running.await.unwrap().unwrap();
        // Saved after three, so the last two are handled twice.
        assert_eq!(recorder.seen(), ["a:1", "a:2", "a:3", "a:4", "a:5", "a:4", "a:5"], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_offset_is_saved_after_a_while() {
    let store = MemoryStore::new().store();
    write_rounds(&store, &["a"], 2).await;
    let projection = Projection::new("p", Source::All, store.clone(), components());
    let settings = ProjectionSettings::default().with_save_after(100, SECOND);
    let recorder = Recorder::default();
    let (runner, handle) = projection.with_settings(settings).at_least_once(recorder).unwrap();
    let running = tokio::spawn(runner.run());
    handle.reaches(|status| status.handled == 2).await.unwrap();
    assert_eq!(store.offsets.load_offset("p").await.unwrap(), None);
    let start = tokio::time::Instant::now();
    handle.reaches(|status| status.saved.is_some()).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 1);
    running.abort();
    assert!(store.offsets.load_offset("p").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_failing_handler_is_retried_with_back_off_and_never_moves_the_offset() {
    for (name, store, _directory) in stores() {
        write_rounds(&store, &["a"], 4).await;
        let recorder = Recorder::failing_on(&["a:3"]);
        let retry = RetryPolicy { first: SECOND, max: SECOND, retries_max: 5 };
        let settings = ProjectionSettings::default()
            .with_save_after(100, SECOND * 3600)
            .with_on_failure(OnFailure::STOP.with_retry(retry));
        let projection = || {
            Projection::new("p", Source::All, store.clone(), components()).with_settings(settings)
        };
        let (runner, handle) = projection().at_least_once(recorder.clone()).unwrap();
        let error = runner.run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{name}");
        assert!(error.to_string().contains("event 3 of a"), "{error}");
        assert_eq!(recorder.attempts.load(Ordering::Relaxed), 2 + 6, "{name}");
        assert_eq!(handle.status().phase, ProjectionPhase::Failed);
        assert!(handle.pause().await.is_err_and(|error| error.kind() == ErrorKind::Closed));

        recorder.heal();
        let (runner, handle) = projection().at_least_once(recorder.clone()).unwrap();
        let running = tokio::spawn(runner.run());
        handle.reaches(|status| status.handled == 2).await.unwrap();
        running.abort();
        assert_eq!(recorder.seen(), ["a:1", "a:2", "a:3", "a:4"], "{name}");
    }
}

#[tokio::test]
async fn a_skipped_event_is_counted_and_the_rest_goes_on() {
    let store = MemoryStore::new().store();
    write_rounds(&store, &["a"], 4).await;
    let recorder = Recorder::failing_on(&["a:2", "a:4"]);
    let projection = Projection::new("p", Source::All, store.clone(), components())
        .with_settings(eager(OnFailure::SKIP));
    let (runner, handle) = projection.at_least_once(recorder.clone()).unwrap();
    let running = tokio::spawn(runner.run());
    let status = handle.reaches(|status| status.skipped == 2).await.unwrap();
    assert_eq!((status.handled, status.error), (2, Some("a:4 cannot be handled".into())));
    handle.stop().await;
    running.await.unwrap().unwrap();
    assert_eq!(recorder.seen(), ["a:1", "a:3"]);
    assert_eq!(handle.lag(10).await.unwrap().events, 0);
}

struct Panics;

#[async_trait]
impl Handler for Panics {
    async fn handle(&mut self, event: &Envelope) -> Result<(), HandlerError> {
        assert!(event.event.seq_nr.get() < 2, "this handler panics on purpose");
        Ok(())
    }
}

#[tokio::test]
async fn a_handler_that_panics_ends_the_projection_before_its_event() {
    let store = MemoryStore::new().store();
    write_rounds(&store, &["a"], 3).await;
    let projection = Projection::new("p", Source::All, store.clone(), components())
        .with_settings(eager(OnFailure::SKIP));
    let (runner, handle) = projection.at_least_once(Panics).unwrap();
    let error = runner.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(handle.status().phase, ProjectionPhase::Failed);
    assert_eq!(handle.lag(10).await.unwrap().events, 2);
    let saved = store.offsets.load_offset("p").await.unwrap().unwrap();
    assert_eq!(Some(saved.offset), handle.status().reached);
}

/// Writes down groups; one with an event that it is told of fails whole.
#[derive(Clone, Default)]
struct Groups(Recorder, std::sync::Arc<parking_lot::Mutex<Vec<usize>>>);

#[async_trait]
impl GroupedHandler for Groups {
    async fn handle(&mut self, events: &[Envelope]) -> Result<(), HandlerError> {
        assert!(!events.is_empty());
        for event in events {
            self.0.check(event)?;
        }
        self.1.lock().push(events.len());
        self.0.seen.lock().extend(events.iter().map(|event| said(&event.event.payload)));
        Ok(())
    }
}

#[tokio::test]
async fn groups_are_bounded_and_a_failing_one_is_taken_apart() {
    let store = MemoryStore::new().store();
    write_rounds(&store, &["a"], 10).await;
    let groups = Groups(Recorder::failing_on(&["a:6"]), Default::default());
    let settings = eager(OnFailure::SKIP).with_group(4, Duration::ZERO);
    let projection = Projection::new("p", Source::All, store.clone(), components());
    let (runner, handle) = projection.with_settings(settings).grouped(groups.clone()).unwrap();
    let running = tokio::spawn(runner.run());
    handle.reaches(|status| status.handled == 9).await.unwrap();
    handle.stop().await;
    running.await.unwrap().unwrap();
    assert_eq!(*groups.1.lock(), [4, 1, 1, 1, 2]);
    let wanted: Vec<_> = (1..=10).filter(|n| *n != 6).map(|n| format!("a:{n}")).collect();
    assert_eq!(groups.0.seen(), wanted);
}

#[tokio::test(start_paused = true)]
async fn a_group_waits_for_more_events_for_a_while() {
    let store = MemoryStore::new().store();
    write(&store, "a", 1).await;
    let groups = Groups::default();
    let settings = eager(OnFailure::STOP).with_group(3, SECOND);
    let projection = Projection::new("p", Source::All, store.clone(), components());
    let (runner, handle) = projection.with_settings(settings).grouped(groups.clone()).unwrap();
    let running = tokio::spawn(runner.run());
    tokio::time::sleep(SECOND / 2).await;
    write(&store, "a", 2).await;
    let start = tokio::time::Instant::now();
    handle.reaches(|status| status.handled == 2).await.unwrap();
    assert_eq!(start.elapsed(), SECOND / 2);
    write_rounds(&store, &["b"], 3).await;
    handle.reaches(|status| status.handled == 5).await.unwrap();
    assert_eq!(start.elapsed(), SECOND / 2, "a full group does not wait");
    running.abort();
    assert_eq!(*groups.1.lock(), [2, 3]);
}
