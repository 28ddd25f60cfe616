//! A flipped bit anywhere in a store that was closed in order: an error that names the file and the
//! place, never a wrong answer; and what is not damaged stays readable.

use std::collections::BTreeSet;

use annals_core::{Error, ErrorKind, Journal, JournalExt, SeqRange};
use annals_embedded::EmbeddedStore;

use crate::compaction::{deleted, open};
use crate::model::{Contents, id, read_everything};
use crate::seed::{Named, Random, long, seeds};
use crate::sim::{SimDisk, SimStorage};
use crate::workload::Workload;

const PAGE: u64 = 4096;

/// How densely the places that matter less are tried.
#[derive(Debug, Clone, Copy)]
struct Step {
    bodies: usize,
    zeroes: usize,
    indexes: usize,
}

/// What a byte of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Of the header of a segment, or of the end file: each is tried.
    Header,
    /// Of the header of a frame: each is tried.
    Frame,
    Body,
    /// Zero, and behind the fields of a segment's header.
    Reserved,
    Zero,
    Index,
}

/// A store of three segments, closed in order, and what it holds.
async fn store() -> (SimDisk, Contents) {
    let storage = SimStorage::default();
    let store = open(&storage).unwrap();
    let mut workload = Workload::new(Random::new(3), Contents::default());
    let segments =
        |storage: &SimStorage| storage.disk().names().filter(|name| name.ends_with(".seg")).count();
    while segments(&storage) < 3 {
        workload.run(&store, 1, || 0).await;
    }
    workload.run(&store, 6, || 0).await;
    store.close().await.unwrap();
    let (contents, _) = read_everything(&open(&storage).unwrap(), &Workload::ids()).await.unwrap();
    assert!(contents == workload.contents);
    (storage.disk(), contents)
}

/// The bytes of a segment by what they are.
fn parts(bytes: &[u8]) -> Vec<Part> {
    let mut parts = vec![Part::Zero; bytes.len()];
    parts[..PAGE as usize].fill(Part::Header);
    parts[48..PAGE as usize - 4].fill(Part::Reserved);
    let mut at = PAGE as usize;
    while at + 32 <= bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        if length == 0 {
            at = (at + 1).next_multiple_of(PAGE as usize);
            continue;
        }
        parts[at..at + 32].fill(Part::Frame);
        parts[at + 32..at + length].fill(Part::Body);
        at += length;
    }
    parts
}

/// Where bits are flipped: file and byte.
fn places(disk: &SimDisk, step: Step) -> Vec<(String, u64, Part)> {
    let mut places = Vec::new();
    let names: Vec<String> = disk.names().filter(|name| *name != "lock").cloned().collect();
    assert!(names.iter().any(|name| name.ends_with(".idx")), "segments are sealed: {names:?}");
    for name in names {
        let file = disk.find(&name).unwrap();
        let mut bytes = vec![0; usize::try_from(disk.length(file)).unwrap()];
        assert_eq!(disk.read(file, &mut bytes, 0), bytes.len());
        let parts = match name.as_str() {
            "end" => vec![Part::Header; bytes.len()],
            name if name.ends_with(".seg") => parts(&bytes),
            _ => vec![Part::Index; bytes.len()],
        };
        for (byte, part) in parts.into_iter().enumerate() {
            let step = match part {
                Part::Header | Part::Frame => 1,
                Part::Body => step.bodies,
                Part::Zero | Part::Reserved => step.zeroes,
                Part::Index => step.indexes,
            };
            if byte.is_multiple_of(step) {
                places.push((name.clone(), byte as u64, part));
            }
        }
    }
    places
}

/// Damage is told with file and place.
#[track_caller]
fn assert_names(error: &Error, file: &str) {
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    let message = error.message();
    assert!(message.contains(file) && message.contains("byte"), "{file} is in {message:?}");
}

async fn examine(disk: SimDisk, file: &str, part: Part, expected: &Contents) {
    let store = match open(&SimStorage::of(disk)) {
        Ok(store) => store,
        Err(error) => return assert_names(&error, file),
    };
    match read_everything(&store, &BTreeSet::new()).await {
        Ok((found, _)) => assert!(found == *expected, "a wrong answer"),
        Err(error) => {
            assert_names(&error, file);
            read_each(&store, file, part, expected).await;
        }
    }
    match store.verify().await {
        Ok(_) => assert_eq!(part, Part::Index, "only what is made anew leaves no trace"),
        Err(error) => assert_names(&error, file),
    }
}

