//! What the workers of one [`RandomX`](super::RandomX) share: its memory, and the changes between light and
//! fast.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::activity::Activity;
use super::cache::Cache;
use super::chunks::Chunks;
use super::dataset::Dataset;
use super::ffi::Flags;
use super::vm::{Memory, Vm};
use super::worker::{Machine, Slot};
use super::{RandomXOptions, self_test};
use crate::thread::{available_threads, set_niceness};
use crate::{HasherStats, PowError, PowMode};

#[derive(Debug)]
pub(super) struct Engine {
    key: Vec<u8>,
    options: RandomXOptions,
    flags: Flags,
    status: Mutex<Status>,
    /// Woken when the stage is [`Stage::Settled`] again.
    settled: Condvar,
    /// Counts the changes of memory; changed under the lock of `status`.
    generation: AtomicU64,
    /// Of the workers that live.
    slots: Mutex<Vec<Weak<Slot>>>,
    hashes: AtomicU64,
}

#[derive(Debug)]
struct Status {
    memory: Memory,
    stage: Stage,
    reason: Option<String>,
    activity: Activity,
    /// No dataset is begun before so many hashes.
    hold_until: u64,
}

/// What goes on behind the hashing.
#[derive(Clone, Debug)]
enum Stage {
    Settled,
    /// A dataset is being built.
    Building(Arc<Chunks>),
    /// A cache is being filled, to give the dataset back.
    Returning,
}

impl Engine {
    pub(super) fn new(key: &[u8], options: RandomXOptions, flags: Flags, memory: Memory) -> Self {
        let status = Status {
            memory,
            stage: Stage::Settled,
            reason: None,
            activity: Activity::default(),
            hold_until: 0,
        };
        Self {
            key: key.to_vec(),
            options,
            flags,
            status: Mutex::new(status),
            settled: Condvar::new(),
            generation: AtomicU64::new(0),
            slots: Mutex::default(),
            hashes: AtomicU64::new(0),
        }
    }

    pub(super) const fn options(&self) -> RandomXOptions {
        self.options
    }

    /// A machine on the memory that is in use now.
    pub(super) fn machine(&self) -> Result<Machine, PowError> {
        let (memory, generation) = {
            let status = self.status();
            (status.memory.clone(), self.generation())
        };
        Ok(Machine { vm: Vm::new(memory, self.flags)?, generation })
    }

    /// This machine, or one on the memory in use now if that is another. An old one is better than none.
    pub(super) fn refresh(&self, machine: Option<Machine>) -> Result<Machine, PowError> {
        match machine {
            Some(machine) if machine.generation == self.generation() => Ok(machine),
            old => self.machine().or_else(|error| {
                self.explain(format!("a thread keeps its old memory: {error}"));
                old.ok_or(error)
            }),
        }
    }

    /// A place for a worker's machine.
    pub(super) fn register(&self) -> Arc<Slot> {
        let slot = Arc::default();
        let mut slots = self.slots();
        slots.retain(|slot| slot.strong_count() > 0);
        slots.push(Arc::downgrade(&slot));
        slot
    }

    pub(super) fn count_hash(&self) {
        self.hashes.fetch_add(1, Ordering::Relaxed);
    }

    fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    /// Whether a dataset may be begun: there is none, and none under way or found wanting.
    pub(super) fn may_begin(&self) -> bool {
        self.status().may_begin(self.hashes())
    }

    /// The chunks of the dataset that the caller is to build, if it may be begun.
    pub(super) fn begin(&self, reason: Option<String>) -> Option<Arc<Chunks>> {
        let mut status = self.status();
        if !status.may_begin(self.hashes()) {
            return None;
        }
        let chunks = Arc::new(Chunks::new(Dataset::items()));
        status.stage = Stage::Building(Arc::clone(&chunks));
        status.reason = reason;
        Some(chunks)
    }

    /// Builds the dataset on this thread and others, and turns to it.
    pub(super) fn build_dataset(&self, chunks: &Chunks) {
        // The threads started from here inherit it.
        self.options.niceness.map(set_niceness);
        match self.try_build_dataset(chunks) {
            Ok(Some(memory)) => self.turn_to(memory),
            Ok(None) => self.settle(), // cancelled, which says why
            Err(error) => self.give_up(format!("no dataset: {error}")),
        }
    }

