//! RandomX: the C library behind a safe face.

mod activity;
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
mod throughput;
#[expect(unsafe_code, reason = "calls the C library; see the SAFETY comments")]
mod vm;
mod worker;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use pages::Pages;
pub use throughput::{Throughput, ThroughputError, ThroughputOptions};

use self::cache::Cache;
use self::dataset::DATASET_BYTES;
use self::engine::Engine;
use self::ffi::Flags;
use self::vm::{Memory, Vm};
use self::worker::Worker;
use crate::{HashWorker, Hasher, HasherStats, PowError, PowHash, PowMode};

/// The RandomX key of all Dilithion networks; it never changes (spec: consensus §1).
pub const DILITHION_KEY: &[u8] = b"Dilithion-RandomX-v1";

/// Waiting hashes at which [`PowMode::Auto`] turns fast. The dataset costs as much as 2080 light hashes on
/// any machine, and pays from about 2400.
pub const AUTO_BACKLOG: usize = 3000;

/// Available memory without which [`PowMode::Auto`] stays light: the dataset, and room for everyone else.
pub const AUTO_MEMORY_BYTES: u64 = 3 << 30;

/// Time without a hash after which [`PowMode::Auto`] gives the dataset back, by default: longer than a pause in
/// a download, shorter than the four minutes from block to block when there is nothing to download any more.
pub const AUTO_IDLE: Duration = Duration::from_secs(120);

/// How to set up [`RandomX`]. The hashes are the same whatever is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomXOptions {
    /// Light, fast, or whichever pays.
    pub mode: PowMode,
    /// Use huge pages, reserved or transparent, where they can be had.
    pub huge_pages: bool,
    /// Compile the programs to machine code, where the library can for this machine: eight times faster, but
    /// needs memory that is executable.
    pub jit: bool,
    /// Use the AES instructions, where this machine has them.
    pub hardware_aes: bool,
    /// Never have memory that is writable and executable at once (W^X), as hardened systems demand; a fifth
    /// slower. Without `jit` no memory is executable in any case.
    pub secure: bool,
    /// Threads that build the dataset; `None`: one per core.
    pub threads: Option<NonZeroUsize>,
    /// Niceness of the threads that build the dataset; `None`: as the thread that starts them.
    pub niceness: Option<i32>,
    /// Time without a hash after which [`PowMode::Auto`] gives the dataset back, seen by [`Hasher::tick`].
    pub idle: Duration,
}

impl Default for RandomXOptions {
    fn default() -> Self {
        Self {
            mode: PowMode::Auto,
            huge_pages: true,
            jit: true,
            hardware_aes: true,
            secure: false,
            threads: None,
            niceness: None,
            idle: AUTO_IDLE,
        }
    }
}

impl RandomXOptions {
    /// What the library recommends for this machine, less what is not wanted.
    fn flags(&self) -> Flags {
        let mut flags = ffi::randomx_get_flags();
        if !self.jit {
            flags = flags.without(Flags::JIT);
        }
        if !self.hardware_aes {
            flags = flags.without(Flags::HARD_AES);
        }
        if self.secure { flags | Flags::SECURE } else { flags }
    }
}

/// RandomX for one key. Hashes at once in light mode; a dataset is built behind, and the workers turn to it,
/// each before its next hash, when it is complete and agrees with the cache. The way back is the same: a cache is
/// filled behind, the workers turn to it, and the dataset is freed, also when they rest.
///
/// Dropping it cancels the building of the dataset and waits for the threads at it, some 20 ms, or half a second
/// if a cache is being filled.
#[derive(Debug)]
pub struct RandomX {
    engine: Arc<Engine>,
    /// What goes on behind the hashing.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl RandomX {
    /// Fills the cache, which takes about half a second, and checks a known hash of the key, if there is one.
    /// In [`PowMode::Fast`] the dataset is begun at once.
    ///
    /// # Errors
    /// Without memory for the cache and a machine, and when the known hash comes out wrong. A dataset that
    /// cannot be had is no error: it is told as [`HasherStats::reason`], and hashing stays light.
    pub fn new(key: &[u8], options: RandomXOptions) -> Result<Self, PowError> {
        let flags = options.flags();
        let memory = Memory::Light(Arc::new(Cache::new(key, flags, options.huge_pages)?));
        self_test::known_answer(key, &mut Vm::new(memory.clone(), flags)?)?;
        let randomx =
            Self { engine: Arc::new(Engine::new(key, options, flags, memory)), threads: Mutex::default() };
        match options.mode {
            PowMode::Fast => randomx.build_dataset(DATASET_BYTES as u64, |_| None),
            PowMode::Auto => randomx.engine.explain(format!("fast once {AUTO_BACKLOG} hashes wait")),
            PowMode::Light => {}
        }
        Ok(randomx)
    }

