//! Q1-Q4, Q8: pages over what does not change while one reads.

use std::str::FromStr;

use annals_core::{ErrorKind, Offset, Scope, SeqRange, SliceRange, Tag};

use crate::Missing;
use crate::context::{Context, Subject, event, range, summary, tagged};
use crate::verdict::{Outcome, Stop, ensure, ensure_eq, expect_kind};

/// Three entities with interleaved appends of one and two events; every other append is tagged.
/// Gives what was written, in order.
pub(crate) async fn write_mixed(
    cx: &Context,
    subject: &Subject,
) -> annals_core::Result<Vec<(String, u64, String)>> {
    let ids = ["a", "b", "c"].map(|name| cx.id(name));
    let tag = mixed_tag(cx);
    let mut written = Vec::new();
    for round in 0..4_u64 {
        for (index, id) in (0_u64..).zip(&ids) {
            let after = round * 2;
            let texts = [1, 2].map(|step| format!("{id} {}", after + step));
            let make = |text: &String| match (round + index) % 2 {
                0 => tagged(text, &[&tag]),
                _ => event(text),
            };
            let appends = if round % 2 == 0 { vec![&texts[..]] } else { texts.chunks(1).collect() };
            let mut at = after;
            for part in appends {
                let events = part.iter().map(make).collect();
                at = subject.append(cx.append_of(id, at, events)?).await?.last.get();
            }
            let numbered = (after + 1..).zip(texts);
            written.extend(numbered.map(|(seq_nr, text)| (id.to_string(), seq_nr, text)));
        }
    }
    Ok(written)
}

pub(crate) fn mixed_tag(cx: &Context) -> Tag {
    cx.tag("mixed")
}

/// The scopes that the store can read, over what [`write_mixed`] wrote.
pub(crate) fn scopes(cx: &Context, subject: &Subject) -> Vec<Scope> {
    let limits = subject.capabilities();
    let mut scopes = vec![Scope::Id(cx.id("a"), SeqRange::ALL)];
    if limits.tags {
        scopes.push(Scope::Tag(mixed_tag(cx)));
    }
    if limits.slices {
        scopes.push(Scope::Slices(SliceRange::ALL));
    }
    if limits.all_events {
        scopes.push(Scope::All);
    }
    scopes
}

pub(crate) async fn q1_all_events_come_in_order(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    if !subject.capabilities().all_events {
        let answer = subject.store.read_journal.page(&Scope::All, None, None, 1).await;
        expect_kind(answer, ErrorKind::Unsupported, "a page of all events")?;
    }
    subject.needs(subject.capabilities().all_events, Missing::AllEvents)?;
    let written = write_mixed(&cx, &subject).await?;
    for events_max in [1, 2, 3, 5, 100] {
        let read = subject.read(&Scope::All, None, events_max).await?;
        ensure_eq!(summary(&read), written, "all events in pages of {events_max}");
    }
    Ok(())
}

pub(crate) async fn q1_events_of_an_id_come_in_order(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let mut written = write_mixed(&cx, &subject).await?;
    let id = cx.id("b");
    written.retain(|event| event.0 == id.as_str());
    let windows = [(0, u64::MAX >> 1), (1, 8), (3, 100), (1, 3), (2, 7), (5, 5), (6, 5), (9, 20)];
    for (from, to) in windows {
        let wanted: Vec<_> =
            written.iter().filter(|event| from <= event.1 && event.1 <= to).cloned().collect();
        for events_max in [1, 2, 3, 100] {
            let scope = Scope::Id(id.clone(), range(from, to));
            let read = subject.read(&scope, None, events_max).await?;
            ensure_eq!(summary(&read), wanted, "events {from}-{to} in pages of {events_max}");
        }
    }
    let never = Scope::Id(cx.id("never"), SeqRange::ALL);
    ensure!(subject.read(&never, None, 10).await?.is_empty(), "an unknown id has events");
    Ok(())
}

