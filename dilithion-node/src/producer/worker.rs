//! What the producer's thread does.

use std::sync::Arc;
use std::time::Duration;

use dilithion_chain::dfmp::Multiplier;
use dilithion_headers::HeadersConfig;
use dilithion_pow::{HashWorker, Hasher, PowError};
use dilithion_wire::{BlockHash, Encode, Height};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::thread::ProducerParts;
use super::{
    Maker, MinerIdentity, Payee, ProduceError, Produced, ProducerStats, SlotSchedule, Template, assemble,
    search,
};
use crate::sync::{Event, IbdState};

/// A block is begun so long before its slot, or half an interval if that is less: on regtest nearly every search is done by
/// then.
const LEAD: Duration = Duration::from_millis(500);
/// How long a block of ours may take to be connected.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The same while the node is stopping.
const STOP_GRACE: Duration = Duration::from_secs(1);
/// A nonce that is not found by then is searched for in a new block: with the time of the day, which on many networks eases the
/// target, and with what is pending by now.
const REFRESH: Duration = Duration::from_secs(60);
/// How often a block is made anew because the tip moved meanwhile.
const MAX_ATTEMPTS: usize = 5;

/// Somebody wants a block now.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) payee: Option<Payee>,
    pub(super) answer: oneshot::Sender<Result<Produced, ProduceError>>,
}

/// What happens next.
enum Turn {
    /// It is time to begin the block of the next slot.
    Slot,
    Request(Request),
    Stop,
}

pub(super) struct Worker {
    parts: ProducerParts,
    rules: HeadersConfig,
    /// Who gets the coins unless a request says otherwise.
    payee: Payee,
    /// The last block of which it was told that it is harder than its header says.
    told: Option<Height>,
    schedule: Option<SlotSchedule>,
    runtime: Arc<Runtime>,
    requests: mpsc::Receiver<Request>,
    publisher: watch::Sender<ProducerStats>,
    stop: CancellationToken,
    /// Made when the first block is.
    hasher: Option<Box<dyn HashWorker>>,
}

/// A block whose proof of work is found.
struct Proved {
    template: Template,
    hash: BlockHash,
}

impl Worker {
    pub(super) fn new(
        parts: ProducerParts,
        runtime: Runtime,
        requests: mpsc::Receiver<Request>,
        publisher: watch::Sender<ProducerStats>,
        stop: CancellationToken,
    ) -> Self {
        let start = parts.clock.now().mono;
        let schedule = parts.config.interval.and_then(|interval| SlotSchedule::new(start, interval));
        let rules = HeadersConfig::from_params(&parts.params);
        let owner = || parts.identity.as_ref().map(MinerIdentity::payee);
        let payee = parts.config.payee.clone().or_else(owner).unwrap_or_else(Payee::nobody);
        let runtime = Arc::new(runtime);
        Self { parts, rules, payee, told: None, schedule, runtime, requests, publisher, stop, hasher: None }
    }

    pub(super) fn run(mut self) {
        if let Some(identity) = &self.parts.identity {
            tracing::info!("Identity {} makes the blocks", identity.id());
        }
        if let Some(schedule) = &self.schedule {
            match self.parts.store.tip() {
                Ok(tip) => tracing::info!("Leader resuming from height {}", tip.height),
                Err(error) => tracing::error!("the store: {error}"),
            }
            tracing::info!("Producing a block every {:?}", schedule.interval());
            // Now rather than in the first slot: it takes a moment.
            if let Err(error) = worker_of(&mut self.hasher, self.parts.hasher.as_ref()) {
                tracing::error!("proof of work: {error}");
            }
        }
        loop {
            let runtime = Arc::clone(&self.runtime);
            match runtime.block_on(self.next_turn()) {
                Turn::Slot => self.make_for_slot(),
                Turn::Request(request) => {
                    let made = self.make_now(request.payee);
                    // Who asked may be gone.
                    let _ = request.answer.send(made);
                }
                Turn::Stop => return,
            }
        }
    }

