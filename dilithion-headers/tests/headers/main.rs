//! Tests of the public interface, with SHA3-256 in place of the slow hash.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod branches;
mod bugs;
mod checkpoints;
mod common;
mod false_claims;
mod fork_bugs;
mod model;
mod pipeline;
mod recorded;
mod restart;
mod verdicts;
