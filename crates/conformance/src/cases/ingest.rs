//! J11: an id that never held an event may be begun at any number.

use annals_core::{Append, AppendMode, PersistenceId, Scope, SeqRange, Timestamp};

use crate::Missing;
use crate::context::{Context, Subject, event, nr, tagged, text};
use crate::verdict::{Outcome, ensure, ensure_eq, expect_conflict};

fn ingest(
    cx: &Context,
    id: &PersistenceId,
    after: u64,
    texts: &[&str],
) -> annals_core::Result<Append> {
    Ok(cx.texts(id, after, texts)?.with_mode(AppendMode::Ingest))
}

pub(crate) async fn j11_empty_id_begins_at_any_number(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    for after in [0, 1, 41, 1_000_000_000_000] {
        let id = cx.id(after);
        let receipt = subject.append(ingest(&cx, &id, after, &["k", "k+1"])?).await?;
        ensure_eq!((receipt.first, receipt.last), (nr(after + 1), nr(after + 2)), "the receipt");
        subject.expect_history(&id, after, &["k", "k+1"]).await?;
        subject.write(&id, after + 2, &["k+2"]).await?;
        subject.append(ingest(&cx, &id, after + 3, &["k+3"])?).await?;
        subject.expect_history(&id, after, &["k", "k+1", "k+2", "k+3"]).await?;
        let read = subject.read(&Scope::Id(id, SeqRange::ALL), None, 10).await?;
        ensure_eq!(read.len(), 4, "events that readers across entities see");
    }
    ensure_eq!(subject.ids(None, 10).await?.len(), 4, "listed ids");
    Ok(())
}

pub(crate) async fn j11_used_id_is_not_begun_again(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    subject.needs(subject.capabilities().exclusive, Missing::Exclusive)?;
    let (id, deleted) = (cx.id("a"), cx.id("deleted"));
    for id in [&id, &deleted] {
        subject.write_five(id).await?;
    }
    subject.delete_to(&deleted, 5).await?;
    for after in [0, 4, 6, 100] {
        if after > 5 && !subject.capabilities().detects_ahead {
            continue;
        }
        for id in [&id, &deleted] {
            let refused = subject.append(ingest(&cx, id, after, &["lost"])?).await;
            expect_conflict(refused, 5, "an ingest into an id that held events")?;
        }
    }
    subject.expect_history(&id, 0, &["a-1", "a-2", "a-3", "a-4", "a-5"]).await?;
    subject.expect_history(&deleted, 5, &[]).await
}

pub(crate) async fn j11_repeated_ingest_gives_the_receipt(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let append = ingest(&cx, &id, 9, &["x", "y"])?;
    for _ in 0..3 {
        let receipt = subject.append(append.clone()).await?;
        ensure_eq!(receipt, append.receipt(), "the receipt");
    }
    subject.expect_history(&id, 9, &["x", "y"]).await
}

pub(crate) async fn j11_racing_ingests_have_one_winner(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    subject.needs(subject.capabilities().exclusive, Missing::Exclusive)?;
    subject.needs(subject.capabilities().detects_ahead, Missing::DetectsAhead)?;
    for round in 0..cx.scale().race_rounds.min(20) {
        let id = cx.id(round);
        let mut tasks = Vec::new();
        for after in [10, 20, 30] {
            let append = ingest(&cx, &id, after, &["x"])?;
            let subject = subject.clone();
            tasks.push(tokio::spawn(async move { (after, subject.append(append).await) }));
        }
        let mut won = Vec::new();
        for task in tasks {
            let (after, answer) = task.await.expect("a writer does not panic");
            if answer.is_ok() {
                won.push(after);
            }
        }
        ensure_eq!(won.len(), 1, "winners of round {round}");
        let after = won.first().copied().unwrap_or(0);
        subject.expect_history(&id, after, &["x"]).await?;
    }
    Ok(())
}

/// What an export holds comes back: writers, timestamps and tags of each event.
pub(crate) async fn j11_origin_is_kept(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let (id, tag) = (cx.id("a"), cx.tag("t"));
    for (after, writer, millis) in [(6, "one", 5_000), (7, "two", 3_000), (8, "one", 4_000)] {
        let mut event = tagged(writer, &[&tag]);
        event.timestamp = Timestamp::from_millis(millis);
        let append = cx.append_by(writer, &id, after, vec![event])?;
        subject.append(append.with_mode(AppendMode::Ingest)).await?;
    }
    let found = subject.replay(&id, SeqRange::ALL).await?;
    let writers: Vec<&str> = found.iter().map(|event| event.writer.as_str()).collect();
    ensure_eq!(writers, vec!["one", "two", "one"], "the writers");
    ensure!(found.iter().all(|event| event.tags.contains(&tag)), "an event lost its tag");
    if cx.fixture().keeps_timestamps() {
        let times: Vec<i64> = found.iter().map(|event| event.timestamp.as_millis()).collect();
        ensure_eq!(times, vec![5_000, 3_000, 4_000], "the timestamps");
    }
    Ok(())
}

pub(crate) async fn j11_ingest_survives(cx: Context) -> Outcome {
    let mut subject: Subject = cx.open().await?;
    let id = cx.id("a");
    subject.append(ingest(&cx, &id, 41, &["x"])?).await?;
    for crash in [false, true] {
        subject = if crash { subject.crash().await? } else { subject.reopen().await? };
        subject.expect_history(&id, 41, &["x"]).await?;
    }
    subject.append(cx.append_of(&id, 42, vec![event("y")])?).await?;
    let found = subject.replay(&id, SeqRange::ALL).await?;
    ensure_eq!(found.iter().map(text).collect::<Vec<_>>(), vec!["x", "y"], "the events");
    Ok(())
}
