//! J4: a second writer can never destroy an acknowledged event.

use annals_core::{Scope, SeqRange};

use crate::Missing;
use crate::context::{Context, Subject, event, text};
use crate::verdict::{Outcome, ensure, ensure_eq, expect_conflict};

async fn open_exclusive(cx: &Context) -> Outcome<Subject> {
    let subject = cx.open().await?;
    subject.needs(subject.capabilities().exclusive, Missing::Exclusive)?;
    Ok(subject)
}

pub(crate) async fn j4_second_writer_conflicts(cx: Context) -> Outcome {
    let subject = open_exclusive(&cx).await?;
    let id = cx.id("a");
    subject.append(cx.append_by("first", &id, 0, vec![event("first")])?).await?;
    let second = subject.append(cx.append_by("second", &id, 0, vec![event("second")])?).await;
    expect_conflict(second, 1, "an append of a second writer at the same number")?;
    let again = subject.append(cx.append_by("first", &id, 0, vec![event("other")])?).await;
    expect_conflict(again, 1, "another append of the first writer at the same number")?;
    subject.expect_history(&id, 0, &["first"]).await
}

pub(crate) async fn j4_stale_writer_conflicts(cx: Context) -> Outcome {
    let subject = open_exclusive(&cx).await?;
    let id = cx.id("a");
    subject.write_five(&id).await?;
    for after in 0..5 {
        let stale = cx.append_by("stale", &id, after, vec![event("lost")])?;
        expect_conflict(subject.append(stale).await, 5, "an append at a stored number")?;
        let events = (0..8).map(|_| event("lost")).collect();
        let stale = cx.append_by("stale", &id, after, events)?;
        let what = "an append that reaches past the highest number";
        expect_conflict(subject.append(stale).await, 5, what)?;
    }
    subject.expect_history(&id, 0, &["a-1", "a-2", "a-3", "a-4", "a-5"]).await?;
    let read = subject.read(&Scope::Id(id, SeqRange::ALL), None, 100).await?;
    ensure_eq!(read.len(), 5, "events that readers across entities see");
    Ok(())
}

pub(crate) async fn j4_append_past_the_end_conflicts(cx: Context) -> Outcome {
    let subject = open_exclusive(&cx).await?;
    subject.needs(subject.capabilities().detects_ahead, Missing::DetectsAhead)?;
    let (id, empty) = (cx.id("a"), cx.id("empty"));
    subject.write_five(&id).await?;
    for after in [6, 7, 1000] {
        let ahead = subject.write(&id, after, &["lost"]).await;
        expect_conflict(ahead, 5, "an append past the highest number")?;
        let ahead = subject.write(&empty, after, &["lost"]).await;
        expect_conflict(ahead, 0, "an append past the end of an empty id")?;
    }
    subject.expect_history(&id, 0, &["a-1", "a-2", "a-3", "a-4", "a-5"]).await?;
    subject.expect_history(&empty, 0, &[]).await?;
    subject.expect_ids(&[id], 10).await
}

pub(crate) async fn j4_stale_writer_after_delete_conflicts(cx: Context) -> Outcome {
    let subject = open_exclusive(&cx).await?;
    let id = cx.id("a");
    subject.write_five(&id).await?;
    subject.delete_to(&id, 3).await?;
    for after in 0..5 {
        let stale = subject.append(cx.append_by("slept", &id, after, vec![event("lost")])?).await;
        expect_conflict(stale, 5, "an append of a writer that slept through a delete")?;
    }
    subject.expect_history(&id, 3, &["a-4", "a-5"]).await?;
    subject.delete_to(&id, 5).await?;
    for after in 0..5 {
        let stale = subject.append(cx.append_by("slept", &id, after, vec![event("lost")])?).await;
        expect_conflict(stale, 5, "an append after everything was deleted")?;
    }
    subject.expect_history(&id, 5, &[]).await?;
    subject.write(&id, 5, &["a-6"]).await?;
    subject.expect_history(&id, 5, &["a-6"]).await
}

/// Several writers append at the same number at once; each round has one winner, whose event is the one
/// that is stored.
pub(crate) async fn j4_racing_writers_have_one_winner(cx: Context) -> Outcome {
    const WRITERS: u64 = 4;
    let subject = open_exclusive(&cx).await?;
    let id = cx.id("a");
    let mut winners = Vec::new();
    for round in 0..cx.scale().race_rounds {
        let mut tasks = Vec::new();
        for writer in 0..WRITERS {
            let name = format!("{round}-{writer}");
            let append = cx.append_by(&name, &id, round, vec![event(&name)])?;
            let subject = subject.clone();
            tasks.push(tokio::spawn(async move { (name, subject.append(append).await) }));
        }
        let mut won = Vec::new();
        for task in tasks {
            let (name, answer) = task.await.expect("a writer does not panic");
            match answer {
                Ok(_) => won.push(name),
                refused => expect_conflict(refused, round + 1, "the append of a loser")?,
            }
        }
        ensure_eq!(won.len(), 1, "winners of round {round}");
        winners.extend(won);
    }
    let events = subject.replay(&id, SeqRange::ALL).await?;
    let stored: Vec<String> = events.iter().map(text).collect();
    ensure_eq!(stored, winners, "the stored events");
    let writers: Vec<&str> = events.iter().map(|event| event.writer.as_str()).collect();
    ensure_eq!(writers, winners, "the writers of the stored events");
    Ok(())
}

/// Two writers each append until all their events are stored, and reload on each conflict. Every event
/// that was acknowledged is there once, in the order of its writer.
pub(crate) async fn j4_competing_writers_lose_nothing(cx: Context) -> Outcome {
    let subject = open_exclusive(&cx).await?;
    let id = cx.id("a");
    let rounds = cx.scale().race_rounds;
    let mut tasks = Vec::new();
    for name in ["left", "right"] {
        let (subject, cx, id) = (subject.clone(), cx.clone(), id.clone());
        tasks.push(tokio::spawn(async move { compete(&subject, &cx, &id, name, rounds).await }));
    }
    for task in tasks {
        task.await.expect("a writer does not panic")?;
    }
    let events = subject.replay(&id, SeqRange::ALL).await?;
    for name in ["left", "right"] {
        let own = events.iter().filter(|event| event.writer.as_str() == name).map(text);
        let wanted = (0..rounds).flat_map(|n| [format!("{name}-{n}-x"), format!("{name}-{n}-y")]);
        ensure_eq!(own.collect::<Vec<_>>(), wanted.collect::<Vec<_>>(), "the events of {name}");
    }
    Ok(())
}

async fn compete(
    subject: &Subject,
    cx: &Context,
    id: &annals_core::PersistenceId,
    name: &str,
    rounds: u64,
) -> Outcome {
    let mut highest = 0;
    let mut conflicts: u64 = 0;
    let mut done = 0;
    while done < rounds {
        let texts = ["x", "y"].map(|part| event(format!("{name}-{done}-{part}")));
        match subject.append(cx.append_by(name, id, highest, texts.into())?).await {
            Ok(receipt) => {
                highest = receipt.last.get();
                done += 1;
            }
            Err(error) if error.is_conflict() => {
                conflicts += 1;
                ensure!(conflicts <= 10 * rounds + 10, "{name} met {conflicts} conflicts");
                highest = subject.bounds(id).await?.1;
            }
            Err(error) => return Err(error.into()),
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}
