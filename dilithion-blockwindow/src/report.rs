//! What the download is waiting for, in words.

use crate::place::{BlockState, SecondAsked};
use crate::timeout::InFlight;
use crate::window::BlockWindow;
use core::fmt;

/// What has happened since the window was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests handed out, second ones included.
    pub requested: u64,
    /// Blocks accepted.
    pub delivered: u64,
    /// Requests that failed.
    pub timed_out: u64,
    /// Requests to a second peer while the first was asked still.
    pub second_requests: u64,
    /// Copies that answered a request of ours but were needed no more: what was downloaded in vain.
    pub redundant: u64,
}

/// A snapshot of a [`BlockWindow`] for logs and status pages; [`Display`](fmt::Display) explains it in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowStats<P, H = u32> {
    /// Heights to be requested.
    pub pending: usize,
    /// Heights requested and not delivered.
    pub in_flight: usize,
    /// Heights delivered and not connected.
    pub received: usize,
    /// Peers with something in flight.
    pub peers: usize,
    /// The lowest height of all and its state: what everything else waits for.
    pub lowest: Option<(H, BlockState<P>)>,
    /// The open request for the lowest height.
    pub lowest_in_flight: Option<InFlight<P, H>>,
    /// Whether time stands still because the caller's own queue is full.
    pub paused: bool,
    /// What has happened so far.
    pub totals: Totals,
}

impl<P: Copy + Ord, H: Copy + Ord> BlockWindow<P, H> {
    /// A snapshot of the counts and of what the download is waiting for.
    pub fn stats(&self) -> WindowStats<P, H> {
        WindowStats {
            pending: self.pending_len(),
            in_flight: self.in_flight_len(),
            received: self.received_len(),
            peers: self.table.busy_peers_len(),
            lowest: self.table.lowest().map(|(height, entry)| (height, entry.state())),
            lowest_in_flight: self.in_flight().next(),
            paused: self.is_paused(),
            totals: self.totals,
        }
    }
}

impl<P: fmt::Display, H: fmt::Display> fmt::Display for WindowStats<P, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((height, state)) = &self.lowest else { return f.write_str("no blocks to download") };
        let peers = if self.peers == 1 { "peer" } else { "peers" };
        write!(f, "{} pending, {} in flight from {} {peers}, ", self.pending, self.in_flight, self.peers)?;
        write!(f, "{} received; waiting for ", self.received)?;
        match state {
            BlockState::Pending => write!(f, "a peer to ask for block {height}")?,
            BlockState::InFlight { peer, since, second: None } => {
                write!(f, "peer {peer} to deliver block {height}, asked at {since:.1?}")?;
            }
            BlockState::InFlight {
                peer,
                since,
                second: Some(SecondAsked { peer: second, since: later }),
            } => {
                write!(f, "peer {peer}, asked at {since:.1?}, or peer {second}, asked at {later:.1?}, ")?;
                write!(f, "to deliver block {height}")?;
            }
            BlockState::Received { .. } => write!(f, "block {height} to be connected")?,
        }
        if !matches!(state, BlockState::InFlight { .. }) {
            match &self.lowest_in_flight {
                Some(open) => write!(
                    f,
                    "; lowest in flight is block {}, asked of peer {} at {:.1?}",
                    open.height, open.peer, open.since
                )?,
                None => f.write_str("; nothing in flight")?,
            }
        }
        if self.paused { f.write_str("; paused, own queue is full") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Delivery, Source};
    use std::time::Duration;

    #[test]
    fn says_what_it_waits_for_in_each_state() {
        let mut window: BlockWindow<u64> = BlockWindow::default();
        assert_eq!(window.stats().to_string(), "no blocks to download");
        (7..10).for_each(|height| assert!(window.add_pending(height)));
        assert_eq!(
            window.stats().to_string(),
            "3 pending, 0 in flight from 0 peers, 0 received; waiting for a peer to ask for block 7; nothing in flight"
        );
        assert_eq!(window.request_blocks_up_to(&[3, 4], 2, Duration::from_millis(12_500)).len(), 2);
        assert_eq!(
            window.stats().to_string(),
            "1 pending, 2 in flight from 2 peers, 0 received; waiting for peer 3 to deliver block 7, asked at 12.5s"
        );
        assert_eq!(window.on_block_received(7, 3, Duration::ZERO), Delivery::InFlight);
        assert_eq!(
            window.stats().to_string(),
            "1 pending, 1 in flight from 1 peer, 1 received; waiting for block 7 to be connected; \
             lowest in flight is block 8, asked of peer 4 at 12.5s"
        );
    }

    #[test]
    fn names_the_second_peer_and_a_pause() {
        let mut window: BlockWindow<u64> = BlockWindow::default();
        (7..9).for_each(|height| assert!(window.add_pending(height)));
        assert_eq!(window.request_blocks(&[3, 4], Duration::ZERO).len(), 2);
        assert_eq!(window.on_block_received(8, 4, Duration::ZERO), Delivery::InFlight);
        let later = Duration::from_secs(5);
        assert!(window.second_request(&[Source { peer: 4, best: 9, ready: true }], later).is_some());
        window.pause(later);
        assert_eq!(
            window.stats().to_string(),
            "0 pending, 1 in flight from 2 peers, 1 received; \
             waiting for peer 3, asked at 0.0ns, or peer 4, asked at 5.0s, to deliver block 7; paused, own queue is full"
        );
    }
}
