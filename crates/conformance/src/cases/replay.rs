//! J8, J9: replay is ordered, whole and bounded.

use annals_core::{ErrorKind, NewEvent, Payload, SeqRange, SerializerId};
use bytes::Bytes;
use futures_util::StreamExt;

use crate::Missing;
use crate::context::{Context, count, event, nr, range};
use crate::verdict::{Outcome, Stop, ensure, ensure_eq, expect_kind};

pub(crate) async fn j8_unknown_id_is_empty(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    subject.expect_history(&cx.id("never"), 0, &[]).await?;
    subject.write_five(&cx.id("a")).await?;
    subject.expect_history(&cx.id("never"), 0, &[]).await
}

pub(crate) async fn j8_replays_everything_in_order(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    subject.write_five(&id).await?;
    subject.expect_history(&id, 0, &["a-1", "a-2", "a-3", "a-4", "a-5"]).await
}

/// The windows of Pekko's journal suite; both ends are included.
pub(crate) async fn j8_both_ends_are_honoured(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    subject.write_five(&id).await?;
    let max = annals_core::SeqNr::MAX.get();
    let windows = [
        (0, max, 1..6),
        (1, max, 1..6),
        (3, max, 3..6),
        (1, 3, 1..4),
        (2, 3, 2..4),
        (2, 5, 2..6),
        (2, 4, 2..5),
        (2, 2, 2..3),
        (5, 5, 5..6),
        (3, 2, 0..0),
        (6, max, 0..0),
        (0, 0, 0..0),
        (max, max, 0..0),
    ];
    for (from, to, wanted) in windows {
        let events = subject.replay(&id, range(from, to)).await?;
        let found: Vec<u64> = events.iter().map(|event| event.seq_nr.get()).collect();
        ensure_eq!(found, wanted.collect::<Vec<_>>(), "the replay of {from}-{to}");
        ensure_eq!(subject.bounds(&id).await?, (0, 5), "the bounds, whatever was replayed");
    }
    Ok(())
}

pub(crate) async fn j8_entities_do_not_mix(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    // Ids of which one begins as the other does, or ends in what looks like a number.
    let ids = ["a", "a-", "a-1", "a-1-1", "A", "a|1", "a/1", "ä"].map(|name| cx.id(name));
    for round in 0..3 {
        for id in &ids {
            subject.write(id, round, &[&format!("{id} {round}")]).await?;
        }
    }
    for id in &ids {
        let texts = [0, 1, 2].map(|round| format!("{id} {round}"));
        subject.expect_history(id, 0, &texts.each_ref().map(String::as_str)).await?;
    }
    Ok(())
}

/// A history longer than a page of any server; JP1-JP3 of Pekko's suite without the clock.
pub(crate) async fn j8_long_history_is_whole(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let total = cx.scale().history_events;
    let mut after = 0;
    while after < total {
        // Appends of 1, 2 and 3 events in turn.
        let size = (after % 3 + 1).min(total - after);
        let events: Vec<NewEvent> = (after..after + size).map(|n| event(n + 1)).collect();
        after = subject.append(cx.append_of(&id, after, events)?).await?.last.get();
    }
    let events = subject.replay(&id, SeqRange::ALL).await?;
    ensure_eq!(events.len(), count(total), "replayed events");
    for event in &events {
        let wanted = event.seq_nr.to_string();
        ensure_eq!(crate::context::text(event), wanted, "the event {}", event.seq_nr);
    }
    for from in [total / 2, total - 1, total] {
        let events = subject.replay(&id, SeqRange::from(nr(from))).await?;
        ensure_eq!(events.len(), count(total - from + 1), "events from {from} on");
    }
    ensure_eq!(subject.bounds(&id).await?, (0, total), "the bounds");
    Ok(())
}

/// The replay covers what is stored when it is first polled, so a writer cannot keep it going.
pub(crate) async fn j8_replay_ends_where_it_began(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    subject.write_five(&id).await?;
    let mut batches = subject.store.journal.replay(&id, SeqRange::ALL);
    let mut highest = 0;
    for after in 5..200 {
        match batches.next().await {
            Some(batch) => highest = batch?.events.last().map_or(0, |event| event.seq_nr.get()),
            None => break,
        }
        subject.write(&id, after, &["later"]).await?;
    }
    ensure_eq!(highest, 5, "the last event of the replay");
    Ok(())
}

