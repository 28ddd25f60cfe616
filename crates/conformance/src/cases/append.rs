//! J1, J2, J6: an append is atomic, contiguous and visible at once.

use annals_core::{Payload, Scope, SeqRange, SerializerId, Tags, Timestamp, WriterId};
use bytes::Bytes;

use crate::Missing;
use crate::context::{Context, count, event, nr, range, summary};
use crate::verdict::{Outcome, ensure, ensure_eq, expect_conflict};

/// Events per append of the cases about atomicity.
const ATOM: [&str; 3] = ["x", "y", "z"];

pub(crate) async fn j1_readers_see_whole_appends(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let rounds = cx.scale().race_rounds;
    let writer = tokio::spawn({
        let (subject, id) = (subject.clone(), id.clone());
        async move {
            for round in 0..rounds {
                subject.write(&id, round * 3, &ATOM).await?;
                tokio::task::yield_now().await;
            }
            Outcome::Ok(())
        }
    });
    let mut highest = 0;
    while !writer.is_finished() {
        let bounds = subject.bounds(&id).await?;
        ensure_eq!(bounds.1 % 3, 0, "events beyond the last whole append");
        ensure!(bounds.1 >= highest, "the highest number went from {highest} to {}", bounds.1);
        highest = bounds.1;
        let events = subject.replay(&id, SeqRange::ALL).await?;
        ensure_eq!(events.len() % 3, 0, "replayed events beyond the last whole append");
        let scope = Scope::Id(id.clone(), SeqRange::ALL);
        let events = subject.read(&scope, None, 1000).await?;
        ensure_eq!(events.len() % 3, 0, "read events beyond the last whole append");
        tokio::task::yield_now().await;
    }
    writer.await.expect("the writer does not panic")?;
    let events = subject.replay(&id, SeqRange::ALL).await?;
    ensure_eq!(events.len(), count(rounds * 3), "events in the end");
    Ok(())
}

pub(crate) async fn j1_refused_append_leaves_nothing(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    subject.needs(subject.capabilities().exclusive, Missing::Exclusive)?;
    subject.write_five(&id).await?;
    let refused = subject.write(&id, 4, &["lost-5", "lost-6", "lost-7"]).await;
    expect_conflict(refused, 5, "an append that begins at a stored number")?;
    subject.expect_history(&id, 0, &["a-1", "a-2", "a-3", "a-4", "a-5"]).await?;
    let read = subject.read(&Scope::Id(id.clone(), SeqRange::ALL), None, 10).await?;
    ensure_eq!(read.len(), 5, "events that readers across entities see");
    Ok(())
}

pub(crate) async fn j1_bounds_cut_an_atomic_write(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    subject.write_five(&id).await?;
    for (from, to, wanted) in [(1, 4, vec![1, 2, 3, 4]), (5, 9, vec![5]), (4, 4, vec![4])] {
        let events = subject.replay(&id, range(from, to)).await?;
        let found: Vec<u64> = events.iter().map(|event| event.seq_nr.get()).collect();
        ensure_eq!(found, wanted, "the replay of {from}-{to}, which cuts the append of 4-5");
    }
    subject.delete_to(&id, 4).await?;
    subject.expect_history(&id, 4, &["a-5"]).await
}

pub(crate) async fn j2_numbers_follow_after(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let (a, b) = (cx.id("a"), cx.id("b"));
    let first = subject.write(&a, 0, &["1", "2"]).await?;
    ensure_eq!((first.first, first.last), (nr(1), nr(2)), "the first receipt");
    let other = subject.write(&b, 0, &["1"]).await?;
    ensure_eq!((other.first, other.last), (nr(1), nr(1)), "the receipt of another entity");
    let second = subject.write(&a, 2, &["3", "4", "5"]).await?;
    ensure_eq!((second.first, second.last), (nr(3), nr(5)), "the second receipt");
    subject.expect_history(&a, 0, &["1", "2", "3", "4", "5"]).await?;
    subject.expect_history(&b, 0, &["1"]).await
}

