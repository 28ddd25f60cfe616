//! Java's view of a text, where formats depend on it: its hash and its length.

/// `java.lang.String.hashCode`: a polynomial of 31 over UTF-16 code units, wrapping.
///
/// [`PersistenceId::slice`](annals_core::PersistenceId::slice) is `abs(string_hash(id) % 1024)`, as
/// Pekko's `Persistence.sliceForPersistenceId`; sharding chooses an entity's shard in the same way.
pub fn string_hash(text: &str) -> i32 {
    text.encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `java.lang.String.length`: UTF-16 code units, as the DynamoDB plugin counts ids in its check of an
/// item's size.
pub fn string_length(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use annals_core::PersistenceId;

    use super::*;

    #[test]
    fn hashes_are_those_of_openjdk() {
        let published = [("", 0), ("hello", 99_162_322), ("polygenelubricants", i32::MIN)];
        for (text, hash) in published {
            assert_eq!(string_hash(text), hash, "{text}");
        }
        // Outside the basic plane two code units count: U+1F600 is D83D DE00.
        assert_eq!(string_hash("\u{1F600}"), 0xD83D * 31 + 0xDE00);
        assert_eq!(string_length("a\u{e9}\u{1F600}"), 4);
    }

    #[test]
    fn a_slice_is_the_remainder_of_the_hash() {
        for text in ["polygenelubricants", "account|alice", "p-1", "\u{1F600}", "a|b|c"] {
            let slice = PersistenceId::new(text).unwrap().slice();
            assert_eq!(u32::from(slice.get()), (string_hash(text) % 1024).unsigned_abs(), "{text}");
        }
    }
}