/// A delete may cut a replay that is under way, but not so that it goes on behind a hole.
pub(crate) async fn j8_delete_during_replay_leaves_no_hole(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let events_max = u64::try_from(subject.capabilities().events_per_append_max).unwrap_or(1);
    let total = cx.scale().history_events;
    let mut after = 0;
    while after < total {
        let size = (total - after).min(events_max).min(500);
        let events = (0..size).map(event).collect();
        after = subject.append(cx.append_of(&id, after, events)?).await?.last.get();
    }
    let mut batches = subject.store.journal.replay(&id, SeqRange::ALL);
    let mut expected = nr(1);
    while let Some(batch) = batches.next().await {
        let Ok(batch) = batch else { return Ok(()) };
        for event in batch.events {
            ensure_eq!(event.seq_nr, expected, "the next event of the replay");
            expected = expected.next();
        }
        subject.delete_to(&id, total - 1).await?;
    }
    ensure_eq!(expected, nr(total + 1), "where the replay ended without an error");
    Ok(())
}

pub(crate) async fn j8_hole_is_corrupt(cx: Context) -> Outcome {
    for (hole, place) in [(1, "first"), (2, "second"), (3, "third")] {
        let subject = cx.open_at(place).await?;
        let id = cx.id("a");
        for after in 0..3 {
            subject.write(&id, after, &["x"]).await?;
        }
        let damaged = cx.fixture().damage_event(place, &id, nr(hole)).await;
        subject.needs(damaged, Missing::EventDamage)?;
        match subject.replay(&id, SeqRange::ALL).await {
            Err(Stop::Failed(reason)) if reason.contains("(corrupt)") => {}
            answer => {
                return Err(Stop::Failed(format!(
                    "the replay over the hole at {hole} was not corrupt: {answer:?}"
                )));
            }
        }
    }
    Ok(())
}

/// More bytes than a replay may hold come in several batches, each within the limit.
pub(crate) async fn j9_replay_is_bounded(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let limits = subject.capabilities();
    let wanted = limits.replay_bytes_max.saturating_mul(2);
    ensure!(
        wanted <= cx.scale().history_bytes_max,
        "open the store with a lower replay_bytes_max: the kit would have to write {wanted} bytes"
    );
    let size = (limits.event_bytes_max / 4).min(64 * 1024);
    let payload = Payload::new(SerializerId::BYTES, "", Bytes::from(vec![7_u8; size]));
    let total = wanted.div_ceil(size.max(1));
    let mut after = 0;
    for _ in 0..total {
        let mut event = event("");
        event.payload = payload.clone();
        after = subject.append(cx.append_of(&id, after, vec![event])?).await?.last.get();
    }
    let events = subject.replay(&id, SeqRange::ALL).await?;
    ensure_eq!(events.len(), total, "replayed events");
    let scope = annals_core::Scope::Id(id, SeqRange::ALL);
    ensure_eq!(subject.read(&scope, None, usize::MAX).await?.len(), total, "events of pages");
    Ok(())
}

pub(crate) async fn j9_abandoned_replay_holds_nothing_up(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let total = cx.scale().history_events.min(2000);
    let mut after = 0;
    while after < total {
        after = subject.write(&id, after, &["x", "y"]).await?.last.get();
    }
    let mut kept = Vec::new();
    for _ in 0..5 {
        let mut batches = subject.store.journal.replay(&id, SeqRange::ALL);
        ensure!(batches.next().await.is_some(), "the replay gave nothing");
        kept.push(batches);
    }
    after = subject.write(&id, after, &["z"]).await?.last.get();
    subject.delete_to(&id, after - 1).await?;
    drop(kept);
    subject.expect_history(&id, after - 1, &["z"]).await
}

pub(crate) async fn closed_store_refuses_everything(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    subject.write_five(&id).await?;
    let store = subject.store.clone();
    store.close().await?;
    let closed = ErrorKind::Closed;
    expect_kind(subject.write(&id, 5, &["x"]).await, closed, "an append")?;
    expect_kind(subject.bounds(&id).await, closed, "the bounds")?;
    expect_kind(subject.delete_to(&id, 1).await, closed, "a delete")?;
    let writer = annals_core::WriterId::new("late");
    expect_kind(store.journal.begin(&id, &writer).await, closed, "a writer's begin")?;
    let first = store.journal.replay(&id, SeqRange::ALL).next().await;
    expect_kind(first.unwrap_or(Ok(Default::default())), closed, "a replay")?;
    let snapshot = crate::context::snapshot(&id, 5, 0, "s");
    expect_kind(store.snapshots.save(snapshot).await, closed, "a snapshot's save")?;
    let all = annals_core::SnapshotCriteria::ALL;
    expect_kind(store.snapshots.load(&id, &all).await, closed, "a snapshot's load")?;
    let scope = annals_core::Scope::Id(id, SeqRange::ALL);
    let page = store.read_journal.page(&scope, None, None, 1).await;
    expect_kind(page, closed, "a page")?;
    // A reader that waits is woken, so that it learns of the end.
    store.read_journal.changed().await;
    store.close().await?;
    Ok(())
}
