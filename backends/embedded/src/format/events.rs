//! The body of a frame of events.
//!
//! ```text
//! append id                                   16 bytes
//! id                                          text
//! number of the first event                   varint
//! deleted to, when it was written             varint
//! flags: 1 if it began the id above 1,
//!        2 if it saves an offset              byte
//! writer: 0 and 16 bytes of a UUID, or 1 and a text
//! number of events                            varint
//! if it saves an offset: name text, revision varint, offset bytes
//! each: timestamp signed, serializer signed, manifest text, event manifest text,
//!       number of tags varint, each a text, 0 or (1 and a metadata payload), payload bytes
//! a metadata payload: serializer signed, manifest text, bytes
//! ```

use std::sync::Arc;

use annals_core::{
    Append, AppendId, AppendMode, NewEvent, Offset, OffsetRevision, Payload, PersistenceId, SeqNr,
    SerializerId, StoredEvent, StoredOffset, Tag, Tags, Timestamp, WriterId,
};
use bytes::Bytes;

use super::FRAME_HEADER_BYTES;
use super::encoding::{Malformed, Reader, Writer};

/// The flag of an append that began its id above 1.
const INGEST: u8 = 1;

/// The flag of an append that saves an offset.
const SAVES_OFFSET: u8 = 2;

/// An event takes at least a byte for each of its fields.
const EVENT_BYTES_MIN: usize = 7;

/// What stands before the events in a frame of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventsHead {
    pub(crate) append_id: AppendId,
    pub(crate) id: PersistenceId,
    pub(crate) first: SeqNr,
    pub(crate) deleted_to: SeqNr,
    /// Whether the append began the id at `first`, above 1.
    pub(crate) ingest: bool,
    pub(crate) writer: WriterId,
    pub(crate) count: u32,
    /// The offset that is saved with the events.
    pub(crate) offset: Option<StoredOffset>,
}

/// A frame of the append's events, with room for the header.
pub(crate) fn encode_events(append: &Append, deleted_to: SeqNr, begins: bool) -> Vec<u8> {
    let payloads: usize = append.events().iter().map(|event| event.payload.bytes.len() + 48).sum();
    let id_bytes = append.id().as_str().len();
    let mut out = Writer::with_capacity(FRAME_HEADER_BYTES + payloads + id_bytes + 64);
    out.raw(&[0; FRAME_HEADER_BYTES]);
    out.raw(&append.append_id().get().to_le_bytes());
    out.text(append.id().as_str());
    out.varint(append.after().next().get());
    out.varint(deleted_to.get());
    let ingest = begins && append.mode() == AppendMode::Ingest && !append.after().is_zero();
    let mut flags = if ingest { INGEST } else { 0 };
    if append.offset_save().is_some() {
        flags |= SAVES_OFFSET;
    }
    out.byte(flags);
    encode_writer(&mut out, append.writer());
    out.length(append.events().len());
    if let Some(save) = append.offset_save() {
        encode_offset(&mut out, &save.name, save.expected.next(), &save.offset);
    }
    for event in append.events() {
        encode_event(&mut out, event);
    }
    out.into_bytes()
}

fn encode_writer(out: &mut Writer, writer: &WriterId) {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    match uuid::Uuid::try_parse(writer.as_str()) {
        Ok(uuid) if uuid.hyphenated().encode_lower(&mut text) == writer.as_str() => {
            out.byte(0);
            out.raw(uuid.as_bytes());
        }
        _ => {
            out.byte(1);
            out.text(writer.as_str());
        }
    }
}

fn encode_event(out: &mut Writer, event: &NewEvent) {
    out.signed(event.timestamp.as_millis());
    out.signed(i64::from(event.payload.serializer.get()));
    out.text(&event.payload.manifest);
    out.text(&event.event_manifest);
    out.length(event.tags.len());
    for tag in &event.tags {
        out.text(tag.as_str());
    }
    encode_metadata(out, event.metadata.as_ref());
    out.bytes(&event.payload.bytes);
}

/// 0, or 1 and a payload.
pub(super) fn encode_metadata(out: &mut Writer, metadata: Option<&Payload>) {
    out.byte(u8::from(metadata.is_some()));
    if let Some(payload) = metadata {
        encode_payload(out, payload);
    }
}

/// Serializer, manifest and bytes.
pub(super) fn encode_payload(out: &mut Writer, payload: &Payload) {
    out.signed(i64::from(payload.serializer.get()));
    out.text(&payload.manifest);
    out.bytes(&payload.bytes);
}

/// What stands before the events.
pub(crate) fn decode_events_head(body: &Bytes) -> Result<EventsHead, Malformed> {
    head(&mut Reader::new(body))
}

fn head(reader: &mut Reader<'_>) -> Result<EventsHead, Malformed> {
    let append_id = AppendId::new(u128::from_le_bytes(reader.array()?));
    let id = PersistenceId::new(reader.text()?).map_err(|_| Malformed("an id is empty"))?;
    let first = seq_nr(reader)?;
    let deleted_to = seq_nr(reader)?;
    let flags = reader.byte()?;
    if flags & !(INGEST | SAVES_OFFSET) != 0 {
        return Err(Malformed("a frame of events has an unknown flag"));
    }
    let ingest = flags & INGEST != 0;
    let writer = match reader.byte()? {
        0 => WriterId::new(uuid::Uuid::from_bytes(reader.array()?).to_string()),
        1 => WriterId::new(reader.text()?),
        _ => return Err(Malformed("a writer is of an unknown form")),
    };
    let count = u32::try_from(reader.length()?).map_err(|_| Malformed("too many events"))?;
    if count == 0 || first.is_zero() || first.plus(u64::from(count)) == SeqNr::MAX {
        return Err(Malformed("the numbers of events are out of range"));
    }
    let offset = if flags & SAVES_OFFSET == 0 { None } else { Some(decode_offset(reader)?) };
    Ok(EventsHead { append_id, id, first, deleted_to, ingest, writer, count, offset })
}

