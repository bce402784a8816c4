//! A dataset's items in portions, handed out to threads.

use std::ffi::c_ulong;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Items of a chunk: some 20 ms of work, so that cancelling does not take long.
const CHUNK_ITEMS: c_ulong = 1 << 14;

/// Hands out each item once, and knows how far the work is.
#[derive(Debug)]
pub(super) struct Chunks {
    total: c_ulong,
    progress: Mutex<Progress>,
    cancelled: AtomicBool,
}

#[derive(Debug)]
struct Progress {
    next: c_ulong,
    finished: c_ulong,
}

impl Chunks {
    /// The items from 0 to `total`.
    pub(super) const fn new(total: c_ulong) -> Self {
        let progress = Mutex::new(Progress { next: 0, finished: 0 });
        Self { total, progress, cancelled: AtomicBool::new(false) }
    }

    /// The next items to work on; the last chunk is what remains. `None` when there are no more, or none are
    /// wanted.
    pub(super) fn take(&self) -> Option<Range<c_ulong>> {
        if self.cancelled.load(Ordering::Relaxed) {
            return None;
        }
        let mut progress = self.progress();
        let start = progress.next;
        progress.next += CHUNK_ITEMS.min(self.total - start);
        (start < self.total).then_some(start..progress.next)
    }

    /// Items that were taken are done.
    pub(super) fn finish(&self, items: &Range<c_ulong>) {
        self.progress().finished += items.end - items.start;
    }

    /// No more work is wanted.
    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether every item is done.
    pub(super) fn is_complete(&self) -> bool {
        self.progress().finished == self.total
    }

    /// How much is done.
    pub(super) fn percent(&self) -> u8 {
        let done = u128::from(self.progress().finished) * 100 / u128::from(self.total.max(1));
        u8::try_from(done).unwrap_or(100)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use quickcheck::quickcheck;

    use super::*;

    quickcheck! {
        fn every_item_is_handed_out_once(total: u32) -> bool {
            let total = c_ulong::from(total % 1_000_000);
            let chunks = Chunks::new(total);
            let mut end = 0;
            while let Some(items) = chunks.take() {
                assert_eq!(items.start, end);
                assert!(!items.is_empty() && !chunks.is_complete());
                end = items.end;
                chunks.finish(&items);
            }
            end == total && chunks.is_complete()
        }
    }

    #[test]
    fn threads_share_an_odd_number_without_losing_the_last_item() {
        let chunks = Chunks::new(34_078_719);
        let share = || {
            let mut count = 0;
            while let Some(items) = chunks.take() {
                count += items.end - items.start;
                chunks.finish(&items);
            }
            count
        };
        let shares: c_ulong = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(share)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((shares, chunks.percent()), (34_078_719, 100));
    }

    #[test]
    fn cancelled_chunks_never_complete() {
        let chunks = Chunks::new(CHUNK_ITEMS + 1);
        let items = chunks.take().unwrap();
        chunks.finish(&items);
        chunks.cancel();
        assert_eq!(chunks.take(), None);
        assert!(!chunks.is_complete());
        assert_eq!(chunks.percent(), 99);
    }
}
