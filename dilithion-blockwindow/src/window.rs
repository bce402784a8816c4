//! The tracker: how a height enters, moves and leaves.

use crate::delivery::Delivery;
use crate::table::{BlockState, Entry, Table};
use std::time::Duration;

/// How many blocks may be in flight from one peer at a time (`MAX_BLOCKS_IN_TRANSIT_PER_PEER` of Bitcoin Core).
pub const MAX_BLOCKS_IN_FLIGHT_PER_PEER: usize = 16;

/// How long a request may go unanswered.
pub const BLOCK_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The limits of a [`BlockWindow`]. There are no others, and no second copy of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowConfig {
    /// How many blocks may be in flight from one peer at a time; 0 requests nothing.
    pub max_in_flight_per_peer: usize,
    /// How long a request may go unanswered.
    pub request_timeout: Duration,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self { max_in_flight_per_peer: MAX_BLOCKS_IN_FLIGHT_PER_PEER, request_timeout: BLOCK_REQUEST_TIMEOUT }
    }
}

/// The one tracker of pending, in-flight and received blocks.
///
/// `P` names a peer and `H` a block, by default by its height; both need nothing but an order.
///
/// Times are [`Duration`]s since any fixed start, the same for all calls. They should measure the network and not the
/// caller: a clock that stands still while the caller's own queue is full makes no peer time out for it.
#[doc(alias = "CSimpleBlockWindow")]
#[derive(Clone, Debug)]
pub struct BlockWindow<P, H = u32> {
    pub(crate) config: WindowConfig,
    pub(crate) table: Table<P, H>,
    /// Heights below are refused.
    floor: Option<H>,
    /// The peer that the last request went to; the next goes to the one after it.
    pub(crate) last_asked: Option<P>,
}

impl<P: Copy + Ord, H: Copy + Ord> Default for BlockWindow<P, H> {
    fn default() -> Self {
        Self::new(WindowConfig::default())
    }
}

impl<P: Copy + Ord, H: Copy + Ord> BlockWindow<P, H> {
    /// An empty window.
    pub fn new(config: WindowConfig) -> Self {
        Self { config, table: Table::new(), floor: None, last_asked: None }
    }

    /// The limits of this window.
    pub fn config(&self) -> &WindowConfig {
        &self.config
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
        let refused = self.floor.is_some_and(|floor| height < floor)
            || matches!(entry.state, BlockState::Received { .. });
        if !refused {
            self.table.insert(height, Entry { state: BlockState::Received { from }, ..entry });
        }
        !refused
    }

    /// Records that `from` delivered the block of `height`.
    ///
    /// The caller finds the height by the block's hash and knows that the body belongs to it. A block that answers no
    /// request is not reported here; the request that it should have answered stays open and times out.
    pub fn on_block_received(&mut self, height: H, from: P) -> Delivery<P> {
        let Some(&entry) = self.table.get(height) else { return Delivery::Unknown };
        let delivery = match entry.state {
            BlockState::InFlight { peer, .. } if peer == from => Delivery::InFlight,
            BlockState::InFlight { peer, .. } => Delivery::FromOther { asked: peer },
            BlockState::Pending if entry.attempts > 0 => Delivery::Late { attempts: entry.attempts },
            BlockState::Pending => Delivery::Unrequested,
            BlockState::Received { .. } => Delivery::Duplicate,
        };
        if delivery.is_accepted() {
            self.table.insert(height, Entry { state: BlockState::Received { from }, ..entry });
        }
        delivery
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

    /// Makes `height` pending again: its body turned out bad, or its request could not be sent. The peer to `avoid`, if
    /// given, is not asked for it next while another can be. Returns whether the height is tracked, and so pending now.
    pub fn return_to_pending(&mut self, height: H, avoid: Option<P>) -> bool {
        let Some(&entry) = self.table.get(height) else { return false };
        self.table.insert(
            height,
            Entry { state: BlockState::Pending, avoid: avoid.or(entry.avoid), attempts: entry.attempts },
        );
        true
    }

    /// Makes all heights in flight from `peer` pending again, and returns them, ascending. What `peer` failed before may
    /// be asked of anyone. Also to be called for a peer that stays, but is not to be asked any more.
    pub fn on_peer_disconnected(&mut self, peer: P) -> Vec<H> {
        let avoided: Vec<H> = self.table.pending_avoiding(peer).collect();
        let mut freed: Vec<H> =
            self.table.in_flight_of(peer).into_iter().flatten().map(|&(_, height)| height).collect();
        freed.sort_unstable();
        for &height in avoided.iter().chain(&freed) {
            if let Some(&entry) = self.table.get(height) {
                let avoid = entry.avoid.filter(|&avoid| avoid != peer);
                self.table
                    .insert(height, Entry { state: BlockState::Pending, avoid, attempts: entry.attempts });
            }
        }
        freed
    }

    /// Forgets everything, for a change of the best chain. From now on heights below `from` are refused by
    /// [`add_pending`](Self::add_pending), until the next reset; the caller adds those that it wants.
    pub fn reset(&mut self, from: H) {
        self.table = Table::new();
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
        self.table.get(height).map(|entry| entry.state)
    }

    /// How many blocks are in flight from `peer`.
    pub fn in_flight_of(&self, peer: P) -> usize {
        self.table.in_flight_of(peer).map_or(0, std::collections::BTreeSet::len)
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
        self.table.lowest_pending().map(|(height, _)| height)
    }

    /// The lowest height in flight.
    pub fn lowest_in_flight(&self) -> Option<H> {
        self.table.in_flight().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_named_constants() {
        let window = BlockWindow::<u8>::default();
        assert_eq!(
            window.config(),
            &WindowConfig { max_in_flight_per_peer: 16, request_timeout: Duration::from_secs(30) }
        );
        assert!(window.is_empty());
    }

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
        assert_eq!(window.on_block_received(0, 1), Delivery::InFlight);
        for height in 0..3 {
            assert!(window.remove(height));
            assert!(!window.remove(height));
        }
        assert!(window.is_empty());
        assert_eq!(window.in_flight_of(1), 0);
    }
}
