//! Blocks sent as `cmpctblock`, `getblocktxn` and `blocktxn`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::compact_round_trip(data));
