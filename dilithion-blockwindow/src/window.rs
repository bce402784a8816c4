//! The tracker: how a height enters, moves and leaves.

use crate::clock::PauseClock;
use crate::config::WindowConfig;
use crate::place::{BlockState, Entry, Place};
use crate::report::Totals;
use crate::table::Table;
use alloc::vec::Vec;

/// The one tracker of pending, in-flight and received blocks.
///
/// `P` names a peer and `H` a block, by default by its height; both need nothing but an order.
///
/// Times are [`Duration`](core::time::Duration)s since any fixed start, the same for all calls. They measure the network
/// and not the caller, which says by [`pause`](Self::pause) when its own queue is full, so that no peer times out for it.
///
/// What it remembers of a peer (its limit, its pace, the last 64 blocks that it still owes) is kept from the first request
/// until [`on_peer_disconnected`](Self::on_peer_disconnected).
#[doc(alias = "CSimpleBlockWindow")]
#[derive(Clone, Debug)]
pub struct BlockWindow<P, H = u32> {
    pub(crate) clock: PauseClock,
    pub(crate) table: Table<P, H>,
    /// Heights below are refused.
    floor: Option<H>,
    /// The peer that the last request went to; the next goes to the one after it.
    pub(crate) last_asked: Option<P>,
    pub(crate) totals: Totals,
}

impl<P: Copy + Ord, H: Copy + Ord> Default for BlockWindow<P, H> {
    fn default() -> Self {
        Self::new(WindowConfig::default())
    }
}

impl<P: Copy + Ord, H: Copy + Ord> BlockWindow<P, H> {
    /// An empty window.
    pub fn new(config: WindowConfig) -> Self {
        Self {
            clock: PauseClock::default(),
            table: Table::new(config),
            floor: None,
            last_asked: None,
            totals: Totals::default(),
        }
    }

    /// The limits of this window.
    pub fn config(&self) -> &WindowConfig {
        self.table.config()
    }

    /// Tracks `height` as pending. Returns false, and does nothing, if it is tracked already (whatever its state) or lies
    /// below the height of the last [`reset`](Self::reset).
    pub fn add_pending(&mut self, height: H) -> bool {
        let refused = self.floor.is_some_and(|floor| height < floor) || self.table.get(height).is_some();
        if !refused {
            self.table.insert(height, Entry::new());
        }
        !refused
    }

    /// Tracks `height` as received though nobody was asked for it: our own miner made it, or it was on disk. `from` names
    /// where it came from. Returns false, and does nothing, if it is received already or lies below the height of the
    /// last [`reset`](Self::reset).
    pub fn add_received(&mut self, height: H, from: P) -> bool {
        let entry = self.table.get(height).copied().unwrap_or_else(Entry::new);
        let refused =
            self.floor.is_some_and(|floor| height < floor) || matches!(entry.place, Place::Received { .. });
        if !refused {
            self.table.insert(height, Entry { place: Place::Received { from }, ..entry });
        }
        !refused
    }

    /// Forgets `height`, whatever its state: its block was connected, from a peer, from our own miner or from disk.
    /// Returns whether it was tracked.
    pub fn on_block_connected(&mut self, height: H) -> bool {
        self.remove(height)
    }

    /// Forgets `height`, whatever its state: it is not wanted any more. Returns whether it was tracked.
    pub fn remove(&mut self, height: H) -> bool {
        self.table.remove(height).is_some()
    }

    /// Makes `height` pending again: its body turned out bad, or it is to be asked of others. The peer to `avoid`, if
    /// given, is not asked for it next while another can be. Returns whether the height is tracked, and so pending now.
    pub fn return_to_pending(&mut self, height: H, avoid: Option<P>) -> bool {
        let Some(&entry) = self.table.get(height) else { return false };
        self.table.insert(height, Entry { place: Place::Pending, avoid: avoid.or(entry.avoid), ..entry });
        true
    }

    /// Undoes the request of `height` to `peer`, which could not be sent. The height is pending again, unless another peer
    /// is asked for it too. Returns whether there was such a request.
    pub fn cancel_request(&mut self, height: H, peer: P) -> bool {
        let entry = self.table.get(height).copied();
        let Some(entry) =
            entry.filter(|entry| entry.askees().is_some_and(|askees| askees.of(peer).is_some()))
        else {
            return false;
        };
        self.table.replace(height, Some(entry.without(peer)), Some(peer));
        true
    }

    /// Closes all requests to `peer`, which stays connected, but is not to be asked any more. Returns the heights that are
    /// pending again by this, ascending: those that no second peer is asked for. What it delivers after all is an answer
    /// still, and never unsolicited.
    pub fn return_all_to_pending(&mut self, peer: P) -> Vec<H> {
        let mut closed: Vec<H> = self.table.open_of(peer).map(|(_, height)| height).collect();
        closed.sort_unstable();
        for &height in &closed {
            if let Some(&entry) = self.table.get(height) {
                self.table.insert(height, entry.without(peer));
            }
        }
        closed.retain(|&height| self.state(height) == Some(BlockState::Pending));
        closed
    }

