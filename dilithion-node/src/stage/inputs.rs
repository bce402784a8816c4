//! The way into the engine.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dilithion_wire::PeerId;

use super::round_robin::RoundRobin;
use super::{Judgement, Submission, Trial};
use crate::net::WaitingBytes;
use crate::relay::RelayEvent;
use crate::sync::Event;

/// What the engine is told.
#[derive(Debug)]
pub(crate) enum EngineEvent {
    /// For the coordinator.
    Sync(Event),
    /// For the relay of transactions.
    Relay(RelayEvent),
    /// A transaction of our own is to become pending.
    Submit(Submission),
    /// Transactions of which somebody wants to know whether they could become pending.
    Try(Trial),
    /// The operator says something of a block.
    Judge(Judgement),
}

impl From<Event> for EngineEvent {
    fn from(event: Event) -> Self {
        Self::Sync(event)
    }
}

impl From<RelayEvent> for EngineEvent {
    fn from(event: RelayEvent) -> Self {
        Self::Relay(event)
    }
}

impl EngineEvent {
    /// Whose connection it came over; `None` if this node made it.
    fn peer(&self) -> Option<PeerId> {
        match self {
            Self::Sync(
                Event::PeerConnected { peer, .. }
                | Event::PeerDisconnected { peer }
                | Event::Headers { peer, .. }
                | Event::Block { peer, .. }
                | Event::Announced { peer, .. }
                | Event::GetHeaders { peer, .. },
            )
            | Self::Relay(
                RelayEvent::PeerConnected { peer, .. }
                | RelayEvent::PeerDisconnected { peer }
                | RelayEvent::Announced { peer, .. }
                | RelayEvent::Received { peer, .. },
            ) => Some(*peer),
            Self::Sync(
                Event::BlockMined { .. }
                | Event::HashComputed { .. }
                | Event::BlocksConnected { .. }
                | Event::BlockRejected { .. }
                | Event::Disconnected { .. }
                | Event::StoreFailed { .. }
                | Event::HashFailed { .. }
                | Event::Revoked { .. }
                | Event::Reinstated { .. }
                | Event::VerdictStored
                | Event::Ordered(_)
                | Event::Tick,
            )
            | Self::Relay(
                RelayEvent::Accepted { .. }
                | RelayEvent::Refused { .. }
                | RelayEvent::Connected { .. }
                | RelayEvent::Disconnected { .. }
                | RelayEvent::FollowsTip(_)
                | RelayEvent::Tick,
            )
            | Self::Submit(_)
            | Self::Try(_)
            | Self::Judge(_) => None,
        }
    }
}

/// An event on its way.
pub(super) struct Input {
    pub(super) event: EngineEvent,
    /// Returned to the sending peer's budget when the event has been handled.
    pub(super) budget: Option<WaitingBytes>,
}

/// What waits for the engine.
///
/// Peers have turns, so that one with a full budget of small messages delays another's block by one message and not by all of
/// them. What this node made itself (hashes, answers of the validator) has every other turn: it is what keeps the rest going,
/// and cannot keep peers out either.
#[derive(Default)]
struct Waiting {
    own: VecDeque<Input>,
    of_peers: RoundRobin<PeerId, Input>,
    /// The last one taken was a peer's.
    own_turn: bool,
    /// The engine has nothing to do and is to be woken.
    asleep: bool,
    /// Nothing that waits or comes is wanted any more.
    stopped: bool,
}

impl Waiting {
    fn pop(&mut self) -> Option<Input> {
        let own = if self.own_turn { self.own.pop_front() } else { None };
        self.own_turn = own.is_none();
        own.or_else(|| self.of_peers.pop()).or_else(|| self.own.pop_front())
    }
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// Rings when something came, or when the engine is to stop.
    came: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way into the engine, from any thread or task.
#[derive(Clone)]
pub struct EngineHandle(Arc<Queue>);

impl std::fmt::Debug for EngineHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineHandle").finish_non_exhaustive()
    }
}

