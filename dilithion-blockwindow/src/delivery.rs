//! What a received block was to the window.

use crate::place::{Entry, Place};
use crate::window::BlockWindow;
use core::time::Duration;

/// The outcome of [`BlockWindow::on_block_received`].
///
/// The first four are accepted: the height is received now, and the caller keeps the body. The others leave the window
/// as it was, so a caller that drops their bodies loses nothing.
///
/// The last three are unsolicited: they, and only they, may be held against the sender. They never answer a request of
/// our own, however late, as long as the peer is connected; see [`BlockWindow::on_block_received`] for the memory that
/// this takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it says whether the block's body is to be kept"]
pub enum Delivery<P, H = u32> {
    /// The peer is asked for it and delivered.
    InFlight,
    /// The peer is asked for it and delivered, but not what it was asked for before. Peers answer in order, so what it
    /// skipped may not come at all; yet nothing obliges them to, and it is not to be held against the sender.
    OutOfOrder {
        /// The oldest open request to the same peer; of several made at once, the one for the lowest height.
        skipped: H,
    },
    /// It was asked for, of this peer or another, and nobody is asked for it at present (timed out, disconnected, returned
    /// to pending). The block counts all the same: the sender is late, or helpful, not guilty.
    Late {
        /// How many times the height was requested since it is tracked; 0 if it was asked for before a
        /// [`reset`](BlockWindow::reset) only.
        attempts: u32,
    },
    /// Others are asked for it at present, and this peer is not, or not any more. The block counts, and what the others
    /// send will be [`Redundant`](Self::Redundant). Not to be held against the sender, which may just be late.
    FromOther {
        /// The peer that was asked first.
        asked: P,
    },
    /// This peer was asked for it, but it is needed no more: another was faster, or the block was connected, removed or
    /// reset away. The copy answers our own request and is not to be held against the sender.
    Redundant,
    /// The height is pending and nobody was ever asked for it. It stays pending: a peer cannot fill the memory with
    /// blocks of its own choice. May be held against the sender, though one alone may be a new block pushed in good faith.
    Unrequested,
    /// The height was received before and waits to be connected, and this peer was not asked for it, or has delivered it
    /// already. May be held against the sender.
    Duplicate,
    /// The height is not tracked (connected already, reset away, or never wanted), and this peer was not asked for it, or
    /// has delivered it already. May be held against the sender, though one alone may be a new block pushed in good faith.
    Unknown,
}

impl<P, H> Delivery<P, H> {
    /// Whether the height is received by this, and the body is to be kept.
    pub fn is_accepted(&self) -> bool {
        match self {
            Self::InFlight | Self::OutOfOrder { .. } | Self::Late { .. } | Self::FromOther { .. } => true,
            Self::Redundant | Self::Unrequested | Self::Duplicate | Self::Unknown => false,
        }
    }

    /// Whether no request of ours stands behind it, open or closed: only such a delivery may be held against the sender.
    pub fn is_unsolicited(&self) -> bool {
        match self {
            Self::Unrequested | Self::Duplicate | Self::Unknown => true,
            Self::InFlight
            | Self::OutOfOrder { .. }
            | Self::Late { .. }
            | Self::FromOther { .. }
            | Self::Redundant => false,
        }
    }
}

impl<P: Copy + Ord, H: Copy + Ord> BlockWindow<P, H> {
    /// Records that `from` delivered the block of `height`.
    ///
    /// The caller finds the height by the block's hash and knows that the body belongs to it. A block that answers no
    /// request is not reported here; the request that it should have answered stays open and times out.
    ///
    /// To tell a late answer from an unsolicited block, the window remembers of each connected peer the last 64 requests
    /// that were closed before it answered them. A peer that owes more has the benefit of the doubt from then on:
    /// whatever it sends may be an answer.
    pub fn on_block_received(&mut self, height: H, from: P, now: Duration) -> Delivery<P, H> {
        let at = self.clock.read(now);
        let delivery = self.classify(height, from);
        let entry = self.table.get(height).copied();
        let open = entry.and_then(|entry| entry.askees()?.of(from));
        if let Some(entry) = entry.filter(|_| delivery.is_accepted()) {
            self.table.replace(height, Some(Entry { place: Place::Received { from }, ..entry }), Some(from));
        }
        let settled =
            open.is_none() && self.table.record_mut(from).is_some_and(|record| record.settle(height));
        if open.is_some() || settled {
            self.table.note_delivery(from, open.map(|asked| asked.counted), at);
            if delivery.is_accepted()
                && let Some(record) = self.table.record_mut(from)
            {
                record.raise_limit();
            }
        }
        self.totals.delivered += u64::from(delivery.is_accepted());
        self.totals.redundant += u64::from(delivery == Delivery::Redundant);
        delivery
    }

