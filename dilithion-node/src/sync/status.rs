//! A snapshot of the sync, for people.

use std::fmt;
use std::time::Duration;

use dilithion_wire::{BlockHash, Height};

use super::IbdState;

/// Where the sync stands, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncStatus {
    /// The state.
    pub state: IbdState,
    /// How long it has been in this state.
    pub in_state: Duration,
    /// Height of the connected chain.
    pub chain_height: Height,
    /// Id of the connected chain's tip.
    pub chain_hash: BlockHash,
    /// Height of the best header chain, claims included.
    pub header_height: Height,
    /// Height up to which every header of the best chain is proved.
    pub ready_height: Height,
    /// Connected peers whose handshake is complete.
    pub peers: usize,
    /// Blocks scheduled and not requested.
    pub pending: usize,
    /// Blocks requested and not received.
    pub in_flight: usize,
    /// Blocks received that wait for their turn or for validation.
    pub received: usize,
    /// What the node waits for, in words.
    pub waiting_for: String,
}

impl fmt::Display for SyncStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: headers {} (proved {}), blocks {}, peers {}; {}",
            self.state,
            self.header_height,
            self.ready_height,
            self.chain_height,
            self.peers,
            self.waiting_for
        )
    }
}
