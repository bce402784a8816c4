//! Payloads of the messages that have eight or nine bytes, or none, and of those that are not decoded.
#![no_main]

use dilithion_wire::Command;

const COMMANDS: &[Command] = &[
    Command::PING,
    Command::PONG,
    Command::SENDCMPCT,
    Command::VERACK,
    Command::GETADDR,
    Command::MEMPOOL,
    Command::SENDHEADERS,
    Command::DNALPING,
    Command::DNALPONG,
    Command::DNATSYNC,
    Command::DNABWTEST,
    Command::DNABWRES,
    Command::DNAIREQ,
    Command::DNAIRES,
    Command::DNAVCHALL,
    Command::DNAVRESP,
    Command::DNAVATTS,
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::one_of(COMMANDS, data));
