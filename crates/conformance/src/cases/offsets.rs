//! P2, P3: projection offsets are kept, and move only from where their saver read them.

use annals_core::{ErrorKind, Offset, OffsetRevision, Scope, SeqRange};

use crate::Missing;
use crate::context::{Context, Subject};
use crate::verdict::{Outcome, ensure, ensure_eq, expect_conflict, expect_kind};

const NONE: OffsetRevision = OffsetRevision::NONE;

/// A store that keeps offsets, with five events and their offsets.
async fn open_with_offsets(cx: &Context) -> Outcome<(Subject, Vec<Offset>)> {
    let subject = cx.open().await?;
    let id = cx.id("a");
    subject.write_five(&id).await?;
    let events = subject.read(&Scope::Id(id, SeqRange::ALL), None, 10).await?;
    let offsets: Vec<Offset> = events.into_iter().map(|envelope| envelope.offset).collect();
    ensure_eq!(offsets.len(), 5, "events read");
    if !subject.capabilities().offsets {
        let name = cx.tag("p").to_string();
        let answer = subject.store.offsets.load_offset(&name).await;
        expect_kind(answer, ErrorKind::Unsupported, "an offset's load")?;
    }
    subject.needs(subject.capabilities().offsets, Missing::Offsets)?;
    Ok((subject, offsets))
}

pub(crate) async fn p2_saved_offset_comes_back(cx: Context) -> Outcome {
    let (subject, offsets) = open_with_offsets(&cx).await?;
    let store = &subject.store.offsets;
    let name = cx.tag("projection ü").to_string();
    ensure_eq!(store.load_offset(&name).await?, None, "an offset that was never saved");
    let mut revision = NONE;
    // Also backwards: a projection may be made to read anew.
    for offset in offsets.iter().chain(offsets.first()) {
        revision = store.save_offset(&name, revision, offset.clone()).await?;
        let found = store.load_offset(&name).await?;
        let found = found.map(|stored| (stored.name, stored.offset, stored.revision));
        ensure_eq!(found, Some((name.clone(), offset.clone(), revision)), "the saved offset");
    }
    ensure_eq!(revision.get(), 6, "the revision after six saves");
    Ok(())
}

pub(crate) async fn p2_offsets_are_listed_by_name(cx: Context) -> Outcome {
    let (subject, offsets) = open_with_offsets(&cx).await?;
    let names: Vec<String> =
        ["c", "a", "b", "a-1"].iter().map(|name| cx.tag(name).to_string()).collect();
    for (name, offset) in names.iter().zip(&offsets) {
        subject.store.offsets.save_offset(name, NONE, offset.clone()).await?;
    }
    let listed = subject.store.offsets.list_offsets().await?;
    let found: Vec<_> = listed
        .into_iter()
        .filter(|o| names.contains(&o.name))
        .map(|o| (o.name, o.offset))
        .collect();
    let mut wanted: Vec<_> = names.into_iter().zip(offsets).collect();
    wanted.sort_by(|left, right| left.0.cmp(&right.0));
    ensure_eq!(found, wanted, "the listed offsets");
    Ok(())
}

pub(crate) async fn p3_stale_save_conflicts(cx: Context) -> Outcome {
    let (subject, offsets) = open_with_offsets(&cx).await?;
    let store = &subject.store.offsets;
    let name = cx.tag("p").to_string();
    let [first, second, third, ..] = offsets.as_slice() else {
        return Err(crate::verdict::Stop::Failed("too few offsets".to_owned()));
    };
    let ahead = store.save_offset(&name, OffsetRevision::new(1), first.clone()).await;
    expect_conflict(ahead, 0, "a save ahead of the first")?;
    ensure_eq!(store.load_offset(&name).await?, None, "the offset after a refused save");
    let one = store.save_offset(&name, NONE, first.clone()).await?;
    expect_conflict(store.save_offset(&name, NONE, third.clone()).await, 1, "a second first save")?;
    store.save_offset(&name, one, second.clone()).await?;
    expect_conflict(store.save_offset(&name, one, third.clone()).await, 2, "a stale save")?;
    let found = store.load_offset(&name).await?.map(|stored| stored.offset);
    ensure_eq!(found.as_ref(), Some(second), "the offset after refused saves");
    Ok(())
}

pub(crate) async fn p3_racing_saves_have_one_winner(cx: Context) -> Outcome {
    let (subject, offsets) = open_with_offsets(&cx).await?;
    let name = cx.tag("p").to_string();
    let mut revision = NONE;
    for round in 0..cx.scale().race_rounds.min(20) {
        let tasks: Vec<_> = offsets
            .iter()
            .map(|offset| {
                let (subject, name, offset) = (subject.clone(), name.clone(), offset.clone());
                tokio::spawn(async move {
                    let saved =
                        subject.store.offsets.save_offset(&name, revision, offset.clone()).await;
                    saved.map(|revision| (revision, offset))
                })
            })
            .collect();
        let mut won = Vec::new();
        for task in tasks {
            match task.await.expect("a projection does not panic") {
                Ok(saved) => won.push(saved),
                refused => expect_conflict(refused, round + 1, "the save of a loser")?,
            }
        }
        ensure_eq!(won.len(), 1, "winners of round {round}");
        let stored = subject.store.offsets.load_offset(&name).await?;
        let stored = stored.map(|stored| (stored.revision, stored.offset));
        ensure_eq!(stored.as_ref(), won.first(), "the offset of the winner");
        revision = revision.next();
    }
    Ok(())
}

pub(crate) async fn q8_foreign_offsets_are_not_saved(cx: Context) -> Outcome {
    let (subject, _) = open_with_offsets(&cx).await?;
    let name = cx.tag("p").to_string();
    for (what, offset) in super::reading::bad_offsets(&cx).await? {
        let answer = subject.store.offsets.save_offset(&name, NONE, offset).await;
        expect_kind(answer, ErrorKind::Invalid, &format!("saving {what}"))?;
    }
    ensure!(subject.store.offsets.load_offset(&name).await?.is_none(), "a bad offset was saved");
    Ok(())
}