    /// [`return_all_to_pending`](Self::return_all_to_pending), and forgets everything about `peer`: its limit, its pace,
    /// what it owes. What it failed before may be asked of anyone.
    pub fn on_peer_disconnected(&mut self, peer: P) -> Vec<H> {
        let freed = self.return_all_to_pending(peer);
        let avoiding: Vec<H> = self.table.pending().avoiding(peer).collect();
        for height in avoiding {
            if let Some(&entry) = self.table.get(height) {
                self.table.insert(height, Entry { avoid: None, ..entry });
            }
        }
        self.table.forget_peer(peer);
        freed
    }

    /// Forgets every height, for a change of the best chain, but not what peers are like. From now on heights below `from`
    /// are refused by [`add_pending`](Self::add_pending), until the next reset; the caller adds those that it wants.
    pub fn reset(&mut self, from: H) {
        self.table.clear();
        self.floor = Some(from);
    }

    /// Forgets every height above `last`, for a change of the best chain that leaves what lies below as it was.
    pub fn truncate(&mut self, last: H) {
        let gone: Vec<H> = self.table.above(last).collect();
        for height in gone {
            self.table.remove(height);
        }
    }

    /// Where `height` is, if it is tracked.
    pub fn state(&self, height: H) -> Option<BlockState<P>> {
        self.table.get(height).map(Entry::state)
    }

    /// How many blocks are in flight from `peer`, as the only or the second of two that are asked.
    pub fn in_flight_of(&self, peer: P) -> usize {
        self.table.open_len_of(peer)
    }

    /// How many blocks may be in flight from `peer` at a time: at first
    /// [`max_in_flight_per_peer`](WindowConfig::max_in_flight_per_peer), half of it (but at least one) after each
    /// [`timeout_check`](Self::timeout_check) that it failed, and one more, up to that maximum, for each block that it was
    /// asked for and that was accepted of it.
    pub fn limit_of(&self, peer: P) -> usize {
        self.table.limit_of(peer)
    }

    /// How many heights are to be requested.
    pub fn pending_len(&self) -> usize {
        self.table.pending_len()
    }

    /// How many heights are requested and not delivered.
    pub fn in_flight_len(&self) -> usize {
        self.table.in_flight_len()
    }

    /// How many heights are delivered and not connected.
    pub fn received_len(&self) -> usize {
        self.table.received_len()
    }

    /// How many heights are tracked.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nothing is tracked: all that was added is connected. Having no peer to ask does not make it so.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lowest height to be requested.
    pub fn lowest_pending(&self) -> Option<H> {
        self.table.pending().lowest().map(|(height, _)| height)
    }

    /// The lowest height in flight.
    pub fn lowest_in_flight(&self) -> Option<H> {
        self.table.in_flight().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Delivery;
    use std::time::Duration;

    #[test]
    fn floor_moves_with_each_reset_down_as_well_as_up() {
        let mut window: BlockWindow<u8> = BlockWindow::default();
        assert!(window.add_pending(1));
        window.reset(10);
        assert!(!window.add_pending(9));
        assert!(window.add_pending(10));
        window.reset(5);
        assert!(!window.add_pending(4));
        assert!(window.add_pending(9));
        assert_eq!(window.len(), 1);
    }

    #[test]
    fn a_block_of_our_own_is_received_at_once_in_any_state() {
        let mut window: BlockWindow<u8> = BlockWindow::default();
        assert!(window.add_pending(1) && window.add_pending(2));
        assert_eq!(window.request_blocks_up_to(&[7], 1, Duration::ZERO).len(), 1);
        for height in 1..=3 {
            assert!(window.add_received(height, 9));
            assert!(!window.add_received(height, 9));
            assert_eq!(window.state(height), Some(BlockState::Received { from: 9 }));
        }
        assert_eq!((window.in_flight_of(7), window.pending_len(), window.received_len()), (0, 0, 3));
        window.reset(5);
        assert!(!window.add_received(4, 9));
        assert!(window.add_received(5, 9));
    }

    #[test]
    fn truncating_forgets_what_lies_above_and_nothing_else() {
        let mut window: BlockWindow<u8> = BlockWindow::default();
        for height in 0..4 {
            assert!(window.add_pending(height));
        }
        assert_eq!(window.request_blocks_up_to(&[1], 3, Duration::ZERO).len(), 3);
        window.truncate(1);
        assert_eq!((window.len(), window.in_flight_of(1)), (2, 2));
        assert!(window.add_pending(2), "a truncated height may come back as another block");
    }

    #[test]
    fn a_removed_height_is_forgotten_in_any_state() {
        let mut window: BlockWindow<u8> = BlockWindow::default();
        for height in 0..3 {
            assert!(window.add_pending(height));
        }
        assert_eq!(window.request_blocks_up_to(&[1], 2, Duration::ZERO).len(), 2);
        assert_eq!(window.on_block_received(0, 1, Duration::ZERO), Delivery::InFlight);
        for height in 0..3 {
            assert!(window.remove(height));
            assert!(!window.remove(height));
        }
        assert!(window.is_empty());
        assert_eq!(window.in_flight_of(1), 0);
    }
}
