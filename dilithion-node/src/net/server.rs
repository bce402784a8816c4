//! Serves what a peer asks for from the store, no faster than the peer reads.

use std::sync::Arc;
use std::time::Duration;

use dilithion_chain::{ChainReader, StoreError};
use dilithion_wire::{
    BlockHash, BlockTxn, Command, CompactBlock, GetBlockTxn, Hash256, Inventory, InventoryKind, Message,
    Misbehaviour, RawMessage, Txid,
};
use tokio::sync::mpsc;

use super::ServeLimits;
use super::allowances::SharedAllowance;
use super::peer::{Peer, SendError};
use super::shared::Shared;

/// Requests of one peer that may wait; beyond it, its socket is not read.
pub(super) const REQUEST_QUEUE: usize = 8;
/// Shortest time between two answers to `mempool` (spec: wire §2, M).
const MEMPOOL_INTERVAL: Duration = Duration::from_secs(60);
/// Ids in one `inv` that answers `mempool` (spec: wire §2, M).
const MEMPOOL_PORTION: usize = 1000;
/// Ids of pending transactions that a peer is told of at once: what fits into one `inv` of the largest size. What pays
/// least may be missing.
const MAX_MEMPOOL_IDS: usize = 50_000;

/// Something that a peer wants from the store.
#[derive(Debug)]
pub(super) enum Request {
    /// Blocks and pending transactions: a `getdata`.
    Items(Vec<Inventory>),
    /// The ids of all pending transactions: a `mempool`.
    Mempool,
    /// Transactions of a block: a `getblocktxn`.
    BlockTransactions(GetBlockTxn),
    /// Our own wish: to announce a block as a compact block.
    Announcement(BlockHash),
}

/// Answers requests in order; unknown items are passed over, as the C++ nodes do.
pub(super) async fn serve(
    peer: Arc<Peer>,
    shared: Arc<Shared>,
    allowance: SharedAllowance,
    mut requests: mpsc::Receiver<Request>,
) {
    let mut server = Server { peer, shared, allowance, next_mempool: Duration::ZERO };
    while let Some(request) = requests.recv().await {
        server.peer.note_serving(true);
        let served = match request {
            Request::Items(items) => server.send_items(items).await,
            Request::Mempool => server.send_mempool().await,
            Request::BlockTransactions(request) => server.send_block_transactions(request).await,
            Request::Announcement(block) => server.announce(block).await,
        };
        match served {
            Ok(()) => {}
            Err(SendError::Closed | SendError::QueueFull) => return,
        }
        server.peer.note_serving(false);
    }
}

struct Server {
    peer: Arc<Peer>,
    shared: Arc<Shared>,
    allowance: SharedAllowance,
    next_mempool: Duration,
}

impl Server {
    async fn send_items(&self, items: Vec<Inventory>) -> Result<(), SendError> {
        for item in items {
            match item.kind {
                InventoryKind::Block => self.send_block(item.hash).await?,
                InventoryKind::Tx => self.send_transaction(item.hash).await?,
                InventoryKind::FilteredBlock | InventoryKind::CompactBlock | InventoryKind::Other(_) | _ => {}
            }
        }
        Ok(())
    }

    async fn send_block(&self, hash: Hash256) -> Result<(), SendError> {
        let hash = BlockHash::from(hash);
        let find = move |reader: &ChainReader| {
            let Some(payload) = reader.block_payload(&hash)? else { return Ok(None) };
            Ok(reader.header(&hash)?.map(|stored| (stored.height, payload)))
        };
        let Some((height, payload)) = self.look_up(find).await? else { return Ok(()) };
        self.wait_for_turn(|limits, now| limits.on_block(height, payload.len(), now)).await;
        self.peer.send_bulk(RawMessage { command: Command::BLOCK, payload }).await
    }

    /// Whoever asks by its id gets a pending transaction, announced to him or not; those of blocks are not looked for.
    async fn send_transaction(&self, hash: Hash256) -> Result<(), SendError> {
        let find = move |reader: &ChainReader| reader.pending(&Txid::from(hash));
        let Some(pending) = self.look_up(find).await? else { return Ok(()) };
        let raw = Message::Tx(pending.transaction).to_raw();
        self.wait_for_turn(|limits, now| limits.on_transaction(raw.payload.len(), now)).await;
        self.peer.send_bulk(raw).await
    }

