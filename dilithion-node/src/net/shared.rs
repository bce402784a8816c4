//! What every connection can reach.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dilithion_chain::ChainReader;
use dilithion_wire::{BAN_SCORE, ChainParams, Height, Misbehaviour, Services};
use tokio::sync::Semaphore;

use super::address_book::AddressBook;
use super::allowances::{Allowances, SharedAllowance};
use super::peer::Peer;
use super::receive_budget::SharedReceiveBudget;
use super::{Bans, Host, NetConfig, Peers};
use crate::clock::Clock;
use crate::event::{Events, NodeEvent};
use crate::random::random_u64;
use crate::stage::EngineHandle;
use crate::sync::SyncMode;

/// What every connection can reach.
pub(super) struct Shared {
    pub(super) params: Arc<ChainParams>,
    pub(super) config: NetConfig,
    /// As the node was started.
    pub(super) mode: SyncMode,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) engine: EngineHandle,
    pub(super) store: ChainReader,
    pub(super) peers: Arc<Peers>,
    pub(super) bans: Bans,
    pub(super) book: AddressBook,
    pub(super) allowances: Mutex<Allowances>,
    pub(super) receive_budget: SharedReceiveBudget,
    /// One connection at a time searches the pending pool.
    pub(super) pool_search: Arc<Semaphore>,
    pub(super) tip_height: Arc<AtomicU32>,
    pub(super) events: Arc<dyn Events>,
}

impl Shared {
    pub(super) fn tip_height(&self) -> Height {
        Height(self.tip_height.load(Ordering::Relaxed))
    }

    /// What a host may do, for a connection that begins. Connections from this machine, where all share one address, have
    /// one each.
    pub(super) fn allowance(&self, host: Host) -> SharedAllowance {
        let now = self.clock.now().mono;
        let mut allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        if self.bans.is_local(host) { allowances.alone() } else { allowances.of(host, now) }
    }

    /// What we offer: all blocks, or the last ones, if others were pruned. A node that fetches headers only offers nothing, nor
    /// does a store that cannot be read.
    pub(super) fn services(&self) -> Services {
        if self.mode == SyncMode::Headers {
            return Services::NONE;
        }
        match self.store.lowest_body() {
            Ok(Height::GENESIS) => Services::NETWORK,
            Ok(_) => Services::NETWORK_LIMITED,
            Err(error) => {
                tracing::error!("[P2P] Cannot read the store: {error}");
                Services::default()
            }
        }
    }

    #[expect(
        clippy::unused_self,
        reason = "one place to ask for randomness, so that a simulation can own it"
    )]
    pub(super) fn random_nonce(&self) -> u64 {
        random_u64()
    }

    /// Scores a peer; at the limit its host is banned and its connections are closed, which is told.
    pub(super) fn punish(&self, peer: &Peer, misbehaviour: Misbehaviour) -> bool {
        let address = peer.address.ip();
        let score = self.bans.punish(peer.id, address, misbehaviour, self.clock.now());
        peer.note_score(score);
        let over = score >= BAN_SCORE;
        if over {
            let reason = format!("{misbehaviour} (score {score})");
            self.events.on(&NodeEvent::PeerBanned { peer: peer.id, address, reason });
            peer.disconnect();
            if self.bans.reason(peer.address.ip(), self.clock.now()).is_some() {
                self.peers.disconnect_host(peer.host());
            }
        }
        over
    }
}
