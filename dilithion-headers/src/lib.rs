#![doc = include_str!("../README.md")]
//!
//! # Contents
//!
//! | module | what |
//! |---|---|
//! | `manager` | [`HeadersManager`]: batches in, jobs out |
//! | `structure`, `context` | checks at memory speed; median time past, expected compact target |
//! | `batch`, `random` | probation: the few hashes that decide whether a batch is kept |
//! | `proof` | what a computed hash brings about |
//! | `tree` | arena, index by id, skip list, claims, best chain |
//! | `query`, `locator`, `serve` | answers |
//! | `next` | what the next header must have, for whoever makes it |
//! | `config`, `effects`, `error` | plain data |

// No input panics, nor does any other mistake of a caller.
#![warn(clippy::indexing_slicing, clippy::expect_used, clippy::unreachable)]

mod batch;
mod config;
mod context;
mod effects;
mod error;
mod locator;
mod manager;
mod next;
mod proof;
mod query;
mod random;
mod serve;
mod structure;
mod tree;

pub use config::{BelowCheckpoint, HeadersConfig};
pub use effects::{
    Accepted, BestChange, Dropped, Effects, FalseClaim, HashJob, HashToken, JobPriority, Queued, RESTORED,
    StoredHeader,
};
pub use error::{HeaderFault, HeadersError};
pub use manager::HeadersManager;
