//! A chainstate in memory: the same validation as on disk, and what a restart would find.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use dilithion_chain::validate::{Context, validate_block};
use dilithion_chain::{
    Candidate, Coin, ConnectOutcome, Connected, Rejected, StoreError, StoredHeader, UtxoView,
};
use dilithion_wire::{Block, BlockHash, ChainParams, Encode, Height, OutPoint};

use super::blocks::IdMap;
use crate::stage::BlockStore;

/// The blocks of a simulation spend nothing.
struct NoCoins;

impl UtxoView for NoCoins {
    fn coin(&self, _: &OutPoint) -> Option<&Coin> {
        None
    }
}

/// A [`BlockStore`] that lives as long as a run.
#[derive(Debug)]
pub struct MemoryStore {
    params: Arc<ChainParams>,
    /// The connected chain, by height.
    chain: Vec<BlockHash>,
    /// Stored headers, parents first.
    headers: Vec<StoredHeader>,
    /// The block of each header, if it is stored, connected or not.
    bodies: Vec<Option<Block>>,
    positions: IdMap<usize>,
    /// Blocks that the operator refuses.
    revoked: BTreeSet<BlockHash>,
}

impl MemoryStore {
    /// The genesis block alone.
    #[must_use]
    pub fn new(params: Arc<ChainParams>) -> Self {
        let hash = params.genesis.hash;
        let header =
            StoredHeader { header: params.genesis_header(), hash, height: Height::GENESIS, verified: true };
        Self {
            chain: vec![hash],
            bodies: vec![Some(params.genesis_block())],
            headers: vec![header],
            positions: [(hash, 0)].into_iter().collect(),
            revoked: BTreeSet::new(),
            params,
        }
    }

    /// The stored headers, parents first.
    #[must_use]
    pub fn headers(&self) -> &[StoredHeader] {
        &self.headers
    }

    /// The blocks that the operator refuses.
    pub fn revoked(&self) -> impl Iterator<Item = BlockHash> {
        self.revoked.iter().copied()
    }

    /// The block at a height of the connected chain.
    #[must_use]
    pub fn hash_at(&self, height: Height) -> Option<BlockHash> {
        self.chain.get(height.0 as usize).copied()
    }

    /// Whether the body of a block is stored.
    #[must_use]
    pub fn has_body(&self, hash: &BlockHash) -> bool {
        self.block(hash).is_some()
    }

    /// Blocks beside the connected chain whose bodies are stored and whose ids are proved, parents first.
    pub(super) fn stored_beside_chain(&self) -> impl Iterator<Item = BlockHash> {
        let stored = self.headers.iter().zip(&self.bodies).filter(|(_, body)| body.is_some());
        let beside = stored.filter(|(header, _)| self.hash_at(header.height) != Some(header.hash));
        beside.filter(|(header, _)| header.verified).map(|(header, _)| header.hash)
    }

    fn block(&self, hash: &BlockHash) -> Option<&Block> {
        self.bodies.get(*self.positions.get(hash)?)?.as_ref()
    }

    fn keep(&mut self, header: StoredHeader, body: Option<Block>) {
        let position = *self.positions.entry(header.hash).or_insert(self.headers.len());
        match (self.headers.get_mut(position), self.bodies.get_mut(position)) {
            (Some(known), Some(stored)) => {
                known.verified |= header.verified;
                *stored = body.or_else(|| stored.take());
            }
            _ => {
                self.headers.push(header);
                self.bodies.push(body);
            }
        }
    }
}

impl BlockStore for MemoryStore {
    fn tip(&self) -> (Height, BlockHash) {
        let height = u32::try_from(self.chain.len().saturating_sub(1)).unwrap_or(u32::MAX);
        (Height(height), self.chain.last().copied().unwrap_or_default())
    }

