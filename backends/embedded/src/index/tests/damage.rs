//! Damaged and hostile bytes are found, and never crash a reader.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use annals_core::{ErrorKind, Result, SeqRange, Tag};

use super::directory::{STORE, opened};
use super::storage::Memory;
use super::{Numbers, id, small_summary};
use crate::index::blocks::{PAYLOAD_BYTES, checksum};
use crate::index::hash::mix;
use crate::index::{Directory, DirectoryAccess, Lookup, PreviousSegments, SegmentIndex};
use crate::position::SegmentNr;
use crate::storage::BLOCK_BYTES;

const INDEX: &str = "0000000007.idx";
const RUN: &str = "dir-0000000001-0000000002.run";

fn long() -> bool {
    std::env::var_os("ANNALS_LONG").is_some()
}

/// A storage with one small index and one small run.
fn stored() -> Arc<Memory> {
    let storage = Arc::new(Memory::default());
    SegmentIndex::write(&*storage, &small_summary(), &PreviousSegments::default()).unwrap();
    let directory = opened(storage.clone(), &[]).directory;
    let mut hashes: Vec<u64> = (0..700).map(mix).collect();
    hashes.sort_unstable();
    directory.add(SegmentNr::new(1), &hashes[..600]).unwrap();
    directory.add(SegmentNr::new(2), &hashes[100..]).unwrap();
    storage
}

fn read_index(storage: &Memory) -> Result<()> {
    match SegmentIndex::open(storage, SegmentNr::new(7))? {
        Some(index) => index.verify(),
        None => panic!("there is an index"),
    }
}

fn read_run(storage: &Arc<Memory>) -> Result<()> {
    let opened = Directory::open(storage.clone(), STORE, &[], DirectoryAccess::Read)?;
    match opened.damaged.into_iter().next() {
        Some(error) => Err(error),
        None => opened.directory.verify(),
    }
}

