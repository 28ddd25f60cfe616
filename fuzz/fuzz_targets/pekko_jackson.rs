//! See `annals_pekko::fuzzing::jackson`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    annals_pekko::fuzzing::jackson(bytes);
});
