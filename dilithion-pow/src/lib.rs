//! Proof of work of the Dilithion chain.

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
pub use pool::{HashResult, Job, PoolConfig, PowPool, PowStats, Priority, Queued};
pub use randomx::Pages;
pub use target::{CompactTarget, Target};
pub use work::Work;
