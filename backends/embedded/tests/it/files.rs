//! Files and directories that are not as they should be, on the real file system: each a clear error
//! that names the file and says what to do, and never a wrong answer.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use annals_core::{
    Append, AppendId, Error, ErrorKind, Journal, JournalExt, NewEvent, Payload, Result, SeqNr,
    SeqRange, SerializerId, Timestamp, WriterId,
};
use annals_embedded::{EmbeddedStore, Settings};
use futures_util::future::join_all;

use crate::child;
use crate::model::id;

const FIRST: &str = "0000000001.seg";
const SECOND: &str = "0000000002.seg";

fn settings() -> Settings {
    Settings::default().with_segment_bytes(Settings::SEGMENT_BYTES_MIN)
}

fn open(directory: &Path) -> Result<Arc<EmbeddedStore>> {
    EmbeddedStore::builder(directory).settings(settings()).open()
}

fn append(name: &str, after: u64) -> Append {
    let payload = Payload::new(SerializerId::BYTES, "", vec![0x5a; 12_000]);
    let event = NewEvent::new(payload, Timestamp::from_millis(1));
    let append_id = AppendId::new(u128::from(after) << 64 | name.len() as u128);
    let after = SeqNr::new(after).unwrap();
    Append::new(append_id, id(name), after, WriterId::new("writer"), vec![event]).unwrap()
}

async fn append_some(store: &EmbeddedStore, name: &str, after: u64, count: u64) {
    for number in 0..count {
        store.append(append(name, after + number)).await.unwrap();
    }
}

/// A store whose first segment holds `early` alone, and whose third and last one holds `late` alone.
async fn three_segments(directory: &Path) {
    let store = open(directory).unwrap();
    append_some(&store, "early", 0, 5).await;
    append_some(&store, "middle", 0, 5).await;
    append_some(&store, "late", 0, 2).await;
    store.close().await.unwrap();
    assert!(directory.join("0000000003.seg").exists());
    assert!(!directory.join("0000000004.seg").exists());
}

async fn highest(store: &EmbeddedStore, name: &str) -> Result<usize> {
    Ok(store.read_all(&id(name), SeqRange::ALL).await?.len())
}

#[track_caller]
fn assert_says(error: &Error, kind: ErrorKind, parts: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for part in parts {
        assert!(error.message().contains(part), "{part:?} is in {error}");
    }
}

fn overwrite(path: &Path, byte: u64, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(byte)).unwrap();
    file.write_all(bytes).unwrap();
}

fn read(path: &Path, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fs::File::open(path).unwrap().read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "not a directory").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = open(&path).unwrap_err();
        assert_says(&error, ErrorKind::Unavailable, &[path.to_str().unwrap(), "cannot be used"]);
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "not a directory");
}

/// Permissions do not bind a privileged user, but no user can make files where the kernel shows its
/// own.
#[cfg(target_os = "linux")]
#[test]
fn a_read_only_directory_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let error = open(Path::new("/proc/self")).unwrap_err();
    assert_says(&error, ErrorKind::Unavailable, &["/proc/self", "cannot be used"]);

    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(directory.path().join("probe"), "").is_err() {
        let error = open(directory.path()).unwrap_err();
        let path = directory.path().to_str().unwrap();
        assert_says(&error, ErrorKind::Unavailable, &[path, "cannot be used", "denied"]);
    }
}

