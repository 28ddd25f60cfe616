//! `docs/format/log.md` says everything: a decoder made of it alone reads what the engine wrote, gives
//! the engine's verdict on damage, and the bytes that the page shows are those of the golden files
//! (`ANNALS_BLESS=1` writes them into the page).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_core::{
    Append, AppendId, Envelope, ErrorKind, Journal, NewEvent, OffsetRevision, OffsetStore, Payload,
    ReadJournal, Scope, SeqNr, SerializerId, Snapshot, SnapshotCriteria, SnapshotStore, Tag,
    Timestamp, WriterId,
};
use annals_embedded::{EmbeddedStore, Settings};

use crate::decoder::{DecodedEvent, DecodedPayload, end_file, read_log, read_store};
use crate::golden::{Golden, V1, V2, id};
use crate::seed::Random;

fn decoded_payload(payload: &Payload) -> DecodedPayload {
    DecodedPayload {
        serializer: payload.serializer.get().into(),
        manifest: payload.manifest.to_string(),
        bytes: payload.bytes.to_vec(),
    }
}

fn as_decoded(envelope: &Envelope) -> DecodedEvent {
    let event = &envelope.event;
    DecodedEvent {
        id: envelope.persistence_id.to_string(),
        number: event.seq_nr.get(),
        writer: event.writer.to_string(),
        time: event.timestamp.as_millis(),
        event_manifest: event.event_manifest.to_string(),
        tags: event.tags.iter().map(ToString::to_string).collect(),
        metadata: event.metadata.as_ref().map(decoded_payload),
        payload: decoded_payload(&event.payload),
        offset: envelope.offset.to_string(),
    }
}

async fn all_events(store: &EmbeddedStore) -> Vec<Envelope> {
    let (mut events, mut after) = (Vec::new(), None);
    loop {
        let page = store.page(&Scope::All, after.as_ref(), None, 100).await.unwrap();
        events.extend(page.events().iter().cloned());
        after = page.next().cloned();
        if page.at_end() {
            return events;
        }
    }
}

/// The decoder and the engine read the same from `directory`.
async fn assert_reads_the_same(directory: &Path) {
    let decoded = read_store(directory).unwrap();
    let store = EmbeddedStore::builder(directory).open_read_only().unwrap();
    let events: Vec<_> = all_events(&store).await.iter().map(as_decoded).collect();
    assert_eq!(decoded.events, events);
    for (text, bounds) in &decoded.bounds {
        let found = store.bounds(&id(text)).await.unwrap();
        assert_eq!((found.deleted_to.get(), found.highest.get()), *bounds, "{text}");
        let own = decoded.snapshots.iter().filter(|((of, _), _)| of == text);
        let listed = store.list(&id(text), &SnapshotCriteria::ALL, 100).await.unwrap();
        assert_eq!(listed.len(), own.clone().count(), "snapshots of {text}");
        for ((_, number), snapshot) in own {
            let at = SnapshotCriteria::at(SeqNr::new(*number).unwrap());
            let loaded = store.load(&id(text), &at).await.unwrap().expect("the snapshot is there");
            assert_eq!(decoded_payload(&loaded.payload), snapshot.payload);
            assert_eq!(loaded.metadata.as_ref().map(decoded_payload), snapshot.metadata);
        }
    }
    let offsets = store.list_offsets().await.unwrap();
    assert_eq!(offsets.len(), decoded.offsets.len());
    for found in offsets {
        let offset = (found.revision.get(), found.offset.to_string());
        assert_eq!(decoded.offsets[&found.name], offset, "{}", found.name);
    }
}

fn append(number: u64, text: &str, after: u64, bytes: usize) -> Append {
    let events = (0..=number % 3).map(|nth| {
        let payload = Payload::new(SerializerId::BYTES, "m", vec![number as u8; bytes]);
        let tags = (0..nth).map(|tag| Tag::new(format!("tag-{tag}")).unwrap()).collect();
        NewEvent::new(payload, Timestamp::from_millis(number as i64)).with_tags(tags)
    });
    let (append_id, after) = (AppendId::new(number.into()), SeqNr::new(after).unwrap());
    Append::new(append_id, id(text), after, WriterId::new("w"), events.collect()).unwrap()
}

