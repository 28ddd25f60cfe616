//! Q2, Q7 and wake-ups: reading while others commit.

use std::collections::HashMap;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use annals_core::{Offset, Page, Scope, SeqRange, Wakeup};

use super::reading::{mixed_tag, scopes};
use crate::Missing;
use crate::context::{Context, Subject, count, summary, tagged};
use crate::verdict::{Outcome, ensure, ensure_eq};

/// Appends tagged events to several entities at once, in appends of one to three events.
fn spawn_writers(
    cx: &Context,
    subject: &Subject,
    events_per_writer: u64,
) -> Vec<tokio::task::JoinHandle<Outcome>> {
    let write = |name: &'static str| {
        let (cx, subject, id) = (cx.clone(), subject.clone(), cx.id(name));
        async move {
            let tag = mixed_tag(&cx);
            let mut after = 0;
            while after < events_per_writer {
                let size = (after % 3 + 1).min(events_per_writer - after);
                let events = (after..after + size).map(|n| tagged(n + 1, &[&tag])).collect();
                after = subject.append(cx.append_of(&id, after, events)?).await?.last.get();
                tokio::task::yield_now().await;
            }
            Ok(())
        }
    };
    ["a", "b", "c"].into_iter().map(|name| tokio::spawn(write(name))).collect()
}

/// Reads `scope` live, by wake-ups, until `total` events came; each entity's must be 1, 2, 3 …
async fn follow(subject: &Subject, scope: &Scope, total: usize, events_max: usize) -> Outcome {
    let mut after: Option<Offset> = None;
    let mut next: HashMap<String, u64> = HashMap::new();
    let mut seen = 0;
    while seen < total {
        let changed = subject.store.read_journal.changed();
        let page = subject.store.read_journal.page(scope, after.as_ref(), None, events_max).await?;
        for (id, seq_nr, text) in summary(page.events()) {
            if !subject.context.owns(&annals_core::PersistenceId::new(id.as_str())?) {
                continue;
            }
            let wanted = next.entry(id.clone()).or_insert(1);
            ensure_eq!(seq_nr, *wanted, "the next event of {id} in {scope:?}");
            ensure_eq!(text, wanted.to_string(), "the text of event {seq_nr} of {id}");
            *wanted += 1;
            seen += 1;
        }
        let at_end = page.at_end();
        if let Some(next) = page.next() {
            after = Some(next.clone());
        }
        if at_end && seen < total {
            changed.await;
        }
        tokio::task::yield_now().await;
    }
    ensure_eq!(seen, total, "events of {scope:?}");
    Ok(())
}

async fn skips_nothing(
    cx: Context,
    which: fn(&Scope) -> bool,
    missing: Option<Missing>,
) -> Outcome {
    let subject = cx.open().await?;
    let mut scopes = scopes(&cx, &subject);
    scopes.retain(which);
    if let Some(missing) = missing {
        subject.needs(!scopes.is_empty(), missing)?;
    }
    let per_writer = cx.scale().race_rounds * 3;
    for scope in scopes {
        let entities = if matches!(scope, Scope::Id(..)) { 1 } else { 3 };
        let total = count(per_writer * entities);
        let mut readers = Vec::new();
        for events_max in [1, 4, 1000] {
            let (subject, scope) = (subject.clone(), scope.clone());
            let reader = async move { follow(&subject, &scope, total, events_max).await };
            readers.push(tokio::spawn(reader));
        }
        let writers = spawn_writers(&cx, &subject, per_writer);
        for task in writers.into_iter().chain(readers) {
            task.await.expect("neither a writer nor a reader panics")?;
        }
    }
    Ok(())
}

pub(crate) async fn q2_all_events_skip_nothing(cx: Context) -> Outcome {
    skips_nothing(cx, |scope| *scope == Scope::All, Some(Missing::AllEvents)).await
}

pub(crate) async fn q2_a_tag_skips_nothing(cx: Context) -> Outcome {
    skips_nothing(cx, |scope| matches!(scope, Scope::Tag(_)), Some(Missing::Tags)).await
}

pub(crate) async fn q2_slices_skip_nothing(cx: Context) -> Outcome {
    skips_nothing(cx, |scope| matches!(scope, Scope::Slices(_)), Some(Missing::Slices)).await
}

