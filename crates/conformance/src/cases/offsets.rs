//! P2, P3: projection offsets are kept, and move only from where their saver read them.

use annals_core::{ErrorKind, Offset, OffsetRevision, OffsetSave, Scope, SeqRange};

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

fn save(name: &str, expected: OffsetRevision, offset: &Offset) -> OffsetSave {
    OffsetSave { name: name.to_owned(), expected, offset: offset.clone() }
}

/// What is saved under `name`: the offset and its revision.
async fn saved(subject: &Subject, name: &str) -> Outcome<Option<(Offset, u64)>> {
    let stored = subject.store.offsets.load_offset(name).await?;
    Ok(stored.map(|stored| (stored.offset, stored.revision.get())))
}

pub(crate) async fn p2_append_saves_its_offset(cx: Context) -> Outcome {
    let (subject, offsets) = open_with_offsets(&cx).await?;
    let (name, result) = (cx.tag("p").to_string(), cx.id("result"));
    let (mut revision, mut texts) = (NONE, Vec::new());
    for (after, offset) in (0..).zip(&offsets) {
        let append = cx.texts(&result, after, &["x"])?;
        let append = append.with_offset_save(save(&name, revision, offset));
        let receipt = subject.append(append.clone()).await?;
        texts.push("x");
        revision = revision.next();
        let wanted = Some((offset.clone(), revision.get()));
        ensure_eq!(saved(&subject, &name).await?, wanted, "the offset of an append");
        ensure_eq!(subject.append(append).await?, receipt, "the receipt of its repeat");
        ensure_eq!(saved(&subject, &name).await?, wanted, "the offset after its repeat");
        subject.expect_history(&result, 0, &texts).await?;
    }
    // By itself it goes on from there.
    let Some(first) = offsets.first() else { return Ok(()) };
    subject.store.offsets.save_offset(&name, revision, first.clone()).await?;
    ensure_eq!(saved(&subject, &name).await?, Some((first.clone(), 6)), "the offset saved alone");
    Ok(())
}

pub(crate) async fn p2_append_and_offset_survive(cx: Context) -> Outcome {
    let (mut subject, offsets) = open_with_offsets(&cx).await?;
    subject.needs(subject.capabilities().durable, Missing::Durable)?;
    let (name, result) = (cx.tag("p").to_string(), cx.id("result"));
    let (mut revision, mut texts) = (NONE, Vec::new());
    for (after, offset) in (0..).zip(&offsets) {
        let append = cx.texts(&result, after * 2, &["x", "y"])?;
        let append = append.with_offset_save(save(&name, revision, offset));
        let receipt = subject.append(append.clone()).await?;
        texts.extend(["x", "y"]);
        revision = revision.next();
        subject = if after % 2 == 0 { subject.crash().await? } else { subject.reopen().await? };
        let wanted = Some((offset.clone(), revision.get()));
        ensure_eq!(saved(&subject, &name).await?, wanted, "the offset after opening again");
        subject.expect_history(&result, 0, &texts).await?;
        ensure_eq!(subject.append(append).await?, receipt, "the receipt of a late repeat");
        ensure_eq!(saved(&subject, &name).await?, wanted, "the offset after a late repeat");
    }
    Ok(())
}

pub(crate) async fn p2_refused_append_saves_no_offset(cx: Context) -> Outcome {
    let (subject, offsets) = open_with_offsets(&cx).await?;
    let (name, result) = (cx.tag("p").to_string(), cx.id("result"));
    let [first, second, ..] = offsets.as_slice() else {
        return Err(crate::verdict::Stop::Failed("too few offsets".to_owned()));
    };
    let append = cx.texts(&result, 0, &["x"])?.with_offset_save(save(&name, NONE, first));
    subject.append(append).await?;
    let one = NONE.next();
    let stands = Some((first.clone(), 1));

    if subject.capabilities().exclusive {
        let stale = cx.texts(&result, 0, &["y"])?.with_offset_save(save(&name, one, second));
        expect_conflict(subject.append(stale).await, 1, "an append at a number that is taken")?;
    }
    ensure_eq!(saved(&subject, &name).await?, stands, "the offset of a refused append");

    let stale = cx.texts(&result, 1, &["y"])?.with_offset_save(save(&name, NONE, second));
    expect_conflict(subject.append(stale).await, 1, "an append with a stale offset")?;
    ensure_eq!(saved(&subject, &name).await?, stands, "the offset after a stale one");

    for (what, offset) in super::reading::bad_offsets(&cx).await? {
        let append = cx.texts(&result, 1, &["y"])?.with_offset_save(save(&name, one, &offset));
        expect_kind(subject.append(append).await, ErrorKind::Invalid, &format!("saving {what}"))?;
    }
    let unnamed = cx.texts(&result, 1, &["y"])?.with_offset_save(save("", NONE, second));
    expect_kind(subject.append(unnamed).await, ErrorKind::Invalid, "an offset without a name")?;
    ensure_eq!(saved(&subject, &name).await?, stands, "the offset after refused appends");
    subject.expect_history(&result, 0, &["x"]).await?;
    Ok(())
}

/// Instances of one projection that write results of their own: the offset decides between them.
pub(crate) async fn p3_racing_appends_of_an_offset_have_one_winner(cx: Context) -> Outcome {
    let (subject, offsets) = open_with_offsets(&cx).await?;
    let name = cx.tag("p").to_string();
    let mut revision = NONE;
    let mut stored = vec![0_u64; offsets.len()];
    for round in 0..cx.scale().race_rounds.min(20) {
        let mut tasks = Vec::new();
        for ((instance, offset), after) in offsets.iter().enumerate().zip(&stored) {
            let append = cx.texts(&cx.id(format!("result-{instance}")), *after, &["x"])?;
            let append = append.with_offset_save(save(&name, revision, offset));
            let subject = subject.clone();
            tasks.push((tokio::spawn(async move { subject.append(append).await }), *after));
        }
        let mut won = 0;
        for ((task, after), stored) in tasks.into_iter().zip(&mut stored) {
            match task.await.expect("a projection does not panic") {
                Ok(receipt) => {
                    won += 1;
                    *stored = receipt.last.get();
                }
                refused => expect_conflict(refused, after, "the append of a loser")?,
            }
        }
        ensure_eq!(won, 1, "winners of round {round}");
        revision = revision.next();
        let found = saved(&subject, &name).await?.map(|(_, revision)| revision);
        ensure_eq!(found, Some(revision.get()), "the revision after round {round}");
    }
    for (instance, stored) in stored.iter().enumerate() {
        let bounds = subject.bounds(&cx.id(format!("result-{instance}"))).await?;
        ensure_eq!(bounds, (0, *stored), "the events of instance {instance}");
    }
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