    async fn next_turn(&mut self) -> Turn {
        let now = self.parts.clock.now().mono;
        let begin = self.schedule.as_ref().map(|schedule| {
            let lead = LEAD.min(schedule.interval() / 2);
            schedule.next_due().saturating_sub(lead).saturating_sub(now)
        });
        let slot = async {
            match begin {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Turn::Stop,
            request = self.requests.recv() => request.map_or(Turn::Stop, Turn::Request),
            () = slot => Turn::Slot,
        }
    }

    /// Makes the block of the next slot ahead of it, and hands it out when it is due.
    fn make_for_slot(&mut self) {
        let payee = self.payee.clone();
        let proved = self.prove(&payee);
        self.wait_for_slot();
        if self.stop.is_cancelled() {
            return;
        }
        // What was found may be of no use any more: then there is still the slot to meet.
        let proved = match proved {
            Ok(proved) if self.follows_tip(&proved) => Ok(proved),
            Ok(_) | Err(ProduceError::TipMoved) => self.prove(&payee),
            Err(error) => Err(error),
        };
        let now = self.parts.clock.now().mono;
        let Some(schedule) = &mut self.schedule else { return };
        let made = match proved {
            Ok(proved) => {
                schedule.take(now);
                self.hand_out(proved)
            }
            Err(error) => {
                schedule.skip(now);
                Err(error)
            }
        };
        match made {
            Ok(_) | Err(ProduceError::Stopping) => {}
            Err(error @ (ProduceError::Syncing { .. } | ProduceError::TipMoved)) => {
                tracing::debug!("no block in this slot: {error}");
            }
            Err(error) => tracing::warn!("no block in this slot: {error}"),
        }
        let missed = self.schedule.as_ref().map_or(0, SlotSchedule::missed);
        self.publisher.send_modify(|stats| stats.missed_slots = missed);
    }

    fn make_now(&mut self, payee: Option<Payee>) -> Result<Produced, ProduceError> {
        let payee = payee.unwrap_or_else(|| self.payee.clone());
        let proved = self.prove(&payee)?;
        self.hand_out(proved)
    }

    /// Sleeps until the next slot, or until the node stops.
    fn wait_for_slot(&self) {
        let Some(schedule) = &self.schedule else { return };
        // Again if the two clocks do not agree, since a block must not be early.
        while !self.stop.is_cancelled()
            && let wait = schedule.next_due().saturating_sub(self.parts.clock.now().mono)
            && !wait.is_zero()
        {
            self.runtime.block_on(async {
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    () = tokio::time::sleep(wait) => {}
                }
            });
        }
    }

    /// Completes so long after the node began to stop.
    async fn stopped_for(&self, grace: Duration) {
        self.stop.cancelled().await;
        tokio::time::sleep(grace).await;
    }

    /// Makes a block on top of the tip and finds its nonce.
    fn prove(&mut self, payee: &Payee) -> Result<Proved, ProduceError> {
        let mut moved = 0;
        while moved < MAX_ATTEMPTS {
            self.check_ready()?;
            self.work_for_registration()?;
            let parts = &self.parts;
            let now = parts.clock.now();
            let maker = Maker { payee, identity: parts.identity.as_ref() };
            let mut template = assemble(&parts.params, &self.rules, &parts.store, maker, now.unix)?;
            self.tell_handicap(&template);
            let worker = worker_of(&mut self.hasher, self.parts.hasher.as_ref())?;
            let (stop, clock, tip) = (&self.stop, &self.parts.clock, &self.parts.tip);
            let parent = template.parent.height;
            // The engine's tip may be a moment behind the store's, but never ahead of it.
            let is_current = || !stop.is_cancelled() && tip.borrow().0 <= parent;
            let go_on = || is_current() && clock.now().mono.saturating_sub(now.mono) < REFRESH;
            let found = search(&mut template.block.header, &template.target, worker, go_on);
            if self.stop.is_cancelled() {
                return Err(ProduceError::Stopping);
            }
            if let Some(hash) = found {
                let proved = Proved { template, hash };
                if self.follows_tip(&proved) {
                    return Ok(proved);
                }
                moved += 1;
            } else if !is_current() {
                moved += 1;
            } else if template.block.header.nonce == u32::MAX {
                return Err(ProduceError::NoNonce);
            }
        }
        Err(ProduceError::TipMoved)
    }

