//! Telling peers about new blocks.

use std::time::Duration;

use dilithion_wire::{BlockHeader, Height};

use super::peers::{ANNOUNCE_INTERVAL, ANNOUNCE_INTERVAL_SYNCING, SyncPeer};
use super::{Action, Coordinator};

/// New blocks announced to a peer in one `headers` message at most. A peer that lacks more asks for them.
const MAX_ANNOUNCED_HEADERS: u32 = 8;

impl Coordinator {
    /// Tells peers about our tip by its header and those before it, unless they showed to have it or were told. Blocks
    /// that come in quick succession share an announcement.
    pub(super) fn announce(&mut self, now: Duration, out: &mut Vec<Action>) {
        let (tip_height, tip) = self.tip;
        if tip_height == Height::GENESIS {
            return;
        }
        let lacks: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.announced.is_none_or(|(block, _)| block != tip))
            .filter(|(_, peer)| now >= self.next_announcement(peer))
            .map(|(id, peer)| (*id, self.common_height(peer)))
            .filter(|(_, common)| *common < tip_height)
            .collect();
        for (id, common) in lacks {
            let first = common.0.max(tip_height.0.saturating_sub(MAX_ANNOUNCED_HEADERS)) + 1;
            let headers: Vec<BlockHeader> = (first..=tip_height.0)
                .filter_map(|height| self.headers.header(&self.headers.ancestor(&tip, Height(height))?))
                .collect();
            if let Some(peer) = self.peers.get_mut(&id).filter(|_| !headers.is_empty()) {
                peer.announced = Some((tip, now));
                out.push(Action::Announce { peer: id, block: tip, headers });
            }
        }
    }

    /// The earliest time of the next announcement to a peer.
    pub(super) fn next_announcement(&self, peer: &SyncPeer) -> Duration {
        let interval = if self.follows_tip() { ANNOUNCE_INTERVAL } else { ANNOUNCE_INTERVAL_SYNCING };
        peer.announced.map_or(Duration::ZERO, |(_, at)| at + interval)
    }
}
