//! The coordinator's dealings in blocks: scheduling, requesting, taking in, handing to validation.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use dilithion_blockwindow::{MAX_BLOCKS_IN_FLIGHT_PER_PEER, Request, Source};
use dilithion_wire::{BlockHash, BlockHeader, Height, Inventory, Message, Misbehaviour, PeerId};

use super::coordinator::{ReceivedBlock, Validating};
use super::peers::{GETDATA_INTERVAL, MAX_CONSECUTIVE_STALLS, SyncPeer};
use super::{
    Action, BlockFault, BlockToConnect, Coordinator, DOWNLOAD_AHEAD, MAX_RECEIVED_BYTES, MAX_VALIDATING,
    StoreJob,
};
use crate::clock::Now;

/// A peer is sent its next `getdata` when this few of its blocks are left, so that messages carry many each.
const REFILL_BELOW: usize = MAX_BLOCKS_IN_FLIGHT_PER_PEER / 2;

/// New blocks announced to a peer in one `headers` message at most.
const MAX_ANNOUNCED_HEADERS: usize = 8;

impl Coordinator {
    /// Gives the window the next heights of the header chain, as far ahead as memory allows.
    pub(super) fn schedule_blocks(&mut self) {
        if self.is_off_best_chain() || !self.headers.has_minimum_work() {
            return;
        }
        let ahead = Height(self.tip.0.0.saturating_add(DOWNLOAD_AHEAD));
        let wanted = self.config.stop_at.unwrap_or(Height(u32::MAX));
        let horizon = self.headers.best_height().min(ahead).min(wanted);
        while self.scheduled_to < horizon {
            self.scheduled_to = self.scheduled_to.next();
            self.window.add_pending(self.scheduled_to);
        }
    }

