//! The safe types of randomx-rs: the flags that it recommends, small pages.

use dilithion_pow::{DILITHION_KEY, HashWorker, PowHash};
use randomx_rs::{RandomXCache, RandomXFlag, RandomXVM};

/// A machine; like its cache, it belongs to one thread.
pub(crate) struct Vm(RandomXVM);

impl Vm {
    pub(crate) fn new() -> Self {
        let flags = RandomXFlag::get_recommended_flags();
        let cache = RandomXCache::new(flags, DILITHION_KEY).expect("memory for the cache");
        Self(RandomXVM::new(flags, Some(cache), None).expect("memory for the machine"))
    }

    pub(crate) fn hash(&self, input: &[u8]) -> PowHash {
        let hash = self.0.calculate_hash(input).expect("input is not empty");
        hash.try_into().expect("32 bytes")
    }
}

impl HashWorker for Vm {
    fn hash(&mut self, input: &[u8]) -> PowHash {
        Self::hash(self, input)
    }
}