pub(crate) async fn q2_an_id_skips_nothing(cx: Context) -> Outcome {
    skips_nothing(cx, |scope| matches!(scope, Scope::Id(..)), None).await
}

/// One commit between every two pages.
pub(crate) async fn q2_commits_between_pages(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let tag = mixed_tag(&cx);
    let ids = ["a", "b", "c"].map(|name| cx.id(name));
    let mut written = Vec::new();
    let mut readers: Vec<(Scope, Option<Offset>, Vec<_>)> =
        scopes(&cx, &subject).into_iter().map(|scope| (scope, None, Vec::new())).collect();
    for round in 0..12_u64 {
        for (step, id) in (1..).zip(&ids) {
            let text = (round * 3 + step).to_string();
            let append = cx.append_of(id, round, vec![tagged(&text, &[&tag])])?;
            subject.append(append).await?;
            written.push((id.to_string(), round + 1, text));
            for (scope, after, seen) in &mut readers {
                let page: Page =
                    subject.store.read_journal.page(scope, after.as_ref(), None, 2).await?;
                if let Some(next) = page.next() {
                    *after = Some(next.clone());
                }
                seen.extend(summary(page.events()));
            }
        }
    }
    for (scope, after, mut seen) in readers {
        seen.extend(summary(&subject.read(&scope, after.as_ref(), 10).await?));
        let own = |event: &(String, u64, String)| match &scope {
            Scope::Id(id, _) => event.0 == id.as_str(),
            _ => ids.iter().any(|id| event.0 == id.as_str()),
        };
        seen.retain(own);
        let mut wanted = written.clone();
        wanted.retain(own);
        if !subject.capabilities().all_events {
            // Without one order of all events, each entity's order is what is promised.
            seen.sort();
            wanted.sort();
        }
        ensure_eq!(seen, wanted, "the events of {scope:?}");
    }
    Ok(())
}

/// A reader that stops in the middle neither holds up writers nor loses its place.
pub(crate) async fn q7_slow_reader_is_not_dropped(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let scope = Scope::Id(id.clone(), SeqRange::ALL);
    subject.write_five(&id).await?;
    let kept: Vec<Wakeup> = (0..100).map(|_| subject.store.read_journal.changed()).collect();
    let page = subject.store.read_journal.page(&scope, None, None, 2).await?;
    let total = cx.scale().history_events.min(2000) + 5;
    let mut after = 5;
    while after < total {
        after = subject.write(&id, after, &["x", "y", "z"]).await?.last.get();
    }
    let first = summary(page.events());
    ensure!(!first.is_empty(), "the first page is empty");
    let rest = subject.read(&scope, page.next(), 100).await?;
    let numbers: Vec<u64> = first.iter().map(|event| event.1).collect();
    let numbers: Vec<u64> =
        numbers.into_iter().chain(rest.iter().map(|e| e.event.seq_nr.get())).collect();
    ensure_eq!(numbers, (1..=after).collect::<Vec<_>>(), "the numbers that the slow reader saw");
    for wakeup in kept {
        wakeup.await;
    }
    Ok(())
}

async fn is_ready(wakeup: &mut Wakeup) -> bool {
    poll_fn(|context| Poll::Ready(wakeup.as_mut().poll(context).is_ready())).await
}

pub(crate) async fn q2_commits_wake_readers(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    for after in 0..5 {
        // Made before the commit, polled before and after it.
        let mut polled = subject.store.read_journal.changed();
        let unpolled = subject.store.read_journal.changed();
        if cx.fixture().namespace().is_empty() {
            ensure!(!is_ready(&mut polled).await, "a reader was woken though nothing happened");
        }
        subject.write(&id, after, &["x"]).await?;
        polled.await;
        unpolled.await;
    }
    Ok(())
}

pub(crate) async fn q2_waiting_readers_wake_at_once(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    for after in 0..5 {
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let wakeup = subject.store.read_journal.changed();
                tokio::spawn(tokio::time::timeout(Duration::from_secs(20), wakeup))
            })
            .collect();
        tokio::task::yield_now().await;
        subject.write(&id, after, &["x"]).await?;
        for reader in waiting {
            let woken = reader.await.expect("a reader does not panic");
            ensure!(woken.is_ok(), "a waiting reader slept through a commit");
        }
    }
    Ok(())
}
