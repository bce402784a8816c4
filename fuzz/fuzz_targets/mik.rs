//! Sections of coinbases that name miners.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::mik(data));