    /// Finds the proof of work of our registration, if the next block has to bring one: once, and for minutes on a network
    /// like mainnet.
    fn work_for_registration(&self) -> Result<(), ProduceError> {
        let ProducerParts { params, store, identity, .. } = &self.parts;
        let Some(identity) = identity.as_ref().filter(|_| params.mik.is_some()) else { return Ok(()) };
        if store.miner(&identity.id())?.public_key.is_some() {
            return Ok(());
        }
        let height = store.tip()?.height.next();
        let Some(bits) = identity.missing_work(params, height)? else { return Ok(()) };
        tracing::info!(
            "Identity {} is not registered: searching {bits} bits of work for that",
            identity.id()
        );
        let stopped = || self.stop.is_cancelled();
        if identity.find_work(bits, || !stopped()) { Ok(()) } else { Err(ProduceError::Stopping) }
    }

    /// Tells, once for each height, why a block may take long.
    fn tell_handicap(&mut self, template: &Template) {
        let (height, multiplier) = (template.height(), template.multiplier);
        if multiplier > Multiplier::ONE && self.told != Some(height) {
            self.told = Some(height);
            tracing::info!(
                "Block {height} is {multiplier} times as hard, for what we made lately or as we are new"
            );
        }
    }

    fn follows_tip(&self, proved: &Proved) -> bool {
        self.parts.store.tip().is_ok_and(|tip| tip.hash == proved.template.parent.hash)
    }

    /// Whether a block on top of our tip makes sense.
    fn check_ready(&self) -> Result<(), ProduceError> {
        let status = self.parts.status.borrow();
        // The status is published now and then, the tip at once.
        let chain = self.parts.tip.borrow().0;
        match status.state {
            IbdState::Error => Err(ProduceError::Failed { reason: status.waiting_for.clone() }),
            IbdState::Connecting
            | IbdState::HeadersSync
            | IbdState::BlocksDownload
            | IbdState::BlocksValidate
                if status.header_height > chain =>
            {
                Err(ProduceError::Syncing { chain, headers: status.header_height })
            }
            _ => Ok(()),
        }
    }

    /// Gives a block to the coordinator, as if it had been received, and waits until it is connected.
    fn hand_out(&mut self, Proved { template, hash }: Proved) -> Result<Produced, ProduceError> {
        let (height, messages) = (template.height(), template.messages);
        let payload = template.block.encode_to_vec().into();
        let header = template.block.header;
        self.parts.engine.send(Event::BlockMined { header, hash, payload }, None);
        let mut tip = self.parts.tip.clone();
        // However the wait ends, the store knows.
        self.runtime.block_on(async {
            tokio::select! {
                _ = tip.wait_for(|(connected, _)| *connected >= height) => {}
                () = tokio::time::sleep(CONNECT_TIMEOUT) => {}
                () = self.stopped_for(STOP_GRACE) => {}
            }
        });
        if self.parts.store.hash_at(height)? != Some(hash) {
            return Err(ProduceError::NotConnected { height, hash });
        }
        tracing::info!("Produced block {height} with {messages} messages");
        let produced = Produced { height, hash, messages };
        self.publisher.send_modify(|stats| {
            stats.produced = stats.produced.saturating_add(1);
            stats.last = Some(produced);
        });
        Ok(produced)
    }
}

/// This thread's part of the hash function, made when it is first needed.
fn worker_of<'a>(
    made: &'a mut Option<Box<dyn HashWorker>>,
    hasher: &dyn Hasher,
) -> Result<&'a mut dyn HashWorker, PowError> {
    let worker = match made {
        Some(worker) => worker,
        none => none.insert(hasher.worker()?),
    };
    Ok(worker.as_mut())
}
