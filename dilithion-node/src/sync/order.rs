//! What the operator may tell the coordinator.

use super::{Coordinator, SyncMode};

/// Something that the operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Ask for no more headers and blocks. What is on its way is taken in, and validated.
    Pause,
    /// Go on.
    Resume,
    /// Ask every peer for headers now, also those that had none the last time. A node that fetches headers only fetches
    /// blocks from now on, too.
    SyncNow,
}

impl Coordinator {
    pub(super) fn on_order(&mut self, order: Order) {
        match order {
            Order::Pause => self.paused = true,
            Order::Resume => self.paused = false,
            Order::SyncNow => {
                self.mode = SyncMode::Full;
                for peer in self.peers.values_mut() {
                    peer.exhausted = false;
                    peer.hinted = true;
                }
            }
        }
    }
}
