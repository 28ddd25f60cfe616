//! Stores of each version of the format, kept as files: every later version must read them as they were
//! written. With `ANNALS_BLESS=1` the files of the newest are written anew.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use annals_core::{
    Append, AppendId, AppendMode, Bounds, Envelope, Journal, JournalExt, NewEvent, OffsetRevision,
    OffsetSave, OffsetStore, Payload, PersistenceId, ReadJournal, Scope, SeqNr, SeqRange,
    SerializerId, Snapshot, SnapshotCriteria, SnapshotStore, StoredEvent, Tag, Timestamp, WriterId,
};
use annals_embedded::{EmbeddedStore, Settings};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use tempfile::TempDir;

/// A store that is kept as files, each compressed, since most of a segment is zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Golden {
    name: &'static str,
    /// The bounds of `fill`.
    fill: (u64, u64),
    segments: u64,
    segments_compacted: u64,
    frames: u64,
}

/// Written before there was compaction.
pub(crate) const V1: Golden =
    Golden { name: "store-v1", fill: (0, 3), segments: 2, segments_compacted: 0, frames: 12 };

/// Two of its three segments are compacted, and one append is a gap.
pub(crate) const V2: Golden =
    Golden { name: "store-v2", fill: (1, 8), segments: 3, segments_compacted: 2, frames: 18 };

impl Golden {
    fn directory(self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(self.name)
    }

    /// A copy of the store in a directory of its own; made anew if the newest is blessed.
    pub(crate) async fn copy(self) -> TempDir {
        static BLESSED: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
        if std::env::var_os("ANNALS_BLESS").is_some() {
            BLESSED.get_or_init(|| V2.bless()).await;
        }
        let directory = tempfile::tempdir().unwrap();
        for file in fs::read_dir(self.directory()).unwrap() {
            let path = file.unwrap().path();
            let mut bytes = Vec::new();
            GzDecoder::new(fs::File::open(&path).unwrap()).read_to_end(&mut bytes).unwrap();
            fs::write(directory.path().join(path.file_stem().unwrap()), bytes).unwrap();
        }
        directory
    }

    async fn bless(self) {
        let directory = tempfile::tempdir().unwrap();
        write_store(directory.path()).await;
        let golden = self.directory();
        if golden.exists() {
            fs::remove_dir_all(&golden).unwrap();
        }
        fs::create_dir_all(&golden).unwrap();
        for file in fs::read_dir(directory.path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name == "lock" {
                continue;
            }
            let packed = fs::File::create(golden.join(format!("{name}.gz"))).unwrap();
            let mut encoder = GzEncoder::new(packed, Compression::best());
            encoder.write_all(&fs::read(&path).unwrap()).unwrap();
            encoder.finish().unwrap();
        }
    }
}

pub(crate) fn id(text: &str) -> PersistenceId {
    PersistenceId::new(text).unwrap()
}

fn nr(number: u64) -> SeqNr {
    SeqNr::new(number).unwrap()
}

fn alice_writer() -> WriterId {
    WriterId::new("00112233-4455-6677-8899-aabbccddeeff")
}

fn payload(serializer: SerializerId, manifest: &str, bytes: &[u8]) -> Payload {
    Payload::new(serializer, manifest, bytes.to_vec())
}

fn deposited(cents: u32) -> NewEvent {
    let json = format!("{{\"cents\":{cents}}}");
    let payload = payload(SerializerId::JACKSON_JSON, "account.Event", json.as_bytes());
    NewEvent::new(payload, Timestamp::from_millis(1_700_000_000_000 + i64::from(cents)))
}

fn alice_first() -> Vec<NewEvent> {
    let tags = [Tag::new("vip").unwrap(), Tag::new("new").unwrap()];
    let metadata = payload(SerializerId::STRING, "", b"by hand");
    vec![
        deposited(100),
        deposited(250).with_tags(tags.into_iter().collect()).with_metadata(metadata),
    ]
}

fn bob_first() -> Vec<NewEvent> {
    let payload = payload(SerializerId::new(-7), "", &[0, 255, 1]);
    vec![NewEvent::new(payload, Timestamp::from_millis(-1)).with_event_manifest("v2")]
}

fn filler(number: u8) -> Vec<NewEvent> {
    let payload = payload(SerializerId::BYTES, "", &vec![number; 13_000]);
    let tag = Tag::new("vip").unwrap();
    vec![NewEvent::new(payload, Timestamp::from_millis(0)).with_tags([tag].into_iter().collect())]
}

fn snapshot(number: u64, metadata: Option<Payload>) -> Snapshot {
    Snapshot {
        persistence_id: id("account|alice"),
        seq_nr: nr(number),
        timestamp: Timestamp::from_millis(1_700_000_000_500),
        payload: payload(SerializerId::JACKSON_JSON, "account.State", b"{\"cents\":350}"),
        metadata,
    }
}

