//! Compact blocks that peers send unasked.
//!
//! Nobody is asked for them: new blocks are announced to us by their headers, and asked for once those are proved. A peer
//! that sends one all the same saves us the block, if we have all its transactions. If not, it is no more than its header:
//! to ask for the rest takes the block's id, which takes a RandomX hash, and by then the block can be asked for whole.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use dilithion_chain::{ChainReader, StoreError};
use dilithion_wire::{Block, CompactBlock, CompactBlockError, Encode, Limits, PartialBlock, Txid};

use super::connection::{Connection, Ended};
use crate::sync::Event;

/// Transactions that one may have, so that looking for them costs little. A fuller one is no more than its header.
const MAX_LOOKED_FOR: usize = 2000;

impl Connection {
    pub(super) async fn on_compact_block(&self, compact: CompactBlock, bytes: usize) -> Result<(), Ended> {
        let peer = self.peer.id;
        if compact.vdf.is_some() {
            return Ok(());
        }
        let header = compact.header;
        let (reader, limits) = (self.shared.store.clone(), self.shared.params.limits);
        // Anybody can make up compact blocks: one at a time is looked at, others are no more than their headers.
        let Ok(_turn) = Arc::clone(&self.shared.pool_search).try_acquire_owned() else {
            return self.forward(Event::Headers { peer, headers: vec![header] }, bytes).await;
        };
        // Reading the pool takes a while: not on a network thread.
        let completed = tokio::task::spawn_blocking(move || complete(compact, &reader, &limits)).await;
        match completed.map_err(|_| Ended::Local)? {
            Ok(Some(block)) => {
                let payload: Bytes = block.encode_to_vec().into();
                let bytes = payload.len();
                self.forward(Event::Block { peer, header, payload }, bytes).await
            }
            Ok(None) => self.forward(Event::Headers { peer, headers: vec![header] }, bytes).await,
            Err(Incomplete::Malformed(error)) => match error.misbehaviour() {
                Some(misbehaviour) => self.punish(misbehaviour),
                None => self.forward(Event::Headers { peer, headers: vec![header] }, bytes).await,
            },
            Err(Incomplete::Store(error)) => {
                tracing::error!("[P2P] Cannot read the store for peer {peer}: {error}");
                Ok(())
            }
        }
    }
}

/// Why a compact block does not become a block.
enum Incomplete {
    Malformed(CompactBlockError),
    Store(StoreError),
}

/// The block, if it builds on the tip and all its transactions are pending.
fn complete(
    compact: CompactBlock,
    reader: &ChainReader,
    limits: &Limits,
) -> Result<Option<Block>, Incomplete> {
    let next = reader.tip().map_err(Incomplete::Store)?.hash == compact.header.prev_hash;
    if !next || compact.short_ids.len() > MAX_LOOKED_FOR {
        return Ok(None);
    }
    let mut known = Vec::new();
    if !compact.short_ids.is_empty() {
        let (key, wanted): (_, HashSet<_>) = (compact.short_id_key(), compact.short_ids.iter().collect());
        for entry in reader.pending_transactions() {
            let entry = entry.map_err(Incomplete::Store)?;
            if wanted.contains(&key.short_id(&entry.txid)) {
                known.push(entry);
            }
        }
    }
    let known = known.iter().map(|entry| -> (Txid, _) { (entry.txid, &entry.transaction) });
    let partial = PartialBlock::new(compact, known).map_err(Incomplete::Malformed)?;
    if partial.missing().next().is_some() {
        return Ok(None);
    }
    partial.finish([], limits).map(Some).map_err(Incomplete::Malformed)
}
