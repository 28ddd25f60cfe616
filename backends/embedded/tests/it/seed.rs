//! Seeds: what is random in the tests comes from one number, which each failure names and
//! `ANNALS_SEED` sets; `ANNALS_LONG` asks for the long forms.

/// Whether the long forms of the tests were asked for.
pub(crate) fn long() -> bool {
    std::env::var_os("ANNALS_LONG").is_some()
}

/// The seeds to run: the one in `ANNALS_SEED`, or the first `ordinary` (or, in the long form, `long`)
/// ones.
pub(crate) fn seeds(ordinary: u64, many: u64) -> Vec<u64> {
    match std::env::var("ANNALS_SEED") {
        Ok(seed) => vec![seed.parse().expect("ANNALS_SEED is a number")],
        Err(_) => (1..=if long() { many } else { ordinary }).collect(),
    }
}

/// Names the seed when the test that holds it fails.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("run it again with ANNALS_SEED={}", self.0);
        }
    }
}

/// A sequence of pseudo-random numbers (splitmix64, by Sebastiano Vigna).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True `percent` times in a hundred.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Random bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}
