//! The fuzz targets on mutations of what a store really wrote: a few seconds of what `fuzz/` does for
//! longer. A panic in a decoder fails the test and names the bytes.

use std::collections::BTreeMap;
use std::path::Path;

use annals_core::{Journal, ReadJournal, Scope};
use annals_embedded::fuzzing::TARGETS;

use crate::compaction::{deleted, open};
use crate::model::read_scope;
use crate::seed::{Named, Random, long, seeds};
use crate::sim::SimStorage;

type Corpus = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// What a store wrote, by target.
async fn corpus() -> Corpus {
    let (disk, _) = deleted(11, 90).await;
    let storage = SimStorage::of(disk);
    let store = open(&storage).unwrap();
    store.compact(1).await.unwrap();
    let mut corpus = Corpus::new();
    let log = read_scope(&store, &Scope::All, 100).await.unwrap();
    let offsets = log.iter().take(20).map(|envelope| envelope.offset.clone());
    let end = ReadJournal::end(&*store, &Scope::All).await.unwrap();
    for offset in offsets.chain(end) {
        let store_id = u64::from_be_bytes(offset.as_bytes()[..8].try_into().unwrap());
        let text = offset.to_string();
        let bytes = [&store_id.to_le_bytes(), text.as_bytes()].concat();
        corpus.entry("offset").or_default().push(bytes);
    }
    store.close().await.unwrap();
    let disk = storage.disk();
    for name in disk.names() {
        let file = disk.find(name).unwrap();
        let mut bytes = vec![0; usize::try_from(disk.length(file)).unwrap()];
        disk.read(file, &mut bytes, 0);
        add_file(&mut corpus, name, bytes);
    }
    let of_version = |version| move |segment: &&Vec<u8>| segment[8] == version;
    for version in [1, 2] {
        assert!(corpus["segment"].iter().any(|segment| of_version(version)(&segment)));
    }
    let store_id = corpus["segment"][0][16..24].to_vec();
    for run in corpus.get_mut("directory").expect("there is a directory run") {
        run.splice(..0, store_id.iter().copied());
    }
    corpus
}

fn add_file(corpus: &mut Corpus, name: &str, bytes: Vec<u8>) {
    let number = |text: &str| text.parse::<u32>().unwrap().to_le_bytes();
    if name == "end" {
        corpus.entry("end_file").or_default().push(bytes);
    } else if name.ends_with(".seg") {
        add_frames(corpus, &bytes);
        corpus.entry("segment").or_default().push(bytes);
    } else if let Some(segment) = name.strip_suffix(".idx") {
        let input = [&number(segment)[..], &bytes].concat();
        corpus.entry("index").or_default().push(input);
    } else if let Some(span) = name.strip_prefix("dir-").and_then(|name| name.strip_suffix(".run"))
    {
        let (first, last) = span.split_once('-').unwrap();
        let input = [&number(first)[..], &number(last), &bytes].concat();
        corpus.entry("directory").or_default().push(input);
    }
}

fn add_frames(corpus: &mut Corpus, segment: &[u8]) {
    let epoch = &segment[24..32];
    let field = |at: usize| u32::from_le_bytes(segment[at..at + 4].try_into().unwrap());
    // The frames of a compacted segment stand behind the table of its pieces.
    let mut at = if segment[8] == 2 { 4096 + 8 * field(56) as usize } else { 4096 };
    while at + 32 <= segment.len() {
        let (length, body_bytes) = (field(at) as usize, field(at + 28) as usize);
        if length == 0 {
            at = (at + 1).next_multiple_of(4096);
            continue;
        }
        let frame = [epoch, &segment[at..at + length]].concat();
        corpus.entry("frame").or_default().push(frame);
        let body = &segment[at + 32..at + 32 + body_bytes];
        corpus.entry("body").or_default().push([&[segment[at + 24]], body].concat());
        at += length;
    }
}

/// Writes what a store wrote for `cargo fuzz` to begin with; `directory` is relative to the repository.
fn write(corpus: &Corpus, directory: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (name, inputs) in corpus {
        let directory = root.join(directory).join(name);
        std::fs::create_dir_all(&directory).unwrap();
        for (number, input) in inputs.iter().enumerate() {
            std::fs::write(directory.join(format!("written-{number}")), input).unwrap();
        }
    }
}

/// Changes some bytes, most of them near the front, where the fields are.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let near = [16, 64, 300, bytes.len()][random.below(4)].min(bytes.len());
        let at = random.below(near);
        match random.below(8) {
            0 => bytes[at] = 0xff,
            1 => bytes[at] = 0,
            2 => bytes[at] = bytes[at].wrapping_add(1),
            3 | 4 => bytes[at] ^= 1 << random.below(8),
            5 => bytes.truncate(at),
            6 => drop(bytes.splice(at..at, random.bytes(9))),
            _ => {
                let end = bytes.len().min(at + 8);
                let other = random.bytes(end - at);
                bytes[at..end].copy_from_slice(&other);
            }
        }
    }
}

#[tokio::test]
async fn decoders_take_any_bytes() {
    let corpus = corpus().await;
    for (name, target) in TARGETS {
        let inputs =
            corpus.get(name).unwrap_or_else(|| panic!("{name} has something to begin with"));
        for input in inputs {
            assert!(
                target(input),
                "{name} decodes what was written: {:?}",
                &input[..64.min(input.len())]
            );
        }
    }
    if let Some(directory) = std::env::var_os("ANNALS_CORPUS") {
        write(&corpus, Path::new(&directory));
    }
    for seed in seeds(1, 20) {
        let _named = Named(seed);
        let mut random = Random::new(seed);
        for (name, target) in TARGETS {
            let inputs = &corpus[name];
            // Whole files take longer, and most of their bytes are under checksums.
            let large = inputs[0].len() > 4096 && *name != "frame" && *name != "body";
            let rounds = if large { 1_000 } else { 20_000 } * if long() { 10 } else { 1 };
            let mut refused = 0;
            for _ in 0..rounds {
                let mut input = inputs[random.below(inputs.len())].clone();
                mutate(&mut random, &mut input);
                let found = std::panic::catch_unwind(|| target(&input));
                match found {
                    Ok(whole) => refused += usize::from(!whole),
                    Err(_) => panic!("{name} panicked on {} bytes: {input:02x?}", input.len()),
                }
            }
            assert!(refused > rounds / 4, "{name} refused {refused} of {rounds}");
        }
    }
}