    async fn send_block_transactions(&self, request: GetBlockTxn) -> Result<(), SendError> {
        let hash = request.block;
        let find = move |reader: &ChainReader| {
            let Some(block) = reader.block(&hash)? else { return Ok(None) };
            Ok(reader.header(&hash)?.map(|stored| (stored.height, block)))
        };
        let Some((height, block)) = self.look_up(find).await? else { return Ok(()) };
        // Whatever the answer, reading the block is what it costs us.
        self.wait_for_turn(|limits, now| limits.on_block(height, block.blob_len(), now)).await;
        match BlockTxn::answer(&block, &request) {
            Ok(answer) => self.peer.send_bulk(Message::BlockTxn(answer).to_raw()).await,
            Err(error) => {
                tracing::debug!("[P2P] Bad 'getblocktxn' from peer {}: {error}", self.peer.id);
                let misbehaviour = error.misbehaviour().unwrap_or(Misbehaviour::PositionOutOfRange);
                self.shared.punish(&self.peer, misbehaviour);
                Ok(())
            }
        }
    }

    /// Counts what is about to be sent, and waits as long as its limit says: requests behind it wait as well, and in the end
    /// the peer's socket.
    async fn wait_for_turn(&self, count: impl FnOnce(&mut ServeLimits, Duration) -> Duration) {
        let now = self.shared.clock.now().mono;
        let wait = count(&mut self.allowance.lock().serving, now);
        if !wait.is_zero() {
            tracing::debug!("[P2P] Peer {} is served in {} ms", self.peer.id, wait.as_millis());
            tokio::time::sleep(wait).await;
        }
    }

    async fn announce(&self, hash: BlockHash) -> Result<(), SendError> {
        let nonce = self.shared.random_nonce();
        let make = move |reader: &ChainReader| {
            Ok(reader.block(&hash)?.map(|block| CompactBlock::new(&block, nonce)))
        };
        match self.read(make).await?.flatten() {
            Some(compact) => self.peer.send_bulk(Message::CompactBlock(compact).to_raw()).await,
            // It was disconnected and pruned meanwhile; whoever holds our tip tells of the next.
            None => Ok(()),
        }
    }

    async fn send_mempool(&mut self) -> Result<(), SendError> {
        let now = self.shared.clock.now().mono;
        if now < self.next_mempool {
            return Ok(());
        }
        self.next_mempool = now.saturating_add(MEMPOOL_INTERVAL);
        let ids = |reader: &ChainReader| {
            reader
                .pending_transactions()
                .take(MAX_MEMPOOL_IDS)
                .map(|entry| entry.map(|entry| entry.txid))
                .collect()
        };
        let txids: Vec<Txid> = self.read(ids).await?.unwrap_or_default();
        for portion in txids.chunks(MEMPOOL_PORTION) {
            let items = portion.iter().copied().map(Inventory::tx).collect();
            self.peer.send_bulk(Message::Inv(items).to_raw()).await?;
        }
        Ok(())
    }

    /// Looks for something in the store, unless too much was looked for in vain.
    async fn look_up<T: Send + 'static>(
        &self,
        find: impl FnOnce(&ChainReader) -> Result<Option<T>, StoreError> + Send + 'static,
    ) -> Result<Option<T>, SendError> {
        let now = self.shared.clock.now().mono;
        if !self.allowance.lock().serving.may_look(now) {
            return Ok(None);
        }
        let found = self.read(find).await?.flatten();
        if found.is_none() {
            self.allowance.lock().serving.on_unknown(now);
        }
        Ok(found)
    }

    /// Reads the store; `None` if it fails.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ChainReader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, SendError> {
        let reader = self.shared.store.clone();
        // The read may fault pages in from disk: not on a network thread.
        match tokio::task::spawn_blocking(move || read(&reader)).await {
            Ok(Ok(found)) => Ok(Some(found)),
            // What was pruned is passed over like what we never had: our `version` says that we do not have all.
            Ok(Err(StoreError::Pruned { .. })) => Ok(None),
            Ok(Err(error)) => {
                tracing::error!("[P2P] Cannot read the store for peer {}: {error}", self.peer.id);
                Ok(None)
            }
            // The runtime is shutting down.
            Err(_) => Err(SendError::Closed),
        }
    }
}
