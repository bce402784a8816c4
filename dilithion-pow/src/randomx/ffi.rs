//! The C functions of RandomX that this crate calls, as its header declares them (`randomx.h` of randomx-rs
//! 1.6.0).
//!
//! randomx-rs compiles the library and links it; its own bindings are private, and its safe types can neither
//! be shared by threads nor fill a dataset on more than one of them.

use std::ffi::{c_uint, c_ulong, c_void};
use std::marker::{PhantomData, PhantomPinned};
use std::ops::BitOr;

/// Makes the linker see the library.
use randomx_rs as _;

/// Bytes of a dataset item (`RANDOMX_DATASET_ITEM_SIZE`).
pub(super) const DATASET_ITEM_BYTES: usize = 64;

/// Bytes of a cache: `RANDOMX_ARGON_MEMORY`, 262144 KiB.
pub(super) const CACHE_BYTES: usize = 256 * 1024 * 1024;

/// Bytes of a machine's scratchpad: `RANDOMX_SCRATCHPAD_L3`.
pub(super) const SCRATCHPAD_BYTES: usize = 2 * 1024 * 1024;

/// `randomx_flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Flags(pub(super) c_uint);

impl Flags {
    pub(super) const LARGE_PAGES: Self = Self(1);
    pub(super) const HARD_AES: Self = Self(2);
    pub(super) const FULL_MEM: Self = Self(4);
    pub(super) const JIT: Self = Self(8);
    pub(super) const SECURE: Self = Self(16);

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A type of the library that is only ever pointed to; neither `Send`, `Sync` nor `Unpin`.
macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[repr(C)]
        pub(super) struct $name {
            opaque: [u8; 0],
            marker: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )*};
}

opaque! {
    /// `randomx_cache`.
    RawCache
    /// `randomx_dataset`.
    RawDataset
    /// `randomx_vm`.
    RawVm
}

unsafe extern "C" {
    /// What this machine can do: JIT, AES, and the Argon2 implementations.
    pub(super) safe fn randomx_get_flags() -> Flags;

    /// Null without memory.
    pub(super) safe fn randomx_alloc_cache(flags: Flags) -> *mut RawCache;
    pub(super) fn randomx_init_cache(cache: *mut RawCache, key: *const c_void, key_size: usize);
    pub(super) fn randomx_release_cache(cache: *mut RawCache);

    /// Null without memory.
    pub(super) safe fn randomx_alloc_dataset(flags: Flags) -> *mut RawDataset;
    pub(super) safe fn randomx_dataset_item_count() -> c_ulong;
    pub(super) fn randomx_init_dataset(
        dataset: *mut RawDataset,
        cache: *mut RawCache,
        start_item: c_ulong,
        item_count: c_ulong,
    );
    pub(super) fn randomx_get_dataset_memory(dataset: *mut RawDataset) -> *mut c_void;
    pub(super) fn randomx_release_dataset(dataset: *mut RawDataset);

    /// Null without memory (2 MiB and the code pages).
    pub(super) fn randomx_create_vm(
        flags: Flags,
        cache: *mut RawCache,
        dataset: *mut RawDataset,
    ) -> *mut RawVm;
    pub(super) fn randomx_destroy_vm(vm: *mut RawVm);
    /// Writes 32 bytes to `output` and restores the floating-point environment, unlike its pipelined
    /// siblings.
    pub(super) fn randomx_calculate_hash(
        vm: *mut RawVm,
        input: *const c_void,
        input_size: usize,
        output: *mut c_void,
    );
}