#[tokio::test]
async fn a_second_opening_is_told_what_to_do() {
    if let Some(directory) = child::directory() {
        return child::tell(open(&directory).unwrap_err().message());
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let says = ["open for writing already", "read-only", directory.path().to_str().unwrap()];
    assert_says(&open(directory.path()).unwrap_err(), ErrorKind::Unavailable, &says);

    let test = "files::a_second_opening_is_told_what_to_do";
    let mut other = child::command(test, directory.path(), "").spawn().unwrap();
    let told = child::listen(&mut other);
    assert!(other.wait().unwrap().success());
    let told = told.join().unwrap().concat();
    assert!(says.iter().all(|part| told.contains(part)), "{told}");

    append_some(&store, "alice", 0, 1).await;
    store.close().await.unwrap();
    let store = open(directory.path()).expect("the lock ends with the store");
    assert_eq!(highest(&store, "alice").await.unwrap(), 1);
}

/// The disk is full in earnest: a child may not make files as long as its next segment.
#[cfg(unix)]
#[tokio::test]
async fn a_disk_that_is_full_refuses_appends_and_nothing_else() {
    if let Some(directory) = child::directory() {
        let larger = Settings::default().with_segment_bytes(1 << 20);
        let store = EmbeddedStore::builder(directory).settings(larger).open().unwrap();
        let mut after = 1;
        let error = loop {
            match store.append(append("alice", after)).await {
                Ok(_) => after += 1,
                Err(error) => break error,
            }
            assert!(after < 20, "the segment gets full");
        };
        assert_says(&error, ErrorKind::Unavailable, &["no room", "nothing of this append"]);
        assert_eq!(highest(&store, "alice").await.unwrap() as u64, after);
        store.close().await.unwrap();
        return child::tell(&after.to_string());
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    append_some(&store, "alice", 0, 1).await;
    store.close().await.unwrap();

    let test = "files::a_disk_that_is_full_refuses_appends_and_nothing_else";
    // In blocks of 512 bytes or of 1 KiB, as the shell has it; the first segment is shorter. The
    // signal that comes with the error is ignored, as a program that cares about it does.
    let limits = "trap '' XFSZ; ulimit -f 400; ";
    let mut limited = child::command(test, directory.path(), limits).spawn().unwrap();
    let told = child::listen(&mut limited);
    assert!(limited.wait().unwrap().success());
    let told = told.join().unwrap();
    let after: u64 = told.first().expect("the child tells how far it came").parse().unwrap();

    let store = open(directory.path()).unwrap();
    assert_eq!(highest(&store, "alice").await.unwrap() as u64, after);
    append_some(&store, "alice", after, 3).await;
}

/// A child may have fewer files open than the store has segments.
#[cfg(unix)]
#[tokio::test]
async fn a_store_of_many_segments_needs_few_open_files() {
    let events_each = 440;
    let deleted = 400;
    let whole = async |store: &EmbeddedStore| {
        assert!(store.stats().sealed_segments > 340, "{:?}", store.stats());
        for number in 0..4 {
            let events = highest(store, &format!("entity|{number}")).await.unwrap();
            let expected = if number == 0 { events_each - deleted } else { events_each };
            assert_eq!(events, expected, "entity {number}");
        }
        let all = crate::model::read_scope(store, &annals_core::Scope::All, 100).await.unwrap();
        assert_eq!(all.len(), 4 * events_each - deleted);
        store.verify().await.unwrap();
    };
    if let Some(directory) = child::directory() {
        let reading = EmbeddedStore::builder(&directory).open_read_only().unwrap();
        whole(&reading).await;
        drop(reading);
        let store = open(&directory).unwrap();
        whole(&store).await;
        assert!(store.compact(1).await.unwrap().segments_rewritten > 300);
        whole(&store).await;
        store.close().await.unwrap();
        return child::tell("done");
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    for after in 0..events_each as u64 {
        let appends = (0..4).map(|number| append(&format!("entity|{number}"), after));
        for stored in join_all(appends.map(|append| store.append(append))).await {
            stored.unwrap();
        }
        if after == deleted as u64 {
            store.delete_to(&id("entity|0"), SeqNr::new(after).unwrap()).await.unwrap();
        }
    }
    store.close().await.unwrap();
    let test = "files::a_store_of_many_segments_needs_few_open_files";
    let mut limited = child::command(test, directory.path(), "ulimit -n 300; ").spawn().unwrap();
    let told = child::listen(&mut limited);
    assert!(limited.wait().unwrap().success());
    assert_eq!(told.join().unwrap(), ["done"]);
}

#[tokio::test]
async fn a_segment_of_another_version_is_named() {
    let directory = tempfile::tempdir().unwrap();
    three_segments(directory.path()).await;
    let first = directory.path().join(FIRST);
    let mut header = read(&first, 4096);
    header[8] = 9;
    let checksum = crc32c::crc32c(&header[..4092]).to_le_bytes();
    header[4092..].copy_from_slice(&checksum);
    overwrite(&first, 0, &header);

    let store = open(directory.path()).expect("what is sealed is read when it is asked for");
    let error = highest(&store, "early").await.unwrap_err();
    assert_says(&error, ErrorKind::Corrupt, &[FIRST, "version 9", "version 2"]);
    assert_eq!(highest(&store, "late").await.unwrap(), 2, "the other segments stay readable");
    assert!(store.verify().await.unwrap_err().message().contains("version 9"));
}

#[tokio::test]
async fn an_end_file_of_another_version_is_named() {
    let directory = tempfile::tempdir().unwrap();
    three_segments(directory.path()).await;
    let end = directory.path().join("end");
    let mut bytes = read(&end, 40);
    bytes[8] = 9;
    let checksum = crc32c::crc32c(&bytes[..36]).to_le_bytes();
    bytes[36..].copy_from_slice(&checksum);
    overwrite(&end, 0, &bytes);

    let error = open(directory.path()).unwrap_err();
    assert_says(&error, ErrorKind::Corrupt, &["file end", "version 9", "version 1"]);
}

#[tokio::test]
async fn index_files_of_another_version_or_store_are_made_anew() {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    three_segments(directory.path()).await;
    three_segments(other.path()).await;
    let mut indexes = 0;
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !(name.ends_with(".seg") || name == "end" || name == "lock") {
            indexes += 1;
            let foreign = fs::read(other.path().join(&name)).unwrap();
            for damage in [Some(foreign), None] {
                match damage {
                    Some(foreign) => fs::write(&path, foreign).unwrap(),
                    None => overwrite(&path, 8, &[9]),
                }
                let store = open(directory.path()).unwrap();
                for (name, count) in [("early", 5), ("middle", 5), ("late", 2)] {
                    assert_eq!(highest(&store, name).await.unwrap(), count, "{path:?}");
                }
                store.close().await.unwrap();
                let store = open(directory.path()).unwrap();
                store.verify().await.expect("it was made anew");
            }
        }
    }
    assert!(indexes >= 3, "{indexes} files of indexes");
}

#[tokio::test]
async fn a_missing_segment_is_named() {
    for (name, lost, kept) in [(FIRST, "early", "late"), (SECOND, "middle", "late")] {
        let directory = tempfile::tempdir().unwrap();
        three_segments(directory.path()).await;
        fs::remove_file(directory.path().join(name)).unwrap();
        let store = open(directory.path()).expect("what is sealed is read when it is asked for");
        let error = highest(&store, lost).await.unwrap_err();
        assert_says(&error, ErrorKind::Corrupt, &[name, "missing"]);
        assert_eq!(highest(&store, kept).await.unwrap(), 2, "the other segments stay readable");
        assert!(store.verify().await.unwrap_err().message().contains(name));
    }

    let directory = tempfile::tempdir().unwrap();
    three_segments(directory.path()).await;
    fs::remove_file(directory.path().join("0000000003.seg")).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert_says(&error, ErrorKind::Corrupt, &["0000000003.seg", "missing"]);
}

#[tokio::test]
async fn a_store_whose_end_file_is_missing_is_not_taken_for_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    three_segments(directory.path()).await;
    fs::remove_file(directory.path().join("end")).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert_says(&error, ErrorKind::Corrupt, &["end", "missing"]);

    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    append_some(&store, "alice", 0, 1).await;
    store.close().await.unwrap();
    fs::remove_file(directory.path().join("end")).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert_says(&error, ErrorKind::Corrupt, &["end", "missing", FIRST]);
}

#[tokio::test]
async fn a_segment_that_was_cut_is_named_with_its_length() {
    let directory = tempfile::tempdir().unwrap();
    three_segments(directory.path()).await;
    for length in [0, 4096, 40_000] {
        let file = fs::OpenOptions::new().write(true).open(directory.path().join(FIRST)).unwrap();
        file.set_len(length).unwrap();
        let store = open(directory.path()).unwrap();
        let error = highest(&store, "early").await.unwrap_err();
        assert_says(&error, ErrorKind::Corrupt, &[FIRST]);
        assert_eq!(highest(&store, "late").await.unwrap(), 2, "the other segments stay readable");
    }

    let third = directory.path().join("0000000003.seg");
    fs::OpenOptions::new().write(true).open(third).unwrap().set_len(8192).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert_says(&error, ErrorKind::Corrupt, &["0000000003.seg", "8192"]);
}

#[tokio::test]
async fn a_segment_of_another_store_is_not_read() {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    three_segments(directory.path()).await;
    three_segments(other.path()).await;
    fs::copy(other.path().join(FIRST), directory.path().join(FIRST)).unwrap();
    let store = open(directory.path()).unwrap();
    let error = highest(&store, "early").await.unwrap_err();
    assert_says(&error, ErrorKind::Corrupt, &[FIRST, "another store"]);
    assert_eq!(highest(&store, "late").await.unwrap(), 2, "the other segments stay readable");
    drop(store);

    let third = "0000000003.seg";
    fs::copy(other.path().join(third), directory.path().join(third)).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert_says(&error, ErrorKind::Corrupt, &[third, "another store"]);
}

#[tokio::test]
async fn a_segment_in_the_place_of_another_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    three_segments(directory.path()).await;
    fs::copy(directory.path().join(SECOND), directory.path().join(FIRST)).unwrap();
    let store = open(directory.path()).unwrap();
    let error = highest(&store, "early").await.unwrap_err();
    assert_says(&error, ErrorKind::Corrupt, &[FIRST, "another place"]);
}

/// A block that reads as zeroes looks like the end of a segment: what lies behind it must not be
/// skipped in silence.
#[tokio::test]
async fn a_block_that_was_lost_in_a_sealed_segment_is_no_end() {
    use annals_core::Scope;

    let directory = tempfile::tempdir().unwrap();
    three_segments(directory.path()).await;
    overwrite(&directory.path().join(FIRST), 4096 + 12_288, &[0; 4096]);
    let store = open(directory.path()).unwrap();
    let read = crate::model::read_scope(&store, &Scope::All, 100).await;
    let error = read.map(|events| events.len()).unwrap_err();
    assert_says(&error, ErrorKind::Corrupt, &[FIRST, "byte"]);
    assert_says(&store.verify().await.unwrap_err(), ErrorKind::Corrupt, &[FIRST]);
    assert_eq!(highest(&store, "late").await.unwrap(), 2);
}