/// 16 writers at once, so that writes hold several frames, each of them over many sizes.
async fn write(store: &Arc<EmbeddedStore>, rounds: u64) {
    let writers = (0..16_u64).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            let text = format!("entity|{writer}");
            let mut after = 0;
            for round in 0..rounds {
                let bytes = ((round * 397 + writer * 31) % 1500) as usize;
                let receipt = store.append(append(writer + round, &text, after, bytes)).await;
                after = receipt.unwrap().last.get();
                if round % 5 == 1 {
                    store.delete_to(&id(&text), SeqNr::new(after / 2).unwrap()).await.unwrap();
                }
                if round % 4 == 2 {
                    let snapshot = Snapshot {
                        persistence_id: id(&text),
                        seq_nr: SeqNr::new(after).unwrap(),
                        timestamp: Timestamp::from_millis(round as i64),
                        payload: Payload::new(SerializerId::BYTES, "", vec![1; bytes]),
                        metadata: None,
                    };
                    store.save(snapshot).await.unwrap();
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

fn opened(directory: &Path) -> Arc<EmbeddedStore> {
    let settings = Settings::default().with_segment_bytes(128 << 10);
    EmbeddedStore::builder(directory).settings(settings).open().unwrap()
}

async fn assert_reads_golden(golden: Golden, every_kind: &[u8]) {
    let directory = golden.copy().await;
    let decoded = read_store(directory.path()).unwrap();
    let read: Vec<_> =
        decoded.events.iter().map(|event| (event.id.clone(), event.number)).collect();
    let expected: Vec<_> =
        golden.events().iter().map(|(id, event)| (id.to_string(), event.seq_nr.get())).collect();
    assert_eq!(read, expected);
    let mut kinds: Vec<_> =
        read_log(directory.path()).unwrap().iter().map(|frame| frame.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, every_kind, "every kind of frame is in the golden store");
    assert_reads_the_same(directory.path()).await;
}

#[tokio::test]
async fn the_decoder_reads_the_golden_stores() {
    assert_reads_golden(V1, &[1, 2, 3, 4, 5]).await;
    assert_reads_golden(V2, &[1, 2, 3, 4, 5, 6]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_decoder_reads_what_many_writers_wrote() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    write(&store, 20).await;
    let end = ReadJournal::end(&*store, &Scope::All).await.unwrap().unwrap();
    store.save_offset("board", OffsetRevision::NONE, end).await.unwrap();
    store.compact(1).await.unwrap();
    store.close().await.unwrap();

    assert_reads_the_same(directory.path()).await;
    let frames = read_log(directory.path()).unwrap();
    assert!(frames.last().unwrap().segment > 2, "the log crosses segments");
    assert!(frames.iter().any(|frame| frame.kind == 6), "some of it was compacted");
    let place = |segment: u32, byte: usize| (u64::from(segment) << 32) + byte as u64;
    let behind = frames.iter().filter(|frame| frame.durable < place(frame.segment, frame.byte));
    assert!(behind.count() > 0, "some writes hold several frames");
    let end = end_file(&fs::read(directory.path().join("end")).unwrap()).unwrap();
    assert!(end.closed, "the orderly end is recorded");
    assert_eq!(end.checksum, frames.last().unwrap().checksum);
}

/// Flips one bit of `name` and compares the verdicts.
fn assert_same_verdict(directory: &Path, name: &str, byte: usize, bit: u8) -> bool {
    let path = directory.join(name);
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[byte] ^= 1 << bit;
    fs::write(&path, &damaged).unwrap();
    // A read-only opening reads around damage, and a check of every byte tells it.
    let engine = EmbeddedStore::builder(directory).open_read_only().and_then(|store| {
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(store.verify()))
    });
    let decoded = read_store(directory);
    fs::write(&path, &whole).unwrap();
    let refused = match &engine {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            true
        }
    };
    assert_eq!(decoded.is_err(), refused, "{name}, byte {byte}, bit {bit}: {engine:?}");
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn the_decoder_and_the_engine_agree_about_damage() {
    for closed in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let store = opened(directory.path());
        write(&store, 2).await;
        let frames = read_log(directory.path()).unwrap();
        if closed {
            store.close().await.unwrap();
        } else {
            store.abandon();
        }
        let segment = "0000000001.seg";
        let last = frames.last().unwrap();
        assert_eq!(last.segment, 1, "the test is about one segment");
        let mut random = Random::new(7);
        let mut refused = 0;
        let rounds = 120;
        for round in 0..rounds {
            let around = if round % 2 == 0 { 128 << 10 } else { last.byte + 256 };
            let byte = random.below(around);
            let bit = random.below(8) as u8;
            refused += usize::from(assert_same_verdict(directory.path(), segment, byte, bit));
        }
        if closed {
            assert_eq!(refused, rounds, "a closed store has no bit that may change");
        } else {
            assert!(refused > 0 && refused < rounds, "{refused} of {rounds}: damage and torn ends");
        }
        for byte in 0..40 {
            assert!(assert_same_verdict(directory.path(), "end", byte, 0));
        }
    }
}

#[tokio::test]
async fn the_page_shows_the_bytes_of_the_golden_store() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/format/log.md");
    let page = fs::read_to_string(&path).unwrap();
    let directory = V1.copy().await;
    let (mut file, mut lines, mut expected) = (None, 0, String::new());
    for line in page.lines() {
        let mut shown = line.to_owned();
        if let Some(name) = line.strip_prefix("```text ") {
            file = Some(fs::read(directory.path().join(name)).unwrap());
        } else if line.starts_with("```") {
            file = None;
        } else if let Some(file) = &file {
            let place = usize::from_str_radix(line.split_once("  ").unwrap().0, 16).unwrap();
            shown = hex_line(file, place);
            lines += 1;
        }
        expected.push_str(&shown);
        expected.push('\n');
    }
    if std::env::var_os("ANNALS_BLESS").is_some() {
        fs::write(&path, &expected).unwrap();
        return;
    }
    assert!(lines > 40, "{lines} lines of bytes were found");
    for (shown, expected) in page.lines().zip(expected.lines()) {
        assert_eq!(shown, expected);
    }
}

/// 16 bytes of a file, as the page shows them.
fn hex_line(file: &[u8], place: usize) -> String {
    let row = &file[place..(place + 16).min(file.len())];
    let halves = row.chunks(8).map(|half| {
        let bytes: Vec<_> = half.iter().map(|byte| format!("{byte:02x}")).collect();
        bytes.join(" ")
    });
    format!("{place:08x}  {}", halves.collect::<Vec<_>>().join("  "))
}
