//! The machine that hashes.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::cache::Cache;
use super::dataset::{DATASET_BYTES, Dataset};
use super::ffi::{self, CACHE_BYTES, Flags, RawVm};
use super::pages::Pages;
use crate::{PowError, PowHash, PowMode};

/// What a machine reads.
#[derive(Clone, Debug)]
pub(super) enum Memory {
    Light(Arc<Cache>),
    Fast(Arc<Dataset>),
}

impl Memory {
    pub(super) const fn mode(&self) -> PowMode {
        match self {
            Self::Light(_) => PowMode::Light,
            Self::Fast(_) => PowMode::Fast,
        }
    }

    /// Bytes of it.
    pub(super) const fn bytes(&self) -> usize {
        match self {
            Self::Light(_) => CACHE_BYTES,
            Self::Fast(_) => DATASET_BYTES,
        }
    }

    pub(super) fn pages(&self) -> Pages {
        match self {
            Self::Light(cache) => cache.pages(),
            Self::Fast(dataset) => dataset.pages(),
        }
    }
}

/// A machine with a scratchpad of its own. One thread at a time has it: a raw pointer is not `Sync`.
#[derive(Debug)]
pub(super) struct Vm {
    raw: NonNull<RawVm>,
    /// Kept as long as the machine reads it.
    _memory: Memory,
}

// SAFETY: the library keeps no state per thread, so the machine may be used and released on any thread.
unsafe impl Send for Vm {}

impl Vm {
    pub(super) fn new(memory: Memory, flags: Flags) -> Result<Self, PowError> {
        let (flags, cache, dataset) = match &memory {
            Memory::Light(cache) => (flags, cache.as_ptr(), ptr::null_mut()),
            Memory::Fast(dataset) => (flags | Flags::FULL_MEM, ptr::null_mut(), dataset.as_ptr()),
        };
        // SAFETY: a light machine gets a filled cache, one with `FULL_MEM` a filled dataset. Both are live,
        // and `memory` keeps them so. The flags other than `FULL_MEM` and `SECURE` are some of those that the
        // library recommends for this machine, and `SECURE` is for any.
        let raw = unsafe { ffi::randomx_create_vm(flags, cache, dataset) };
        let raw = NonNull::new(raw).ok_or(PowError::VmCreation { flags: flags.0 })?;
        Ok(Self { raw, _memory: memory })
    }

    pub(super) fn hash(&mut self, input: &[u8]) -> PowHash {
        let mut hash = PowHash::default();
        // SAFETY: the machine is live and borrowed by nobody else, the input is as long as is said, and the
        // library writes the 32 bytes that `hash` has.
        unsafe {
            ffi::randomx_calculate_hash(
                self.raw.as_ptr(),
                input.as_ptr().cast(),
                input.len(),
                hash.as_mut_ptr().cast(),
            );
        };
        hash
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // SAFETY: the machine is live and never used again; its memory is dropped after it.
        unsafe { ffi::randomx_destroy_vm(self.raw.as_ptr()) };
    }
}
