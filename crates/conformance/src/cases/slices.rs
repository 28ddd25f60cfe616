//! Q5: slice ranges partition all events.

use annals_core::{ErrorKind, Scope, Slice, SliceRange};

use crate::Missing;
use crate::context::{Context, Subject, summary};
use crate::verdict::{Outcome, ensure, ensure_eq, expect_kind};

async fn open_sliced(cx: &Context) -> Outcome<Subject> {
    let subject = cx.open().await?;
    if !subject.capabilities().slices {
        let scope = Scope::Slices(SliceRange::ALL);
        let answer = subject.store.read_journal.page(&scope, None, None, 1).await;
        expect_kind(answer, ErrorKind::Unsupported, "a page of slices")?;
    }
    subject.needs(subject.capabilities().slices, Missing::Slices)?;
    Ok(subject)
}

/// `parts` ranges that cover all slices, as even as they can be.
fn partition(parts: u16) -> annals_core::Result<Vec<SliceRange>> {
    let bound = |part: u16| u32::from(part) * u32::from(Slice::COUNT) / u32::from(parts);
    let slice = |number: u32| u16::try_from(number).ok().and_then(Slice::new).unwrap_or(Slice::MAX);
    (0..parts).map(|part| SliceRange::new(slice(bound(part)), slice(bound(part + 1) - 1))).collect()
}

pub(crate) async fn q5_slice_ranges_partition_all_events(cx: Context) -> Outcome {
    let subject = open_sliced(&cx).await?;
    let ids: Vec<_> = (0..40).map(|number| cx.id(number)).collect();
    for after in 0..2 {
        for id in &ids {
            subject.write(id, after, &["x"]).await?;
        }
    }
    let mut wanted = summary(&subject.read(&Scope::Slices(SliceRange::ALL), None, 50).await?);
    ensure_eq!(wanted.len(), 80, "events of all slices");
    wanted.sort();
    for parts in [1, 3, 16] {
        let mut found = Vec::new();
        for range in partition(parts)? {
            let events = subject.read(&Scope::Slices(range), None, 7).await?;
            let inside = events.iter().all(|e| range.contains(e.persistence_id.slice()));
            ensure!(inside, "an event lies outside its slices {range:?}");
            found.extend(summary(&events));
        }
        found.sort();
        ensure_eq!(found, wanted, "the events of {parts} slice ranges together");
    }
    Ok(())
}

pub(crate) async fn q5_single_slices_hold_their_entities(cx: Context) -> Outcome {
    let subject = open_sliced(&cx).await?;
    let ids: Vec<_> = (0..10).map(|number| cx.id(number)).collect();
    for id in &ids {
        subject.write(id, 0, &["x", "y"]).await?;
    }
    for id in &ids {
        let slice = id.slice();
        let read = subject.read(&Scope::Slices(SliceRange::new(slice, slice)?), None, 3).await?;
        let wanted = ids.iter().filter(|other| other.slice() == slice).count() * 2;
        ensure_eq!(read.len(), wanted, "events of slice {}", slice.get());
        ensure!(read.iter().any(|e| e.persistence_id == *id), "{id} is not in its slice");
    }
    Ok(())
}
