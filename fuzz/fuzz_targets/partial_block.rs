//! Putting blocks together from `cmpctblock`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::partial_block(data));
