//! The coordinator: one entry point, one state machine.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use dilithion_blockwindow::{BlockWindow, WindowConfig};
use dilithion_headers::HeadersManager;
use dilithion_wire::{BlockHash, Height, PeerId};

use super::peers::SyncPeer;
use super::{Action, Event, HEADERS_AHEAD_TO_DOWNLOAD, IbdState, SyncStatus};
use crate::clock::Now;

/// How long a driver may let pass between two events while nothing waits for a rate limit.
const IDLE_TICK: Duration = Duration::from_secs(1);

/// A node that has completed its sync and has no more than this many blocks to fetch stays `COMPLETE`.
const MAX_BEHIND_WHEN_COMPLETE: u32 = 10;

/// What a coordinator is built from.
#[derive(Clone, Debug, Default)]
pub struct CoordinatorConfig {
    /// Limits of the block window.
    pub window: WindowConfig,
    /// The highest block that is to be connected, if the node is to stop there.
    pub stop_at: Option<Height>,
    /// The highest checkpoint; blocks at or below it may be connected before their headers are proved.
    pub last_checkpoint: Option<Height>,
}

/// A block body that waits for its turn.
#[derive(Clone, Debug)]
pub(super) struct ReceivedBlock {
    pub(super) peer: PeerId,
    pub(super) hash: BlockHash,
    pub(super) payload: Bytes,
}

/// A block in validation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validating {
    pub(super) hash: BlockHash,
    pub(super) bytes: usize,
}

/// The state machine of initial block download (see the [module](super)).
#[doc(alias = "CIBDCoordinator")]
#[derive(Debug)]
pub struct Coordinator {
    pub(super) config: CoordinatorConfig,
    pub(super) headers: HeadersManager,
    pub(super) window: BlockWindow<PeerId, Height>,
    pub(super) peers: BTreeMap<PeerId, SyncPeer>,
    /// Bodies whose turn has not come; the window holds the same heights as received.
    pub(super) received: BTreeMap<Height, ReceivedBlock>,
    /// Blocks handed to validation and not yet answered, from the tip upwards without a gap.
    pub(super) validating: BTreeMap<Height, Validating>,
    /// A block that may have failed because of an ancestor that only a checkpoint vouches for: not tried again before
    /// all below it is proved.
    pub(super) held_back: Option<Height>,
    /// Headers that proved false, until it is certain that no block of theirs is connected.
    pub(super) condemned: Vec<(Height, BlockHash)>,
    /// Raised whenever the blocks in validation became void.
    pub(super) generation: u64,
    /// The tip of the connected chain, as the store last told.
    pub(super) tip: (Height, BlockHash),
    /// Every height up to this one has been given to the window.
    pub(super) scheduled_to: Height,
    /// Proved headers up to this height have been given to the store.
    pub(super) stored_headers_to: Height,
    /// When headers were last given to the store.
    pub(super) headers_stored_at: Duration,
    /// A rewind has been asked for and not answered yet.
    pub(super) disconnecting: bool,
    state: IbdState,
    entered: Duration,
    failure: Option<String>,
}

impl Coordinator {
    /// A coordinator over a header chain that contains the connected tip.
    #[must_use]
    pub fn new(config: CoordinatorConfig, headers: HeadersManager, tip: (Height, BlockHash)) -> Self {
        Self {
            window: BlockWindow::new(config.window),
            stored_headers_to: headers.ready_height(),
            config,
            headers,
            peers: BTreeMap::new(),
            received: BTreeMap::new(),
            validating: BTreeMap::new(),
            held_back: None,
            condemned: Vec::new(),
            generation: 0,
            tip,
            scheduled_to: tip.0,
            headers_stored_at: Duration::ZERO,
            disconnecting: false,
            state: IbdState::Idle,
            entered: Duration::ZERO,
            failure: None,
        }
    }

    /// Takes note of an event and returns what is to be done about it, in order.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut out = Vec::new();
        match event {
            Event::PeerConnected { peer, start_height } => {
                self.peers.insert(peer, SyncPeer::new(start_height));
            }
            Event::PeerDisconnected { peer } => self.on_peer_disconnected(peer),
            Event::Headers { peer, headers } => self.on_headers(peer, &headers, now, &mut out),
            Event::Block { peer, header, payload } => self.on_block(peer, &header, payload, now, &mut out),
            Event::Announced { peer, blocks } => self.on_announced(peer, &blocks, now, &mut out),
            Event::GetHeaders { peer, locator, stop } => self.serve_headers(peer, &locator, &stop, &mut out),
            Event::HashComputed { token, hash } => {
                let effects = self.headers.on_hash(token, hash);
                self.apply_effects(effects, now, &mut out);
            }
            Event::BlocksConnected { blocks } => self.on_blocks_connected(&blocks, &mut out),
            Event::BlockRejected { generation, height, hash, peer, reason: _, fault } => {
                if generation == self.generation {
                    self.on_block_rejected((height, hash), peer, fault, now, &mut out);
                }
            }
            Event::Disconnected { tip } => self.on_disconnected(tip),
            Event::StoreFailed { reason } | Event::HashFailed { reason } => self.failure = Some(reason),
            Event::Tick => self.check_timeouts(now, &mut out),
        }
        self.advance(now, &mut out);
        out
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> IbdState {
        self.state
    }

    /// The tip of the connected chain.
    #[must_use]
    pub fn tip(&self) -> (Height, BlockHash) {
        self.tip
    }

    /// The header chain.
    #[must_use]
    pub fn headers(&self) -> &HeadersManager {
        &self.headers
    }

