//! Any bytes give a value or an error: the fuzz targets on mutations of what Pekko wrote, for a second of
//! what `fuzz/` does for longer, and documents made to exhaust a decoder.

use std::collections::BTreeMap;
use std::path::Path;

use annals_core::{ErrorKind, Payload, SerializerId};
use annals_pekko::fuzzing::TARGETS;
use annals_pekko::value::decode;

use crate::{hex, java};

/// xorshift64*: the same seed gives the same run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}

type Corpus = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// A payload as the targets take it.
fn input(id: i32, manifest: &str, bytes: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], &[manifest.len() as u8], manifest.as_bytes(), bytes].concat()
}

fn corpus() -> Corpus {
    let json = br#"{"a":[1,-2.5e3,"x\u00e9",null,true],"b":{"c":{}}}"#;
    let gzip = hex("1f8b08000000000000ffab564a54b232ac0500afac1b5607000000");
    let lz4 = hex("87d96df600000007707b2261223a317d");
    let cbor =
        hex("bf6161c48221c249010000000000000000617af67f61786179ff9f01fb3ff8000000000000ffff");
    let long = hex("cb04fb711f010000");
    let event =
        hex("0a0708141203616263102a1a03702d316203656d316a01777080a0abfef9627a08081412046d657461");
    let write = [hex("0a29"), event.clone(), hex("0a29"), event.clone()].concat();
    let metadata = hex("0a0444432d4110071a140a080a0444432d4110070a080a0444432d4210032000");
    let fsm = "org.apache.pekko.persistence.fsm.PersistentFSM$StateChangeEvent";
    let messages = vec![
        input(7, "", &event),
        input(7, "akka.persistence.AtomicWrite", &write),
        input(7, fsm, &hex("0a04706169641880dea0cb05")),
        input(16, "C", &hex("0a050a01781014")),
        input(40, "RE", &metadata),
        input(40, "AA", &hex("0a0200ff")),
    ];
    let mut values = vec![
        input(31, "m", json),
        input(31, "m", &gzip),
        input(32, "m", &lz4),
        input(33, "m", &cbor),
        input(33, "m", &hex("a3616182c2410ac3420102f5fa3fc000006162a0")),
        input(18, "", &long),
        input(8, "", &hex("040000001400000068656c6c6f")),
        input(1, "", &hex(java::LONG)),
        input(20, "", "é€".as_bytes()),
    ];
    values.extend(messages.iter().cloned());
    let snapshot = "1500000021000000636f6d2e6578616d706c652e5374617465bf616101ff";
    let class = |manifest: &str, bytes: &[u8]| input(0, manifest, bytes)[4..].to_vec();
    let deposited = br#"{"cents":5,"note":"n","tags":["a"]}"#;
    Corpus::from([
        ("value", values),
        ("message", messages),
        ("snapshot", vec![hex(snapshot), hex("05000000fbffffff6d7a")]),
        ("java", [java::LONG, java::TAGGED_1, java::TAGGED_6, java::TAGGED_LONG].map(hex).to_vec()),
        (
            "jackson",
            vec![
                class("Deposited#2", deposited),
                class("Deposited", deposited),
                class("Other", &gzip),
                class("Other#2", &hex("bf61610161629f01ffff")),
                class("Closed$", b"{}"),
            ],
        ),
        ("config", vec![CONFIG.as_bytes().to_vec()]),
    ])
}

const CONFIG: &str = r#"
pekko.persistence { journal.plugin = "my", snapshot-store { plugin = s, auto-migrate-manifest = akka } }
my = ${dynamodb-journal} { endpoint = "http://x:1"${?PORT}, aws-api-limits.max-item-size = 300 kB }
s = ${dynamodb-snapshot-store} // comment
list = [1, 2] [3]
list += """x"y"""
"#;

/// Writes the corpus for `cargo fuzz` to begin with; `directory` is relative to the repository.
fn write(corpus: &Corpus, directory: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (name, inputs) in corpus {
        let directory = root.join(directory).join(format!("pekko_{name}"));
        std::fs::create_dir_all(&directory).unwrap();
        for (number, input) in inputs.iter().enumerate() {
            std::fs::write(directory.join(format!("written-{number}")), input).unwrap();
        }
    }
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len().max(1));
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 => bytes.truncate(at),
            3 => bytes.insert(at.min(bytes.len()), random.below(256) as u8),
            4 if at < bytes.len() => bytes[at] = 0xFF,
            _ => bytes.extend_from_within(at.min(bytes.len())..),
        }
    }
}

#[test]
fn decoders_take_any_bytes() {
    const SEED: u64 = 0x5EED_0001;
    println!("seed {SEED:#x}");
    let corpus = corpus();
    if let Some(directory) = std::env::var_os("ANNALS_CORPUS") {
        write(&corpus, Path::new(&directory));
    }
    let mut random = Random(SEED);
    for (name, target) in TARGETS {
        let inputs = &corpus[name];
        for input in inputs {
            assert!(target(input), "{name} decodes what was written: {input:02x?}");
        }
        let more = if std::env::var_os("ANNALS_LONG").is_some() { 50 } else { 1 };
        // Each configuration takes a thread of its own.
        let rounds = if *name == "config" { 200 } else { 20_000 } * more;
        let mut refused = 0;
        for _ in 0..rounds {
            let mut input = inputs[random.below(inputs.len())].clone();
            mutate(&mut random, &mut input);
            match std::panic::catch_unwind(|| target(&input)) {
                Ok(whole) => refused += usize::from(!whole),
                Err(_) => panic!("{name} panicked on {input:02x?}"),
            }
        }
        assert!(refused > rounds / 10 && refused < rounds, "{name} refused {refused} of {rounds}");
    }
}

#[test]
fn deep_nesting_is_an_error() {
    for (id, opening) in [(31, &b"["[..]), (31, b"{\"a\":"), (33, b"\x81"), (33, b"\x9f")] {
        assert_refused(id, &opening.repeat(1_000_000));
    }
    // Tags, maps within keys, nested chunked texts.
    for opening in [&b"\xc1"[..], b"\xc4", b"\xa1", b"\x7f", b"\x5f", b"\xbf"] {
        assert_refused(33, &opening.repeat(1_000_000));
    }
}

#[test]
fn a_claimed_length_allocates_nothing() {
    // Arrays, maps, texts and byte strings of 2^63 and 2^32 items without any.
    for major in [0x5B_u8, 0x7B, 0x9B, 0xBB] {
        assert_refused(33, &[&[major][..], &(1_u64 << 63).to_be_bytes()].concat());
        assert_refused(33, &[&[major][..], &(1_u64 << 32).to_be_bytes()].concat());
    }
    // Fields of protobuf, a header of a snapshot, texts and arrays of Java.
    assert_refused(7, &hex("0affffffffffffffff7f"));
    assert_refused(8, &hex("ffffff7f14000000"));
    assert_refused(1, &hex("aced00057c7fffffffffffffff"));
    assert_refused(1, &hex("aced0005757200025b42acf317f8060854e002000078707fffffff"));
}

fn assert_refused(id: i32, bytes: &[u8]) {
    let payload = Payload::new(SerializerId::new(id), "", bytes.to_vec());
    assert_eq!(decode(&payload).unwrap_err().kind(), ErrorKind::Corrupt);
}