/// The head and the events of a frame; payloads share the memory of `body`.
pub(crate) fn decode_events(body: &Bytes) -> Result<(EventsHead, Vec<StoredEvent>), Malformed> {
    let reader = &mut Reader::new(body);
    let head = head(reader)?;
    // Otherwise a false count would take far more memory than the body has bytes.
    if super::index(head.count) > reader.remaining() / EVENT_BYTES_MIN {
        return Err(Malformed("there are more events than bytes for them"));
    }
    let mut events = Vec::with_capacity(super::index(head.count));
    let (mut manifest, mut event_manifest) = (Arc::from(""), Arc::from(""));
    let mut seq_nr = head.first;
    for _ in 0..head.count {
        let timestamp = Timestamp::from_millis(reader.signed()?);
        let serializer = SerializerId::new(reader.signed_32()?);
        let payload_manifest = reader.shared_text(&mut manifest)?;
        let event_manifest = reader.shared_text(&mut event_manifest)?;
        let tags = decode_tags(reader)?;
        let metadata = decode_metadata(reader)?;
        let payload = Payload { serializer, manifest: payload_manifest, bytes: reader.bytes()? };
        let writer = head.writer.clone();
        events.push(StoredEvent {
            seq_nr,
            writer,
            timestamp,
            payload,
            event_manifest,
            tags,
            metadata,
        });
        seq_nr = seq_nr.next();
    }
    if !reader.is_empty() {
        return Err(Malformed("bytes follow the last event"));
    }
    Ok((head, events))
}

fn decode_tags(reader: &mut Reader<'_>) -> Result<Tags, Malformed> {
    let count = reader.length()?;
    if count == 0 {
        return Ok(Tags::NONE);
    }
    let mut tags = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        tags.push(Tag::new(reader.text()?).map_err(|_| Malformed("a tag is empty"))?);
    }
    Ok(tags.into_iter().collect())
}

/// 0, or 1 and a payload.
pub(super) fn decode_metadata(reader: &mut Reader<'_>) -> Result<Option<Payload>, Malformed> {
    if flag(reader)? { decode_payload(reader).map(Some) } else { Ok(None) }
}

/// Serializer, manifest and bytes.
pub(super) fn decode_payload(reader: &mut Reader<'_>) -> Result<Payload, Malformed> {
    let serializer = SerializerId::new(reader.signed_32()?);
    let manifest = reader.text()?;
    Ok(Payload::new(serializer, manifest, reader.bytes()?))
}

/// Name, revision and offset.
pub(super) fn encode_offset(
    out: &mut Writer,
    name: &str,
    revision: OffsetRevision,
    offset: &Offset,
) {
    out.text(name);
    out.varint(revision.get());
    out.bytes(offset.as_bytes());
}

/// Name, revision and offset.
pub(super) fn decode_offset(reader: &mut Reader<'_>) -> Result<StoredOffset, Malformed> {
    Ok(StoredOffset {
        name: reader.text()?.to_owned(),
        revision: OffsetRevision::new(reader.varint()?),
        offset: Offset::from_bytes(Bytes::copy_from_slice(reader.slice()?)),
    })
}

/// A sequence number.
pub(super) fn seq_nr(reader: &mut Reader<'_>) -> Result<SeqNr, Malformed> {
    SeqNr::new(reader.varint()?).ok_or(Malformed("a sequence number is out of range"))
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed("a flag is neither 0 nor 1")),
    }
}

#[cfg(test)]
mod tests {
    use annals_core::{OffsetSave, Timestamp};

    use super::*;

    fn append() -> Append {
        let payload = Payload::new(SerializerId::STRING, "", "x".as_bytes());
        let event = NewEvent::new(payload, Timestamp::from_millis(1));
        let id = PersistenceId::new("a|1").unwrap();
        Append::new(AppendId::new(7), id, SeqNr::ZERO, WriterId::new("w"), vec![event]).unwrap()
    }

    fn body(append: &Append) -> Bytes {
        Bytes::from(encode_events(append, SeqNr::ZERO, false)).slice(FRAME_HEADER_BYTES..)
    }

    #[test]
    fn frames_of_events_have_the_golden_bytes() {
        let mut golden = [&[7][..], &[0; 15], b"\x03a|1", &[1, 0, 0], b"\x01\x01w", &[1]].concat();
        let event = [&[2, 40, 0, 0, 0, 0][..], b"\x01x"].concat();
        let without = [golden.clone(), event.clone()].concat();
        assert_eq!(body(&append()), without);

        let offset = Offset::from_bytes(vec![8, 9]);
        let save = OffsetSave { name: "p".into(), expected: OffsetRevision::new(4), offset };
        golden[22] = SAVES_OFFSET;
        golden.extend(b"\x01p\x05\x02\x08\x09");
        golden.extend(event);
        let saving = body(&append().with_offset_save(save));
        assert_eq!(saving, golden);

        let (head, events) = decode_events(&saving).unwrap();
        let offset = Offset::from_bytes(vec![8, 9]);
        let revision = OffsetRevision::new(5);
        assert_eq!(head.offset, Some(StoredOffset { name: "p".into(), offset, revision }));
        assert_eq!(events, decode_events(&body(&append())).unwrap().1);
    }

    #[test]
    fn an_unknown_flag_is_malformed() {
        let mut bytes = body(&append()).to_vec();
        bytes[22] = 4;
        assert!(decode_events(&Bytes::from(bytes)).is_err());
    }
}
