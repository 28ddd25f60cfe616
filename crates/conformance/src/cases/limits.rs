//! J7: what can never be stored is refused before anything is written, and uses up no number.

use annals_core::{
    Capabilities, ErrorKind, NewEvent, Payload, PersistenceId, Scope, SeqRange, SerializerId, Tags,
};

use crate::context::{Context, Subject, event};
use crate::verdict::{Outcome, ensure_eq, expect_kind};

/// Appends a good event, then what should be refused, then a good event at the same number.
async fn refuses(cx: &Context, subject: &Subject, name: &str, events: Vec<NewEvent>) -> Outcome {
    let id = cx.id(name);
    subject.write(&id, 0, &["a-1"]).await?;
    let refused = subject.append(cx.append_of(&id, 1, events)?).await;
    expect_kind(refused, ErrorKind::Invalid, name)?;
    subject.expect_history(&id, 0, &["a-1"]).await?;
    subject.write(&id, 1, &["a-2"]).await?;
    subject.expect_history(&id, 0, &["a-1", "a-2"]).await?;
    let read = subject.read(&Scope::Id(id, SeqRange::ALL), None, 10).await?;
    ensure_eq!(read.len(), 2, "events that readers across entities see ({name})");
    Ok(())
}

fn sized(bytes: usize) -> NewEvent {
    let mut event = event("");
    event.payload = Payload::new(SerializerId::BYTES, "", vec![7_u8; bytes]);
    event
}

/// Events of at most `event_bytes` that have `bytes` together.
fn together(event_bytes: usize, bytes: usize) -> Vec<NewEvent> {
    let whole = bytes / event_bytes;
    let sizes = std::iter::repeat_n(event_bytes, whole).chain([bytes % event_bytes]);
    sizes.filter(|size| *size > 0).map(sized).collect()
}

fn long(text: &str, bytes: usize) -> String {
    let mut long = text.to_owned();
    long.extend(std::iter::repeat_n('x', bytes.saturating_sub(text.len())));
    long
}

/// Tags of this case, `count` of them.
fn tags(cx: &Context, count: usize) -> Tags {
    (0..count).map(|number| cx.tag(number)).collect()
}

pub(crate) async fn j7_too_large_is_invalid(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let Capabilities { event_bytes_max, append_bytes_max, .. } = subject.capabilities();
    refuses(&cx, &subject, "one event too large", vec![sized(event_bytes_max + 1)]).await?;
    let parts = together(event_bytes_max.min(append_bytes_max / 2), append_bytes_max + 1);
    refuses(&cx, &subject, "events too large together", parts).await?;
    let metadata = Payload::new(SerializerId::BYTES, "", vec![7_u8; event_bytes_max]);
    let parts = vec![event("x"), event("x").with_metadata(metadata)];
    refuses(&cx, &subject, "metadata too large", parts).await
}

pub(crate) async fn j7_too_many_is_invalid(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let limits = subject.capabilities();
    let events = (0..=limits.events_per_append_max).map(|_| event("")).collect();
    refuses(&cx, &subject, "too many events", events).await?;
    let event = event("x").with_tags(tags(&cx, limits.tags_per_event_max + 1));
    refuses(&cx, &subject, "too many tags", vec![event]).await
}

pub(crate) async fn j7_too_long_is_invalid(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let limits = subject.capabilities();
    let text = long("x", limits.text_bytes_max + 1);
    let mut manifest = event("x");
    manifest.payload.manifest = text.as_str().into();
    refuses(&cx, &subject, "manifest too long", vec![manifest]).await?;
    let adapter = event("x").with_event_manifest(text.as_str());
    refuses(&cx, &subject, "event manifest too long", vec![adapter]).await?;
    let tag = annals_core::Tag::new(text.as_str())?;
    let tag = event("x").with_tags([tag].into_iter().collect());
    refuses(&cx, &subject, "tag too long", vec![tag]).await?;

    let id = cx.id("a");
    let refused = subject.append(cx.append_by(&text, &id, 0, vec![event("x")])?).await;
    expect_kind(refused, ErrorKind::Invalid, "a writer id that is too long")?;
    subject.expect_history(&id, 0, &[]).await?;
    let id = PersistenceId::new(long(cx.id("long").as_str(), limits.id_bytes_max + 1))?;
    let refused = subject.write(&id, 0, &["x"]).await;
    expect_kind(refused, ErrorKind::Invalid, "a persistence id that is too long")?;
    ensure_eq!(subject.bounds(&id).await.unwrap_or((0, 0)), (0, 0), "the bounds of that id");
    Ok(())
}

pub(crate) async fn j7_refused_in_between_uses_no_number(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let too_large = subject.capabilities().event_bytes_max + 1;
    subject.write(&id, 0, &["a-1"]).await?;
    let refused = subject.append(cx.append_of(&id, 1, vec![sized(too_large)])?).await;
    expect_kind(refused, ErrorKind::Invalid, "an append that is too large")?;
    subject.write(&id, 1, &["a-2"]).await?;
    // A stale writer's bad append tells it what is wrong with the append, or that it is stale.
    let stale = subject.append(cx.append_of(&id, 0, vec![sized(too_large)])?).await;
    crate::verdict::ensure!(stale.is_err(), "a stale append that is too large was stored");
    subject.expect_history(&id, 0, &["a-1", "a-2"]).await
}

pub(crate) async fn j7_at_the_limit_is_stored(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let limits = subject.capabilities();
    let large = cx.id("large");
    let events = together(limits.event_bytes_max, limits.append_bytes_max);
    let mut wanted: Vec<usize> = events.iter().map(|event| event.payload.bytes.len()).collect();
    let last = subject.append(cx.append_of(&large, 0, events)?).await?.last;
    subject.write(&large, last.get(), &["next"]).await?;
    wanted.push(4);
    let found = subject.replay(&large, SeqRange::ALL).await?;
    let sizes: Vec<usize> = found.iter().map(|event| event.payload.bytes.len()).collect();
    ensure_eq!(sizes, wanted, "payload bytes");

    let id = PersistenceId::new(long(cx.id("long").as_str(), limits.id_bytes_max))?;
    let text = long("x", limits.text_bytes_max);
    let mut wanted = event("x").with_event_manifest(text.as_str());
    wanted.payload.manifest = text.as_str().into();
    if wanted.size_bytes() <= limits.event_bytes_max {
        subject.append(cx.append_by(&text, &id, 0, vec![wanted.clone()])?).await?;
        let found = subject.replay(&id, SeqRange::ALL).await?;
        ensure_eq!(found.len(), 1, "events of the longest id");
        for event in found {
            ensure_eq!(event.payload, wanted.payload, "the event with the longest texts");
            ensure_eq!(event.writer.as_str(), text, "the longest writer id");
        }
        subject.expect_ids(&[large, id], 10).await?;
    }
    let many = cx.id("many tags");
    let tags = tags(&cx, limits.tags_per_event_max);
    subject.append(cx.append_of(&many, 0, vec![event("x").with_tags(tags.clone())])?).await?;
    let found = subject.replay(&many, SeqRange::ALL).await?;
    ensure_eq!(found.first().map(|event| &event.tags), Some(&tags), "the most tags");
    Ok(())
}
