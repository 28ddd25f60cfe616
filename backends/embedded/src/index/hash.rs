//! The hash that places ids and tags in index files. It is part of the file format: it never changes.

/// The hash of a text: FNV-1a of 64 bits over its UTF-8 bytes (Fowler, Noll, Vo), whose bits are then
/// spread by the finaliser of SplitMix64 (Steele, Lea, Flood 2014), since FNV leaves the upper bits
/// of short texts alike.
pub(crate) fn text_hash(text: &str) -> u64 {
    mix(fnv1a(text.as_bytes()))
}

fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// The finaliser of SplitMix64: a bijection in which each bit of the input changes half of the output.
pub(super) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a_gives_the_published_values() {
        // Test vectors of draft-eastlake-fnv, appendix C.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_finaliser_gives_the_published_sequence() {
        // The first numbers of SplitMix64 seeded with 0; its state grows by the golden ratio.
        let golden = 0x9e37_79b9_7f4a_7c15_u64;
        assert_eq!(mix(golden), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(golden.wrapping_mul(2)), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn the_hash_of_a_text_never_changes() {
        assert_eq!(text_hash("account|alice"), mix(fnv1a(b"account|alice")));
        assert_eq!(text_hash(""), 0xf52a_15e9_a9b5_e89b);
    }
}