    /// The block window.
    #[must_use]
    pub fn window(&self) -> &BlockWindow<PeerId, Height> {
        &self.window
    }

    /// How long after `now` the next [`Event::Tick`] is due at the latest.
    #[must_use]
    pub fn next_tick(&self, now: Duration) -> Duration {
        let deferred = if self.window.pending_len() == 0 {
            None
        } else {
            self.peers.values().map(|peer| peer.next_getdata).filter(|at| *at > now).min()
        };
        deferred.map_or(IDLE_TICK, |at| at.saturating_sub(now).min(IDLE_TICK))
    }

    /// Where the sync stands.
    #[must_use]
    pub fn status(&self, now: Duration) -> SyncStatus {
        SyncStatus {
            state: self.state,
            in_state: now.saturating_sub(self.entered),
            chain_height: self.tip.0,
            chain_hash: self.tip.1,
            header_height: self.headers.best_height(),
            ready_height: self.headers.ready_height(),
            peers: self.peers.len(),
            pending: self.window.pending_len(),
            in_flight: self.window.in_flight_len(),
            received: self.window.received_len(),
            waiting_for: self.waiting_for(),
        }
    }

    fn waiting_for(&self) -> String {
        match self.state {
            IbdState::Error => self.failure.clone().unwrap_or_default(),
            IbdState::Complete => "in sync".to_owned(),
            _ if self.peers.is_empty() => "waiting for a peer".to_owned(),
            IbdState::Idle | IbdState::Connecting => "no peer is ahead of us".to_owned(),
            IbdState::HeadersSync => "waiting for headers".to_owned(),
            IbdState::BlocksDownload | IbdState::BlocksValidate => {
                let next = self.tip.0.next();
                if self.validating.contains_key(&next) {
                    format!("validating block {next}")
                } else if self.received.contains_key(&next) {
                    format!("waiting for the proof of work of header {next}")
                } else {
                    self.window.stats().to_string()
                }
            }
        }
    }

    /// Does whatever can be done now: states, headers, blocks.
    fn advance(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.state == IbdState::Error {
            return;
        }
        self.check_fork(out);
        while let Some(next) = self.next_state(now.mono) {
            self.enter(next, now.mono, out);
        }
        if self.state == IbdState::Error {
            return;
        }
        self.drive_headers(now.mono, out);
        self.store_proved_headers(now.mono, out);
        if self.state.downloads_blocks() && !self.disconnecting {
            self.schedule_blocks();
            self.request_blocks(now.mono, out);
            self.submit_blocks(out);
        }
    }

    fn enter(&mut self, next: IbdState, now: Duration, out: &mut Vec<Action>) {
        debug_assert!(self.state.may_become(next), "{} -> {next}", self.state);
        out.push(Action::StateChanged { from: self.state, to: next });
        self.state = next;
        self.entered = now;
        if next == IbdState::Complete {
            self.announce(&[self.tip], out);
        }
    }

    /// The transition that is due, if any.
    fn next_state(&self, now: Duration) -> Option<IbdState> {
        use IbdState::{BlocksDownload, BlocksValidate, Complete, Connecting, Error, HeadersSync, Idle};
        if self.failure.is_some() && self.state != Error {
            return Some(Error);
        }
        if self.peers.is_empty() {
            return (!matches!(self.state, Idle | Connecting | Error)).then_some(Connecting);
        }
        let chain = self.tip.0;
        let best = self.headers.best_height();
        let caught_up = self.headers_caught_up(now);
        // Until there is a chain of enough work, the search for one goes on.
        let enough = self.headers.has_minimum_work();
        let blocks_missing = enough && (best > chain || self.is_off_best_chain());
        match self.state {
            Idle if blocks_missing || self.peers.values().any(|peer| peer.claimed_height > chain) => {
                Some(Connecting)
            }
            Connecting => Some(HeadersSync),
            HeadersSync if enough && best.0 > chain.0.saturating_add(HEADERS_AHEAD_TO_DOWNLOAD) => {
                Some(BlocksDownload)
            }
            HeadersSync if blocks_missing && !self.is_exchanging_headers(now) => Some(BlocksDownload),
            HeadersSync | BlocksDownload | BlocksValidate if enough && caught_up && !blocks_missing => {
                Some(Complete)
            }
            BlocksDownload if caught_up && self.everything_received() => Some(BlocksValidate),
            BlocksValidate if !self.everything_received() => Some(BlocksDownload),
            Complete if self.has_fallen_behind() => Some(HeadersSync),
            _ => None,
        }
    }

    /// A peer is ahead of our header chain, or our blocks are well behind it. Blocks that are announced one by one
    /// are fetched without leaving `COMPLETE`.
    fn has_fallen_behind(&self) -> bool {
        let best = self.headers.best_height();
        self.peers.values().any(|peer| peer.is_ahead_of(best))
            || best.0 > self.tip.0.0.saturating_add(MAX_BEHIND_WHEN_COMPLETE)
    }

    /// Whether no sync is under way: new blocks are announced to peers.
    pub(super) fn is_at_tip(&self) -> bool {
        matches!(self.state, IbdState::Idle | IbdState::Complete)
    }

    /// Nothing to fetch any more: all blocks of the header chain are here and wait for validation.
    fn everything_received(&self) -> bool {
        self.window.pending_len() == 0
            && self.window.in_flight_len() == 0
            && self.scheduled_to >= self.headers.best_height()
            && !(self.received.is_empty() && self.validating.is_empty())
    }

    fn on_peer_disconnected(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.headers.on_peer_disconnected(peer);
        self.window.on_peer_disconnected(peer);
    }
}