/// Every kind of frame, over three segments, two of them compacted.
async fn write_store(path: &Path) {
    let settings = Settings::default().with_segment_bytes(Settings::SEGMENT_BYTES_MIN);
    let store = EmbeddedStore::builder(path).settings(settings).open().unwrap();
    let mut number = 0;
    let mut append = |text: &str, after: u64, writer: WriterId, events: Vec<NewEvent>| {
        number += 1;
        Append::new(AppendId::new(number), id(text), nr(after), writer, events).unwrap()
    };
    store.append(append("account|alice", 0, alice_writer(), alice_first())).await.unwrap();
    let bob = append("account|bob", 6, WriterId::new("import-1"), bob_first());
    store.append(bob.with_mode(AppendMode::Ingest)).await.unwrap();
    let metadata = payload(SerializerId::STRING, "", b"replica 2");
    store.save(snapshot(1, None)).await.unwrap();
    store.save(snapshot(2, Some(metadata))).await.unwrap();
    store.delete_to(&id("account|alice"), nr(1)).await.unwrap();
    store.delete(&id("account|alice"), &SnapshotCriteria::up_to(nr(1))).await.unwrap();
    let page = store.page(&Scope::All, None, None, 10).await.unwrap();
    let offset = page.events()[0].offset.clone();
    store.save_offset("board", OffsetRevision::NONE, offset).await.unwrap();
    for number in 1..=3 {
        let after = u64::from(number) - 1;
        store.append(append("fill", after, alice_writer(), filler(number))).await.unwrap();
    }
    let page = store.page(&Scope::All, None, None, 10).await.unwrap();
    let offset = page.events()[1].offset.clone();
    store.save_offset("board", OffsetRevision::new(1), offset.clone()).await.unwrap();
    let save = OffsetSave { name: "results".into(), expected: OffsetRevision::NONE, offset };
    let late = append("account|alice", 2, alice_writer(), vec![deposited(7)]);
    store.append(late.with_offset_save(save)).await.unwrap();
    // A delete counts when its own segment is sealed.
    store.delete_to(&id("fill"), nr(V2.fill.0)).await.unwrap();
    for number in 4..=V2.fill.1 {
        let events = filler(u8::try_from(number).unwrap());
        store.append(append("fill", number - 1, alice_writer(), events)).await.unwrap();
    }
    while store.stats().sealed_segments < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert_eq!(store.compact(10).await.unwrap().segments_rewritten, V2.segments_compacted);
    store.close().await.unwrap();
}

fn stored(first: u64, writer: &WriterId, events: Vec<NewEvent>) -> Vec<StoredEvent> {
    let numbered = (first..).zip(events);
    let stored = numbered.map(|(number, event)| StoredEvent {
        seq_nr: nr(number),
        writer: writer.clone(),
        timestamp: event.timestamp,
        payload: event.payload,
        event_manifest: event.event_manifest,
        tags: event.tags,
        metadata: event.metadata,
    });
    stored.collect()
}

impl Golden {
    /// All events that are not deleted, in the order of commits.
    pub(crate) fn events(self) -> Vec<(PersistenceId, StoredEvent)> {
        let alice = stored(1, &alice_writer(), alice_first()).split_off(1);
        let bob = stored(7, &WriterId::new("import-1"), bob_first());
        let fill =
            |number: u64| stored(number, &alice_writer(), filler(u8::try_from(number).unwrap()));
        let (deleted_to, highest) = self.fill;
        let late = stored(3, &alice_writer(), vec![deposited(7)]);
        let of = |text: &'static str| move |event| (id(text), event);
        let (alice, bob) =
            (alice.into_iter().map(of("account|alice")), bob.into_iter().map(of("account|bob")));
        alice
            .chain(bob)
            .chain((deleted_to + 1..=3).flat_map(fill).map(of("fill")))
            .chain(late.into_iter().map(of("account|alice")))
            .chain((4..=highest).flat_map(fill).map(of("fill")))
            .collect()
    }
}

async fn page(store: &EmbeddedStore, scope: &Scope) -> Vec<Envelope> {
    let page = store.page(scope, None, None, 100).await.unwrap();
    assert!(page.at_end(), "the store is small");
    page.events().to_vec()
}

