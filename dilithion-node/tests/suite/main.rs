//! The integration tests of the node, one program.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]
#![expect(unreachable_pub, reason = "the modules of a test program are reached from nowhere else")]

mod addresses;
mod background;
mod bans;
mod chain;
mod chaos;
mod commands;
mod connman;
mod contrib;
mod coordinator;
mod failed;
mod fairness;
mod hostile;
mod http;
mod mainnet_processes;
mod miner;
mod modes;
mod net;
mod operations;
mod overhead;
mod process;
mod processes;
mod producer;
mod producer_identity;
mod producer_network;
mod producer_processes;
mod raw_peer;
mod relay;
mod reorg;
mod seeds;
mod serving;
mod serving_limits;
mod slots;
mod soak;
mod soak_cycles;
mod soak_idle;
mod verdicts;
mod wallet;
mod wire_peer;
