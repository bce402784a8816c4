//! The part of the hasher that belongs to one thread of the pool.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{HashWorker, Hasher, PowError, PowHash};

/// What a panic carried.
pub(super) type Panic = Box<dyn Any + Send>;

thread_local! {
    /// A thread of a pool belongs to that pool alone, so one worker is enough. It is dropped where it was
    /// made, when the thread ends.
    static WORKER: RefCell<Option<Box<dyn HashWorker>>> = const { RefCell::new(None) };
}

/// Makes this thread's worker.
pub(super) fn prepare(hasher: &dyn Hasher) -> Result<(), PowError> {
    let worker = catch_unwind(AssertUnwindSafe(|| hasher.worker()))
        .unwrap_or_else(|panic| Err(PowError::WorkerPanic(text(&*panic))))?;
    WORKER.set(Some(worker));
    Ok(())
}

/// Hashes with this thread's worker. A worker that panics is thrown away, as its state is unknown; the next
/// call makes another.
pub(super) fn hash(hasher: &dyn Hasher, input: &[u8]) -> Result<PowHash, Panic> {
    if WORKER.with_borrow(Option::is_none) {
        prepare(hasher).map_err(|error| Box::new(error.to_string()) as Panic)?;
    }
    // Taken out for the time of the hash: what panics is gone.
    let Some(mut worker) = WORKER.take() else {
        return Err(Box::new("no hashing worker"));
    };
    let hash = catch_unwind(AssertUnwindSafe(|| worker.hash(input)))?;
    WORKER.set(Some(worker));
    Ok(hash)
}

/// The message of a panic.
pub(super) fn text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
