//! The coordinator: one entry point, one state machine.

use std::collections::BTreeMap;
use std::time::Duration;

use dilithion_blockwindow::{BlockWindow, WindowConfig};
use dilithion_headers::HeadersManager;
use dilithion_wire::{BlockHash, Height, PeerId};

use super::background::BackgroundProofs;
use super::bodies::Bodies;
use super::detail::History;
use super::failure::SyncFailure;
use super::mutation::Mutation;
use super::peers::SyncPeer;
use super::progress::Progress;
use super::pushed::Pushed;
use super::{Action, Event, HEADERS_AHEAD_TO_DOWNLOAD, IbdState, SyncMode, Trigger};
use crate::clock::Now;

/// How long a driver may let pass between two events while nothing waits for a rate limit.
const IDLE_TICK: Duration = Duration::from_secs(1);

/// A node that has completed its sync and has no more than this many blocks to fetch stays `COMPLETE`.
pub(super) const MAX_BEHIND_WHEN_COMPLETE: u32 = 10;

/// What a coordinator is built from.
#[derive(Clone, Debug, Default)]
pub struct CoordinatorConfig {
    /// How much is fetched.
    pub mode: SyncMode,
    /// Limits of the block window.
    pub window: WindowConfig,
    /// The highest block that is to be connected, if the node is to stop there.
    pub stop_at: Option<Height>,
    /// How many blocks a node that has completed its sync disconnects at most to follow a better chain; `None` for any
    /// number. Until then it has no chain that it could defend, and goes back as far as it takes.
    ///
    /// What the operator refuses, or considers again, is left or followed at any depth.
    pub max_reorg_depth: Option<u32>,
    /// Blocks that are not connected, but whose bodies the store has; at most [`MAX_STORED`](super::MAX_STORED) are
    /// remembered.
    pub stored: Vec<BlockHash>,
}

/// The state machine of initial block download (see the [module](super)).
#[doc(alias = "CIBDCoordinator")]
#[derive(Debug)]
pub struct Coordinator {
    pub(super) config: CoordinatorConfig,
    pub(super) headers: HeadersManager,
    pub(super) window: BlockWindow<PeerId, Height>,
    pub(super) peers: BTreeMap<PeerId, SyncPeer>,
    /// The bodies of the heights that the window holds as received.
    pub(super) bodies: Bodies,
    /// Bodies whose headers are not known yet.
    pub(super) pushed: Pushed,
    /// A block that may have failed because of an ancestor that only a checkpoint vouches for: not tried again before
    /// all below it is proved.
    pub(super) held_back: Option<(Height, BlockHash)>,
    pub(super) background: BackgroundProofs,
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
    /// What the operator said against blocks, or took back, and is not known to be on disk.
    pub(super) verdicts_under_way: usize,
    /// The best chain is another one because the operator said so: it is followed at any depth.
    pub(super) by_order: bool,
    pub(super) state: IbdState,
    pub(super) entered: Duration,
    /// The sync has been complete since the start.
    pub(super) was_complete: bool,
    pub(super) failure: Option<SyncFailure>,
    pub(super) progress: Progress,
    pub(super) history: History,
    /// The operator wants nothing to be requested.
    pub(super) paused: bool,
    pub(super) mode: SyncMode,
    /// All headers that connected peers told of are, or were, here and proved.
    pub(super) collected: bool,
    /// A fault put in by a test.
    #[cfg(test)]
    pub(crate) mutation: Option<Mutation>,
}