fn assert_every_flip_is_found(name: &str, read: impl Fn() -> Result<()>, storage: &Memory) {
    read().unwrap();
    let length = storage.bytes(name).len();
    for position in 0..length {
        // One bit of each byte, and all of them in the long run.
        let bits = if long() { 0..8 } else { position % 8..position % 8 + 1 };
        for bit in bits {
            storage.change(name, |bytes| bytes[position] ^= 1 << bit);
            let error = read().expect_err("a flipped bit");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            let block = position / BLOCK_BYTES * BLOCK_BYTES;
            let place = format!("memory/{name}, byte {block}:");
            assert!(error.message().contains(&place), "byte {position}: {error}");
            storage.change(name, |bytes| bytes[position] ^= 1 << bit);
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_in_an_index_is_found() {
    let storage = stored();
    assert_every_flip_is_found(INDEX, || read_index(&storage), &storage);
}

#[test]
fn a_flipped_bit_anywhere_in_a_run_is_found() {
    let storage = stored();
    assert_every_flip_is_found(RUN, || read_run(&storage), &storage);
}

#[test]
fn a_file_of_any_other_length_is_found() {
    let storage = stored();
    for name in [INDEX, RUN] {
        let whole = storage.bytes(name);
        for length in (0..whole.len()).step_by(512).chain([whole.len() - 1]) {
            storage.put(name, whole[..length].to_vec());
            let read = if name == INDEX { read_index(&storage) } else { read_run(&storage) };
            assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt, "{name} cut at {length}");
        }
        storage.put(name, [whole.clone(), vec![0; BLOCK_BYTES]].concat());
        let read = if name == INDEX { read_index(&storage) } else { read_run(&storage) };
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt, "{name} with a block more");
        storage.put(name, whole);
    }
}

#[test]
fn blocks_in_each_others_place_are_found() {
    let storage = stored();
    storage.change(INDEX, |bytes| {
        let second = bytes[2 * BLOCK_BYTES..3 * BLOCK_BYTES].to_vec();
        let first = bytes[BLOCK_BYTES..2 * BLOCK_BYTES].to_vec();
        bytes[BLOCK_BYTES..2 * BLOCK_BYTES].copy_from_slice(&second);
        bytes[2 * BLOCK_BYTES..3 * BLOCK_BYTES].copy_from_slice(&first);
    });
    assert_eq!(read_index(&storage).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn files_of_another_version_or_kind_say_so() {
    let storage = stored();
    storage.change(INDEX, |bytes| {
        bytes[8] = 3;
        seal(bytes, 0);
    });
    let error = read_index(&storage).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("format version 3"), "{error}");
    storage.put(INDEX, storage.bytes(RUN));
    let error = read_index(&storage).unwrap_err();
    assert!(error.message().contains("is not an index of a segment"), "{error}");
    let other = Directory::open(storage, STORE + 1, &[], DirectoryAccess::Read).unwrap();
    assert!(other.damaged[0].message().contains("another store"), "{:?}", other.damaged);
}

#[test]
fn a_read_that_fails_is_not_damage() {
    let storage = stored();
    let index = SegmentIndex::open(&*storage, SegmentNr::new(7)).unwrap().unwrap();
    let directory = opened(storage.clone(), &[]).directory;
    storage.reads_fail.store(true, Ordering::Relaxed);
    let errors = [
        index.find(&id("account|alice")).map(drop).unwrap_err(),
        directory.newest(mix(1)).map(drop).unwrap_err(),
        read_index(&storage).unwrap_err(),
        read_run(&storage).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let cause = std::error::Error::source(&error).expect("the cause is kept");
        assert_eq!(cause.to_string(), "the disk does not answer");
    }
    storage.reads_fail.store(false, Ordering::Relaxed);
    assert!(matches!(index.find(&id("account|alice")), Ok(Lookup::Found(_))));
}

/// Makes the checksum of `block` right again.
fn seal(file: &mut [u8], block: usize) {
    let key = u32::from_le_bytes(file[12..16].try_into().unwrap());
    let start = block * BLOCK_BYTES;
    let number = u32::try_from(block).unwrap();
    let sum = checksum(key, number, &file[start..start + PAYLOAD_BYTES]).to_le_bytes();
    file[start + PAYLOAD_BYTES..start + BLOCK_BYTES].copy_from_slice(&sum);
}

/// Calls everything; errors are fine, panics are not.
fn use_everything(storage: &Arc<Memory>) -> usize {
    let mut errors = 0;
    let mut count = |failed: bool| errors += usize::from(failed);
    match SegmentIndex::open(&**storage, SegmentNr::new(7)) {
        Ok(index) => {
            let index = index.unwrap();
            count(index.verify().is_err());
            for summary in small_summary().ids {
                match index.find(&summary.id) {
                    Ok(Lookup::Found(record)) => {
                        let frames = index.frames(&record, SeqRange::ALL);
                        count(frames.and_then(|mut frames| frames.take(usize::MAX)).is_err());
                        count(index.snapshots(&record).is_err());
                    }
                    other => count(other.is_err()),
                }
            }
            count(index.find(&id("nobody")).is_err());
            count(index.tag_frames(&Tag::new("blue").unwrap(), 900, 10).is_err());
            count(index.beginning_ids(0, 100).is_err());
            count(index.offsets().is_err());
            count(index.hashes().is_err());
            count(index.for_each_id(|_| Ok(())).is_err());
        }
        Err(_) => count(true),
    }
    let opened = Directory::open(storage.clone(), STORE, &[], DirectoryAccess::Read);
    let Ok(opened) = opened else { return errors + 1 };
    count(!opened.damaged.is_empty());
    count(opened.directory.verify().is_err());
    for number in 0..20 {
        count(opened.directory.newest(mix(number)).is_err());
    }
    count(opened.directory.previous((0..100).map(|number| number << 57).collect()).is_err());
    errors
}

#[test]
fn hostile_bytes_under_right_checksums_never_crash() {
    let storage = stored();
    let whole = [(INDEX, storage.bytes(INDEX)), (RUN, storage.bytes(RUN))];
    assert_eq!(use_everything(&storage), 0);
    let rounds = if long() { 40_000 } else { 3_000 };
    let seed = 5;
    let mut numbers = Numbers(seed);
    let mut errors = 0;
    for round in 0..rounds {
        let (name, bytes) = &whole[numbers.index(2)];
        let mut bytes = bytes.clone();
        for _ in 0..=numbers.index(3) {
            // The bytes that are in use lie at the beginning of the blocks.
            let block = numbers.index(bytes.len() / BLOCK_BYTES);
            let within = [40, 120, 600, PAYLOAD_BYTES][numbers.index(4)];
            let position = block * BLOCK_BYTES + numbers.index(within);
            bytes[position] = match numbers.below(4) {
                0 => 0xff,
                1 => 0,
                2 => bytes[position].wrapping_add(1),
                _ => bytes[position] ^ (1 << numbers.below(8)),
            };
            seal(&mut bytes, block);
        }
        // A changed key is in the header, and makes all other blocks fit it.
        for block in 0..bytes.len() / BLOCK_BYTES {
            seal(&mut bytes, block);
        }
        storage.put(name, bytes);
        let used = std::panic::AssertUnwindSafe(|| use_everything(&storage));
        let found = std::panic::catch_unwind(used);
        errors += found.unwrap_or_else(|_| panic!("seed {seed}, round {round}"));
        for (name, bytes) in &whole {
            storage.put(name, bytes.clone());
        }
    }
    assert!(errors > rounds / 10, "{errors} errors in {rounds} rounds");
}
