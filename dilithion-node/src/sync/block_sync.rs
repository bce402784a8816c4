//! The coordinator's dealings in blocks: scheduling, requesting, taking in, handing to validation.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use dilithion_blockwindow::{BlockState, MAX_BLOCKS_IN_FLIGHT_PER_PEER, Request, Source};
use dilithion_wire::{BlockHash, BlockHeader, Height, Inventory, Message, Misbehaviour, PeerId};

use super::bodies::ReceivedBlock;
use super::mutation::Mutation;
use super::peers::{GETDATA_INTERVAL, MAX_CONSECUTIVE_STALLS, MAX_WRONG_BODIES, SyncPeer};
use super::{
    Action, BlockFault, BlockToConnect, Body, Coordinator, DOWNLOAD_AHEAD, MAX_RECEIVED_BYTES,
    MAX_VALIDATING, OWN_BLOCKS, StoreJob, SyncMode,
};
use crate::clock::Now;

/// A peer is sent its next `getdata` when this few of its blocks are left, so that messages carry many each.
const REFILL_BELOW: usize = MAX_BLOCKS_IN_FLIGHT_PER_PEER / 2;

impl Coordinator {
    /// Gives the window the next heights of the header chain, as far ahead as memory allows.
    pub(super) fn schedule_blocks(&mut self, off_best: bool) {
        let Some(horizon) = self.horizon(off_best) else { return };
        while self.scheduled_to < horizon {
            self.scheduled_to = self.scheduled_to.next();
            self.schedule(self.scheduled_to);
        }
    }

    /// The same for the next heights whose bodies the store has, as they need no peer.
    pub(super) fn schedule_stored(&mut self, off_best: bool) {
        if !self.bodies.has_stored() {
            return;
        }
        let Some(horizon) = self.horizon(off_best) else { return };
        while self.scheduled_to < horizon {
            let height = self.scheduled_to.next();
            let hash = self.headers.claimed_hash_at_height(height);
            let Some(hash) = hash.filter(|hash| self.bodies.is_stored(hash)) else { return };
            self.scheduled_to = height;
            self.receive(height, ReceivedBlock { peer: OWN_BLOCKS, hash, body: Body::Stored });
        }
    }

    /// The last height that is to be scheduled now; `None` if none is.
    fn horizon(&self, off_best: bool) -> Option<Height> {
        // Blocks in validation that are of a chain that was left are connected first, and rewound then.
        if !self.validates_best_chain(off_best) || !self.headers.has_minimum_work() {
            return None;
        }
        let ahead = Height(self.tip.0.0.saturating_add(DOWNLOAD_AHEAD));
        let wanted = self.config.stop_at.unwrap_or(Height(u32::MAX));
        Some(self.headers.best_height().min(ahead).min(wanted))
    }

    /// Gives the window a height: to be fetched, unless its body is in the store from before a change of chains, or came
    /// before its header.
    fn schedule(&mut self, height: Height) {
        match self.body_at_hand(height) {
            Some(block) => self.receive(height, block),
            None => {
                self.window.add_pending(height);
            }
        }
    }

    fn body_at_hand(&mut self, height: Height) -> Option<ReceivedBlock> {
        let hash = self.headers.claimed_hash_at_height(height)?;
        if self.bodies.is_stored(&hash) {
            return Some(ReceivedBlock { peer: OWN_BLOCKS, hash, body: Body::Stored });
        }
        if self.pushed.is_empty() {
            return None;
        }
        let pushed = self.pushed.take(&self.headers.header(&hash)?)?;
        Some(ReceivedBlock { peer: pushed.peer, hash, body: Body::Payload(pushed.payload) })
    }

    /// Takes in a body that nobody was asked for.
    fn receive(&mut self, height: Height, block: ReceivedBlock) {
        if self.window.add_received(height, block.peer) {
            self.bodies.insert(height, block);
        }
    }

    /// Sends `getdata` to every peer that has room for more.
    pub(super) fn request_blocks(&mut self, now: Duration, out: &mut Vec<Action>) {
        let limit = self.request_limit();
        self.time_the_network(limit, now);
        let second_due = self.window.next_second_request().is_some_and(|due| due <= now);
        if (self.window.pending_len() == 0 || limit == 0) && !second_due {
            return;
        }
        let mut sources = self.sources(now, |in_flight| in_flight <= REFILL_BELOW);
        let mut requests = self.window.request_blocks_from(&sources, limit, now);
        if second_due {
            sources = self.sources(now, |_| true);
            requests.extend(self.window.second_request(&sources, now));
        }
        let mut items: BTreeMap<PeerId, Vec<Inventory>> = BTreeMap::new();
        for Request { peer, height } in requests {
            let Some(hash) = self.headers.claimed_hash_at_height(height) else { continue };
            items.entry(peer).or_default().push(Inventory::block(hash));
        }
        for (peer, items) in items {
            if let Some(sync_peer) = self.peers.get_mut(&peer) {
                sync_peer.next_getdata = now + GETDATA_INTERVAL;
            }
            out.push(Action::Send { peer, message: Message::GetData(items) });
        }
    }