impl Coordinator {
    /// A coordinator over a header chain that contains the connected tip.
    #[must_use]
    pub fn new(config: CoordinatorConfig, headers: HeadersManager, tip: (Height, BlockHash)) -> Self {
        let mut bodies = Bodies::default();
        config.stored.iter().for_each(|hash| bodies.remember_stored(*hash));
        Self {
            window: BlockWindow::new(config.window),
            stored_headers_to: headers.ready_height(),
            mode: config.mode,
            config,
            headers,
            peers: BTreeMap::new(),
            bodies,
            pushed: Pushed::default(),
            held_back: None,
            background: BackgroundProofs::Held(None),
            condemned: Vec::new(),
            generation: 0,
            tip,
            scheduled_to: tip.0,
            headers_stored_at: Duration::ZERO,
            disconnecting: false,
            verdicts_under_way: 0,
            by_order: false,
            state: IbdState::Idle,
            entered: Duration::ZERO,
            was_complete: false,
            failure: None,
            progress: Progress::default(),
            history: History::default(),
            paused: false,
            collected: false,
            #[cfg(test)]
            mutation: None,
        }
    }

    /// Takes note of an event and returns what is to be done about it, in order.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut out = Vec::new();
        let ticks = matches!(event, Event::Tick);
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
            Event::BlocksConnected { blocks } => self.on_blocks_connected(&blocks, now.mono, &mut out),
            Event::BlockRejected { generation, height, hash, peer, reason: _, fault } => {
                if generation == self.generation {
                    self.on_block_rejected((height, hash), peer, fault, now, &mut out);
                }
            }
            Event::BlockMined { header, hash, payload } => {
                self.on_block_mined(&header, hash, payload, now, &mut out);
            }
            Event::Disconnected { tip, blocks } => self.on_disconnected(tip, &blocks),
            Event::Revoked { hash } => self.on_revoked(hash, now, &mut out),
            Event::Reinstated { hash } => self.on_reinstated(&hash, now, &mut out),
            Event::VerdictStored => self.verdicts_under_way = self.verdicts_under_way.saturating_sub(1),
            Event::StoreFailed { reason } => self.failure = Some(SyncFailure::Store { reason }),
            Event::HashFailed { reason } => self.failure = Some(SyncFailure::Hash { reason }),
            Event::Ordered(order) => self.on_order(order),
            Event::Tick => self.on_tick(now, &mut out),
        }
        self.progress.sample(now.mono, self.heights());
        if !(ticks && self.has(Mutation::CountBeforeTimeouts)) {
            self.advance(now, &mut out);
        }
        out
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> IbdState {
        self.state
    }

    /// Why the sync cannot go on, if it cannot.
    #[must_use]
    pub fn failure(&self) -> Option<&SyncFailure> {
        self.failure.as_ref()
    }

    /// Whether the chain is, or was and nearly is, the best that is known. Claims and hints of peers do not change that, so
    /// that nobody can make us deaf by announcing what he does not have. Without blocks there is no chain to follow.
    #[must_use]
    pub fn follows_tip(&self) -> bool {
        let full = self.mode == SyncMode::Full;
        let synced = full && (self.was_complete || self.state == IbdState::Idle);
        let near = self.tip.0.0.saturating_add(MAX_BEHIND_WHEN_COMPLETE);
        synced && self.failure.is_none() && self.headers.best_height().0 <= near
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
        let wanted = self.window.pending_len() > 0;
        let requests = self.peers.values().map(|peer| peer.next_getdata).filter(|at| wanted && *at > now);
        let announcements =
            self.peers.values().map(|peer| self.next_announcement(peer)).filter(|at| *at > now);
        let deadline = self.window.next_deadline(now).filter(|at| *at > now);
        let deferred = requests.chain(announcements).chain(deadline).min();
        deferred.map_or(IDLE_TICK, |at| at.saturating_sub(now).min(IDLE_TICK))
    }

    /// Does whatever can be done now: states, headers, blocks.
    fn advance(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.state == IbdState::Error {
            return;
        }
        let off_best = self.is_off_best_chain();
        self.check_fork(off_best, out);
        self.change_state(off_best, now.mono, out);
        if self.state == IbdState::Error {
            return;
        }
        self.drive_headers(now.mono, out);
        self.store_proved_headers(off_best, now.mono, out);
        if self.disconnecting {
            return;
        }
        self.schedule_stored(off_best);
        if self.state.downloads_blocks() && !self.paused {
            self.schedule_blocks(off_best);
            self.request_blocks(now.mono, out);
        }
        self.submit_blocks(off_best, out);
    }

    /// Goes from state to state as long as a trigger leads on.
    fn change_state(&mut self, off_best: bool, now: Duration, out: &mut Vec<Action>) {
        while let Some(trigger) = self.trigger(off_best, now) {
            match self.state.on(trigger) {
                Ok(Some(next)) => self.enter(next, now, out),
                Ok(None) => return,
                Err(illegal) => self.failure = Some(illegal.into()),
            }
        }
    }

    fn enter(&mut self, next: IbdState, now: Duration, out: &mut Vec<Action>) {
        out.push(Action::StateChanged { from: self.state, to: next });
        self.history.note(self.state, next, now);
        self.state = next;
        self.entered = now;
        if next == IbdState::Complete {
            self.was_complete = true;
            self.announce(now, out);
        }
        // Only proved headers lead there.
        self.collected |= next == IbdState::Idle;
    }

    /// What is true now and may lead to another state.
    fn trigger(&self, off_best: bool, now: Duration) -> Option<Trigger> {
        if self.failure.is_some() {
            return Some(Trigger::Failed);
        }
        if self.peers.is_empty() {
            return Some(Trigger::PeersLost);
        }
        if self.mode == SyncMode::Headers {
            return self.trigger_for_headers(now);
        }
        let (chain, best) = (self.tip.0, self.headers.best_height());
        // Until there is a chain of enough work, the search for one goes on.
        let enough = self.headers.has_minimum_work();
        let missing = enough && (best > chain || off_best);
        match self.state {
            IbdState::Idle => {
                let ahead = missing || self.peers.values().any(|peer| peer.claimed_height > chain);
                ahead.then_some(Trigger::PeerAhead)
            }
            IbdState::Connecting => Some(Trigger::PeerConnected),
            IbdState::HeadersSync if missing => {
                let far = best.0 > chain.0.saturating_add(HEADERS_AHEAD_TO_DOWNLOAD);
                (far || !self.is_exchanging_headers(now)).then_some(Trigger::BlocksMissing)
            }
            IbdState::HeadersSync | IbdState::BlocksDownload | IbdState::BlocksValidate
                if enough && !missing =>
            {
                self.headers_caught_up(now).then_some(Trigger::CaughtUp)
            }
            IbdState::BlocksDownload if self.everything_received() => {
                self.headers_caught_up(now).then_some(Trigger::AllReceived)
            }
            IbdState::BlocksValidate if !self.everything_received() => Some(Trigger::BlocksMissing),
            IbdState::Complete if self.has_fallen_behind() => Some(Trigger::PeerAhead),
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

    /// Nothing to fetch any more: all blocks of the header chain are here and wait for validation.
    fn everything_received(&self) -> bool {
        self.window.pending_len() == 0
            && self.window.in_flight_len() == 0
            && self.scheduled_to >= self.headers.best_height()
            && self.bodies.len() > 0
    }

    fn on_tick(&mut self, now: Now, out: &mut Vec<Action>) {
        self.check_headers_timeouts(now.mono, out);
        if self.has(Mutation::CountBeforeTimeouts) {
            self.request_blocks(now.mono, out);
        }
        self.check_block_timeouts(now.mono, out);
        self.announce(now.mono, out);
        self.release_background(now.mono, out);
    }

    fn on_peer_disconnected(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.collected &= !self.peers.is_empty();
        self.headers.on_peer_disconnected(peer);
        self.pushed.forget_peer(peer);
        if !self.has(Mutation::KeepInFlightOfLostPeers) {
            self.window.on_peer_disconnected(peer);
        }
    }
}
