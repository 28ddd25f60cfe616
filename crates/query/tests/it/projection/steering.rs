//! Pause, resume, rewind, instances and lag.

use std::time::Duration;

use annals_core::{ErrorKind, Scope, Tag};
use annals_memory::MemoryStore;
use annals_query::{Instance, OnFailure, Projection, ProjectionPhase, ProjectionSettings, Source};

use super::world::{Reaches, Recorder, SECOND, components, eager, id, stores, write, write_rounds};

#[tokio::test]
async fn a_paused_projection_handles_nothing_until_it_is_resumed() {
    let store = MemoryStore::new().store();
    write(&store, "a", 1).await;
    let recorder = Recorder::default();
    let projection = Projection::new("p", Source::All, store.clone(), components());
    let (runner, handle) = projection.at_least_once(recorder.clone()).unwrap();
    let running = tokio::spawn(runner.run());
    handle.reaches(|status| status.handled == 1).await.unwrap();
    handle.pause().await.unwrap();
    let status = handle.status();
    assert_eq!(status.phase, ProjectionPhase::Paused);
    assert!(status.saved.is_some(), "what was handled is saved");
    write(&store, "a", 2).await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(recorder.seen(), ["a:1"]);
    let lag = handle.lag(10).await.unwrap();
    assert_eq!((lag.events, lag.more, lag.age), (1, false, Duration::from_secs(60)));
    handle.resume().await.unwrap();
    handle.reaches(|status| status.handled == 2).await.unwrap();
    assert_eq!(handle.lag(10).await.unwrap(), annals_query::Lag::default());
    handle.stop().await;
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_lag_is_counted_up_to_a_bound_and_only_of_own_events() {
    let store = MemoryStore::new().store();
    write_rounds(&store, &["a", "b", "c"], 10).await;
    let tag = Source::Tag(Tag::new("even").unwrap());
    let projection = Projection::new("p", tag, store.clone(), components());
    let (_runner, handle) = projection.at_least_once(Recorder::default()).unwrap();
    let lag = handle.lag(100).await.unwrap();
    assert_eq!((lag.events, lag.more), (15, false));
    let lag = handle.lag(4).await.unwrap();
    assert_eq!((lag.events, lag.more), (4, true));
}

#[tokio::test]
async fn a_rewound_projection_handles_the_events_again() {
    for (name, store, _directory) in stores() {
        write_rounds(&store, &["a"], 4).await;
        let recorder = Recorder::default();
        let projection = || Projection::new("p", Source::All, store.clone(), components());
        let (runner, handle) = projection().at_least_once(recorder.clone()).unwrap();
        let running = tokio::spawn(runner.run());
        handle.reaches(|status| status.handled == 4).await.unwrap();
        let page = store.read_journal.page(&Scope::All, None, None, 10).await.unwrap();
        let third = page.events()[2].offset.clone();
        handle.rewind(Some(third.clone())).await.unwrap();
        let saved = store.offsets.load_offset("p").await.unwrap().unwrap();
        handle.reaches(|status| status.handled == 5).await.unwrap();
        handle.rewind(None).await.unwrap();
        handle.reaches(|status| status.handled == 9).await.unwrap();
        handle.stop().await;
        running.await.unwrap().unwrap();
        assert_eq!(saved.offset, third, "{name}: a rewind is saved at once");
        let wanted = ["a:1", "a:2", "a:3", "a:4", "a:4", "a:1", "a:2", "a:3", "a:4"];
        assert_eq!(recorder.seen(), wanted, "{name}");
    }
}

#[tokio::test]
async fn a_rewind_to_a_foreign_offset_is_invalid_and_changes_nothing() {
    let (store, other) = (MemoryStore::new().store(), MemoryStore::new().store());
    write_rounds(&store, &["a"], 2).await;
    write(&other, "a", 1).await;
    let foreign = other.read_journal.end(&Scope::All).await.unwrap();
    let recorder = Recorder::default();
    let projection = Projection::new("p", Source::All, store.clone(), components());
    let (runner, handle) = projection.at_least_once(recorder.clone()).unwrap();
    let running = tokio::spawn(runner.run());
    handle.reaches(|status| status.handled == 2).await.unwrap();
    assert_eq!(handle.rewind(foreign).await.unwrap_err().kind(), ErrorKind::Invalid);
    write(&store, "a", 3).await;
    handle.reaches(|status| status.handled == 3).await.unwrap();
    handle.stop().await;
    running.await.unwrap().unwrap();
    assert_eq!(recorder.seen(), ["a:1", "a:2", "a:3"]);
}

#[tokio::test]
async fn instances_share_the_events_by_slices() {
    for (name, store, _directory) in stores() {
        let entities: Vec<String> =
            (0..20).map(|number| format!("entity-{}", number * 7919)).collect();
        let entities: Vec<&str> = entities.iter().map(String::as_str).collect();
        write_rounds(&store, &entities, 4).await;
        for (source, events) in [(Source::All, 80), (Source::Tag(Tag::new("even").unwrap()), 40)] {
            let kind = if events == 80 { "all" } else { "tag" };
            let mut seen = Vec::new();
            let mut shares = Vec::new();
            for index in 0..3 {
                let recorder = Recorder::default();
                let projection = Projection::new(kind, source.clone(), store.clone(), components())
                    .with_instance(Instance::new(index, 3).unwrap());
                let (runner, handle) = projection.at_least_once(recorder.clone()).unwrap();
                let running = tokio::spawn(runner.run());
                while handle.lag(1).await.unwrap().events > 0 {
                    tokio::task::yield_now().await;
                }
                handle.stop().await;
                running.await.unwrap().unwrap();
                shares.push(recorder.seen().len());
                seen.extend(recorder.seen());
            }
            assert!(shares.iter().all(|share| *share > 0), "{name} {kind}: {shares:?}");
            seen.sort();
            seen.dedup();
            assert_eq!((seen.len(), shares.iter().sum::<usize>()), (events, events), "{name}");
        }
    }
}

#[tokio::test]
async fn another_number_of_instances_is_refused() {
    let store = MemoryStore::new().store();
    write_rounds(&store, &["north", "east", "alice", "bob"], 2).await;
    let instance = |index, count| {
        Projection::new("p", Source::All, store.clone(), components())
            .with_instance(Instance::new(index, count).unwrap())
            .with_settings(eager(OnFailure::STOP))
            .at_least_once(Recorder::default())
            .unwrap()
    };
    for index in 0..2 {
        let (runner, handle) = instance(index, 2);
        let running = tokio::spawn(runner.run());
        handle.reaches(|status| status.saved.is_some()).await.unwrap();
        handle.stop().await;
        running.await.unwrap().unwrap();
    }
    for (index, count) in [(0, 1), (0, 3), (2, 3), (3, 4)] {
        let error = instance(index, count).0.run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "instance {index} of {count}");
    }
}