impl EngineHandle {
    pub(crate) fn channel() -> (Self, EngineInputs) {
        let queue = Arc::<Queue>::default();
        (Self(Arc::clone(&queue)), EngineInputs(queue))
    }

    /// Queues an event; `budget` is released once it has been handled. Waits for nothing but a short lock. After shutdown it
    /// does nothing.
    pub(crate) fn send(&self, event: impl Into<EngineEvent>, budget: Option<WaitingBytes>) {
        let event = event.into();
        let (peer, input) = (event.peer(), Input { event, budget });
        let mut waiting = self.0.lock();
        // The node is stopping: nobody is left to be told.
        if waiting.stopped {
            return;
        }
        match peer {
            Some(peer) => waiting.of_peers.push(peer, input),
            None => waiting.own.push_back(input),
        }
        let wake = std::mem::take(&mut waiting.asleep);
        drop(waiting);
        if wake {
            self.0.came.notify_one();
        }
    }

    /// Makes the engine stop after the event that it is at.
    pub(super) fn stop(&self) {
        self.0.lock().stopped = true;
        self.0.came.notify_one();
    }
}

/// What comes next, for the engine.
pub(super) enum Next {
    Input(Input),
    /// Nothing came in time.
    Nothing,
    Stop,
}

/// The receiving end of all [`EngineHandle`]s. When it is dropped, nothing is taken in any more.
pub(crate) struct EngineInputs(Arc<Queue>);

impl EngineInputs {
    /// What comes next, if it comes within this time. It may return a little early with nothing.
    pub(super) fn next(&self, patience: Duration) -> Next {
        let mut waiting = self.0.lock();
        for last in [false, true] {
            if waiting.stopped {
                return Next::Stop;
            }
            if let Some(input) = waiting.pop() {
                return Next::Input(input);
            }
            if last || patience.is_zero() {
                break;
            }
            waiting.asleep = true;
            waiting = self.0.came.wait_timeout(waiting, patience).unwrap_or_else(PoisonError::into_inner).0;
            waiting.asleep = false;
        }
        Next::Nothing
    }
}

impl Drop for EngineInputs {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        // What nobody will handle any more gives its senders their budget back.
        *waiting = Waiting { stopped: true, ..Waiting::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick_of(peer: u64) -> Event {
        Event::PeerDisconnected { peer: PeerId(peer) }
    }

    fn taken(inputs: &EngineInputs) -> Option<Option<PeerId>> {
        match inputs.next(Duration::ZERO) {
            Next::Input(input) => Some(input.event.peer()),
            Next::Nothing | Next::Stop => None,
        }
    }

    #[test]
    fn a_peer_with_much_to_say_delays_nobody_and_own_events_have_every_other_turn() {
        let (handle, inputs) = EngineHandle::channel();
        for _ in 0..1000 {
            handle.send(tick_of(1), None);
        }
        for _ in 0..3 {
            handle.send(Event::Tick, None);
        }
        handle.send(tick_of(2), None);
        let order: Vec<_> = std::iter::from_fn(|| taken(&inputs)).take(8).collect();
        let (flooder, good) = (Some(PeerId(1)), Some(PeerId(2)));
        assert_eq!(order, [flooder, None, good, None, flooder, None, flooder, flooder]);
    }

    #[test]
    fn after_the_end_nothing_is_taken_in_any_more() {
        let (handle, inputs) = EngineHandle::channel();
        handle.send(tick_of(1), None);
        handle.stop();
        assert!(matches!(inputs.next(Duration::MAX), Next::Stop));
        let queue = Arc::clone(&inputs.0);
        drop(inputs);
        handle.send(tick_of(1), None);
        assert!(queue.lock().pop().is_none());
    }

    #[test]
    fn a_sleeping_engine_is_woken() {
        let (handle, inputs) = EngineHandle::channel();
        let sender = std::thread::spawn(move || handle.send(tick_of(1), None));
        // It may be woken a little early, with nothing.
        let came =
            std::iter::repeat_with(|| inputs.next(Duration::MAX)).find(|next| !matches!(next, Next::Nothing));
        assert!(matches!(came, Some(Next::Input(_))));
        sender.join().unwrap();
    }
}