    fn connect(&mut self, blocks: Vec<Candidate>) -> Result<ConnectOutcome, StoreError> {
        let mut outcome = ConnectOutcome::default();
        for candidate in blocks {
            let (tip, parent) = self.tip();
            let (height, hash) = (tip.next(), candidate.hash);
            let policy = self.params.policy;
            let context = Context { params: &self.params, policy, height, parent };
            if let Err(error) = validate_block(&candidate, &NoCoins, &context, None) {
                outcome.failure = Some(Rejected { height, hash, error });
                break;
            }
            self.chain.push(hash);
            let Candidate { verified, block, .. } = candidate;
            self.keep(StoredHeader { header: block.header, hash, height, verified }, Some(block));
            outcome.connected.push(Connected { height, hash });
        }
        Ok(outcome)
    }

    fn disconnect_to(&mut self, height: Height) -> Result<Vec<(Height, BlockHash)>, StoreError> {
        let first = (height.0 as usize + 1).min(self.chain.len());
        Ok((height.0 + 1..).map(Height).zip(self.chain.split_off(first)).collect())
    }

    fn body(&self, hash: &BlockHash) -> Result<Option<Bytes>, StoreError> {
        Ok(self.block(hash).map(|block| block.encode_to_vec().into()))
    }

    fn revoke(&mut self, hash: BlockHash) -> Result<(), StoreError> {
        self.revoked.insert(hash);
        Ok(())
    }

    fn reinstate(&mut self, hashes: &[BlockHash]) -> Result<(), StoreError> {
        self.revoked.retain(|hash| !hashes.contains(hash));
        Ok(())
    }

    fn store_headers(&mut self, headers: &[StoredHeader]) -> Result<(), StoreError> {
        for header in headers {
            let parent = header.header.prev_hash;
            if !self.positions.contains_key(&parent) {
                return Err(StoreError::UnknownParent { hash: header.hash, parent });
            }
            self.keep(*header, None);
        }
        Ok(())
    }

    fn forget_header(&mut self, hash: BlockHash) -> Result<(), StoreError> {
        let Some(position) = self.positions.get(&hash) else { return Ok(()) };
        let height = self.headers.get(*position).map_or(Height::GENESIS, |header| header.height);
        if self.hash_at(height) == Some(hash) {
            return Err(StoreError::OnActiveChain { hash, height });
        }
        let mut gone = BTreeSet::from([hash]);
        let bodies = std::mem::take(&mut self.bodies);
        for (header, body) in std::mem::take(&mut self.headers).into_iter().zip(bodies) {
            if gone.contains(&header.hash) || gone.contains(&header.header.prev_hash) {
                gone.insert(header.hash);
            } else {
                self.headers.push(header);
                self.bodies.push(body);
            }
        }
        self.positions = (0..).zip(&self.headers).map(|(position, header)| (header.hash, position)).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::blocks::{Blocks, Recipe};

    fn candidate(blocks: &Blocks, index: u32) -> Candidate {
        let block = blocks.get(index);
        let limits = blocks.params().limits;
        Candidate {
            hash: block.hash,
            verified: true,
            block: Block::decode_payload(block.payload.clone(), &limits).unwrap(),
        }
    }

    #[test]
    fn blocks_are_validated_in_earnest() {
        let mut blocks = Blocks::new();
        let chain = blocks.extend(&blocks.genesis(), 3, 1, Recipe::default());
        let bad = blocks.extend(&chain, 1, 1, Recipe { invalid: true, ..Recipe::default() });
        let mut store = MemoryStore::new(Arc::clone(blocks.params()));
        let all: Vec<Candidate> =
            (1..=4).map(|height| candidate(&blocks, bad.at(Height(height)).unwrap())).collect();
        assert!(store.connect(all[1..].to_vec()).unwrap().failure.is_some(), "the parent is missing");
        let outcome = store.connect(all.clone()).unwrap();
        assert_eq!(outcome.connected.len(), 3);
        assert_eq!(outcome.failure.unwrap().error.reject_reason(), "bad-cb-amount");
        assert_eq!(store.disconnect_to(Height(1)).unwrap().len(), 2);
        assert!(store.has_body(&all[2].hash), "bodies stay");
        store.forget_header(all[1].hash).unwrap();
        assert_eq!(store.headers().len(), 2, "with its descendants");
    }
}