/// Each entity reads as it was or is told to be damaged; `part` says how many may be.
async fn read_each(store: &EmbeddedStore, file: &str, part: Part, expected: &Contents) {
    let mut unreadable = 0;
    for (name, entity) in &expected.entities {
        let bounds = store.bounds(&id(name)).await;
        match store.read_all(&id(name), SeqRange::ALL).await {
            Ok(events) => {
                assert_eq!(bounds.unwrap(), entity.bounds, "{name}");
                assert!(events == entity.events, "a wrong answer on {name}");
            }
            Err(error) => {
                assert_names(&error, file);
                unreadable += 1;
            }
        }
    }
    match part {
        Part::Frame | Part::Body => assert!(unreadable <= 1, "a frame is of one entity"),
        Part::Zero => assert_eq!(unreadable, 0, "no entity is there"),
        Part::Header | Part::Reserved | Part::Index => {}
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_told_and_never_answers_wrongly() {
    let seed = seeds(1, 1)[0];
    let _named = Named(seed);
    let mut random = Random::new(seed);
    let (disk, contents) = store().await;
    let step = if long() {
        Step { bodies: 1, zeroes: 16, indexes: 1 }
    } else {
        Step { bodies: 599, zeroes: 499, indexes: 131 }
    };
    let places = places(&disk, step);
    assert!(places.len() > 500, "{} places", places.len());

    for (file, byte, part) in places {
        let bit = 1 << random.below(8);
        let _context = crate::power_loss::Context(format!("{file}, byte {byte}, bit {bit:#x}"));
        let mut damaged = disk.clone();
        damaged.damage(&file, byte, |byte| byte ^ bit);
        examine(damaged, &file, part, &contents).await;
    }
}

/// Where each byte of a compacted segment is one of the header, the table, a gap or the zeroes at its end,
/// and of the other frames some.
fn places_of_compacted(bytes: &[u8], bodies: usize) -> Vec<u64> {
    let field = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let pieces = field(56);
    let mut places: Vec<usize> = (0..72).chain(4092..4096 + 8 * pieces).collect();
    let mut at = 4096 + 8 * pieces;
    for piece in 0..pieces {
        let (byte, length) = (field(4096 + 8 * piece), field(4096 + 8 * piece + 4));
        let step = if byte % 8 == 1 { 1 } else { bodies };
        places.extend((at..at + length).step_by(step));
        at += length;
    }
    places.extend((at..bytes.len()).step_by(61));
    places.into_iter().map(|place| place as u64).collect()
}

#[tokio::test]
async fn a_flipped_bit_in_a_compacted_segment_is_told_and_never_answers_wrongly() {
    let seed = seeds(1, 1)[0];
    let _named = Named(seed);
    let mut random = Random::new(seed);
    let (disk, contents) = deleted(seed, 50).await;
    let storage = SimStorage::of(disk);
    let store = open(&storage).unwrap();
    assert!(store.compact(1).await.unwrap().segments_rewritten > 3);
    store.close().await.unwrap();
    let disk = storage.disk();
    let mut count = 0;
    for name in disk.names().filter(|name| name.ends_with(".seg")) {
        let file = disk.find(name).unwrap();
        let mut bytes = vec![0; usize::try_from(disk.length(file)).unwrap()];
        disk.read(file, &mut bytes, 0);
        if bytes[8] != 2 || count > 3_000 && !long() {
            continue;
        }
        for byte in places_of_compacted(&bytes, 299) {
            let bit = 1 << random.below(8);
            let _context = crate::power_loss::Context(format!("{name}, byte {byte}, bit {bit:#x}"));
            let mut damaged = disk.clone();
            damaged.damage(name, byte, |byte| byte ^ bit);
            examine(damaged, name, Part::Header, &contents).await;
            count += 1;
        }
    }
    assert!(count > 500, "{count} places");
}
