//! See `annals_embedded::fuzzing::end_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    annals_embedded::fuzzing::end_file(bytes);
});
