//! A stand-in for RandomX in tests.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::{HashWorker, Hasher, PowHash};
use crate::PowError;

type Function = dyn Fn(&[u8]) -> PowHash + Send + Sync;

/// A cheap deterministic [`Hasher`] for tests: no cache, no dataset, no cryptography.
///
/// ```
/// use dilithion_pow::{Hasher, MockHasher};
///
/// let hasher = MockHasher::default();
/// let hash = hasher.worker()?.hash(b"header");
/// assert_eq!(hash, MockHasher::mix(b"header"));
/// assert_eq!(hasher.count(), 1);
/// # Ok::<(), dilithion_pow::PowError>(())
/// ```
#[derive(Clone)]
pub struct MockHasher {
    function: Arc<Function>,
    delay: Duration,
    count: Arc<AtomicU64>,
}

impl MockHasher {
    /// Hashes with `function`, which may also wait for things or panic, as the test wants.
    pub fn new(function: impl Fn(&[u8]) -> PowHash + Send + Sync + 'static) -> Self {
        Self { function: Arc::new(function), delay: Duration::ZERO, count: Arc::default() }
    }

    /// Every hash takes at least this long, as RandomX does.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Hashes computed by all workers of this hasher and its clones.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// The default function: well spread and the same on every machine, but forgeable.
    #[must_use]
    pub fn mix(input: &[u8]) -> PowHash {
        let mut state = input.len() as u64;
        for byte in input {
            state = split_mix(state ^ u64::from(*byte));
        }
        let mut hash = [0; 32];
        for lane in hash.chunks_exact_mut(8) {
            state = split_mix(state);
            lane.copy_from_slice(&state.to_le_bytes());
        }
        hash
    }
}

impl Default for MockHasher {
    fn default() -> Self {
        Self::new(Self::mix)
    }
}

impl Hasher for MockHasher {
    fn worker(&self) -> Result<Box<dyn HashWorker>, PowError> {
        Ok(Box::new(MockWorker(self.clone())))
    }
}

impl fmt::Debug for MockHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockHasher")
            .field("delay", &self.delay)
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

struct MockWorker(MockHasher);

impl HashWorker for MockWorker {
    fn hash(&mut self, input: &[u8]) -> PowHash {
        if !self.0.delay.is_zero() {
            thread::sleep(self.0.delay);
        }
        let hash = (self.0.function)(input);
        self.0.count.fetch_add(1, Ordering::SeqCst);
        hash
    }
}

/// One step of `SplitMix64`.
const fn split_mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn mixing_spreads_and_sees_every_byte() {
        let hashes: HashSet<_> = (0..80)
            .map(|byte| {
                let mut header = [0; 80];
                header[byte] = 1;
                MockHasher::mix(&header)
            })
            .chain([MockHasher::mix(&[]), MockHasher::mix(&[0; 79]), MockHasher::mix(&[0; 80])])
            .collect();
        assert_eq!(hashes.len(), 83);
    }

    #[test]
    fn clones_count_together() {
        let hasher = MockHasher::new(|_| [7; 32]).with_delay(Duration::from_nanos(1));
        let hash = hasher.clone().worker().unwrap().hash(&[]);
        assert_eq!((hash, hasher.count()), ([7; 32], 1));
    }
}