#[tokio::test]
async fn of_two_runners_of_one_range_one_stops_with_conflict() {
    for (name, store, _directory) in stores() {
        let projection = || {
            Projection::new("p", Source::All, store.clone(), components())
                .with_settings(eager(OnFailure::STOP))
                .at_least_once(Recorder::default())
                .unwrap()
        };
        let ((one, one_handle), (two, two_handle)) = (projection(), projection());
        let (one, two) = (tokio::spawn(one.run()), tokio::spawn(two.run()));
        for handle in [&one_handle, &two_handle] {
            let running = |phase| phase == ProjectionPhase::Running;
            handle.reaches(|status| running(status.phase)).await.unwrap();
        }
        let writing = async {
            for seq_nr in 1.. {
                write(&store, "a", seq_nr).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let ended = [&one_handle, &two_handle].map(|handle| {
            let handle = handle.clone();
            tokio::spawn(async move {
                handle.reaches(|status| status.phase == ProjectionPhase::Failed).await
            })
        });
        let [left, right] = ended;
        let waited = tokio::time::timeout(SECOND * 10, async {
            tokio::select! { _ = left => {}, _ = right => {}, () = writing => {} }
        });
        waited.await.expect("one of the two stops");
        one_handle.stop().await;
        two_handle.stop().await;
        let ended = [one.await.unwrap(), two.await.unwrap()];
        let failed: Vec<_> = ended.into_iter().filter_map(Result::err).collect();
        assert!(!failed.is_empty(), "{name}");
        assert!(failed.iter().all(annals_core::Error::is_conflict), "{name}: {failed:?}");
    }
}

#[tokio::test]
async fn names_that_cannot_be_told_apart_are_refused() {
    let store = MemoryStore::new().store();
    for name in ["", "a@1-2", "a!1", "a:b"] {
        let projection = Projection::new(name, Source::All, store.clone(), components());
        let refused = projection.at_least_once(Recorder::default()).map(|_| ());
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid, "{name:?}");
    }
}

#[tokio::test]
async fn an_offset_of_another_store_ends_the_projection() {
    let (store, other) = (MemoryStore::new().store(), MemoryStore::new().store());
    write(&other, "a", 1).await;
    let foreign = other.read_journal.end(&Scope::All).await.unwrap().unwrap();
    let none = annals_core::OffsetRevision::NONE;
    other.offsets.save_offset("p", none, foreign).await.unwrap();
    let mixed = annals_core::Store { offsets: other.offsets.clone(), ..store.clone() };
    let projection = Projection::new("p", Source::All, mixed, components())
        .with_settings(ProjectionSettings::default());
    let (runner, _handle) = projection.at_least_once(Recorder::default()).unwrap();
    assert_eq!(runner.run().await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(store.journal.bounds(&id("a")).await.unwrap().highest.get(), 0);
}
