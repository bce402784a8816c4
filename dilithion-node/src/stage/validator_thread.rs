//! The one thread that writes the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use dilithion_chain::{ChainReader, Chainstate, StoreError};
use dilithion_wire::{Limits, Txid};

use super::submission::{Submissions, Trial};
use super::{BlockValidator, EngineHandle, Submission};
use crate::clock::Clock;
use crate::relay::RelayEvent;
use crate::sync::{Event, StoreJob};

/// What the thread is given to do.
#[derive(Debug)]
pub(crate) enum Work {
    /// Blocks and headers, in order.
    Store(StoreJob),
    /// A transaction, when no block waits.
    Submit(Submission),
    /// Transactions to look at, when no other waits.
    Try(Trial),
}

/// A handle on the validator thread.
#[derive(Debug)]
pub(crate) struct ValidatorThread {
    work: Sender<Work>,
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
        let (work, queue) = mpsc::channel();
        let validator = BlockValidator::new(chain, limits);
        let thread = thread::Builder::new()
            .name("block-validator".to_owned())
            .spawn(move || run(validator, &queue, &*clock, &engine))?;
        Ok(Self { work, thread })
    }

    pub(crate) fn push(&self, work: Work) -> Result<(), ValidatorGone> {
        self.work.send(work).map_err(|_| ValidatorGone)
    }

    /// Finishes what is queued and closes the store.
    pub(crate) fn stop(self) {
        drop(self.work);
        if self.thread.join().is_err() {
            tracing::error!("the block validator panicked; the store is at its last commit");
        }
    }
}

fn run(
    mut validator: BlockValidator<Chainstate>,
    queue: &Receiver<Work>,
    clock: &dyn Clock,
    engine: &EngineHandle,
) {
    let mut waiting = Waiting::default();
    let take = |work, validator: &mut BlockValidator<_>, waiting: &mut Waiting| match work {
        Work::Store(job) => validator.push(job),
        Work::Submit(submission) => waiting.submissions.push(submission),
        Work::Try(trial) => waiting.trials.push_back(trial),
    };
    loop {
        if validator.is_idle() && waiting.is_empty() {
            let Ok(work) = queue.recv() else { return };
            take(work, &mut validator, &mut waiting);
        }
        // What came meanwhile may share a transaction with it.
        queue.try_iter().for_each(|work| take(work, &mut validator, &mut waiting));
        if validator.is_idle() {
            submit(&mut waiting, &mut validator, clock, engine);
            continue;
        }
        let began = clock.now().mono;
        let events = validator.step();
        let txids = validator.take_confirmed();
        for event in events {
            let relay = match &event {
                Event::BlocksConnected { .. } => Some(RelayEvent::Connected { txids: txids.clone() }),
                Event::Disconnected { .. } => {
                    let pending = pending_ids(&validator.store().reader());
                    let pending = pending.unwrap_or_else(|error| {
                        engine.send(validator.fail(&error), None);
                        Vec::new()
                    });
                    Some(RelayEvent::Disconnected { pending })
                }
                _ => None,
            };
            engine.send(event, None);
            if let Some(event) = relay {
                engine.send(event, None);
            }
        }
        validator.took(clock.now().mono.saturating_sub(began));
    }
}

/// What is pending, what others build on first.
pub(crate) fn pending_ids(store: &ChainReader) -> Result<Vec<Txid>, StoreError> {
    store.pending_transactions().map(|entry| entry.map(|entry| entry.txid)).collect()
}

/// Transactions that wait while there are blocks to connect.
#[derive(Debug, Default)]
struct Waiting {
    submissions: Submissions,
    trials: VecDeque<Trial>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.submissions.is_empty() && self.trials.is_empty()
    }
}

fn submit(
    waiting: &mut Waiting,
    validator: &mut BlockValidator<Chainstate>,
    clock: &dyn Clock,
    engine: &EngineHandle,
) {
    if validator.has_failed() {
        waiting.submissions.clear();
        waiting.trials.clear();
        return;
    }
    let time = u32::try_from(clock.now().unix).unwrap_or(u32::MAX);
    let chain = validator.store_mut();
    let trial = if waiting.submissions.is_empty() { waiting.trials.pop_front() } else { None };
    let done = match trial {
        Some(trial) => trial.run(chain, time).map(|()| Vec::new()),
        None => waiting.submissions.submit_some(chain, time),
    };
    match done {
        Ok(events) => events.into_iter().for_each(|event| engine.send(event, None)),
        Err(error) => engine.send(validator.fail(&error), None),
    }
}
