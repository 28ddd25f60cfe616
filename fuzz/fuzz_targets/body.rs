//! See `annals_embedded::fuzzing::body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    annals_embedded::fuzzing::body(bytes);
});
