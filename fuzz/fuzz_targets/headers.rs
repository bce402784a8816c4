//! Payloads of `headers`.
#![no_main]

use dilithion_wire::Command;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::message(Command::HEADERS, data));
