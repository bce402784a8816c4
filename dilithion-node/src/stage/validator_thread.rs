//! The one thread that writes the store.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use dilithion_chain::Chainstate;
use dilithion_wire::Limits;

use super::{BlockValidator, EngineHandle};
use crate::clock::Clock;
use crate::sync::StoreJob;

/// A handle on the validator thread.
#[derive(Debug)]
pub(crate) struct ValidatorThread {
    jobs: Sender<StoreJob>,
    thread: JoinHandle<()>,
}

/// The thread has ended, so its work cannot be done.
#[derive(Debug)]
pub(crate) struct ValidatorGone;

impl ValidatorThread {
    /// Starts the thread.
    pub(crate) fn spawn(
        chain: Chainstate,
        limits: Limits,
        clock: Arc<dyn Clock>,
        engine: EngineHandle,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let validator = BlockValidator::new(chain, limits);
        let thread = thread::Builder::new()
            .name("block-validator".to_owned())
            .spawn(move || run(validator, &queue, &*clock, &engine))?;
        Ok(Self { jobs, thread })
    }

    pub(crate) fn push(&self, job: StoreJob) -> Result<(), ValidatorGone> {
        self.jobs.send(job).map_err(|_| ValidatorGone)
    }

    /// Finishes what is queued and closes the store.
    pub(crate) fn stop(self) {
        drop(self.jobs);
        if self.thread.join().is_err() {
            tracing::error!("the block validator panicked; the store is at its last commit");
        }
    }
}

fn run(
    mut validator: BlockValidator<Chainstate>,
    queue: &Receiver<StoreJob>,
    clock: &dyn Clock,
    engine: &EngineHandle,
) {
    loop {
        if validator.is_idle() {
            let Ok(job) = queue.recv() else { return };
            validator.push(job);
        }
        // What came meanwhile may share a transaction with it.
        queue.try_iter().for_each(|job| validator.push(job));
        let began = clock.now().mono;
        for event in validator.step() {
            engine.send(event, None);
        }
        validator.took(clock.now().mono.saturating_sub(began));
    }
}
