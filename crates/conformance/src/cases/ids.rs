//! Q6: an id is listed once, also when its events are deleted.

use annals_core::{AppendMode, ErrorKind, PersistenceId};

use crate::context::{Context, Subject};
use crate::verdict::{Outcome, ensure, ensure_eq, expect_kind};

/// Some ids with several appends each, interleaved; in the order of their first event.
async fn write_ids(cx: &Context, subject: &Subject) -> annals_core::Result<Vec<PersistenceId>> {
    let ids: Vec<_> = ["z", "a", "m", "a-1", "Z", "ä", "b"].map(|name| cx.id(name)).into();
    for after in 0..3 {
        for id in &ids {
            subject.write(id, after * 2, &["x", "y"]).await?;
        }
    }
    Ok(ids)
}

pub(crate) async fn q6_each_id_is_listed_once(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    ensure!(subject.ids(None, 5).await?.is_empty(), "an empty store lists an id");
    let ids = write_ids(&cx, &subject).await?;
    for ids_max in [1, 2, 3, 7, 100] {
        subject.expect_ids(&ids, ids_max).await?;
    }
    Ok(())
}

pub(crate) async fn q6_deleted_ids_stay_listed(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let mut ids = write_ids(&cx, &subject).await?;
    for id in &ids {
        subject.delete_to(id, 6).await?;
    }
    subject.expect_ids(&ids, 2).await?;
    for id in ids.iter().rev() {
        subject.write(id, 6, &["again"]).await?;
    }
    let imported = cx.id("imported");
    let append = cx.texts(&imported, 41, &["x"])?.with_mode(AppendMode::Ingest);
    subject.append(append).await?;
    ids.push(imported);
    subject.expect_ids(&ids, 2).await
}

pub(crate) async fn q6_refused_appends_list_nothing(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let large = subject.capabilities().events_per_append_max + 1;
    let id = cx.id("a");
    let events = (0..large).map(crate::context::event).collect();
    let refused = subject.append(cx.append_of(&id, 0, events)?).await;
    expect_kind(refused, ErrorKind::Invalid, "an append that is too large")?;
    subject.delete_to(&id, 3).await?;
    subject.store.snapshots.save(crate::context::snapshot(&id, 1, 0, "s")).await?;
    ensure_eq!(subject.ids(None, 5).await?, vec![], "the ids");
    ensure_eq!(subject.bounds(&id).await?, (0, 0), "the bounds");
    Ok(())
}

pub(crate) async fn q6_listing_resumes_after_each_id(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let ids = write_ids(&cx, &subject).await?;
    let mut after = None;
    let mut entries = Vec::new();
    loop {
        let page = subject.store.read_journal.ids(after.as_ref(), 3).await?;
        entries.extend(page.ids.into_iter().filter(|entry| cx.owns(&entry.persistence_id)));
        if page.at_end {
            break;
        }
        ensure!(page.next.is_some() && page.next != after, "a page neither ends nor goes on");
        after = page.next;
    }
    let listed: Vec<_> = entries.iter().map(|entry| entry.persistence_id.clone()).collect();
    let compared = (subject.comparable(listed.clone()), subject.comparable(ids.clone()));
    ensure_eq!(compared.0, compared.1, "the ids of the listing");
    for (index, entry) in entries.iter().enumerate() {
        let rest = subject.ids(Some(&entry.offset), 2).await?;
        let wanted = listed.get(index + 1..).unwrap_or_default();
        ensure_eq!(rest, wanted, "the ids after {}", entry.persistence_id);
    }
    let late = cx.id("late");
    subject.write(&late, 0, &["x"]).await?;
    if !subject.capabilities().ids_in_order {
        return subject.expect_ids(&[ids, vec![late]].concat(), 5).await;
    }
    // New ids come behind the end of an earlier listing.
    let end = entries.last().map(|entry| entry.offset.clone());
    ensure_eq!(subject.ids(end.as_ref(), 5).await?, vec![late], "the ids after the old end");
    Ok(())
}

pub(crate) async fn q6_empty_page_is_invalid(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let answer = subject.store.read_journal.ids(None, 0).await;
    expect_kind(answer, ErrorKind::Invalid, "a page of no ids")?;
    let scope = annals_core::Scope::Id(cx.id("a"), annals_core::SeqRange::ALL);
    let answer = subject.store.read_journal.page(&scope, None, None, 0).await;
    expect_kind(answer, ErrorKind::Invalid, "a page of no events")
}
