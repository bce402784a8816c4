//! The engine thread: feeds events to the coordinator and carries out its actions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dilithion_headers::{HashJob, HashToken};
use dilithion_pow::{Job, PowPool};
use dilithion_wire::{BlockHash, BlockHeader, Inventory, Message, PeerId};

use super::inputs::{EngineEvent, EngineHandle, EngineInputs, Input, Next};
use super::judgement::Judgements;
use super::publisher::{DetailPublisher, Published, Publisher, StatusReceiver, TipReceiver};
use super::validator_thread::{ValidatorGone, Work};
use super::{Judgement, Submission, ValidatorThread};
use crate::clock::Clock;
use crate::event::{NodeEvent, Reporter};
use crate::net::ConnectionManager;
use crate::relay::{RelayAction, RelayEvent, TxRelay};
use crate::sync::{Action, Coordinator, Event, StoreJob};

/// Longest time between two ticks of the coordinator.
const MAX_TICK: Duration = Duration::from_secs(1);

/// A peer with this many bytes waiting to be sent gets no further headers until it has read some.
const MAX_HEADERS_BACKLOG: usize = 1 << 20;

/// What the engine works with.
pub(crate) struct EngineParts {
    pub(crate) coordinator: Coordinator,
    pub(crate) relay: TxRelay,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) connections: Arc<ConnectionManager>,
    pub(crate) pool: Arc<PowPool<HashToken>>,
    pub(crate) validator: ValidatorThread,
    pub(crate) tip_height: Arc<AtomicU32>,
    pub(crate) reporter: Reporter,
}

/// A handle on the engine thread.
pub(crate) struct Engine {
    handle: EngineHandle,
    thread: JoinHandle<()>,
    published: Published,
}

impl Engine {
    /// Starts the thread.
    pub(crate) fn spawn(
        parts: EngineParts,
        handle: EngineHandle,
        inputs: EngineInputs,
    ) -> std::io::Result<Self> {
        let (publisher, published) = Publisher::new(&parts.coordinator, parts.clock.now().mono);
        let worker = Worker {
            parts,
            publisher,
            store_lost: false,
            follows_tip: false,
            judgements: Judgements::default(),
        };
        let thread = thread::Builder::new().name("engine".to_owned()).spawn(move || worker.run(inputs))?;
        Ok(Self { handle, thread, published })
    }

    pub(crate) fn status(&self) -> StatusReceiver {
        self.published.status.clone()
    }

    pub(crate) fn tip(&self) -> TipReceiver {
        self.published.tip.clone()
    }

    pub(crate) fn detail(&self) -> DetailPublisher {
        Arc::clone(&self.published.detail)
    }

    /// Makes the engine stop after the event that it is at, without waiting for it.
    pub(crate) fn interrupt(&self) {
        self.handle.stop();
    }

    /// Stops the engine, then the validator after it has finished what is queued.
    pub(crate) fn stop(self) {
        self.interrupt();
        if self.thread.join().is_err() {
            tracing::error!("the engine thread panicked");
        }
    }
}

struct Worker {
    parts: EngineParts,
    publisher: Publisher,
    store_lost: bool,
    /// What the relay was last told about it.
    follows_tip: bool,
    judgements: Judgements,
}

impl Worker {
    fn run(mut self, inputs: EngineInputs) {
        self.drive(&inputs);
        // What nobody will handle any more gives its senders their budget back.
        drop(inputs);
        self.parts.validator.stop();
    }

    fn drive(&mut self, inputs: &EngineInputs) {
        // Headers that were restored without proof.
        self.hash(self.parts.coordinator.outstanding_hashes());
        let mut next_tick = Duration::ZERO;
        loop {
            let now = self.parts.clock.now().mono;
            // Ticks are due whether events come or not: time-outs must not wait for a quiet moment.
            if now >= next_tick {
                if self.handle(Event::Tick) {
                    self.publisher.note_change();
                }
                self.relay(RelayEvent::Tick);
                self.parts.pool.tick(now);
                next_tick = now + MAX_TICK;
            }
            next_tick = next_tick.min(now + self.parts.coordinator.next_tick(now));
            next_tick = self.parts.relay.next_tick().map_or(next_tick, |due| next_tick.min(due));
            let wait = next_tick.saturating_sub(now);
            let wait = self.publisher.due_in(now).map_or(wait, |publish| publish.min(wait));
            match inputs.next(wait) {
                Next::Input(Input { event, budget }) => {
                    self.take(event);
                    drop(budget);
                }
                Next::Nothing => {}
                Next::Stop => return,
            }
            self.publisher.publish(&self.parts);
        }
    }

    fn take(&mut self, event: EngineEvent) {
        match event {
            EngineEvent::Sync(event) => {
                self.handle(event);
                self.publisher.note_change();
            }
            EngineEvent::Relay(event) => self.relay(event),
            EngineEvent::Submit(submission) => self.submit(submission),
            EngineEvent::Try(trial) => {
                // Without a validator nobody answers; who waits for it learns that by the end of the channel.
                let _ = self.parts.validator.push(Work::Try(trial));
            }
            EngineEvent::Judge(judgement) => self.judge(judgement),
        }
    }

