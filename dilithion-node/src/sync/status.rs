//! A snapshot of the sync, for people.

use std::fmt;
use std::time::Duration;

use dilithion_wire::{BlockHash, Height};

use super::peers::HeadersExchange;
use super::progress::Heights;
use super::{Coordinator, IbdState, Rates, SyncMode};

/// Where the sync stands, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncStatus {
    /// The state.
    pub state: IbdState,
    /// How much is fetched.
    pub mode: SyncMode,
    /// Whether everything is here that the mode asks for.
    pub in_sync: bool,
    /// Whether the operator has paused the sync.
    pub paused: bool,
    /// How long it has been in this state.
    pub in_state: Duration,
    /// Height of the connected chain.
    pub chain_height: Height,
    /// Id of the connected chain's tip.
    pub chain_hash: BlockHash,
    /// Time of the tip's block, seconds since 1970.
    pub chain_time: Option<u32>,
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
    /// Blocks connected and headers proved a second, over the last half minute.
    pub rates: Rates,
    /// When the sync will be done at these rates; zero if it is, `None` if nothing moves or nobody knows.
    pub eta: Option<Duration>,
    /// What the node waits for, in words.
    pub waiting_for: String,
}

impl Coordinator {
    /// Where the sync stands.
    #[must_use]
    pub fn status(&self, now: Duration) -> SyncStatus {
        let (chain_height, chain_hash) = self.tip;
        let header_height = self.headers.best_height();
        let heights = self.heights();
        let rates = self.progress.rates(now, heights);
        let left = |height: Height| header_height.0.saturating_sub(height.0);
        SyncStatus {
            state: self.state,
            mode: self.mode,
            in_sync: self.is_in_sync(),
            paused: self.paused,
            in_state: now.saturating_sub(self.entered),
            chain_height,
            chain_hash,
            chain_time: self.headers.header(&chain_hash).map(|header| header.time),
            header_height,
            ready_height: heights.proved,
            peers: self.peers.len(),
            pending: self.window.pending_len(),
            in_flight: self.window.in_flight_len(),
            received: self.window.received_len(),
            rates,
            eta: match self.state {
                _ if self.is_in_sync() => Some(Duration::ZERO),
                IbdState::HeadersSync if self.mode == SyncMode::Headers => {
                    rates.time_for(0, left(heights.awaited))
                }
                IbdState::BlocksDownload | IbdState::BlocksValidate => {
                    rates.time_for(left(chain_height), left(heights.awaited))
                }
                IbdState::Idle
                | IbdState::Connecting
                | IbdState::HeadersSync
                | IbdState::Complete
                | IbdState::Error => None,
            },
            waiting_for: self.waiting_for(),
        }
    }

    /// How far the node is.
    pub(super) fn heights(&self) -> Heights {
        let proved = self.headers.ready_height();
        Heights { connected: self.tip.0, proved, awaited: self.proofs_awaited_above() }
    }

    fn waiting_for(&self) -> String {
        match self.state {
            IbdState::Error => self.failure.as_ref().map(ToString::to_string).unwrap_or_default(),
            _ if self.paused => "paused by the operator".to_owned(),
            IbdState::Complete => "in sync".to_owned(),
            _ if self.peers.is_empty() => "waiting for a peer".to_owned(),
            IbdState::Idle if self.is_in_sync() => "headers are in sync; blocks wait for an order".to_owned(),
            IbdState::Idle | IbdState::Connecting => "no peer is ahead of us".to_owned(),
            IbdState::HeadersSync => self.waiting_for_headers(),
            IbdState::BlocksDownload | IbdState::BlocksValidate => self.waiting_for_blocks(),
        }
    }

    fn waiting_for_headers(&self) -> String {
        match self.peers.iter().find(|(_, peer)| peer.headers != HeadersExchange::Quiet) {
            Some((id, peer)) if peer.headers == HeadersExchange::Proving => {
                format!("waiting for the hashes that decide about the headers of peer {id}")
            }
            Some((id, _)) => format!("waiting for headers from peer {id}"),
            None if !self.headers.has_minimum_work() => {
                "waiting for a chain with the minimum of work".to_owned()
            }
            None if self.mode == SyncMode::Headers && !self.headers_are_proved() => {
                format!("proving headers: {} of {}", self.headers.ready_height(), self.headers.best_height())
            }
            None => "waiting for a peer that has headers".to_owned(),
        }
    }

    fn waiting_for_blocks(&self) -> String {
        let next = self.tip.0.next();
        if self.disconnecting {
            "disconnecting blocks of a chain that was left".to_owned()
        } else if self.bodies.is_validating(next) {
            format!("validating block {next}")
        } else if self.bodies.is_waiting(next) {
            format!("waiting for the proof of work of header {next}")
        } else {
            self.window.stats().to_string()
        }
    }
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
