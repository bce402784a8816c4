//! Payloads of `inv` and `getdata`.
#![no_main]

use dilithion_wire::Command;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::one_of(&[Command::INV, Command::GETDATA], data));
