//! See `annals_embedded::fuzzing::segment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    annals_embedded::fuzzing::segment(bytes);
});