    /// Peers as the window sees them: ready if it is time, and few enough blocks are in flight from them.
    fn sources(&self, now: Duration, has_room: impl Fn(usize) -> bool) -> Vec<Source<PeerId, Height>> {
        let source = |(id, peer): (&PeerId, &SyncPeer)| Source {
            peer: *id,
            best: self.common_height(peer),
            ready: now >= peer.next_getdata && has_room(self.window.in_flight_of(*id)),
        };
        self.peers.iter().map(source).collect()
    }

    /// While we take in no more, because validation is behind, no peer's time runs.
    fn time_the_network(&mut self, limit: usize, now: Duration) {
        let next = self.last_handed_out().0.next();
        let awaited = matches!(self.window.state(next), Some(BlockState::InFlight { .. }));
        if limit == 0 && !awaited {
            self.window.pause(now);
        } else {
            self.window.resume(now);
        }
    }

    /// How many more blocks may be requested: as many as peers take, unless too many bytes wait here; then only the
    /// block that all of them wait for.
    pub(super) fn request_limit(&self) -> usize {
        if self.bodies.bytes() < MAX_RECEIVED_BYTES {
            usize::MAX
        } else {
            usize::from(self.window.lowest_pending() == Some(self.last_handed_out().0.next()))
        }
    }

    /// Whether what was handed to validation belongs to the best header chain.
    pub(super) fn validates_best_chain(&self, off_best: bool) -> bool {
        let on_best = |(last, hash)| self.headers.claimed_hash_at_height(last) == Some(hash);
        !off_best && self.bodies.last_validating().is_none_or(on_best)
    }

    /// The last block handed to validation; without any, the tip.
    fn last_handed_out(&self) -> (Height, BlockHash) {
        self.bodies.last_validating().unwrap_or(self.tip)
    }

    /// Up to which height a peer has shown to have the blocks of the best header chain.
    pub(super) fn common_height(&self, peer: &SyncPeer) -> Height {
        let known =
            peer.known.and_then(|(_, hash)| self.headers.fork_point(&hash, &self.headers.best_hash()));
        known.unwrap_or(Height::GENESIS)
    }

    pub(super) fn on_block(
        &mut self,
        peer: PeerId,
        header: &BlockHeader,
        payload: Bytes,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let Some((hash, height)) = self.headers.find(header) else {
            // A block we never heard of announces itself; its body waits until its header is part of the chain.
            if self.mode == SyncMode::Full {
                self.pushed.insert(*header, peer, payload, now.mono);
            }
            return self.on_headers(peer, std::slice::from_ref(header), now, out);
        };
        if let Some(sync_peer) = self.peers.get_mut(&peer) {
            sync_peer.has_shown(hash, height);
        }
        if self.headers.claimed_hash_at_height(height) != Some(hash) {
            return;
        }
        if self.has(Mutation::DropLateBlocks) && self.window.state(height) == Some(BlockState::Pending) {
            return;
        }
        let delivery = self.window.on_block_received(height, peer, now.mono);
        if delivery.is_unsolicited() {
            return;
        }
        if let Some(sync_peer) = self.peers.get_mut(&peer) {
            sync_peer.block_stalls = 0;
        }
        if delivery.is_accepted() {
            self.bodies.insert(height, ReceivedBlock { peer, hash, body: Body::Payload(payload) });
        }
    }

    /// A block of our own: its id is proved, and its body is here. It is validated like any other.
    pub(super) fn on_block_mined(
        &mut self,
        header: &BlockHeader,
        hash: BlockHash,
        payload: Bytes,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        // A block that does not fit, because the chain has moved on meanwhile, is worth nothing.
        let Ok(effects) = self.headers.add_proved(header, hash, now.unix) else { return };
        self.apply_effects(effects, now, out);
        let Some(height) = self.headers.height_of(&hash) else { return };
        if self.headers.claimed_hash_at_height(height) == Some(hash) && height > self.tip.0 {
            self.receive(height, ReceivedBlock { peer: OWN_BLOCKS, hash, body: Body::Payload(payload) });
        }
    }

