//! J3, and J1 over crashes: what was acknowledged survives, what was not is whole or absent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals_core::{Scope, SeqRange, SnapshotCriteria};

use crate::Missing;
use crate::context::{Context, Subject, count, event, snapshot, summary};
use crate::verdict::{Outcome, ensure, ensure_eq};

async fn again(subject: Subject, crash: bool) -> Outcome<Subject> {
    if crash { subject.crash().await } else { subject.reopen().await }
}

async fn grows_over(cx: Context, crash: bool) -> Outcome {
    let mut subject = cx.open().await?;
    let (a, b) = (cx.id("a"), cx.id("b"));
    let mut texts = Vec::new();
    for round in 0..6 {
        subject.expect_history(&a, 0, &texts).await?;
        subject.write(&a, round, &["x"]).await?;
        texts.push("x");
        subject.write(&b, round * 2, &["y", "z"]).await?;
        subject = again(subject, crash).await?;
    }
    subject.expect_history(&a, 0, &texts).await?;
    ensure_eq!(subject.bounds(&b).await?, (0, 12), "the bounds of the other entity");
    subject.expect_ids(&[a, b], 10).await
}

pub(crate) async fn j3_events_survive_reopening(cx: Context) -> Outcome {
    grows_over(cx, false).await
}

pub(crate) async fn j3_events_survive_a_crash(cx: Context) -> Outcome {
    grows_over(cx, true).await
}

pub(crate) async fn j3_long_history_survives(cx: Context) -> Outcome {
    let mut subject = cx.open().await?;
    subject.needs(subject.capabilities().durable, Missing::Durable)?;
    let ids: Vec<_> = (0..10).map(|number| cx.id(number)).collect();
    let rounds = cx.scale().history_events / 20;
    for after in 0..rounds {
        for id in &ids {
            subject.append(cx.append_of(id, after, vec![event(after)])?).await?;
        }
    }
    for crash in [true, false] {
        subject = again(subject, crash).await?;
        for id in &ids {
            let found = subject.replay(id, SeqRange::ALL).await?;
            ensure_eq!(found.len(), count(rounds), "the events of {id}");
        }
    }
    subject.expect_ids(&ids, 3).await
}

/// Everything else that the store keeps survives as well.
pub(crate) async fn j3_snapshots_and_offsets_survive(cx: Context) -> Outcome {
    let mut subject = cx.open().await?;
    subject.needs(subject.capabilities().durable, Missing::Durable)?;
    let id = cx.id("a");
    subject.write_five(&id).await?;
    subject.store.snapshots.save(snapshot(&id, 3, 3, "s-3")).await?;
    subject.store.snapshots.save(snapshot(&id, 5, 5, "s-5")).await?;
    subject.store.snapshots.delete(&id, &SnapshotCriteria::at(crate::context::nr(3))).await?;
    let scope = Scope::Id(id.clone(), SeqRange::ALL);
    let before = subject.read(&scope, None, 2).await?;
    let offsets = subject.capabilities().offsets;
    let name = cx.tag("projection").to_string();
    let middle = before.get(2).map(|envelope| envelope.offset.clone());
    let Some(middle) = middle else {
        return Err(crate::verdict::Stop::Failed("the third event cannot be read".to_owned()));
    };
    if offsets {
        let none = annals_core::OffsetRevision::NONE;
        subject.store.offsets.save_offset(&name, none, middle.clone()).await?;
    }
    for crash in [false, true] {
        subject = again(subject, crash).await?;
        let all = SnapshotCriteria::ALL;
        let infos = subject.store.snapshots.list(&id, &all, 10).await?;
        ensure_eq!(infos.len(), 1, "snapshots that are left");
        let found = subject.store.snapshots.load(&id, &all).await?;
        ensure_eq!(found, Some(snapshot(&id, 5, 5, "s-5")), "the newest snapshot");
        if offsets {
            let found = subject.store.offsets.load_offset(&name).await?;
            let found = found.map(|stored| (stored.offset, stored.revision.get()));
            ensure_eq!(found, Some((middle.clone(), 1)), "the saved offset");
        }
        // An offset from before is still one of this store's.
        let rest = subject.read(&scope, Some(&middle), 10).await?;
        let wanted = before.get(3..).unwrap_or_default();
        ensure_eq!(summary(&rest), summary(wanted), "the rest after an offset from before");
    }
    Ok(())
}

/// Writers are cut off at any place. Everything acknowledged is there, in whole appends.
pub(crate) async fn j1_appends_are_whole_after_a_crash(cx: Context) -> Outcome {
    let mut subject = cx.open().await?;
    subject.needs(subject.capabilities().durable, Missing::Durable)?;
    let ids: Vec<_> = (0..4).map(|number| cx.id(number)).collect();
    for round in 0..4_u64 {
        let acknowledged: Vec<Arc<AtomicU64>> = ids.iter().map(|_| Arc::default()).collect();
        let mut tasks = Vec::new();
        for (id, acknowledged) in ids.iter().zip(&acknowledged) {
            let (subject, id) = (subject.clone(), id.clone());
            let acknowledged = acknowledged.clone();
            tasks.push(tokio::spawn(async move {
                let mut after = subject.bounds(&id).await.map_or(0, |bounds| bounds.1);
                while let Ok(receipt) = subject.write(&id, after, &["x", "y", "z"]).await {
                    after = receipt.last.get();
                    acknowledged.store(after, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
            }));
        }
        let stored =
            || acknowledged.iter().map(|highest| highest.load(Ordering::SeqCst)).sum::<u64>();
        while stored() < 60 + 3 * round && !tasks.iter().all(|task| task.is_finished()) {
            tokio::task::yield_now().await;
        }
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            let _ = task.await;
        }
        subject = subject.crash().await?;
        for (id, acknowledged) in ids.iter().zip(&acknowledged) {
            let highest = subject.bounds(id).await?.1;
            let acknowledged = acknowledged.load(Ordering::SeqCst);
            ensure!(highest >= acknowledged, "{id} ends at {highest}, not {acknowledged}");
            ensure_eq!(highest % 3, 0, "events of {id} beyond the last whole append");
            let found = subject.replay(id, SeqRange::ALL).await?;
            ensure_eq!(found.len(), count(highest), "the events of {id}");
        }
    }
    Ok(())
}
