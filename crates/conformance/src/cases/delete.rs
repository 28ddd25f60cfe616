//! J10: deletes are capped, repeatable, and never free a number.

use annals_core::{Scope, SeqNr, SeqRange};

use crate::context::{Context, count, nr, range, tagged};
use crate::verdict::{Outcome, ensure, ensure_eq, expect_conflict};
use crate::{Missing, context};

/// J12-J18 and J22 of Pekko's journal suite.
pub(crate) async fn j10_deleted_prefix_is_gone(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    subject.write_five(&id).await?;
    subject.delete_to(&id, 3).await?;
    subject.expect_history(&id, 3, &["a-4", "a-5"]).await?;
    let max = SeqNr::MAX.get();
    let windows = [
        (0, max, 4..6),
        (3, max, 4..6),
        (4, max, 4..6),
        (5, max, 5..6),
        (1, 2, 0..0),
        (1, 3, 0..0),
        (1, 4, 4..5),
        (4, 4, 4..5),
    ];
    for (from, to, wanted) in windows {
        let events = subject.replay(&id, range(from, to)).await?;
        let found: Vec<u64> = events.iter().map(|event| event.seq_nr.get()).collect();
        ensure_eq!(found, wanted.collect::<Vec<_>>(), "the replay of {from}-{to}");
    }
    Ok(())
}

pub(crate) async fn j10_delete_is_capped(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    subject.write_five(&id).await?;
    subject.store.journal.delete_to(&id, SeqNr::MAX).await?;
    subject.expect_history(&id, 5, &[]).await?;
    subject.delete_to(&id, 1000).await?;
    subject.expect_history(&id, 5, &[]).await?;
    subject.write(&id, 5, &["a-6"]).await?;
    subject.expect_history(&id, 5, &["a-6"]).await
}

pub(crate) async fn j10_numbers_are_never_reused(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let mut highest = 0;
    for round in 1..=4 {
        subject.write(&id, highest, &["x", "y"]).await?;
        highest = round * 2;
        subject.delete_to(&id, highest).await?;
        ensure_eq!(subject.bounds(&id).await?, (highest, highest), "the bounds after a delete");
        if subject.capabilities().exclusive {
            let reused = subject.write(&id, 0, &["lost"]).await;
            expect_conflict(reused, highest, "an append at a deleted number")?;
        }
    }
    Ok(())
}

pub(crate) async fn j10_repeated_and_lower_deletes_do_nothing(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    subject.write_five(&id).await?;
    for to in [0, 3, 3, 1, 0, 2] {
        subject.delete_to(&id, to).await?;
        let deleted_to = if to == 0 && subject.bounds(&id).await?.0 == 0 { 0 } else { 3 };
        ensure_eq!(
            subject.bounds(&id).await?,
            (deleted_to, 5),
            "the bounds after deleting to {to}"
        );
    }
    subject.expect_history(&id, 3, &["a-4", "a-5"]).await
}

pub(crate) async fn j10_delete_of_an_unknown_id_does_nothing(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let (id, other) = (cx.id("a"), cx.id("a-1"));
    subject.delete_to(&id, 7).await?;
    subject.expect_history(&id, 0, &[]).await?;
    ensure!(subject.ids(None, 10).await?.is_empty(), "a delete listed an id");
    subject.write_five(&id).await?;
    subject.write_five(&other).await?;
    subject.delete_to(&other, 4).await?;
    subject.expect_history(&id, 0, &["a-1", "a-2", "a-3", "a-4", "a-5"]).await?;
    subject.expect_history(&other, 4, &["a-5"]).await
}

/// More events than one page or batch of any server.
pub(crate) async fn j10_long_delete_is_whole(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let (id, other) = (cx.id("a"), cx.id("b"));
    let total = cx.scale().history_events;
    let per_append =
        u64::try_from(subject.capabilities().events_per_append_max).unwrap_or(1).min(50);
    let mut after = 0;
    while after < total {
        let events = (0..per_append.min(total - after)).map(context::event).collect();
        after = subject.append(cx.append_of(&id, after, events)?).await?.last.get();
    }
    subject.write_five(&other).await?;
    subject.delete_to(&id, total - 2).await?;
    ensure_eq!(subject.bounds(&id).await?, (total - 2, total), "the bounds");
    ensure_eq!(subject.replay(&id, SeqRange::ALL).await?.len(), 2, "events that are left");
    let read = subject.read(&Scope::Id(id, SeqRange::ALL), None, 1000).await?;
    ensure_eq!(read.len(), 2, "events that readers across entities see");
    subject.expect_history(&other, 0, &["a-1", "a-2", "a-3", "a-4", "a-5"]).await
}

pub(crate) async fn j10_readers_do_not_see_deleted_events(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let (id, tag) = (cx.id("a"), cx.tag("t"));
    for after in 0..6 {
        let event = tagged(after + 1, &[&tag]);
        subject.append(cx.append_of(&id, after, vec![event])?).await?;
    }
    subject.delete_to(&id, 4).await?;
    let limits = subject.capabilities();
    let mut scopes = vec![Scope::Id(id, SeqRange::ALL)];
    if limits.tags {
        scopes.push(Scope::Tag(tag));
    }
    if limits.all_events {
        scopes.push(Scope::All);
    }
    for scope in scopes {
        let read = subject.read(&scope, None, 10).await?;
        let found: Vec<SeqNr> = read.iter().map(|envelope| envelope.event.seq_nr).collect();
        ensure_eq!(found, vec![nr(5), nr(6)], "the events of {scope:?}");
    }
    Ok(())
}

pub(crate) async fn j10_delete_beside_a_writer(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let rounds = cx.scale().race_rounds;
    let writer = tokio::spawn({
        let (subject, id) = (subject.clone(), id.clone());
        async move {
            for after in 0..rounds {
                subject.write(&id, after, &["x"]).await?;
                tokio::task::yield_now().await;
            }
            Outcome::Ok(())
        }
    });
    while !writer.is_finished() {
        let (_, highest) = subject.bounds(&id).await?;
        subject.delete_to(&id, highest).await?;
        let (deleted_to, after) = subject.bounds(&id).await?;
        ensure!(
            deleted_to >= highest && after >= deleted_to,
            "after deleting to {highest} the bounds are {deleted_to}-{after}"
        );
        tokio::task::yield_now().await;
    }
    writer.await.expect("the writer does not panic")?;
    let (deleted_to, highest) = subject.bounds(&id).await?;
    ensure_eq!(highest, rounds, "the highest number");
    let left = subject.replay(&id, SeqRange::ALL).await?;
    ensure_eq!(left.len(), count(highest - deleted_to), "events that are left");
    Ok(())
}

pub(crate) async fn j10_deletes_survive(cx: Context) -> Outcome {
    let mut subject = cx.open().await?;
    subject.needs(subject.capabilities().durable, Missing::Durable)?;
    let (id, all) = (cx.id("a"), cx.id("all"));
    for id in [&id, &all] {
        subject.write_five(id).await?;
    }
    subject.delete_to(&id, 3).await?;
    subject.delete_to(&all, 5).await?;
    for crash in [false, true] {
        subject = if crash { subject.crash().await? } else { subject.reopen().await? };
        subject.expect_history(&id, 3, &["a-4", "a-5"]).await?;
        subject.expect_history(&all, 5, &[]).await?;
        if subject.capabilities().exclusive {
            let reused = subject.write(&all, 0, &["lost"]).await;
            expect_conflict(reused, 5, "an append at a deleted number")?;
        }
    }
    subject.write(&all, 5, &["a-6"]).await?;
    subject.expect_history(&all, 5, &["a-6"]).await
}
