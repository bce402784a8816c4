//! A closer look at the sync than [`SyncStatus`](super::SyncStatus) gives: each block of the window, each peer, and how
//! the state came about. Built only while somebody looks.

use std::collections::VecDeque;
use std::time::Duration;

use dilithion_blockwindow::{BlockState, Totals};
use dilithion_pow::Work;
use dilithion_wire::{BlockHash, Height, PeerId};

use super::{Coordinator, IbdState};

/// Changes of the state that are remembered: enough for a page to show how a sync went.
const MAX_TRANSITIONS: usize = 64;

/// What the coordinator does with each block and each peer, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncDetail {
    /// How many times the node has begun to sync: raised whenever it leaves `IDLE` or `COMPLETE`.
    pub round: u32,
    /// Tip of the best header chain, claims included.
    pub best_hash: BlockHash,
    /// Its work.
    pub best_work: Work,
    /// Headers whose proof of work has not been checked yet.
    pub unproved: usize,
    /// The blocks above the tip that are scheduled, ascending.
    pub window: Vec<WindowBlock>,
    /// What happened to blocks so far.
    pub totals: Totals,
    /// What is known of each peer.
    pub peers: Vec<PeerProgress>,
    /// The last changes of the state, oldest first.
    pub transitions: Vec<Transition>,
}

/// Where one block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowBlock {
    /// Its height.
    pub height: Height,
    /// Where it is.
    pub stage: BlockStage,
}

/// The way of a block to the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockStage {
    /// To be requested.
    Pending,
    /// Requested of this peer.
    InFlight(PeerId),
    /// Here; it waits for its turn, or for the proof of its header.
    Received,
    /// With the validator.
    Validating,
}

/// What is known of a peer's chain, and what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerProgress {
    /// The connection.
    pub peer: PeerId,
    /// The height that it claims, or has shown.
    pub height: Height,
    /// Blocks requested of it and not received.
    pub in_flight: usize,
    /// How many may be at a time.
    pub limit: usize,
}

/// A change of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When, in monotonic time.
    pub at: Duration,
    /// The state since then.
    pub state: IbdState,
}

/// The last changes of the state, and how many episodes there were.
#[derive(Debug, Default)]
pub(super) struct History {
    transitions: VecDeque<Transition>,
    round: u32,
}

impl History {
    /// Takes note of a change.
    pub(super) fn note(&mut self, from: IbdState, state: IbdState, at: Duration) {
        if matches!(from, IbdState::Idle | IbdState::Complete) {
            self.round = self.round.saturating_add(1);
        }
        if self.transitions.len() == MAX_TRANSITIONS {
            self.transitions.pop_front();
        }
        self.transitions.push_back(Transition { at, state });
    }
}

impl Coordinator {
    /// What it does with each block and each peer.
    #[must_use]
    pub fn detail(&self) -> SyncDetail {
        SyncDetail {
            round: self.history.round,
            best_hash: self.headers.best_hash(),
            best_work: self.headers.best_work(),
            unproved: self.headers.unverified_count(),
            window: self.window_blocks(),
            totals: self.window.stats().totals,
            peers: self.peer_progress(),
            transitions: self.history.transitions.iter().copied().collect(),
        }
    }

    fn window_blocks(&self) -> Vec<WindowBlock> {
        let heights = (self.tip.0.next().0..=self.scheduled_to.0).map(Height);
        let stage = |height: Height| match self.window.state(height)? {
            BlockState::Pending => Some(BlockStage::Pending),
            BlockState::InFlight { peer, .. } => Some(BlockStage::InFlight(peer)),
            BlockState::Received { .. } if self.bodies.is_validating(height) => Some(BlockStage::Validating),
            BlockState::Received { .. } => Some(BlockStage::Received),
        };
        heights.filter_map(|height| Some(WindowBlock { height, stage: stage(height)? })).collect()
    }

    fn peer_progress(&self) -> Vec<PeerProgress> {
        let progress = |(&peer, known): (&PeerId, &super::peers::SyncPeer)| PeerProgress {
            peer,
            height: known.claimed_height,
            in_flight: self.window.in_flight_of(peer),
            limit: self.window.limit_of(peer),
        };
        self.peers.iter().map(progress).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_is_bounded_and_counts_episodes() {
        let mut history = History::default();
        let walk = [IbdState::Idle, IbdState::Connecting, IbdState::HeadersSync, IbdState::Complete];
        for round in 0..100_u32 {
            for (from, to) in walk.iter().zip(&walk[1..]) {
                history.note(*from, *to, Duration::from_secs(round.into()));
            }
        }
        assert_eq!(history.round, 100);
        assert_eq!(history.transitions.len(), MAX_TRANSITIONS);
        let last = Transition { at: Duration::from_secs(99), state: IbdState::Complete };
        assert_eq!(history.transitions.back(), Some(&last));
    }
}
