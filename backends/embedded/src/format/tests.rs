//! The bytes of each kind of frame, of a segment header, and what is refused: `docs/format/log.md` in
//! examples that never change.

use annals_core::{
    Append, AppendId, AppendMode, NewEvent, Offset, OffsetRevision, Payload, PersistenceId, SeqNr,
    SerializerId, Snapshot, SnapshotCriteria, StoredOffset, Tag, Timestamp, WriterId,
};
use bytes::Bytes;

use super::*;
use crate::position::{Position, SegmentNr};

const EPOCH: u64 = 0x0123_4567_89ab_cdef;

fn link() -> Link {
    let synced = Position::new(SegmentNr::new(3), 0x2000);
    Link { epoch: EPOCH, previous: 0x0a0b_0c0d, synced }
}

/// The whole frame of what an encoder gave.
fn sealed(kind: FrameKind, mut frame: Vec<u8>) -> Vec<u8> {
    let body = seal_body(&mut frame);
    seal_frame(&mut frame, kind, body, link());
    frame
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The frame has these bytes, and reading them gives its body.
fn assert_frame(frame: &[u8], header: &str, body: &str) -> Bytes {
    assert_eq!(hex(&frame[..32]), header.replace(' ', ""), "the header");
    assert_eq!(hex(&frame[32..]), body.replace(' ', ""), "the body");
    let read = FrameHeader::decode(frame, EPOCH).unwrap().expect("a frame is there");
    assert_eq!(read.previous, link().previous);
    assert_eq!(read.synced, link().synced);
    Bytes::copy_from_slice(&frame[read.body(frame).unwrap()])
}

fn id() -> PersistenceId {
    PersistenceId::new("a|1").unwrap()
}

fn nr(number: u64) -> SeqNr {
    SeqNr::new(number).unwrap()
}

fn append(mode: AppendMode) -> Append {
    let payload = Payload::new(SerializerId::JACKSON_JSON, "T", "{}");
    let tags = [Tag::new("x").unwrap(), Tag::new("b").unwrap()].into_iter().collect();
    let first = NewEvent::new(payload, Timestamp::from_millis(1_000))
        .with_tags(tags)
        .with_event_manifest("e")
        .with_metadata(Payload::new(SerializerId::STRING, "", "m"));
    let second =
        NewEvent::new(Payload::new(SerializerId::new(-2), "", ""), Timestamp::from_millis(-3));
    let writer = WriterId::new("00112233-4455-6677-8899-aabbccddeeff");
    Append::new(AppendId::new(0xfe), id(), nr(300), writer, vec![first, second])
        .unwrap()
        .with_mode(mode)
}

#[test]
fn a_frame_of_events_has_these_bytes() {
    let append = append(AppendMode::Next);
    let frame = sealed(FrameKind::Events, encode_events(&append, nr(2), false));
    let body = assert_frame(
        &frame,
        "68000000 2839bfa5 0d0c0b0a 48054f72 00200000 03000000 01000000 45000000",
        "fe000000 00000000 00000000 00000000 03617c31 ad020200 00001122 33445566 778899aa bbccddee ff02d00f 3e015401 65020162 01780128 00016d02 7b7d0503 00000000 00000000",
    );
    let (head, events) = decode_events(&body).unwrap();
    assert_eq!(head, decode_events_head(&body).unwrap());
    assert_eq!((head.first, head.deleted_to, head.ingest), (nr(301), nr(2), false));
    assert_eq!(events.len(), 2);
    for (read, written) in events.iter().zip(append.events()) {
        assert_eq!(read.payload, written.payload);
        assert_eq!(read.tags, written.tags);
        assert_eq!(read.metadata, written.metadata);
        assert_eq!(read.event_manifest, written.event_manifest);
        assert_eq!(read.timestamp, written.timestamp);
        assert_eq!(read.writer, *append.writer());
    }
}

#[test]
fn a_frame_of_imported_events_has_these_bytes() {
    let payload = Payload::new(SerializerId::BYTES, "", vec![7]);
    let event = NewEvent::new(payload, Timestamp::from_millis(0));
    // In upper case it is not the text of a UUID that its 16 bytes would give back.
    let writer = WriterId::new("AABBCCDD-4455-6677-8899-AABBCCDDEEFF");
    let append = Append::new(AppendId::new(1), id(), nr(9), writer.clone(), vec![event]).unwrap();
    let append = append.with_mode(AppendMode::Ingest);
    let frame = sealed(FrameKind::Events, encode_events(&append, SeqNr::ZERO, true));
    let body = assert_frame(
        &frame,
        "68000000 0becf950 0d0c0b0a bfa12a07 00200000 03000000 01000000 46000000",
        "01000000 00000000 00000000 00000000 03617c31 0a000101 24414142 42434344 442d3434 35352d36 3637372d 38383939 2d414142 42434344 44454546 46010008 00000000 01070000",
    );
    let head = decode_events_head(&body).unwrap();
    assert_eq!((head.first, head.ingest, head.writer), (nr(10), true, writer));
}

#[test]
fn a_frame_of_a_delete_has_these_bytes() {
    let delete = Delete { id: id(), to: nr(200) };
    let frame = sealed(FrameKind::Delete, delete.encode());
    let body = assert_frame(
        &frame,
        "28000000 6dd26ead 0d0c0b0a b41314e7 00200000 03000000 02000000 06000000",
        "03617c31 c8010000",
    );
    assert_eq!(Delete::decode(&body).unwrap(), delete);
}

#[test]
fn a_frame_of_a_snapshot_has_these_bytes() {
    let snapshot = Snapshot {
        persistence_id: id(),
        seq_nr: nr(5),
        timestamp: Timestamp::from_millis(1_700_000_000_000),
        payload: Payload::new(SerializerId::JACKSON_CBOR, "S", vec![0xa0]),
        metadata: Some(Payload::new(SerializerId::LONG, "", vec![1])),
    };
    let frame = sealed(FrameKind::SnapshotSave, SnapshotSave::encode(&snapshot));
    let body = assert_frame(
        &frame,
        "38000000 9b38f3d3 0d0c0b0a 0dcca9cd 00200000 03000000 03000000 15000000",
        "03617c31 0580a0ab fef96201 24000101 42015301 a0000000",
    );
    assert_eq!(SnapshotSave::decode(&body).unwrap(), snapshot);
}

#[test]
fn a_frame_of_a_delete_of_snapshots_has_these_bytes() {
    let delete = SnapshotDelete { id: id(), criteria: SnapshotCriteria::up_to(nr(4)) };
    let frame = sealed(FrameKind::SnapshotDelete, delete.encode());
    let body = assert_frame(
        &frame,
        "40000000 9a809726 0d0c0b0a 607ac081 00200000 03000000 04000000 1a000000",
        "03617c31 0004ffff ffffffff ffffff01 feffffff ffffffff ff010000 00000000",
    );
    assert_eq!(SnapshotDelete::decode(&body).unwrap(), delete);
}

#[test]
fn a_frame_of_an_offset_has_these_bytes() {
    let offset = StoredOffset {
        name: "board".to_owned(),
        offset: Offset::from_bytes(vec![1, 2, 3]),
        revision: OffsetRevision::new(128),
    };
    let frame = sealed(FrameKind::OffsetSave, OffsetSave::encode(&offset));
    let body = assert_frame(
        &frame,
        "30000000 ec0ce324 0d0c0b0a 2b034c2b 00200000 03000000 05000000 0c000000",
        "05626f61 72648001 03010203 00000000",
    );
    assert_eq!(OffsetSave::decode(&body).unwrap(), offset);
}

#[test]
fn a_segment_header_has_these_bytes() {
    let header = SegmentHeader {
        store_id: 0x1122_3344_5566_7788,
        segment: SegmentNr::new(3),
        epoch: EPOCH,
        previous_end: Some(Position::new(SegmentNr::new(2), 0xf320)),
        previous_checksum: 0x0a0b_0c0d,
        capacity: 1 << 16,
        packing: None,
    };
    let block = header.encode();
    let block = block.as_slice();
    assert_eq!(
        hex(&block[..48]),
        "414e4e414c53454701000000030000008877665544332211efcdab896745230120f30000020000000d0c0b0a00000100"
    );
    assert!(block[48..4092].iter().all(|byte| *byte == 0));
    assert_eq!(hex(&block[4092..]), "cd378ee4");
    assert_eq!(SegmentHeader::decode(block).unwrap(), header);
}

#[test]
fn a_frame_is_valid_in_its_segment_and_as_it_was_written_alone() {
    let frame = sealed(FrameKind::Delete, Delete { id: id(), to: nr(200) }.encode());
    assert!(FrameHeader::decode(&frame, EPOCH + 1).is_err(), "of another segment");
    for byte in 0..frame.len() {
        let mut damaged = frame.clone();
        damaged[byte] ^= 1;
        let read = FrameHeader::decode(&damaged, EPOCH);
        let refused = match read {
            Ok(Some(header)) => header.body(&damaged).is_err(),
            Ok(None) => false,
            Err(_) => true,
        };
        assert!(refused, "byte {byte}");
    }
}
