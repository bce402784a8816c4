//! A thread's machine, and how it is taken away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::engine::Engine;
use super::vm::Vm;
use crate::{HashWorker, PowError, PowHash};

/// A machine, and which of the engine's memories it is on.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) vm: Vm,
    pub(super) generation: u64,
}

/// Where a worker's machine lies between two hashes, so that the engine can take it from a worker that rests: it
/// keeps 2 GiB alive. The lock is held for moments, never during a hash.
#[derive(Debug, Default)]
pub(super) struct Slot(Mutex<Option<Machine>>);

impl Slot {
    /// Takes the machine out if it is on another memory than this; it is dropped by the caller.
    pub(super) fn take_stale(&self, generation: u64) -> Option<Machine> {
        self.lock().take_if(|machine| machine.generation != generation)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Machine>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one thread hashes with.
#[derive(Debug)]
pub(super) struct Worker {
    engine: Arc<Engine>,
    slot: Arc<Slot>,
}

impl Worker {
    pub(super) fn new(engine: Arc<Engine>) -> Result<Self, PowError> {
        let slot = engine.register();
        let worker = Self { engine, slot };
        worker.park(worker.engine.machine()?);
        Ok(worker)
    }

    /// Lays the machine down. One whose memory has been replaced meanwhile is replaced too: nobody else would.
    fn park(&self, machine: Machine) {
        let mut slot = self.slot.lock();
        *slot = self.engine.refresh(Some(machine)).ok();
    }
}

impl HashWorker for Worker {
    fn hash(&mut self, input: &[u8]) -> PowHash {
        let parked = self.slot.lock().take();
        let mut machine = match self.engine.refresh(parked) {
            Ok(machine) => machine,
            #[expect(clippy::panic, reason = "a hash cannot fail otherwise; the pool answers with it")]
            Err(error) => panic!("{error}"),
        };
        let hash = machine.vm.hash(input);
        self.engine.count_hash();
        self.park(machine);
        hash
    }
}
