//! RandomX: the C library behind a safe face.

#[expect(unsafe_code, reason = "calls the C library; see the SAFETY comments")]
mod cache;
mod chunks;
#[expect(unsafe_code, reason = "calls the C library; see the SAFETY comments")]
mod dataset;
mod engine;
#[expect(unsafe_code, reason = "declares the C library")]
mod ffi;
mod memory;
#[expect(unsafe_code, reason = "advises the kernel about memory of the C library")]
mod pages;
mod self_test;
#[expect(unsafe_code, reason = "calls the C library; see the SAFETY comments")]
mod vm;

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

pub use pages::Pages;

use self::cache::Cache;
use self::dataset::DATASET_BYTES;
use self::engine::{Engine, Worker};
use self::ffi::Flags;
use self::vm::{Memory, Vm};
use crate::{HashWorker, Hasher, HasherStats, PowError, PowHash, PowMode};

/// The RandomX key of all Dilithion networks; it never changes (spec: consensus §1).
pub const DILITHION_KEY: &[u8] = b"Dilithion-RandomX-v1";

/// Waiting hashes at which [`PowMode::Auto`] turns fast. The dataset costs as much as 2080 light hashes on
/// any machine, and pays from about 2400.
pub const AUTO_BACKLOG: usize = 3000;

/// Available memory without which [`PowMode::Auto`] stays light: the dataset, and room for everyone else.
pub const AUTO_MEMORY_BYTES: u64 = 3 << 30;

/// How to set up [`RandomX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomXOptions {
    /// Light, fast, or whichever pays.
    pub mode: PowMode,
    /// Use huge pages, reserved or transparent, where they can be had.
    pub huge_pages: bool,
    /// Compile the programs to machine code: eight times faster, but needs memory that is writable and
    /// executable.
    pub jit: bool,
    /// Threads that build the dataset; `None`: one per core.
    pub threads: Option<NonZeroUsize>,
    /// Niceness of the threads that build the dataset; `None`: as the thread that starts them.
    pub niceness: Option<i32>,
}

impl Default for RandomXOptions {
    fn default() -> Self {
        Self { mode: PowMode::Auto, huge_pages: true, jit: true, threads: None, niceness: None }
    }
}

/// RandomX for one key. Hashes at once in light mode; a dataset is built behind, and the workers turn to it,
/// each before its next hash, when it is complete and agrees with the cache.
///
/// Dropping it cancels the building of the dataset and waits for the threads at it, some 20 ms.
#[derive(Debug)]
pub struct RandomX {
    engine: Arc<Engine>,
    builder: OnceLock<JoinHandle<()>>,
}

impl RandomX {
    /// Fills the cache, which takes about half a second, and checks a known hash of the key, if there is one.
    /// In [`PowMode::Fast`] the dataset is begun at once.
    ///
    /// # Errors
    /// Without memory for the cache and a machine, and when the known hash comes out wrong. A dataset that
    /// cannot be had is no error: it is told as [`HasherStats::reason`], and hashing stays light.
    pub fn new(key: &[u8], options: RandomXOptions) -> Result<Self, PowError> {
        let recommended = ffi::randomx_get_flags();
        let flags = if options.jit { recommended } else { recommended.without(Flags::JIT) };
        let memory = Memory::Light(Arc::new(Cache::new(key, flags, options.huge_pages)?));
        self_test::known_answer(key, &mut Vm::new(memory.clone(), flags)?)?;
        let engine = Arc::new(Engine::new(options, flags, memory));
        let randomx = Self { engine, builder: OnceLock::new() };
        if options.mode == PowMode::Fast {
            randomx.build_dataset(DATASET_BYTES as u64);
        }
        Ok(randomx)
    }

    /// One hash on the calling thread. A worker is better for many: this makes a machine each time.
    ///
    /// # Errors
    /// Without memory for a machine.
    pub fn hash_once(&self, input: &[u8]) -> Result<PowHash, PowError> {
        Ok(self.engine.vm()?.hash(input))
    }

    /// Begins to build the dataset, once, if this many bytes of memory are available.
    fn build_dataset(&self, needed: u64) {
        if let Some(available) = memory::available_bytes().filter(|available| *available < needed) {
            let [available, needed] = [available, needed].map(|bytes| bytes >> 20);
            self.engine.explain(format!("no dataset: {available} MiB available, {needed} MiB needed"));
            return;
        }
        if !self.engine.begin() {
            return;
        }
        let engine = Arc::clone(&self.engine);
        let thread = thread::Builder::new().name("pow-dataset".to_owned());
        match thread.spawn(move || engine.build_dataset()) {
            Ok(thread) => drop(self.builder.set(thread)),
            Err(error) => self.engine.explain(format!("no dataset: {error}")),
        }
    }
}

impl Hasher for RandomX {
    fn worker(&self) -> Result<Box<dyn HashWorker>, PowError> {
        Ok(Box::new(Worker::new(Arc::clone(&self.engine))?))
    }

    fn on_backlog(&self, queued: usize) {
        let auto = self.engine.options().mode == PowMode::Auto;
        if auto && queued >= AUTO_BACKLOG && !self.engine.has_begun() {
            self.build_dataset(AUTO_MEMORY_BYTES);
        }
    }

    fn stats(&self) -> HasherStats {
        self.engine.stats()
    }
}

impl Drop for RandomX {
    fn drop(&mut self) {
        self.engine.cancel();
        if let Some(builder) = self.builder.take() {
            let _ = builder.join();
        }
    }
}
