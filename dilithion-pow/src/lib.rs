//! Proof of work of the Dilithion chain: compact targets, chain work, the difficulty rules, and RandomX on a
//! pool of threads.
//!
//! * [`CompactTarget`] (`nBits`), [`Target`] and [`Work`]: the numbers, with the quirks of the reference
//!   node.
//! * [`difficulty`]: which target a block must carry.
//! * [`Hasher`] and [`HashWorker`]: the hash function as the pool sees it; [`RandomX`] is the real one,
//!   [`MockHasher`] one for tests.
//! * [`PowPool`]: threads that hash the most urgent [`Job`] first, fair to all sources; [`PowStats`] tells
//!   how it goes.
//! * [`Throughput`]: how fast this machine hashes.
//! * [`PowError`]: why hashing cannot start.
//!
//! There is no clock, socket or log line here. A hash that takes milliseconds never runs on the caller's
//! thread unless the caller asks for it ([`RandomX::hash_once`]) or waits for it ([`PowPool::hash_all`]).
//!
//! ```
//! use std::sync::{Arc, mpsc};
//!
//! use dilithion_pow::{CompactTarget, HEADER_BYTES, Job, MockHasher, PoolConfig, PowPool, Priority};
//!
//! let (answer, answers) = mpsc::channel();
//! let sink = move |result| answer.send(result).unwrap();
//! // `RandomX::new(DILITHION_KEY, RandomXOptions::default())?` in place of the mock hashes for real.
//! let pool = PowPool::new(PoolConfig::default(), Arc::new(MockHasher::default()), sink)?;
//!
//! // Two headers of peer 7: which of them meets the easiest of targets?
//! let jobs = [1, 2].map(|nonce| Job { tag: nonce, header: [nonce; HEADER_BYTES] });
//! pool.submit(7, Priority::Claims, jobs);
//! let target = CompactTarget(0x207f_ffff).target();
//! for result in answers.iter().take(2) {
//!     println!("header {}: {}", result.tag, target.is_met_by(&result.hash?));
//! }
//! # assert_eq!(pool.stats().hashed, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]
// No input panics, nor does any other mistake of a caller.
#![warn(clippy::indexing_slicing, clippy::expect_used, clippy::unreachable)]

pub mod difficulty;
mod error;
mod hasher;
mod mode;
mod pool;
mod randomx;
mod target;
mod thread;
mod work;

pub use error::PowError;
pub use hasher::{HEADER_BYTES, HashWorker, Hasher, HasherStats, MockHasher, PowHash};
pub use mode::PowMode;
#[cfg(feature = "tokio")]
pub use pool::HashStream;
pub use pool::{
    HashBatch, HashPanic, HashResult, Job, JobQueue, PoolConfig, PowPool, PowStats, Priority, Queued,
};
pub use randomx::{
    AUTO_BACKLOG, AUTO_IDLE, AUTO_MEMORY_BYTES, DILITHION_KEY, Pages, RandomX, RandomXOptions, Throughput,
    ThroughputError, ThroughputOptions,
};
pub use target::{CompactTarget, Target};
pub use work::Work;

/// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