    fn try_build_dataset(&self, chunks: &Chunks) -> Result<Option<Memory>, PowError> {
        let Memory::Light(cache) = self.status().memory.clone() else {
            return Ok(None);
        };
        let RandomXOptions { huge_pages, threads, .. } = self.options;
        let threads = threads.map_or_else(available_threads, Into::into);
        let Some(dataset) = Dataset::build(&cache, self.flags, huge_pages, threads, chunks)? else {
            return Ok(None);
        };
        let fast = Memory::Fast(Arc::new(dataset));
        let mut light_vm = Vm::new(Memory::Light(cache), self.flags)?;
        let mut fast_vm = Vm::new(fast.clone(), self.flags)?;
        self_test::same_answers(&mut light_vm, &mut fast_vm)?;
        Ok(Some(fast))
    }

    /// Stops the building of a dataset. Whether there was any.
    pub(super) fn cancel(&self, reason: &str) -> bool {
        let mut status = self.status();
        let Stage::Building(chunks) = &status.stage else {
            return false;
        };
        chunks.cancel();
        status.reason = Some(reason.to_owned());
        true
    }

    /// Begins no dataset for this many hashes, and says why there is none.
    pub(super) fn hold(&self, hashes: u64, reason: String) {
        let mut status = self.status();
        status.hold_until = self.hashes().saturating_add(hashes);
        status.reason = Some(reason);
    }

    /// There will be no dataset.
    pub(super) fn give_up(&self, reason: String) {
        self.hold(u64::MAX, reason);
        self.settle();
    }

    /// Takes note of the time. True for the one caller that is to give back the dataset, as nothing has been
    /// hashed for as long as the options say; a dataset under construction is given up instead.
    pub(super) fn tick(&self, now: Duration) -> bool {
        let mut status = self.status();
        let mode = status.memory.mode();
        let rest = status.activity.tick(now, self.hashes(), mode);
        if self.options.mode != PowMode::Auto || rest < self.options.idle {
            return false;
        }
        let secs = rest.as_secs();
        match (&status.stage, mode) {
            (Stage::Building(chunks), _) => {
                chunks.cancel();
                status.reason = Some(format!("no dataset: no hash for {secs} s"));
                false
            }
            (Stage::Settled, PowMode::Fast) => {
                let rate = per_second(status.activity.rate(PowMode::Fast));
                status.stage = Stage::Returning;
                status.reason = Some(format!("dataset given back: no hash for {secs} s{rate}"));
                true
            }
            _ => false,
        }
    }

    /// Fills a cache, and turns to it.
    pub(super) fn return_to_cache(&self) {
        match Cache::new(&self.key, self.flags, self.options.huge_pages) {
            Ok(cache) => self.turn_to(Memory::Light(Arc::new(cache))),
            Err(error) => {
                self.explain(format!("dataset kept: {error}"));
                self.settle();
            }
        }
    }

    /// Hashes with this memory from now on, and takes the other from whoever rests. Who hashes changes over after
    /// that; the last one frees it.
    pub(super) fn turn_to(&self, memory: Memory) {
        let (old, generation) = {
            let mut status = self.status();
            let old = mem::replace(&mut status.memory, memory);
            (old, self.generation.fetch_add(1, Ordering::Release) + 1)
        };
        drop(old);
        let slots = self.slots().clone();
        for slot in slots.iter().filter_map(Weak::upgrade) {
            drop(slot.take_stale(generation));
        }
        self.settle();
    }

    fn settle(&self) {
        self.status().stage = Stage::Settled;
        self.settled.notify_all();
    }

    /// Waits for a dataset under construction, or a cache, and gives the mode of hashing then.
    pub(super) fn wait(&self) -> PowMode {
        let status = self.status();
        let status = self
            .settled
            .wait_while(status, |status| !matches!(status.stage, Stage::Settled))
            .unwrap_or_else(PoisonError::into_inner);
        status.memory.mode()
    }

    /// Notes why hashing is not as fast as asked for.
    pub(super) fn explain(&self, reason: String) {
        self.status().reason = Some(reason);
    }

    /// Light hashes a second, for a sentence.
    pub(super) fn light_rate(&self) -> String {
        per_second(self.status().activity.rate(PowMode::Light))
    }

    /// Bytes that all workers read.
    pub(super) fn memory_bytes(&self) -> usize {
        self.status().memory.bytes()
    }

