//! The integration tests of the node, one program.

#![expect(unreachable_pub, reason = "the modules of a test program are reached from nowhere else")]

mod chain;
mod commands;
mod coordinator;
mod net;
mod process;
mod processes;
mod seeds;