pub(crate) async fn q1_tagged_events_come_in_order(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let tags = ["red", "redder", "Red", "rot ü"].map(|name| cx.tag(name));
    if !subject.capabilities().tags {
        let scope = Scope::Tag(cx.tag("red"));
        let answer = subject.store.read_journal.page(&scope, None, None, 1).await;
        expect_kind(answer, ErrorKind::Unsupported, "a page of a tag")?;
    }
    subject.needs(subject.capabilities().tags, Missing::Tags)?;
    let mut wanted = vec![Vec::new(); tags.len()];
    for number in 0..30_u64 {
        // Event `number` carries the tags whose bit it has; every 16th none.
        let bits = number % 16;
        let own: Vec<&Tag> = (0_u64..)
            .zip(&tags)
            .filter(|(bit, _)| bits >> bit & 1 == 1)
            .map(|(_, tag)| tag)
            .collect();
        let id = cx.id(number % 3);
        let append = cx.append_of(&id, number / 3, vec![tagged(number, &own)])?;
        subject.append(append).await?;
        for (wanted, tag) in wanted.iter_mut().zip(&tags) {
            if own.contains(&tag) {
                wanted.push((id.to_string(), number / 3 + 1, number.to_string()));
            }
        }
    }
    for (wanted, tag) in wanted.iter().zip(&tags) {
        for events_max in [1, 3, 100] {
            let read = subject.read(&Scope::Tag(tag.clone()), None, events_max).await?;
            ensure_eq!(&summary(&read), wanted, "the events of {tag} in pages of {events_max}");
            ensure!(read.iter().all(|e| e.event.tags.contains(tag)), "an event without {tag}");
        }
    }
    let never = Scope::Tag(cx.tag("never"));
    ensure!(subject.read(&never, None, 10).await?.is_empty(), "an unknown tag has events");
    Ok(())
}

pub(crate) async fn q3_resumes_at_every_offset(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    write_mixed(&cx, &subject).await?;
    for scope in scopes(&cx, &subject) {
        let all = subject.read(&scope, None, 4).await?;
        ensure!(!all.is_empty(), "{scope:?} has no events");
        for (index, envelope) in all.iter().enumerate() {
            // Also through the text form, as a command line would.
            let offset = Offset::from_str(&envelope.offset.to_string())?;
            ensure_eq!(offset, envelope.offset, "the offset's text form");
            let wanted = all.get(index + 1..).unwrap_or_default();
            for events_max in [1, 100] {
                let rest = subject.read(&scope, Some(&offset), events_max).await?;
                ensure_eq!(summary(&rest), summary(wanted), "{scope:?} after event {index}");
                ensure_eq!(rest, wanted, "{scope:?} after event {index}, offsets included");
            }
        }
    }
    Ok(())
}

pub(crate) async fn q3_offsets_outlive_deletes(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    write_mixed(&cx, &subject).await?;
    let id = cx.id("a");
    for scope in scopes(&cx, &subject) {
        let before = subject.read(&scope, None, 100).await?;
        let deleted_to = subject.bounds(&id).await?.0 + 1;
        subject.delete_to(&id, deleted_to).await?;
        let deleted = |envelope: &annals_core::Envelope| {
            envelope.persistence_id == id && envelope.event.seq_nr.get() <= deleted_to
        };
        for (index, envelope) in before.iter().enumerate() {
            let rest = subject.read(&scope, Some(&envelope.offset), 3).await?;
            let wanted = before.get(index + 1..).unwrap_or_default();
            let wanted: Vec<_> = wanted.iter().filter(|e| !deleted(e)).cloned().collect();
            ensure_eq!(summary(&rest), summary(&wanted), "{scope:?} after event {index}");
        }
    }
    Ok(())
}

pub(crate) async fn q4_finite_query_ends(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let written = write_mixed(&cx, &subject).await?;
    for scope in scopes(&cx, &subject) {
        let before = subject.read(&scope, None, 100).await?;
        let end = subject.store.read_journal.end(&scope).await?;
        ensure!(end.is_some(), "a store with events has no end");
        let ids = ["a", "b", "c"].map(|name| cx.id(name));
        for id in &ids {
            let highest = subject.bounds(id).await?.1;
            let later = tagged("later", &[&mixed_tag(&cx)]);
            subject.append(cx.append_of(id, highest, vec![later])?).await?;
        }
        for events_max in [1, 3, 1000] {
            let read = subject.read_until(&scope, None, end.as_ref(), events_max).await?;
            ensure_eq!(summary(&read), summary(&before), "{scope:?} up to the old end");
        }
        let more = subject.read_until(&scope, end.as_ref(), None, 2).await?;
        let later = matches!(scope, Scope::Id(..)).then_some(1).unwrap_or(3);
        ensure_eq!(more.len(), later, "events of {scope:?} behind the old end");
    }
    ensure_eq!(written.len(), 24, "events written");
    if subject.capabilities().ids_in_order { listing_ends(&cx, &subject).await } else { Ok(()) }
}