    pub(super) fn stats(&self) -> HasherStats {
        let Status { memory, stage, reason, .. } = &*self.status();
        let dataset_percent = match stage {
            Stage::Building(chunks) => Some(chunks.percent()),
            Stage::Settled | Stage::Returning => None,
        };
        HasherStats {
            wanted: Some(self.options.mode),
            active: Some(memory.mode()),
            pages: Some(memory.pages()),
            dataset_percent,
            reason: reason.clone(),
        }
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Weak<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Status {
    fn may_begin(&self, hashes: u64) -> bool {
        matches!((&self.stage, &self.memory), (Stage::Settled, Memory::Light(_))) && hashes >= self.hold_until
    }
}

/// A rate within a sentence, if it is known.
fn per_second(rate: Option<f64>) -> String {
    rate.map(|rate| format!(" ({rate:.1} hashes/s until then)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HashWorker;
    use crate::randomx::ffi;
    use crate::randomx::worker::Worker;

    fn cache(key: &[u8]) -> Arc<Cache> {
        Arc::new(Cache::new(key, ffi::randomx_get_flags(), true).unwrap())
    }

    fn hash(cache: &Arc<Cache>) -> crate::PowHash {
        Vm::new(Memory::Light(Arc::clone(cache)), ffi::randomx_get_flags()).unwrap().hash(b"header")
    }

    #[test]
    fn a_worker_at_rest_lets_go_of_memory_that_is_replaced() {
        let [first, second] = [cache(b"first"), cache(b"second")];
        let [of_first, of_second] = [&first, &second].map(hash);
        assert_ne!(of_first, of_second);
        let memory = Memory::Light(Arc::clone(&first));
        let options = RandomXOptions::default();
        let engine = Arc::new(Engine::new(b"first", options, ffi::randomx_get_flags(), memory));
        let mut worker = Worker::new(Arc::clone(&engine)).unwrap();
        assert_eq!(worker.hash(b"header"), of_first);
        assert!(Arc::strong_count(&first) > 1);

        engine.turn_to(Memory::Light(Arc::clone(&second)));
        assert_eq!(Arc::strong_count(&first), 1, "nobody keeps the old memory");
        assert_eq!(worker.hash(b"header"), of_second);
        let mut late = Worker::new(Arc::clone(&engine)).unwrap();
        assert_eq!(late.hash(b"header"), of_second);
        assert_eq!(engine.hashes(), 3);
    }

    #[test]
    fn workers_change_over_while_they_hash() {
        let caches = [cache(b"first"), cache(b"second")];
        let hashes = caches.each_ref().map(hash);
        let memory = Memory::Light(Arc::clone(&caches[0]));
        let options = RandomXOptions::default();
        let engine = Arc::new(Engine::new(b"first", options, ffi::randomx_get_flags(), memory));
        std::thread::scope(|scope| {
            let work = || {
                let mut worker = Worker::new(Arc::clone(&engine)).unwrap();
                (0..12).for_each(|_| assert!(hashes.contains(&worker.hash(b"header"))));
            };
            let threads = [(); 2].map(|()| scope.spawn(work));
            for turn in 1.. {
                if threads.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                    break;
                }
                engine.turn_to(Memory::Light(Arc::clone(&caches[turn % 2])));
                std::thread::yield_now();
            }
        });
        engine.turn_to(Memory::Light(Arc::clone(&caches[0])));
        assert_eq!(Arc::strong_count(&caches[1]), 1);
    }

    #[test]
    fn only_auto_at_rest_gives_up_what_it_builds() {
        let secs = Duration::from_secs;
        let memory = Memory::Light(cache(b"key"));
        for (mode, gives_up) in [(PowMode::Auto, true), (PowMode::Fast, false)] {
            let options = RandomXOptions { mode, idle: secs(10), ..RandomXOptions::default() };
            let engine = Engine::new(b"key", options, ffi::randomx_get_flags(), memory.clone());
            let chunks = engine.begin(None).unwrap();
            assert!(engine.begin(None).is_none(), "one at a time");
            assert!(!engine.tick(secs(100)));
            engine.count_hash();
            assert!(!engine.tick(secs(105)));
            assert!(!engine.tick(secs(114)));
            assert!(chunks.take().is_some());
            assert!(!engine.tick(secs(115)), "there is no dataset to give back");
            assert_eq!(chunks.take().is_none(), gives_up, "{mode}");
            let reason = gives_up.then(|| "no dataset: no hash for 10 s".to_owned());
            assert_eq!(engine.stats().reason, reason);
        }
    }

    #[test]
    fn a_held_dataset_waits_for_hashes() {
        let memory = Memory::Light(cache(b"key"));
        let flags = ffi::randomx_get_flags();
        let engine = Engine::new(b"key", RandomXOptions::default(), flags, memory);
        engine.hold(2, "no dataset: cancelled".to_owned());
        engine.count_hash();
        assert!(!engine.may_begin());
        engine.count_hash();
        assert!(engine.may_begin());
        engine.give_up("no dataset: broken".to_owned());
        assert!(!engine.may_begin());
        assert_eq!(engine.stats().reason.as_deref(), Some("no dataset: broken"));
    }
}
