//! The 2080 MiB dataset.

use std::ffi::c_ulong;
use std::ops::Range;
use std::ptr::NonNull;
use std::thread;

use super::cache::Cache;
use super::chunks::Chunks;
use super::ffi::{self, DATASET_ITEM_BYTES, Flags, RawDataset};
use super::pages::{self, HugeSpan, Pages};
use crate::PowError;

/// Bytes of a dataset: 34078719 items of `RANDOMX_DATASET_ITEM_SIZE`.
pub(super) const DATASET_BYTES: usize = 34_078_719 * DATASET_ITEM_BYTES;

/// A dataset filled from a cache. Read-only from then on; the cache is needed no more.
#[derive(Debug)]
pub(super) struct Dataset {
    raw: NonNull<RawDataset>,
    pages: Pages,
}

// SAFETY: the library keeps no state per thread, so the dataset may be released on any thread.
unsafe impl Send for Dataset {}

// SAFETY: the library writes to a dataset in `randomx_init_dataset` alone, which only `Dataset::build` calls,
// through `fill`: on ranges that do not overlap, and before the dataset is given away. Machines only read it.
unsafe impl Sync for Dataset {}

impl Dataset {
    /// Items in a dataset.
    pub(super) fn items() -> c_ulong {
        ffi::randomx_dataset_item_count()
    }

    /// Allocates a dataset, on huge pages if there are any, and fills it chunk by chunk on this thread and
    /// others, `threads` together. `None` when the chunks were cancelled.
    pub(super) fn build(
        cache: &Cache,
        flags: Flags,
        huge_pages: bool,
        threads: usize,
        chunks: &Chunks,
    ) -> Result<Option<Self>, PowError> {
        let (raw, pages) = pages::allocate(flags, huge_pages, ffi::randomx_alloc_dataset)
            .ok_or(PowError::DatasetAllocation { flags: flags.0 })?;
        let mut dataset = Self { raw, pages };
        if huge_pages {
            // SAFETY: the span lies within the dataset, which nobody else knows yet.
            unsafe { dataset.span().advise() };
        }
        let work = || {
            while let Some(items) = chunks.take() {
                // SAFETY: chunks lie within the dataset and do not overlap, and each is given out once.
                unsafe { dataset.fill(cache, &items) };
                chunks.finish(&items);
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                // A thread that cannot be had makes it slower, no more: the others take its chunks.
                let _ = thread::Builder::new().name("pow-dataset".to_owned()).spawn_scoped(scope, work);
            }
            work();
        });
        dataset.pages = dataset.pages.or_found_in(dataset.span());
        Ok(chunks.is_complete().then_some(dataset))
    }

    /// Computes some items.
    ///
    /// # Safety
    /// The items are some of the dataset's, and nobody reads or writes them at this time.
    unsafe fn fill(&self, cache: &Cache, items: &Range<c_ulong>) {
        // SAFETY: both objects are live, and the caller answers for the range.
        unsafe {
            ffi::randomx_init_dataset(
                self.raw.as_ptr(),
                cache.as_ptr(),
                items.start,
                items.end - items.start,
            );
        };
    }

    /// The huge pages within the memory of the dataset.
    fn span(&self) -> HugeSpan {
        // SAFETY: the dataset is live.
        let memory = unsafe { ffi::randomx_get_dataset_memory(self.raw.as_ptr()) };
        HugeSpan::within(memory, DATASET_BYTES)
    }

    /// For the functions of the library that read a dataset.
    pub(super) const fn as_ptr(&self) -> *mut RawDataset {
        self.raw.as_ptr()
    }

    /// The pages it lies on.
    pub(super) const fn pages(&self) -> Pages {
        self.pages
    }
}

impl Drop for Dataset {
    fn drop(&mut self) {
        // SAFETY: the dataset is live, and whatever reads it keeps it alive.
        unsafe { ffi::randomx_release_dataset(self.raw.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_agrees_about_the_size() {
        let items = usize::try_from(Dataset::items()).unwrap();
        assert_eq!(items * DATASET_ITEM_BYTES, DATASET_BYTES);
    }
}