    /// Hands blocks to validation whose turn has come and whose headers are proved, or vouched for.
    pub(super) fn submit_blocks(&mut self, off_best: bool, out: &mut Vec<Action>) {
        while self.bodies.validating_len() < MAX_VALIDATING {
            let (last, _) = self.last_handed_out();
            let height = last.next();
            let follows = self.validates_best_chain(off_best);
            let held_back = self.headers.ready_height() < last && self.is_held_back(height);
            if !follows || held_back || !self.headers.is_connectable(height) {
                return;
            }
            let Some(block) = self.bodies.validate(height) else { return };
            out.push(Action::Store(StoreJob::Connect(BlockToConnect {
                generation: self.generation,
                height,
                hash: block.hash,
                verified: self.headers.is_verified(&block.hash),
                peer: block.peer,
                body: block.body,
            })));
        }
    }

    /// Whether the block at this height of the best chain is the one that waits for proof of all below it.
    fn is_held_back(&self, height: Height) -> bool {
        self.held_back.is_some_and(|(held, hash)| {
            held == height && self.headers.claimed_hash_at_height(height) == Some(hash)
        })
    }

    pub(super) fn on_blocks_connected(
        &mut self,
        blocks: &[(Height, BlockHash)],
        now: Duration,
        out: &mut Vec<Action>,
    ) {
        for (height, hash) in blocks {
            self.window.on_block_connected(*height);
            self.bodies.remove(*height);
            self.bodies.forget_stored(hash);
            self.tip = (*height, *hash);
        }
        self.scheduled_to = self.scheduled_to.max(self.tip.0);
        self.keep_background_held(now);
        self.announce(now, out);
    }

    pub(super) fn on_block_rejected(
        &mut self,
        (height, hash): (Height, BlockHash),
        peer: PeerId,
        fault: BlockFault,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        if height <= self.tip.0 {
            return;
        }
        self.return_validating();
        match fault {
            BlockFault::Stale => self.fetch_again(height, None),
            // Other nodes may store a wrong body and serve it in good faith (spec: wire §7): it is asked for elsewhere.
            BlockFault::Body => {
                self.bodies.forget_stored(&hash);
                self.fetch_again(height, Some(peer));
                self.note_wrong_body(peer, out);
            }
            // An ancestor that only a checkpoint vouches for may be to blame.
            BlockFault::Rule | BlockFault::MinerRule if self.headers.ready_height() < height => {
                self.held_back = Some((height, hash));
            }
            BlockFault::Rule | BlockFault::MinerRule => {
                if fault == BlockFault::Rule && self.peers.contains_key(&peer) {
                    out.push(Action::Misbehaved { peer, misbehaviour: Misbehaviour::InvalidBlock });
                }
                let effects = self.headers.invalidate(&hash);
                self.apply_effects(effects, now, out);
                self.ask_everybody_again();
            }
        }
    }

    fn note_wrong_body(&mut self, id: PeerId, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.wrong_bodies += 1;
        if peer.wrong_bodies >= MAX_WRONG_BODIES {
            out.push(Action::Misbehaved { peer: id, misbehaviour: Misbehaviour::InvalidBlock });
        }
    }

    /// The body of this height is worth nothing: it is fetched again, not from the peer to `avoid`.
    fn fetch_again(&mut self, height: Height, avoid: Option<PeerId>) {
        self.bodies.remove(height);
        self.window.return_to_pending(height, avoid);
    }

    /// A request to this peer failed; too many in a row end the connection.
    fn note_block_stall(&mut self, id: PeerId, reason: &'static str, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.block_stalls += 1;
        if peer.block_stalls >= MAX_CONSECUTIVE_STALLS {
            out.push(Action::Disconnect { peer: id, reason });
        }
    }

    /// The blocks in validation are void: they wait for their turn again.
    pub(super) fn return_validating(&mut self) {
        self.generation += 1;
        self.bodies.return_validating();
    }

    /// Returns blocks that were not delivered in time to the window, and drops peers that only stall.
    pub(super) fn check_block_timeouts(&mut self, now: Duration, out: &mut Vec<Action>) {
        let timed_out = self.window.timeout_check(now);
        if self.has(Mutation::AskTheSamePeerAgain) {
            for failed in &timed_out {
                self.window.remove(failed.height);
                self.window.add_pending(failed.height);
                for again in self.window.request_blocks_up_to(&[failed.peer], 1, now) {
                    let hash = self.headers.claimed_hash_at_height(again.height).unwrap_or_default();
                    let message = Message::GetData(vec![Inventory::block(hash)]);
                    out.push(Action::Send { peer: again.peer, message });
                }
            }
        }
        let mut stalled: Vec<PeerId> = timed_out.iter().map(|failed| failed.peer).collect();
        stalled.sort_unstable();
        stalled.dedup();
        for id in stalled {
            self.note_block_stall(id, "stalled: blocks not delivered", out);
        }
    }
}