    /// One hash on the calling thread. A worker is better for many: this makes a machine each time.
    ///
    /// # Errors
    /// Without memory for a machine.
    pub fn hash_once(&self, input: &[u8]) -> Result<PowHash, PowError> {
        Ok(self.engine.machine()?.vm.hash(input))
    }

    /// Waits for the dataset that is being built, if one is (or for the cache that replaces it), and gives the
    /// mode of hashing then. Why it is not the mode asked for is told as [`HasherStats::reason`].
    pub fn wait_for_dataset(&self) -> PowMode {
        self.engine.wait()
    }

    /// Stops the building of a dataset; its memory is free some 20 ms later. [`PowMode::Fast`] stays light then,
    /// [`PowMode::Auto`] thinks of it again [`AUTO_BACKLOG`] hashes later. How far the building has come is told as
    /// [`HasherStats::dataset_percent`].
    pub fn cancel_dataset(&self) {
        let reason = "no dataset: cancelled";
        if self.engine.cancel(reason) {
            self.engine.hold(AUTO_BACKLOG as u64, reason.to_owned());
        }
    }

    /// Bytes that all workers read, and those of each of so many of them.
    fn memory_bytes(&self, workers: usize) -> usize {
        self.engine.memory_bytes() + workers * ffi::SCRATCHPAD_BYTES
    }

    /// Begins to build the dataset if this many bytes of memory are available; says why, given that number.
    fn build_dataset(&self, needed: u64, reason: impl FnOnce(Option<u64>) -> Option<String>) {
        let available = memory::available_bytes();
        if let Some(available) = available.filter(|available| *available < needed) {
            let [available, needed] = [available, needed].map(mib);
            let reason = format!("no dataset: {available} MiB available, {needed} MiB needed");
            self.engine.hold(AUTO_BACKLOG as u64, reason);
            return;
        }
        if let Some(chunks) = self.engine.begin(reason(available)) {
            self.run_behind("pow-dataset", "no dataset", move |engine| engine.build_dataset(&chunks));
        }
    }

    /// Does something that takes a while, as [`Engine::begin`] or [`Engine::tick`] has told the caller to.
    fn run_behind(&self, name: &str, failure: &str, work: impl FnOnce(&Engine) + Send + 'static) {
        let engine = Arc::clone(&self.engine);
        match thread::Builder::new().name(name.to_owned()).spawn(move || work(&engine)) {
            Ok(thread) => {
                let mut threads = self.threads();
                threads.retain(|thread| !thread.is_finished());
                threads.push(thread);
            }
            Err(error) => self.engine.give_up(format!("{failure}: {error}")),
        }
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

impl Hasher for RandomX {
    fn worker(&self) -> Result<Box<dyn HashWorker>, PowError> {
        Ok(Box::new(Worker::new(Arc::clone(&self.engine))?))
    }

    fn on_backlog(&self, queued: usize) {
        let auto = self.engine.options().mode == PowMode::Auto;
        if auto && queued >= AUTO_BACKLOG && self.engine.may_begin() {
            let rate = self.engine.light_rate();
            self.build_dataset(AUTO_MEMORY_BYTES, |available| {
                let memory =
                    available.map(|bytes| format!(", {} MiB were available", mib(bytes))).unwrap_or_default();
                Some(format!("{queued} hashes waited{rate}{memory}"))
            });
        }
    }

    fn tick(&self, now: Duration) {
        if self.engine.tick(now) {
            self.run_behind("pow-cache", "dataset kept", Engine::return_to_cache);
        }
    }

    fn stats(&self) -> HasherStats {
        self.engine.stats()
    }
}

impl Drop for RandomX {
    fn drop(&mut self) {
        self.engine.cancel("dropped");
        for thread in self.threads().drain(..) {
            let _ = thread.join();
        }
    }
}
