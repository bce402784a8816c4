//! Finding messages in the outputs of a coinbase.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::data_messages(data));