    /// Sends `getdata` to every peer that has room for more.
    pub(super) fn request_blocks(&mut self, now: Duration, out: &mut Vec<Action>) {
        let limit = self.request_limit();
        if self.window.pending_len() == 0 || limit == 0 {
            return;
        }
        let sources: Vec<Source<PeerId, Height>> = self
            .peers
            .iter()
            .map(|(id, peer)| Source {
                peer: *id,
                best: self.common_height(peer),
                ready: now >= peer.next_getdata && self.window.in_flight_of(*id) <= REFILL_BELOW,
            })
            .collect();
        let mut items: BTreeMap<PeerId, Vec<Inventory>> = BTreeMap::new();
        for Request { peer, height } in self.window.request_blocks_from(&sources, limit, now) {
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

    /// How many more blocks may be requested: as many as peers take, unless too many bytes wait here; then only the
    /// block that all of them wait for.
    fn request_limit(&self) -> usize {
        let received: usize = self.received.values().map(|block| block.payload.len()).sum();
        let validating: usize = self.validating.values().map(|block| block.bytes).sum();
        if received + validating < MAX_RECEIVED_BYTES {
            usize::MAX
        } else {
            usize::from(self.window.lowest_pending() == Some(self.last_handed_out().0.next()))
        }
    }

    /// The last block handed to validation; without any, the tip.
    fn last_handed_out(&self) -> (Height, BlockHash) {
        self.validating.last_key_value().map_or(self.tip, |(height, block)| (*height, block.hash))
    }

    /// Up to which height a peer has shown to have the blocks of the best header chain.
    fn common_height(&self, peer: &SyncPeer) -> Height {
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
            // A block we never heard of announces itself; its body is fetched when its header has been kept.
            return self.on_headers(peer, std::slice::from_ref(header), now, out);
        };
        if let Some(sync_peer) = self.peers.get_mut(&peer) {
            sync_peer.has_shown(hash, height);
        }
        if self.headers.claimed_hash_at_height(height) != Some(hash) || height <= self.tip.0 {
            return;
        }
        if !self.window.on_block_received(height, peer).is_accepted() {
            return;
        }
        if let Some(sync_peer) = self.peers.get_mut(&peer) {
            sync_peer.block_stalls = 0;
        }
        self.received.insert(height, ReceivedBlock { peer, hash, payload });
    }

    /// Hands blocks to validation whose turn has come and whose headers are proved, or vouched for.
    pub(super) fn submit_blocks(&mut self, out: &mut Vec<Action>) {
        while self.validating.len() < MAX_VALIDATING {
            let (last, parent) = self.last_handed_out();
            let height = last.next();
            // Blocks of a branch that has been left are still on their way to the store: first they are rewound.
            let follows = self.headers.claimed_hash_at_height(last) == Some(parent);
            let held_back = self.held_back == Some(height) && self.headers.ready_height() < last;
            if !follows || held_back || !self.headers.is_connectable(height) {
                return;
            }
            let Some(block) = self.received.remove(&height) else { return };
            self.validating.insert(height, Validating { hash: block.hash, bytes: block.payload.len() });
            out.push(Action::Store(StoreJob::Connect(BlockToConnect {
                generation: self.generation,
                height,
                hash: block.hash,
                verified: self.headers.is_verified(&block.hash),
                peer: block.peer,
                payload: block.payload,
            })));
        }
    }

    pub(super) fn on_blocks_connected(&mut self, blocks: &[(Height, BlockHash)], out: &mut Vec<Action>) {
        for (height, hash) in blocks {
            self.window.on_block_connected(*height);
            self.received.remove(height);
            self.validating.remove(height);
            self.tip = (*height, *hash);
        }
        self.scheduled_to = self.scheduled_to.max(self.tip.0);
        if self.is_at_tip() {
            self.announce(blocks, out);
        }
    }

    /// Tells peers about new blocks by their headers, unless they showed to have them.
    pub(super) fn announce(&self, blocks: &[(Height, BlockHash)], out: &mut Vec<Action>) {
        let recent = &blocks[blocks.len().saturating_sub(MAX_ANNOUNCED_HEADERS)..];
        let headers: Vec<BlockHeader> =
            recent.iter().filter_map(|(_, hash)| self.headers.header(hash)).collect();
        if headers.is_empty() {
            return;
        }
        for (peer, sync_peer) in &self.peers {
            if self.common_height(sync_peer) < self.tip.0 {
                out.push(Action::Send { peer: *peer, message: Message::Headers(headers.clone()) });
            }
        }
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
        self.return_validating((fault == BlockFault::Body).then_some(peer));
        match fault {
            BlockFault::Stale => {}
            // Other nodes may store a wrong body and serve it in good faith (spec: wire §7): it is asked for elsewhere.
            BlockFault::Body => {
                self.note_block_stall(peer, "sent bodies that do not belong to their headers", out);
            }
            // An ancestor that only a checkpoint vouches for may be to blame.
            BlockFault::Rule if self.headers.ready_height() < height => self.held_back = Some(height),
            BlockFault::Rule => {
                out.push(Action::Misbehaved { peer, misbehaviour: Misbehaviour::InvalidBlock });
                let effects = self.headers.invalidate(&hash);
                self.apply_effects(effects, now, out);
                self.ask_everybody_again();
            }
        }
    }

    /// A request to this peer failed; too many in a row end the connection.
    fn note_block_stall(&mut self, id: PeerId, reason: &'static str, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.block_stalls += 1;
        if peer.block_stalls >= MAX_CONSECUTIVE_STALLS {
            out.push(Action::Disconnect { peer: id, reason });
        }
    }

    /// The blocks in validation are void: they are fetched again, the first not from the peer to `avoid`.
    pub(super) fn return_validating(&mut self, mut avoid: Option<PeerId>) {
        self.generation += 1;
        for height in std::mem::take(&mut self.validating).into_keys() {
            self.window.return_to_pending(height, avoid.take());
        }
    }

    /// Returns blocks that were not delivered in time to the window, and drops peers that only stall.
    pub(super) fn check_timeouts(&mut self, now: Now, out: &mut Vec<Action>) {
        self.check_headers_timeouts(now.mono, out);
        let mut stalled: Vec<PeerId> = self.window.timeout_check(now.mono).iter().map(|t| t.peer).collect();
        stalled.sort_unstable();
        stalled.dedup();
        for id in stalled {
            self.note_block_stall(id, "stalled: blocks not delivered", out);
        }
    }
}
