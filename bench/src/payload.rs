//! Payloads that do not compress, made of the entity's number and the event's, so that a run needs
//! no source of random numbers and is the same each time.

use bytes::Bytes;

/// A generator of 64-bit numbers (splitmix64, Steele et al. 2014): fast, and random enough to
/// defeat compression.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit` (which is not 0), close enough to evenly.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// The payload of event `seq_nr` of entity number `entity`.
pub(crate) fn payload(entity: u64, seq_nr: u64, bytes: usize) -> Bytes {
    let mut random = Random::new(entity.rotate_left(32) ^ seq_nr);
    let mut payload = Vec::with_capacity(bytes + 8);
    while payload.len() < bytes {
        payload.extend_from_slice(&random.next().to_le_bytes());
    }
    payload.truncate(bytes);
    payload.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_differ_and_are_the_same_each_time() {
        assert_eq!(payload(1, 2, 256), payload(1, 2, 256));
        assert_eq!(payload(1, 2, 256).len(), 256);
        assert_ne!(payload(1, 2, 256), payload(2, 1, 256));
        assert_ne!(payload(1, 2, 256), payload(1, 3, 256));
    }
}
