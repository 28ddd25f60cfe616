//! Any bytes give a value or an error: damaged documents and hostile ones.

use annals_core::{ErrorKind, Payload, SerializerId};
use annals_pekko::value::decode;

use crate::hex;

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

const IDS: [i32; 12] = [0, 4, 18, 19, 20, 21, 31, 32, 33, 35, 7, -1];

fn seeds() -> Vec<Vec<u8>> {
    vec![
        br#"{"a":[1,-2.5e3,"x\u00e9",null,true],"b":{"c":{}}}"#.to_vec(),
        hex("1f8b08000000000000ffab564a54b232ac0500afac1b5607000000"),
        hex("87d96df600000007707b2261223a317d"),
        hex("bf6161c48221c249010000000000000000617af67f6178617900ff9f01fb3ff8000000000000ffff"),
        hex("a3616182c2410ac3420102f5fa3fc000006162a0"),
        hex("cb04fb711f010000"),
    ]
}

#[test]
fn mutated_bytes_never_panic() {
    const SEED: u64 = 0x5EED_0001;
    println!("seed {SEED:#x}");
    let mut random = Random(SEED);
    let (mut read, mut refused) = (0_u32, 0_u32);
    for round in 0..40_000_usize {
        let seeds = seeds();
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len().max(1));
            match random.below(5) {
                0 if at < bytes.len() => bytes[at] = random.below(256) as u8,
                1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
                2 => bytes.truncate(at),
                3 => bytes.insert(at.min(bytes.len()), random.below(256) as u8),
                _ => bytes.extend_from_within(at.min(bytes.len())..),
            }
        }
        let id = SerializerId::new(IDS[random.below(IDS.len())]);
        match decode(&Payload::new(id, "m", bytes)) {
            Ok(_) => read += 1,
            Err(error) => {
                refused += 1;
                assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported));
            }
        }
    }
    assert!(read > 1_000 && refused > 1_000, "both happen: {read} read, {refused} refused");
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
}

fn assert_refused(id: i32, bytes: &[u8]) {
    let payload = Payload::new(SerializerId::new(id), "m", bytes.to_vec());
    assert_eq!(decode(&payload).unwrap_err().kind(), ErrorKind::Corrupt);
}