    fn judge(&mut self, judgement: Judgement) {
        match judgement.event(&self.parts.coordinator) {
            Ok(event) => {
                self.judgements.push(judgement.reply);
                self.handle(event);
            }
            Err(refused) => {
                // Whoever asked may have gone.
                let _ = judgement.reply.send(Err(refused));
            }
        }
    }

    fn answer_judgements(&mut self) {
        if let Some(outcome) = self.judgements.outcome(&self.parts.coordinator) {
            // Whoever hears of it looks at the status next.
            self.publisher.publish_now(&self.parts);
            self.judgements.answer(&outcome);
        }
    }

    /// Tells whether there was anything to do.
    fn handle(&mut self, event: Event) -> bool {
        let now = self.parts.clock.now();
        self.parts.reporter.on_event(&event);
        let mined = if let Event::BlockMined { hash, .. } = &event { Some(*hash) } else { None };
        let actions = self.parts.coordinator.handle(event, now);
        let busy = !actions.is_empty();
        self.report(&actions, mined, now.mono);
        for action in actions {
            if self.perform(action).is_err() && !self.store_lost {
                self.store_lost = true;
                self.handle(Event::StoreFailed { reason: "the block validator has ended".to_owned() });
            }
        }
        let tip = self.parts.coordinator.tip();
        self.parts.tip_height.store(tip.0.0, Ordering::Relaxed);
        self.publisher.set_tip(tip);
        let follows = self.parts.coordinator.follows_tip();
        if self.follows_tip != follows {
            self.follows_tip = follows;
            self.relay(RelayEvent::FollowsTip(follows));
        }
        self.answer_judgements();
        busy
    }

    fn relay(&mut self, event: RelayEvent) {
        let actions = self.parts.relay.handle(event, self.parts.clock.now().mono);
        for action in actions {
            match action {
                RelayAction::Request { peer, txids } => {
                    self.send(peer, &Message::GetData(txids.into_iter().map(Inventory::tx).collect()));
                }
                RelayAction::Announce { peer, txids } => {
                    self.send(peer, &Message::Inv(txids.into_iter().map(Inventory::tx).collect()));
                }
                RelayAction::Submit { txid, transaction } => {
                    self.submit(Submission { txid, transaction, reply: None });
                }
                RelayAction::Misbehaved { peer, misbehaviour } => {
                    self.parts.connections.punish(peer, misbehaviour);
                }
            }
        }
    }

    fn submit(&self, submission: Submission) {
        // Without a validator nothing becomes pending; the coordinator learns of that when it needs it.
        let _ = self.parts.validator.push(Work::Submit(submission));
    }

    /// Tells what the coordinator decided, before any of it is done.
    fn report(&mut self, actions: &[Action], mined: Option<BlockHash>, now: Duration) {
        let EngineParts { coordinator, reporter, pool, .. } = &mut self.parts;
        let mined = mined.and_then(|hash| Some((coordinator.headers().height_of(&hash)?, hash)));
        if let Some((height, hash)) = mined {
            reporter.events().on(&NodeEvent::BlockProduced { height, hash });
        }
        reporter.on_actions(actions, coordinator, now, || pool.stats());
    }

    fn perform(&self, action: Action) -> Result<(), ValidatorGone> {
        let EngineParts { connections, validator, .. } = &self.parts;
        match action {
            Action::Store(job) => {
                if let StoreJob::Connect(block) = &job {
                    connections.note_block(block.peer);
                }
                validator.push(Work::Store(job))?;
            }
            Action::Send { peer, message } => self.send(peer, &message),
            Action::Announce { peer, block, headers } => self.announce(peer, block, headers),
            Action::Hash(jobs) => self.hash(jobs),
            Action::CancelHashes { peer } => {
                self.parts.pool.cancel(peer.0);
            }
            Action::Misbehaved { peer, misbehaviour } => connections.punish(peer, misbehaviour),
            Action::Disconnect { peer, reason } => {
                tracing::info!("[P2P] Disconnecting peer {peer}: {reason}");
                connections.disconnect(peer);
            }
            Action::StateChanged { from, to } => tracing::info!("[IBD] State: {from} → {to}"),
            Action::ForkDetected { height } => tracing::warn!("[IBD] FORK DETECTED at height {height}"),
        }
        Ok(())
    }

    fn send(&self, peer: PeerId, message: &Message) {
        let Some(connection) = self.parts.connections.peers().get(peer) else { return };
        if matches!(message, Message::Headers(_)) && connection.queued_bytes() > MAX_HEADERS_BACKLOG {
            tracing::debug!("[P2P] Peer {peer} asks for headers faster than it reads them");
            return;
        }
        // Failures are logged there; that the peer is gone is an event of its own.
        let _ = self.parts.connections.push_message(peer, message);
    }

    /// By a compact block, if the peer asked for such and lacks no other, else by headers.
    fn announce(&self, peer: PeerId, block: BlockHash, headers: Vec<BlockHeader>) {
        let connection = self.parts.connections.peers().get(peer);
        let compact = headers.len() == 1 && connection.is_some_and(|peer| peer.announce_compact(block));
        if !compact {
            self.send(peer, &Message::Headers(headers));
        }
    }

    fn hash(&self, jobs: Vec<HashJob>) {
        for job in jobs {
            let tagged = Job { tag: job.token, header: job.header };
            self.parts.pool.submit(job.peer.0, job.priority.into(), [tagged]);
        }
    }
}
