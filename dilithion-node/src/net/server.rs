//! Serves a peer's `getdata` from the store, no faster than the peer reads.

use std::sync::Arc;

use dilithion_chain::StoreError;
use dilithion_wire::{BlockHash, Command, Inventory, InventoryKind, RawMessage};
use tokio::sync::mpsc;

use super::ServeLimits;
use super::peer::{Peer, SendError};
use super::shared::Shared;

/// `getdata` messages of one peer that may wait; beyond it, its socket is not read.
pub(super) const GETDATA_QUEUE: usize = 8;

/// Answers requests in order, one `block` per known item; unknown items are passed over, as the C++ nodes do.
pub(super) async fn serve(
    peer: Arc<Peer>,
    shared: Arc<Shared>,
    mut requests: mpsc::Receiver<Vec<Inventory>>,
) {
    let mut limits = ServeLimits::default();
    while let Some(items) = requests.recv().await {
        for item in items.into_iter().filter(|item| item.kind == InventoryKind::Block) {
            match send_block(&peer, &shared, &mut limits, BlockHash::from(item.hash)).await {
                Ok(()) => {}
                Err(SendError::Closed | SendError::QueueFull) => return,
            }
        }
    }
}

async fn send_block(
    peer: &Peer,
    shared: &Shared,
    limits: &mut ServeLimits,
    hash: BlockHash,
) -> Result<(), SendError> {
    let now = shared.clock.now().mono;
    if !limits.may_look(&hash, now) {
        return Ok(());
    }
    let reader = shared.store.clone();
    // The read may fault pages in from disk: not on a network thread.
    let payload = tokio::task::spawn_blocking(move || reader.block_payload(&hash)).await;
    match payload {
        Ok(Ok(Some(payload))) => {
            limits.on_served(hash, payload.len(), now);
            peer.send_bulk(RawMessage { command: Command::BLOCK, payload }).await
        }
        // What was pruned is passed over like what we never had: our `version` says that we do not have all.
        Ok(Ok(None) | Err(StoreError::Pruned { .. })) => {
            limits.on_unknown(now);
            Ok(())
        }
        Ok(Err(error)) => {
            tracing::error!("[P2P] Cannot read block {hash}: {error}");
            Ok(())
        }
        // The runtime is shutting down.
        Err(_) => Err(SendError::Closed),
    }
}