/// A listing of ids ends at what existed when its first page was read, and goes on behind its end.
async fn listing_ends(cx: &Context, subject: &Subject) -> Outcome {
    let journal = &subject.store.read_journal;
    let before = subject.ids(None, 100).await?;
    let mut page = journal.ids(None, 1).await?;
    let late = cx.id("begun while the ids are listed");
    subject.write(&late, 0, &["x"]).await?;
    let mut listed = Vec::new();
    let mut pages = 0;
    let behind = loop {
        listed.extend(page.ids.into_iter().map(|entry| entry.persistence_id));
        if page.at_end {
            break page.next;
        }
        pages += 1;
        ensure!(pages < 10_000 && page.next.is_some(), "a listing neither ends nor goes on");
        page = journal.ids(page.next.as_ref(), 1).await?;
    };
    listed.retain(|id| cx.owns(id));
    ensure_eq!(listed, before, "the ids of a listing that began before the last one");
    ensure_eq!(subject.ids(behind.as_ref(), 5).await?, vec![late], "the ids behind its end");
    Ok(())
}

pub(crate) async fn q4_bound_at_every_offset(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    write_mixed(&cx, &subject).await?;
    for scope in scopes(&cx, &subject) {
        let all = subject.read(&scope, None, 100).await?;
        for (index, envelope) in all.iter().enumerate() {
            let part = subject.read_until(&scope, None, Some(&envelope.offset), 3).await?;
            let wanted = all.get(..=index).unwrap_or_default();
            ensure_eq!(summary(&part), summary(wanted), "{scope:?} up to event {index}");
        }
        let (first, last) = (all.first(), all.last());
        let (Some(first), Some(last)) = (first, last) else { continue };
        // A bound before the start leaves nothing.
        let none = subject.read_until(&scope, Some(&last.offset), Some(&first.offset), 3).await?;
        ensure!(none.is_empty(), "{scope:?} between its last and its first event: {none:?}");
    }
    Ok(())
}

pub(crate) async fn q4_empty_scopes_end_at_once(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    for scope in scopes(&cx, &subject) {
        for events_max in [1, 100] {
            let read = subject.read(&scope, None, events_max).await?;
            ensure!(read.is_empty(), "{scope:?} of an empty store has events");
            let read = subject.read_until(&scope, None, None, events_max).await?;
            ensure!(read.is_empty(), "{scope:?} of an empty store has events");
        }
    }
    Ok(())
}

/// Offsets that no store may take: of another store, and malformed ones.
pub(crate) async fn bad_offsets(cx: &Context) -> Outcome<Vec<(String, Offset)>> {
    let other = cx.open_at("other").await?;
    let id = cx.id("a");
    other.write_five(&id).await?;
    let foreign = other.read(&Scope::Id(id, SeqRange::ALL), None, 10).await?;
    let Some(own) = foreign.first() else {
        return Err(Stop::Failed("the other store's events cannot be read".to_owned()));
    };
    let mut bad = vec![("another store's offset".to_owned(), own.offset.clone())];
    for (what, bytes) in [
        ("an offset of no bytes", vec![]),
        ("an offset of one byte", vec![1]),
        ("an offset of 16 bytes of ones", vec![0xff; 16]),
        ("an offset of 24 bytes of zeros", vec![0; 24]),
        ("a very long offset", vec![7; Offset::BYTES_MAX + 1]),
    ] {
        bad.push((what.to_owned(), Offset::from_bytes(bytes)));
    }
    Ok(bad)
}

pub(crate) async fn q8_bad_offsets_are_invalid(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    write_mixed(&cx, &subject).await?;
    let scopes = scopes(&cx, &subject);
    let mut bad = bad_offsets(&cx).await?;
    let own = subject.read(&Scope::Id(cx.id("a"), SeqRange::ALL), None, 10).await?;
    if let Some(own) = own.last() {
        let bytes = own.offset.as_bytes();
        let cut = bytes.get(..bytes.len().saturating_sub(1)).unwrap_or_default().to_vec();
        bad.push(("an own offset that lost its last byte".to_owned(), Offset::from_bytes(cut)));
    }
    for (what, offset) in &bad {
        for scope in &scopes {
            let journal = &subject.store.read_journal;
            let answer = journal.page(scope, Some(offset), None, 10).await;
            expect_kind(answer, ErrorKind::Invalid, &format!("{scope:?} after {what}"))?;
            let answer = journal.page(scope, None, Some(offset), 10).await;
            expect_kind(answer, ErrorKind::Invalid, &format!("{scope:?} until {what}"))?;
        }
        let answer = subject.store.read_journal.ids(Some(offset), 10).await;
        expect_kind(answer, ErrorKind::Invalid, &format!("the ids after {what}"))?;
    }
    Ok(())
}
