//! Bodies of blocks that came before their headers were known.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use dilithion_wire::{BlockHeader, PeerId};

/// Bodies that are kept of one peer.
const MAX_PER_PEER: usize = 4;
/// Bytes of all that are kept: four blocks of the largest size (spec: wire §2, `block`).
const MAX_BYTES: usize = 16 << 20;
/// A header that has not been proved by then will not be.
const LIFETIME: Duration = Duration::from_secs(120);

/// A body that nobody was asked for.
#[derive(Debug)]
pub(super) struct PushedBlock {
    header: BlockHeader,
    pub(super) peer: PeerId,
    pub(super) payload: Bytes,
    came: Duration,
}

/// Bodies that wait until their header is part of the chain, so that they need not be fetched: S nodes push what they mine
/// (spec: reference-node §3). The oldest go first.
#[derive(Debug, Default)]
pub(super) struct Pushed {
    blocks: VecDeque<PushedBlock>,
    bytes: usize,
}

impl Pushed {
    pub(super) fn insert(&mut self, header: BlockHeader, peer: PeerId, payload: Bytes, now: Duration) {
        self.retain(|block| now.saturating_sub(block.came) < LIFETIME);
        let known = self.blocks.iter().any(|block| block.header == header);
        let of_peer = self.blocks.iter().filter(|block| block.peer == peer).count();
        let bytes = payload.len();
        if known || of_peer >= MAX_PER_PEER || bytes > MAX_BYTES {
            return;
        }
        while self.bytes.saturating_add(bytes) > MAX_BYTES
            && let Some(oldest) = self.blocks.pop_front()
        {
            self.bytes -= oldest.payload.len();
        }
        self.bytes += bytes;
        self.blocks.push_back(PushedBlock { header, peer, payload, came: now });
    }

    /// The body of a header that is part of the chain now.
    pub(super) fn take(&mut self, header: &BlockHeader) -> Option<PushedBlock> {
        let position = self.blocks.iter().position(|block| block.header == *header)?;
        let block = self.blocks.remove(position)?;
        self.bytes -= block.payload.len();
        Some(block)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(super) fn forget_peer(&mut self, peer: PeerId) {
        self.retain(|block| block.peer != peer);
    }

    fn retain(&mut self, keep: impl Fn(&PushedBlock) -> bool) {
        self.blocks.retain(keep);
        self.bytes = self.blocks.iter().map(|block| block.payload.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn header(nonce: u32) -> BlockHeader {
        BlockHeader { nonce, ..BlockHeader::from_bytes(&[0; BlockHeader::SIZE]) }
    }

    fn insert(pushed: &mut Pushed, nonce: u32, peer: u64, bytes: usize, now: Duration) {
        pushed.insert(header(nonce), PeerId(peer), vec![0; bytes].into(), now);
    }

    #[test]
    fn no_peer_fills_it_and_no_number_of_peers() {
        let mut pushed = Pushed::default();
        (0..10).for_each(|nonce| insert(&mut pushed, nonce, 1, 100, NOW));
        insert(&mut pushed, 0, 2, 100, NOW);
        assert_eq!((pushed.blocks.len(), pushed.bytes), (MAX_PER_PEER, 400));
        (0..10).for_each(|nonce| insert(&mut pushed, 100 + nonce, nonce.into(), 4 << 20, NOW));
        assert!(pushed.bytes <= MAX_BYTES && pushed.take(&header(0)).is_none(), "the oldest went");
        assert!(pushed.take(&header(109)).is_some() && pushed.take(&header(109)).is_none());
    }

    #[test]
    fn what_nobody_proves_is_forgotten() {
        let mut pushed = Pushed::default();
        insert(&mut pushed, 1, 1, 10, NOW);
        insert(&mut pushed, 2, 2, 10, NOW + LIFETIME);
        assert!(pushed.take(&header(1)).is_none());
        pushed.forget_peer(PeerId(2));
        assert!(pushed.is_empty() && pushed.bytes == 0);
    }
}
