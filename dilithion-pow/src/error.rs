//! What can go wrong.

use crate::PowHash;

/// Why hashing cannot start. Nothing here comes from the network: the causes are the machine and its
/// configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PowError {
    /// The 256 MiB cache could not be had.
    #[error("no memory for the RandomX cache of 256 MiB (flags {flags:#x})")]
    CacheAllocation {
        /// The library's flags that it was asked for with.
        flags: u32,
    },
    /// The 2080 MiB dataset could not be had.
    #[error("no memory for the RandomX dataset of 2080 MiB (flags {flags:#x})")]
    DatasetAllocation {
        /// The library's flags that it was asked for with.
        flags: u32,
    },
    /// The library gave no virtual machine: no memory for its scratchpad, or executable memory is forbidden
    /// (hashing without `jit` may work then).
    #[error("no RandomX virtual machine (flags {flags:#x}): no memory, or executable memory is forbidden")]
    VmCreation {
        /// The library's flags that it was asked for with.
        flags: u32,
    },
    /// A known input gave another hash than it must: the library or the machine is broken.
    #[error("RandomX self-test failed: computed {}, expected {}", hex(computed), hex(expected))]
    SelfTest {
        /// What this machine computes, in memory order.
        computed: PowHash,
        /// What it should be, in memory order.
        expected: PowHash,
    },
    /// The operating system gave no threads.
    #[error("no hashing threads: {0}")]
    Pool(#[source] rayon::ThreadPoolBuildError),
    /// Making a worker on its thread panicked.
    #[error("making a hashing worker panicked: {0}")]
    WorkerPanic(String),
    /// Not a name of a [`PowMode`](crate::PowMode).
    #[error("unknown hashing mode {0:?}: expected light, fast or auto")]
    UnknownMode(String),
}

/// Lower-case hex of a hash in memory order.
fn hex(hash: &PowHash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_self_test_shows_both_hashes() {
        let text = PowError::SelfTest { computed: [0xab; 32], expected: [1; 32] }.to_string();
        assert!(text.contains(&"ab".repeat(32)) && text.contains(&"01".repeat(32)), "{text}");
    }
}