async fn assert_is_as_written(store: &EmbeddedStore, golden: Golden) {
    let expected = golden.events();
    let all = page(store, &Scope::All).await;
    let read: Vec<_> =
        all.iter().map(|found| (found.persistence_id.clone(), found.event.clone())).collect();
    assert_eq!(read, expected);

    let tagged = page(store, &Scope::Tag(Tag::new("vip").unwrap())).await;
    let with_tag: Vec<_> = all
        .iter()
        .filter(|found| found.event.tags.contains(&Tag::new("vip").unwrap()))
        .cloned()
        .collect();
    assert_eq!(tagged, with_tag);
    assert_eq!(tagged.len() as u64, 1 + golden.fill.1 - golden.fill.0);

    let of = |deleted_to, highest| Bounds { deleted_to: nr(deleted_to), highest: nr(highest) };
    for (text, bounds) in [
        ("account|alice", of(1, 3)),
        ("account|bob", of(6, 7)),
        ("fill", of(golden.fill.0, golden.fill.1)),
    ] {
        assert_eq!(store.bounds(&id(text)).await.unwrap(), bounds, "{text}");
        let events = store.read_all(&id(text), SeqRange::ALL).await.unwrap();
        let own = expected.iter().filter(|(of, _)| *of == id(text)).map(|(_, event)| event.clone());
        assert_eq!(events, own.collect::<Vec<_>>(), "{text}");
    }

    let metadata = payload(SerializerId::STRING, "", b"replica 2");
    let loaded = store.load(&id("account|alice"), &SnapshotCriteria::ALL).await.unwrap();
    assert_eq!(loaded, Some(snapshot(2, Some(metadata))));
    let older = store.load(&id("account|alice"), &SnapshotCriteria::up_to(nr(1))).await.unwrap();
    assert_eq!(older, None);

    let offsets = store.list_offsets().await.unwrap();
    let named: Vec<_> =
        offsets.iter().map(|saved| (saved.name.as_str(), saved.revision.get())).collect();
    assert_eq!(named, [("board", 2), ("results", 1)]);
    for saved in &offsets {
        assert_eq!(saved.offset, all[1].offset, "the second event that is not deleted");
    }
    let rest = store.page(&Scope::All, Some(&offsets[0].offset), None, 100).await.unwrap();
    assert_eq!(rest.events(), &all[2..]);

    let ids = store.ids(None, 10).await.unwrap().ids;
    let ids: Vec<_> = ids.iter().map(|entry| entry.persistence_id.as_str()).collect();
    assert_eq!(ids, ["account|alice", "account|bob", "fill"]);

    let verified = store.verify().await.unwrap();
    assert_eq!((verified.segments, verified.frames), (golden.segments, golden.frames));
    assert_eq!(verified.segments_compacted, golden.segments_compacted);
}

async fn assert_is_read_as_it_was_written(golden: Golden) {
    let directory = golden.copy().await;
    let reading = EmbeddedStore::builder(directory.path()).open_read_only().unwrap();
    assert_is_as_written(&reading, golden).await;

    let writing = EmbeddedStore::builder(directory.path()).open().unwrap();
    assert_is_as_written(&writing, golden).await;
    assert_eq!(
        writing.stats().sealed_segments as u64,
        golden.segments - 1,
        "the index file is used, not made anew"
    );
    writing.close().await.unwrap();
}

#[tokio::test]
async fn a_store_of_version_1_is_read_as_it_was_written() {
    assert_is_read_as_it_was_written(V1).await;
}

#[tokio::test]
async fn a_store_of_version_2_is_read_as_it_was_written() {
    assert_is_read_as_it_was_written(V2).await;
}

async fn assert_goes_on_after_what_it_holds(golden: Golden) {
    let directory = golden.copy().await;
    let store = EmbeddedStore::builder(directory.path()).open().unwrap();
    let more =
        Append::new(AppendId::new(99), id("account|bob"), nr(7), alice_writer(), bob_first());
    store.append(more.unwrap()).await.unwrap();
    store.close().await.unwrap();

    let store = EmbeddedStore::builder(directory.path()).open().unwrap();
    let all = page(&store, &Scope::All).await;
    assert_eq!(all.len(), golden.events().len() + 1);
    assert_eq!(all.last().unwrap().event.seq_nr, nr(8));
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_store_of_version_1_goes_on_after_what_it_holds() {
    assert_goes_on_after_what_it_holds(V1).await;
}

#[tokio::test]
async fn a_store_of_version_2_goes_on_after_what_it_holds() {
    assert_goes_on_after_what_it_holds(V2).await;
}

async fn assert_is_indexed_anew_from_its_log_alone(golden: Golden) {
    let directory = golden.copy().await;
    for file in fs::read_dir(directory.path()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "idx" || extension == "run") {
            fs::remove_file(path).unwrap();
        }
    }
    let store = EmbeddedStore::builder(directory.path()).open().unwrap();
    assert_is_as_written(&store, golden).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_store_of_version_1_is_indexed_anew_from_its_log_alone() {
    assert_is_indexed_anew_from_its_log_alone(V1).await;
}

#[tokio::test]
async fn a_store_of_version_2_is_indexed_anew_from_its_log_alone() {
    assert_is_indexed_anew_from_its_log_alone(V2).await;
}
