//! What the workers of one [`RandomX`](super::RandomX) share: its memory, and the change from light to fast.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chunks::Chunks;
use super::dataset::Dataset;
use super::ffi::Flags;
use super::vm::{Memory, Vm};
use super::{RandomXOptions, self_test};
use crate::thread::{available_threads, set_niceness};
use crate::{HashWorker, HasherStats, PowError, PowHash, PowMode};

#[derive(Debug)]
pub(super) struct Engine {
    options: RandomXOptions,
    flags: Flags,
    status: Mutex<Status>,
    /// Set once, after the dataset has replaced the cache: workers look at it before each hash.
    is_fast: AtomicBool,
    /// Set once, when the dataset is begun.
    has_begun: AtomicBool,
    chunks: Chunks,
}

#[derive(Debug)]
struct Status {
    memory: Memory,
    reason: Option<String>,
}

impl Engine {
    pub(super) fn new(options: RandomXOptions, flags: Flags, memory: Memory) -> Self {
        Self {
            options,
            flags,
            status: Mutex::new(Status { memory, reason: None }),
            is_fast: AtomicBool::new(false),
            has_begun: AtomicBool::new(false),
            chunks: Chunks::new(Dataset::items()),
        }
    }

    pub(super) const fn options(&self) -> RandomXOptions {
        self.options
    }

    /// A machine on the memory that is in use now.
    pub(super) fn vm(&self) -> Result<Vm, PowError> {
        let memory = self.status().memory.clone();
        Vm::new(memory, self.flags)
    }

    /// Whether the dataset has been begun.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// True for the one caller that is to build the dataset.
    pub(super) fn begin(&self) -> bool {
        let first = !self.has_begun.swap(true, Ordering::Relaxed);
        if first {
            self.status().reason = None;
        }
        first
    }

    /// Builds the dataset on this thread and others, and turns to it.
    pub(super) fn build_dataset(&self) {
        // The threads started from here inherit it.
        self.options.niceness.map(set_niceness);
        if let Err(error) = self.try_build_dataset() {
            self.explain(format!("no dataset: {error}"));
        }
    }

    fn try_build_dataset(&self) -> Result<(), PowError> {
        let Memory::Light(cache) = self.status().memory.clone() else {
            return Ok(());
        };
        let RandomXOptions { huge_pages, threads, .. } = self.options;
        let threads = threads.map_or_else(available_threads, Into::into);
        let Some(dataset) = Dataset::build(&cache, self.flags, huge_pages, threads, &self.chunks)? else {
            return Ok(()); // cancelled
        };
        let fast = Memory::Fast(Arc::new(dataset));
        let mut light_vm = Vm::new(Memory::Light(cache), self.flags)?;
        let mut fast_vm = Vm::new(fast.clone(), self.flags)?;
        self_test::same_answers(&mut light_vm, &mut fast_vm)?;
        // Each worker keeps the cache until it changes over; the last one frees it.
        let light = mem::replace(&mut self.status().memory, fast);
        drop(light);
        self.is_fast.store(true, Ordering::Release);
        Ok(())
    }

    /// Stops the building of the dataset.
    pub(super) fn cancel(&self) {
        self.chunks.cancel();
    }

    /// Notes why hashing is not as fast as asked for.
    pub(super) fn explain(&self, reason: String) {
        self.status().reason = Some(reason);
    }

    pub(super) fn stats(&self) -> HasherStats {
        let Status { memory, reason } = &*self.status();
        let building = self.has_begun() && memory.mode() == PowMode::Light && reason.is_none();
        HasherStats {
            wanted: Some(self.options.mode),
            active: Some(memory.mode()),
            pages: Some(memory.pages()),
            dataset_percent: building.then(|| self.chunks.percent()),
            reason: reason.clone(),
        }
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread's machine.
#[derive(Debug)]
pub(super) struct Worker {
    engine: Arc<Engine>,
    vm: Vm,
    /// Fast, or failed to become so: nothing will change.
    is_settled: bool,
}

impl Worker {
    pub(super) fn new(engine: Arc<Engine>) -> Result<Self, PowError> {
        let vm = engine.vm()?;
        let is_settled = vm.mode() == PowMode::Fast;
        Ok(Self { engine, vm, is_settled })
    }

    fn turn_fast(&mut self) {
        self.is_settled = true;
        match self.engine.vm() {
            Ok(vm) => self.vm = vm,
            Err(error) => self.engine.explain(format!("a thread stays light: {error}")),
        }
    }
}

impl HashWorker for Worker {
    fn hash(&mut self, input: &[u8]) -> PowHash {
        if !self.is_settled && self.engine.is_fast.load(Ordering::Acquire) {
            self.turn_fast();
        }
        self.vm.hash(input)
    }
}
