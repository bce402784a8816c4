//! What must hold after every step, whatever the peers do.

use bytes::Bytes;
use dilithion_blockwindow::BlockState;
use dilithion_wire::{BlockHash, BlockHeader, Height, Inventory, Message, PeerId};

use super::ActorId;
use super::blocks::BlockIndex;
use super::link::{Packet, other};
use super::node::Running;
use super::world::{World, slot};

/// A block that a node wants, and is about to be given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    height: Height,
    hash: BlockHash,
}

impl World {
    fn running(&self, id: ActorId) -> Option<&Running> {
        self.node(id).and_then(|node| node.running.as_deref())
    }

    /// The cheap part: after every event.
    pub(super) fn check(&mut self, id: ActorId) {
        let Some(running) = self.running(id) else { return };
        if let Err(what) = running.coordinator.check_invariants(self.now()) {
            self.violate(id, what.rule, what.detail);
        }
    }

    /// The thorough part: now and then.
    pub(super) fn audit(&mut self, id: ActorId) {
        let Some(running) = self.running(id) else { return };
        if let Err(what) = running.coordinator.audit(self.now()) {
            self.violate(id, what.rule, what.detail);
        }
    }

    /// Nothing is asked of a peer that is not there, and nothing is asked for that is here.
    pub(super) fn check_sent(&mut self, id: ActorId, peer: PeerId, packet: &Packet) {
        let connection = &self.connections[slot(peer)];
        let end = usize::from(connection.actors[0] != id);
        if !connection.open[end] {
            return self.violate(id, "nothing is sent to a peer that is gone", format!("{peer}"));
        }
        let Packet::Message(message) = packet else { return };
        match &**message {
            Message::GetHeaders(_) => self.counts.getheaders += 1,
            Message::GetData(items) => self.check_requested(id, peer, items),
            _ => {}
        }
    }

    fn check_requested(&mut self, id: ActorId, peer: PeerId, items: &[Inventory]) {
        self.counts.requested += items.len() as u64;
        for item in items {
            let hash = BlockHash::from(item.hash);
            let Some(running) = self.running(id) else { return };
            if running.coordinator.has_body(&hash) || running.validator.store().has_body(&hash) {
                let height = self.blocks.find(&hash).map(|block| block.height);
                return self.violate(
                    id,
                    "no block is asked for that is here",
                    format!("{hash} of height {height:?} of {peer}"),
                );
            }
            let height = running.coordinator.headers().height_of(&hash).unwrap_or_default();
            let others = running.coordinator.has_other_source(peer, height);
            let index = self.blocks.index(&hash);
            let Some((node, index)) = self.node_mut(id).zip(index) else { continue };
            node.downloads.asked.insert(index);
            if node.downloads.asked_of.insert(index, peer) == Some(peer) && others {
                let what = format!("block {height} of {peer}");
                self.violate(id, "a block that a peer failed is asked of another", what);
            }
        }
    }

    /// Somebody's headers proved false: what was asked for of the blocks below them was asked for in vain, and nobody failed.
    pub(super) fn void_requests(&mut self, id: ActorId) {
        let Some(node) = self.node(id) else { return };
        let Some(running) = &node.running else { return };
        let headers = running.coordinator.headers();
        let has_fallen = |index: &&BlockIndex| headers.height_of(&self.blocks.get(**index).hash).is_none();
        let fallen: Vec<BlockIndex> = node.downloads.asked_of.keys().filter(has_fallen).copied().collect();
        if let Some(node) = self.node_mut(id) {
            for index in fallen {
                node.downloads.asked_of.remove(&index);
            }
        }
    }

    /// A fork is one: the tip is not on the best header chain, which leaves it at the stated height.
    pub(super) fn check_fork(&mut self, id: ActorId, height: Height) {
        // The window begins anew.
        if let Some(node) = self.node_mut(id) {
            node.downloads.asked_of.clear();
        }
        let Some(running) = self.running(id) else { return };
        let (tip_height, tip) = running.coordinator.tip();
        let headers = running.coordinator.headers();
        let at = |height: Height| headers.claimed_hash_at_height(height);
        let stays = at(tip_height) == Some(tip);
        let shared = headers.ancestor(&tip, height);
        if stays || (shared.is_some() && shared != at(height)) {
            let what =
                format!("tip {tip} at {tip_height} is on the best chain, or does not leave it at {height}");
            self.violate(id, "unknown is not a fork", what);
        }
    }

    /// No honest peer is dropped.
    pub(super) fn check_dropped(&mut self, id: ActorId, peer: PeerId, reason: &'static str) {
        let connection = &self.connections[slot(peer)];
        let end = usize::from(connection.actors[0] != id);
        let remote = connection.actors[other(end)];
        let both_ends = connection.open == [true; 2] && !connection.cut;
        if both_ends && self.is_honest(remote) && !self.may_drop_honest {
            self.violate(id, "no honest peer is dropped", format!("{remote} is: {reason}"));
        }
    }

    /// Whatever was in flight from a peer that is gone is to be fetched elsewhere.
    pub(super) fn check_disconnected(&mut self, id: ActorId, peer: PeerId) {
        let in_flight = self.running(id).map_or(0, |running| running.coordinator.window().in_flight_of(peer));
        if in_flight > 0 {
            let what = format!("{in_flight} blocks are in flight from {peer}, which is gone");
            self.violate(id, "a peer that is gone holds nothing", what);
        }
    }

    /// Before a block is handed in: whether it must be kept, because it was asked for and is still missing.
    pub(super) fn before_block(
        &mut self,
        id: ActorId,
        header: &BlockHeader,
        payload: &Bytes,
    ) -> Option<Wanted> {
        let (index, block) =
            self.blocks.find_header(header).filter(|(_, block)| block.payload == *payload)?;
        let (height, hash) = (block.height, block.hash);
        let node = self.node_mut(id)?;
        node.downloads.asked_of.remove(&index);
        if node.downloads.delivered.insert(index) {
            node.downloads.blocks += 1;
        } else {
            node.downloads.duplicates += 1;
        }
        let asked = node.downloads.asked.contains(index);
        let coordinator = &node.running.as_ref()?.coordinator;
        let missing = matches!(
            coordinator.window().state(height),
            Some(BlockState::Pending | BlockState::InFlight { .. })
        );
        // By its bytes: a forged header may have taken the place of its id.
        let expected = coordinator.headers().claimed_hash_at_height(height) == Some(hash)
            && coordinator.headers().header(&hash) == Some(*header);
        (asked && missing && expected).then_some(Wanted { height, hash })
    }

    /// A wanted block that was handed in, late or in time, from whomever, is not missing any more.
    pub(super) fn check_kept(&mut self, id: ActorId, wanted: Wanted) {
        let Some(running) = self.running(id) else { return };
        let coordinator = &running.coordinator;
        let left = coordinator.headers().claimed_hash_at_height(wanted.height) != Some(wanted.hash);
        if !left && !coordinator.has_body(&wanted.hash) && coordinator.tip().0 < wanted.height {
            let what = format!("block {} was asked for, came, and was dropped", wanted.height);
            self.violate(id, "nothing is lost", what);
        }
    }
}