pub(crate) async fn j2_largest_append_is_one(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let events_max = subject.capabilities().events_per_append_max;
    let events = (0..events_max).map(event).collect();
    let receipt = subject.append(cx.append_of(&id, 0, events)?).await?;
    ensure_eq!(receipt.last.get(), u64::try_from(events_max).unwrap_or(0), "the last number");
    let found = subject.replay(&id, SeqRange::ALL).await?;
    ensure_eq!(found.len(), events_max, "replayed events");
    Ok(())
}

pub(crate) async fn j6_visible_at_once(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    for after in 0..20 {
        subject.write(&id, after, &["x"]).await?;
        ensure_eq!(subject.bounds(&id).await?, (0, after + 1), "the bounds after an append");
        let last = subject.replay(&id, range(after + 1, after + 1)).await?;
        ensure_eq!(last.len(), 1, "the event {} in the replay", after + 1);
        let scope = Scope::Id(id.clone(), range(after + 1, after + 9));
        let read = subject.read(&scope, None, 10).await?;
        ensure_eq!(read.len(), 1, "the event {} for readers across entities", after + 1);
        subject.expect_ids(std::slice::from_ref(&id), 100).await?;
    }
    Ok(())
}

pub(crate) async fn j6_begin_gives_the_bounds(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let journal = &subject.store.journal;
    for highest in 0..3 {
        let writer = WriterId::new(format!("writer-{highest}"));
        let bounds = journal.begin(&id, &writer).await?;
        ensure_eq!(bounds.highest.get(), highest, "the highest number when a writer begins");
        let append = cx.append_by(writer.as_str(), &id, highest, vec![event("x")])?;
        subject.append(append).await?;
        journal.end(&id, &writer).await?;
    }
    subject.delete_to(&id, 2).await?;
    let bounds = journal.begin(&id, &WriterId::new("last")).await?;
    ensure_eq!((bounds.deleted_to, bounds.highest), (nr(2), nr(3)), "the bounds after a delete");
    Ok(())
}

pub(crate) async fn j6_every_field_comes_back(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("Ünïcödé|\u{1F600}");
    let all_bytes: Vec<u8> = (0..=255).collect();
    let manifest = "com.example.Event#2";
    let tags: Tags = [cx.tag("b"), cx.tag("a"), cx.tag("ü \u{1F600}")].into_iter().collect();
    let full = event("")
        .with_event_manifest("adapter/1")
        .with_metadata(Payload::new(SerializerId::new(9001), "meta", all_bytes.clone()))
        .with_tags(tags);
    let mut events = vec![full, event("plain")];
    for (event, id) in events.iter_mut().zip([-7, i32::MAX]) {
        event.payload = Payload::new(SerializerId::new(id), manifest, all_bytes.clone());
    }
    let mut empty = event("");
    empty.payload = Payload::new(SerializerId::BYTES, "", Bytes::new());
    empty.timestamp = Timestamp::from_millis(1);
    events.push(empty);
    subject.append(cx.append_by("writer ü", &id, 0, events.clone())?).await?;
    let mut found = subject.replay(&id, SeqRange::ALL).await?;
    let read = subject.read(&Scope::Id(id.clone(), SeqRange::ALL), None, 10).await?;
    ensure_eq!(summary(&read).len(), found.len(), "events that readers across entities see");
    found.extend(read.into_iter().map(|envelope| envelope.event));
    for (found, wanted) in found.iter().zip(events.iter().cycle()) {
        let seq_nr = found.seq_nr;
        ensure_eq!(found.payload, wanted.payload, "the payload of {seq_nr}");
        ensure_eq!(found.event_manifest, wanted.event_manifest, "the event manifest of {seq_nr}");
        ensure_eq!(found.metadata, wanted.metadata, "the metadata of {seq_nr}");
        ensure_eq!(found.writer.as_str(), "writer ü", "the writer of {seq_nr}");
        ensure_eq!(found.tags, wanted.tags, "the tags of {seq_nr}");
        if cx.fixture().keeps_timestamps() {
            ensure_eq!(found.timestamp, wanted.timestamp, "the timestamp of {seq_nr}");
        }
    }
    Ok(())
}