    fn classify(&self, height: H, from: P) -> Delivery<P, H> {
        let may_owe = self.table.record(from).is_some_and(|record| record.may_owe(height));
        let Some(entry) = self.table.get(height) else {
            return if may_owe { Delivery::Redundant } else { Delivery::Unknown };
        };
        match entry.place {
            Place::InFlight(askees) => match askees.of(from) {
                Some(asked) => match self.table.open_of(from).next() {
                    Some(oldest) if oldest < (asked.counted, height) => {
                        Delivery::OutOfOrder { skipped: oldest.1 }
                    }
                    _ => Delivery::InFlight,
                },
                None => Delivery::FromOther { asked: askees.first().peer },
            },
            Place::Pending if entry.attempts > 0 || may_owe => Delivery::Late { attempts: entry.attempts },
            Place::Pending => Delivery::Unrequested,
            Place::Received { .. } if may_owe => Delivery::Redundant,
            Place::Received { .. } => Delivery::Duplicate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WindowConfig;

    const NOW: Duration = Duration::ZERO;

    fn window() -> BlockWindow<u8> {
        let mut window = BlockWindow::new(WindowConfig::default());
        (0..4).for_each(|height| assert!(window.add_pending(height)));
        window
    }

    #[test]
    fn what_was_skipped_is_the_oldest_request() {
        let mut window = window();
        assert!(window.return_to_pending(0, Some(1)));
        assert_eq!(window.request_blocks_up_to(&[1, 2], 1, NOW).len(), 1);
        assert!(window.cancel_request(0, 2));
        assert_eq!(window.request_blocks_up_to(&[1, 2], 4, NOW).len(), 4);
        assert_eq!(window.in_flight_of(1), 2);
        let last = window.table.open_of(1).last().unwrap().1;
        let first = window.table.open_of(1).next().unwrap().1;
        assert_eq!(window.on_block_received(last, 1, NOW), Delivery::OutOfOrder { skipped: first });
        assert_eq!(window.on_block_received(first, 1, NOW), Delivery::InFlight);
    }

    #[test]
    fn our_own_requests_are_never_unsolicited_however_they_were_closed() {
        let closings: [fn(&mut BlockWindow<u8>); 6] = [
            |window| assert_eq!(window.timeout_check(Duration::from_secs(30)).len(), 1),
            |window| assert!(window.on_block_received(0, 2, NOW).is_accepted()),
            |window| assert!(window.on_block_connected(0)),
            |window| window.reset(0),
            |window| assert!(window.return_to_pending(0, None)),
            |window| assert_eq!(window.return_all_to_pending(1), [0]),
        ];
        for close in closings {
            let mut window = window();
            assert_eq!(window.request_blocks_up_to(&[1], 1, NOW).len(), 1);
            close(&mut window);
            assert!(!window.on_block_received(0, 1, NOW).is_unsolicited());
            assert!(window.on_block_received(0, 1, NOW).is_unsolicited(), "it was asked for one copy");
        }
    }

    #[test]
    fn a_block_wanted_again_after_a_reset_is_taken_from_a_late_peer() {
        let mut window = window();
        assert_eq!(window.request_blocks_up_to(&[1], 1, NOW).len(), 1);
        window.reset(0);
        assert!(window.add_pending(0));
        assert_eq!(window.on_block_received(0, 2, NOW), Delivery::Unrequested);
        assert_eq!(window.on_block_received(0, 1, NOW), Delivery::Late { attempts: 0 });
    }

    #[test]
    fn a_height_asked_three_times_of_one_peer_may_come_three_times() {
        let mut window = window();
        for round in 0..3 {
            let now = round * window.config().max_request_age;
            assert_eq!(window.request_blocks_up_to(&[1], 1, now).len(), 1);
            window.timeout_check(now + window.config().request_timeout);
        }
        assert_eq!(window.on_block_received(0, 1, NOW), Delivery::Late { attempts: 3 });
        assert_eq!(window.on_block_received(0, 1, NOW), Delivery::Redundant);
        assert_eq!(window.on_block_received(0, 1, NOW), Delivery::Redundant);
        assert_eq!(window.on_block_received(0, 1, NOW), Delivery::Duplicate);
    }
}
