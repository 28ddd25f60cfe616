//! The bytes of the files never change. With `ANNALS_BLESS=1` the golden files are written anew, for a
//! new version of the format.

use std::path::PathBuf;
use std::sync::Arc;

use super::directory::opened;
use super::small_summary;
use super::storage::Memory;
use crate::index::SegmentIndex;
use crate::index::hash::mix;
use crate::position::SegmentNr;

fn assert_golden(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("ANNALS_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    let golden = std::fs::read(&path).unwrap();
    let differs = golden.iter().zip(bytes).position(|(left, right)| left != right);
    assert_eq!(differs, None, "{name} differs at this byte");
    assert_eq!(golden.len(), bytes.len());
}

#[test]
fn an_index_and_a_run_have_the_golden_bytes() {
    let storage = Arc::new(Memory::default());
    let summary = small_summary();
    let directory = opened(storage.clone(), &[]).directory;
    for number in 5..=6 {
        let mut hashes = summary.hashes()[..2].to_vec();
        hashes.extend((0..400).map(|hash| mix(hash * u64::from(number))));
        hashes.sort_unstable();
        directory.add(SegmentNr::new(number), &hashes).unwrap();
    }
    let previous = directory.previous(summary.hashes()).unwrap();
    SegmentIndex::write(&*storage, &summary, &previous).unwrap();

    assert_golden("segment-v1.idx", &storage.bytes("0000000007.idx"));
    assert_golden("directory-v1.run", &storage.bytes("dir-0000000005-0000000006.run"));
}
