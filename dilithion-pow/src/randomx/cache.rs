//! The 256 MiB cache.

use std::ffi::c_void;
use std::ptr::NonNull;

use super::ffi::{self, CACHE_BYTES, Flags, RawCache};
use super::pages::{self, HugeSpan, Pages};
use crate::PowError;

/// A cache filled for one key. Read-only from then on.
#[derive(Debug)]
pub(super) struct Cache {
    raw: NonNull<RawCache>,
    pages: Pages,
}

// SAFETY: the library keeps no state per thread, so the cache may be released on any thread.
unsafe impl Send for Cache {}

// SAFETY: the library writes to a cache in `randomx_init_cache` alone, which `Cache::new` calls before there
// is a `Cache` to share; machines and datasets only read it.
unsafe impl Sync for Cache {}

impl Cache {
    /// Allocates and fills a cache, on huge pages if there are any.
    pub(super) fn new(key: &[u8], flags: Flags, huge_pages: bool) -> Result<Self, PowError> {
        let (raw, pages) = pages::allocate(flags, huge_pages, ffi::randomx_alloc_cache)
            .ok_or(PowError::CacheAllocation { flags: flags.0 })?;
        let mut cache = Self { raw, pages };
        if huge_pages {
            // SAFETY: the span lies within the cache, which nobody else knows yet.
            unsafe { cache.span().advise() };
        }
        // SAFETY: the cache is live, and the key is as long as is said.
        unsafe { ffi::randomx_init_cache(cache.raw.as_ptr(), key.as_ptr().cast(), key.len()) };
        cache.pages = cache.pages.or_found_in(cache.span());
        Ok(cache)
    }

    /// The huge pages within the memory of the cache.
    fn span(&self) -> HugeSpan {
        // SAFETY: `struct randomx_cache` begins with `uint8_t* memory` and is of standard layout, which the
        // library asserts (dataset.hpp of the pinned version; later ones have a function for this). The cache
        // is live.
        let memory = unsafe { self.raw.cast::<*mut c_void>().read() };
        HugeSpan::within(memory, CACHE_BYTES)
    }

    /// For the functions of the library that read a cache.
    pub(super) const fn as_ptr(&self) -> *mut RawCache {
        self.raw.as_ptr()
    }

    /// The pages it lies on.
    pub(super) const fn pages(&self) -> Pages {
        self.pages
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // SAFETY: the cache is live, and whatever reads it keeps it alive.
        unsafe { ffi::randomx_release_cache(self.raw.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_first_field_of_a_cache_is_its_memory() {
        let cache = Cache::new(b"key", ffi::randomx_get_flags(), true).unwrap();
        let HugeSpan { start, len } = cache.span();
        assert!(len >= CACHE_BYTES - 4 * 1024 * 1024);
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mappings = maps.lines().filter_map(pages::mapping);
        // All of it is mapped, in one or more adjacent mappings.
        let mapped: usize = mappings
            .map(|map| map.end.min(start.addr() + len).saturating_sub(map.start.max(start.addr())))
            .sum();
        assert_eq!(mapped, len);
    }
}
