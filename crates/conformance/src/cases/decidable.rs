//! J5: whoever repeats the same append gets its receipt, or a conflict, and never a second copy.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use annals_core::{AppendId, ErrorKind, Ids, JournalExt, RetryPolicy, SeqRange, Sleep, WriterId};

use crate::Missing;
use crate::context::{Context, nr};
use crate::faults::LosesAcknowledgements;
use crate::verdict::{Outcome, ensure, ensure_eq, expect_conflict, expect_kind};

pub(crate) async fn j5_repeat_gives_the_receipt(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let append = cx.texts(&id, 0, &["a-1", "a-2"])?;
    let first = subject.append(append.clone()).await?;
    for _ in 0..3 {
        let repeated = subject.append(append.clone()).await?;
        ensure_eq!(repeated, first, "the receipt of the repeated append");
    }
    subject.expect_history(&id, 0, &["a-1", "a-2"]).await?;
    subject.write(&id, 2, &["a-3"]).await?;
    subject.expect_history(&id, 0, &["a-1", "a-2", "a-3"]).await
}

/// A repeat that comes late, after other events, is answered by the receipt or as a conflict.
pub(crate) async fn j5_late_repeat_never_doubles(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let append = cx.texts(&id, 1, &["a-2", "a-3"])?;
    subject.write(&id, 0, &["a-1"]).await?;
    let receipt = subject.append(append.clone()).await?;
    subject.write(&id, 3, &["a-4"]).await?;
    for deleted_to in [0, 1, 2, 3, 4] {
        subject.delete_to(&id, deleted_to).await?;
        match subject.append(append.clone()).await {
            Ok(repeated) => ensure_eq!(repeated, receipt, "the receipt of the late repeat"),
            Err(error) => {
                let conflict = ErrorKind::Conflict { highest: nr(4) };
                ensure_eq!(error.kind(), conflict, "the answer to the late repeat");
            }
        }
        let rest: Vec<&str> = ["a-1", "a-2", "a-3", "a-4"]
            .into_iter()
            .skip(crate::context::count(deleted_to))
            .collect();
        subject.expect_history(&id, deleted_to, &rest).await?;
    }
    Ok(())
}

pub(crate) async fn j5_equal_bytes_are_two_appends(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    subject.write(&id, 0, &["same"]).await?;
    subject.write(&id, 1, &["same"]).await?;
    subject.expect_history(&id, 0, &["same", "same"]).await?;
    subject.needs(subject.capabilities().exclusive, Missing::Exclusive)?;
    let again = subject.write(&id, 0, &["same"]).await;
    ensure!(again.is_err(), "equal bytes under another append id got the receipt of the first");
    subject.expect_history(&id, 0, &["same", "same"]).await
}

/// The same append id names another append for another entity.
pub(crate) async fn j5_receipts_belong_to_their_entity(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let (a, b) = (cx.id("a"), cx.id("b"));
    let append = cx.texts(&a, 0, &["x"])?;
    subject.append(append.clone()).await?;
    let other = annals_core::Append::new(
        append.append_id(),
        b.clone(),
        nr(0),
        WriterId::new("writer"),
        append.events().to_vec(),
    )?;
    subject.append(other).await?;
    subject.expect_history(&a, 0, &["x"]).await?;
    subject.expect_history(&b, 0, &["x"]).await
}

pub(crate) async fn j5_lost_acknowledgement_is_resolved(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let losing = LosesAcknowledgements::new(subject.store.journal.clone(), 3);
    let append = cx.texts(&id, 0, &["a-1", "a-2"])?;
    let retry = RetryPolicy::default().start(Arc::new(NoJitter));
    let receipt = losing.append_retrying(append.clone(), retry, &NoWait).await?;
    ensure_eq!(receipt, append.receipt(), "the receipt in the end");
    subject.expect_history(&id, 0, &["a-1", "a-2"]).await?;

    let losing = LosesAcknowledgements::new(subject.store.journal.clone(), 1);
    let append = cx.texts(&id, 2, &["a-3"])?;
    let retry = RetryPolicy::NEVER.start(Arc::new(NoJitter));
    let answer = losing.append_retrying(append.clone(), retry, &NoWait).await;
    expect_kind(answer, ErrorKind::OutcomeUnknown, "giving up after a lost acknowledgement")?;
    subject.expect_history(&id, 0, &["a-1", "a-2", "a-3"]).await?;
    ensure_eq!(subject.append(append.clone()).await?, append.receipt(), "the receipt, repeated");
    subject.expect_history(&id, 0, &["a-1", "a-2", "a-3"]).await
}

pub(crate) async fn j5_acknowledgement_lost_in_the_store(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    subject.write(&id, 0, &["a-1"]).await?;
    let broken = cx.fixture().lose_next_acknowledgement(&subject.place).await;
    subject.needs(broken, Missing::LostAcknowledgement)?;
    let append = cx.texts(&id, 1, &["a-2", "a-3"])?;
    let lost = subject.append(append.clone()).await;
    expect_kind(lost, ErrorKind::OutcomeUnknown, "an append whose acknowledgement got lost")?;
    ensure_eq!(subject.append(append.clone()).await?, append.receipt(), "the receipt, repeated");
    subject.expect_history(&id, 0, &["a-1", "a-2", "a-3"]).await
}

pub(crate) async fn j5_racing_repeats_store_once(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    for round in 0..cx.scale().race_rounds {
        let append = cx.texts(&id, round, &["x"])?;
        let receipt = append.receipt();
        let repeats = [(); 3].map(|()| {
            let (subject, append) = (subject.clone(), append.clone());
            tokio::spawn(async move { subject.append(append).await })
        });
        let mut receipts: u32 = 0;
        for repeat in repeats {
            match repeat.await.expect("a writer does not panic") {
                Ok(found) => {
                    ensure_eq!(found, receipt, "the receipt of a racing repeat");
                    receipts += 1;
                }
                Err(error) => {
                    let conflict = ErrorKind::Conflict { highest: receipt.last };
                    ensure_eq!(error.kind(), conflict, "the answer to a racing repeat");
                }
            }
        }
        ensure!(receipts > 0, "no repeat of round {round} got the receipt");
    }
    let events = subject.replay(&id, SeqRange::ALL).await?;
    ensure_eq!(events.len(), crate::context::count(cx.scale().race_rounds), "stored events");
    Ok(())
}

/// A store that was opened again may have forgotten the receipt, but not the events.
pub(crate) async fn j5_repeat_after_reopening(cx: Context) -> Outcome {
    let mut subject = cx.open().await?;
    let id = cx.id("a");
    let append = cx.texts(&id, 0, &["a-1", "a-2"])?;
    let receipt = subject.append(append.clone()).await?;
    for crash in [false, true] {
        subject = if crash { subject.crash().await? } else { subject.reopen().await? };
        match subject.append(append.clone()).await {
            Ok(repeated) => ensure_eq!(repeated, receipt, "the receipt, repeated"),
            refused => expect_conflict(refused, 2, "the repeat after opening again")?,
        }
        subject.expect_history(&id, 0, &["a-1", "a-2"]).await?;
    }
    Ok(())
}

/// Retries at once.
#[derive(Debug)]
struct NoWait;

impl Sleep for NoWait {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        Box::pin(std::future::ready(()))
    }
}

#[derive(Debug)]
struct NoJitter;

impl Ids for NoJitter {
    fn append_id(&self) -> AppendId {
        AppendId::new(0)
    }

    fn writer_id(&self) -> WriterId {
        WriterId::new("")
    }

    fn random(&self) -> u64 {
        0
    }
}
