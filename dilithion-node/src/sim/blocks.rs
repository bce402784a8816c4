//! The blocks of a run: real ones, whose id is a fast hash in place of RandomX.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use dilithion_pow::{CompactTarget, Work};
use dilithion_wire::{
    Amount, Block, BlockHash, BlockHeader, ChainParams, Encode, Height, MerkleRoot, OutPoint, Transaction,
    TxIn, TxOut,
};

use crate::random::mix;

/// Seconds between two blocks of a chain.
const SPACING: u32 = 240;
/// How many spacings after the genesis block a run starts: no chain of a run is longer, so none is from the future.
const LONGEST_CHAIN: u64 = 100_000;
/// The compact target of most blocks: one hash in four is below it.
pub const EASY_BITS: u32 = 0x203f_ffff;
/// Sixteen times the work of [`EASY_BITS`].
pub const HARD_BITS: u32 = 0x2003_ffff;
/// A quarter of the work of [`EASY_BITS`]: any hash but one in 256 will do.
pub const TRIVIAL_BITS: u32 = 0x20fe_ffff;

/// The id of a header in a simulation: well spread, quick, and worth nothing as proof.
#[must_use]
pub fn sim_hash(header: &[u8; BlockHeader::SIZE]) -> [u8; 32] {
    let mut lanes = [1_u64, 2, 3, 4];
    for (position, word) in header.chunks_exact(8).enumerate() {
        let word = word.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        let lane = position % lanes.len();
        lanes[lane] = mix(lanes[lane] ^ word);
    }
    let all = lanes.iter().fold(0, |sum, lane| mix(sum ^ lane));
    let mut hash = [0; 32];
    for (position, (out, lane)) in hash.chunks_exact_mut(8).zip(lanes).enumerate() {
        out.copy_from_slice(&mix(all ^ lane ^ position as u64).to_le_bytes());
    }
    hash
}

/// A map by block id. Ids are well spread as they are, and nobody in a simulation picks them to collide.
pub(super) type IdMap<T> = HashMap<BlockHash, T, BuildHasherDefault<IdHasher>>;

/// Takes eight bytes of an id for its hash.
#[derive(Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    /// Called for the length first, then for the bytes.
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }
}

/// Names a block of [`Blocks`].
pub type BlockIndex = u32;

/// One block.
#[derive(Debug)]
pub struct SimBlock {
    /// Its header.
    pub header: BlockHeader,
    /// Its id.
    pub hash: BlockHash,
    /// Its height.
    pub height: Height,
    /// Work from genesis to here.
    pub work: Work,
    /// The payload of its `block` message.
    pub payload: Bytes,
    /// Whether its body and those below obey the rules.
    pub valid: bool,
}

/// All blocks that anybody in a run has, and their ids.
#[derive(Debug)]
pub struct Blocks {
    params: Arc<ChainParams>,
    blocks: Vec<SimBlock>,
    by_hash: IdMap<BlockIndex>,
}

/// A chain from genesis to some tip; cheap to clone.
#[derive(Clone, Debug)]
pub struct Chain(Rc<Vec<BlockIndex>>);

impl Chain {
    /// Height of the tip.
    #[must_use]
    pub fn height(&self) -> Height {
        Height(u32::try_from(self.0.len().saturating_sub(1)).unwrap_or(u32::MAX))
    }

    /// The block at a height, if the chain is that long.
    #[must_use]
    pub fn at(&self, height: Height) -> Option<BlockIndex> {
        self.0.get(height.0 as usize).copied()
    }

    /// The tip.
    #[must_use]
    pub fn tip(&self) -> BlockIndex {
        self.0.last().copied().unwrap_or_default()
    }

    /// The part up to and with a height.
    #[must_use]
    pub fn up_to(&self, height: u32) -> Self {
        Self(Rc::new(self.0.iter().take(height as usize + 1).copied().collect()))
    }
}

/// How blocks are made.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Their compact target.
    pub bits: u32,
    /// Bytes of padding in each body.
    pub padding: usize,
    /// Whether the first of them claims too much subsidy.
    pub invalid: bool,
    /// Whether their ids miss their targets.
    pub worthless: bool,
}

impl Default for Recipe {
    fn default() -> Self {
        Self { bits: EASY_BITS, padding: 0, invalid: false, worthless: false }
    }
}

impl Blocks {
    /// The genesis block alone, of a network for simulations: regtest, with targets that are not enforced so that
    /// chains may differ in work.
    #[must_use]
    pub fn new() -> Self {
        let mut params = ChainParams::regtest();
        params.consensus.enforce_bits_above = None;
        params.consensus.halving_interval = u32::MAX;
        let block = params.genesis_block();
        let hash = BlockHash::from_bytes(sim_hash(&block.header.to_bytes()));
        params.genesis.hash = hash;
        let genesis = SimBlock {
            header: block.header,
            hash,
            height: Height::GENESIS,
            work: CompactTarget(block.header.bits).work(),
            payload: block.encode_to_vec().into(),
            valid: true,
        };
        Self { params: Arc::new(params), blocks: vec![genesis], by_hash: [(hash, 0)].into_iter().collect() }
    }

    /// The network.
    #[must_use]
    pub fn params(&self) -> &Arc<ChainParams> {
        &self.params
    }

    /// The wall clock at the start of a run.
    #[must_use]
    pub fn start_time(&self) -> u64 {
        u64::from(self.params.genesis.time) + LONGEST_CHAIN * u64::from(SPACING)
    }

    /// The chain of the genesis block alone.
    #[must_use]
    pub fn genesis(&self) -> Chain {
        Chain(Rc::new(vec![0]))
    }

    /// A block by its index.
    ///
    /// # Panics
    /// If the index is of another collection.
    #[must_use]
    pub fn get(&self, index: BlockIndex) -> &SimBlock {
        &self.blocks[index as usize]
    }

    /// A block by its id.
    #[must_use]
    pub fn find(&self, hash: &BlockHash) -> Option<&SimBlock> {
        self.by_hash.get(hash).map(|index| self.get(*index))
    }

    /// The block that a header begins.
    #[must_use]
    pub fn find_header(&self, header: &BlockHeader) -> Option<(BlockIndex, &SimBlock)> {
        let index = *self.by_hash.get(&BlockHash::from_bytes(sim_hash(&header.to_bytes())))?;
        Some((index, self.get(index)))
    }

    /// The index of a block.
    #[must_use]
    pub fn index(&self, hash: &BlockHash) -> Option<BlockIndex> {
        self.by_hash.get(hash).copied()
    }

    /// The tip of a chain.
    #[must_use]
    pub fn tip(&self, chain: &Chain) -> &SimBlock {
        self.get(chain.tip())
    }

    /// A chain with `count` more blocks. Chains that are extended with the same salt and recipe are the same.
    pub fn extend(&mut self, chain: &Chain, count: u32, salt: u64, recipe: Recipe) -> Chain {
        let mut indexes = chain.0.as_ref().clone();
        let mut parent = chain.tip();
        for position in 0..count {
            let recipe = Recipe { invalid: recipe.invalid && position == 0, ..recipe };
            parent = self.mine(parent, salt, recipe);
            indexes.push(parent);
        }
        Chain(Rc::new(indexes))
    }

    /// One more block on a known one.
    pub fn mine_on(&mut self, parent: &BlockHash, salt: u64, recipe: Recipe) -> Option<&SimBlock> {
        let parent = *self.by_hash.get(parent)?;
        let index = self.mine(parent, salt, recipe);
        Some(self.get(index))
    }

    fn mine(&mut self, parent: BlockIndex, salt: u64, recipe: Recipe) -> BlockIndex {
        let SimBlock { header, hash: prev_hash, height, work, valid, .. } = *self.get(parent);
        let height = height.next();
        let transactions = vec![self.coinbase(height, salt, recipe)];
        let header = BlockHeader {
            version: 1,
            prev_hash,
            merkle_root: MerkleRoot::ZERO,
            time: header.time + SPACING,
            bits: recipe.bits,
            nonce: 0,
        };
        let mut block = Block { header, vdf: None, transactions };
        block.header.merkle_root = block.merkle_root();
        let target = CompactTarget(recipe.bits).target();
        let hash = loop {
            let hash = sim_hash(&block.header.to_bytes());
            if target.is_met_by(&hash) != recipe.worthless {
                break BlockHash::from_bytes(hash);
            }
            block.header.nonce += 1;
        };
        if let Some(known) = self.by_hash.get(&hash) {
            return *known;
        }
        let index = BlockIndex::try_from(self.blocks.len()).unwrap_or(BlockIndex::MAX);
        self.blocks.push(SimBlock {
            header: block.header,
            hash,
            height,
            work: work.saturating_add(CompactTarget(recipe.bits).work()),
            payload: block.encode_to_vec().into(),
            valid: valid && !recipe.invalid && !recipe.worthless,
        });
        self.by_hash.insert(hash, index);
        index
    }

    fn coinbase(&self, height: Height, salt: u64, recipe: Recipe) -> Transaction {
        let script = [&height.0.to_le_bytes()[..], &salt.to_le_bytes()].concat();
        let input = TxIn { previous_output: OutPoint::NULL, script_sig: script.into(), sequence: u32::MAX };
        let subsidy = self.params.subsidy(height);
        let value = if recipe.invalid { Amount(subsidy.0 + 1) } else { subsidy };
        let script_pubkey = vec![0x51; 1 + recipe.padding].into();
        Transaction {
            version: 1,
            inputs: vec![input],
            outputs: vec![TxOut { value, script_pubkey }],
            lock_time: 0,
        }
    }
}

impl Default for Blocks {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_link_and_differ_by_salt_only() {
        let mut blocks = Blocks::new();
        let genesis = blocks.genesis();
        let one = blocks.extend(&genesis, 20, 1, Recipe::default());
        let again = blocks.extend(&genesis, 20, 1, Recipe::default());
        let other = blocks.extend(&one.up_to(10), 20, 2, Recipe::default());
        assert_eq!((one.tip(), one.height()), (again.tip(), Height(20)));
        assert_eq!(one.at(Height(10)), other.at(Height(10)));
        assert_ne!(one.at(Height(11)), other.at(Height(11)));
        for height in 1..=30 {
            let block = blocks.get(other.at(Height(height)).unwrap());
            let parent = blocks.get(other.at(Height(height - 1)).unwrap());
            assert_eq!((block.header.prev_hash, block.height), (parent.hash, Height(height)));
        }
    }

    #[test]
    fn work_counts_and_not_length() {
        let mut blocks = Blocks::new();
        let genesis = blocks.genesis();
        let long = blocks.extend(&genesis, 15, 1, Recipe::default());
        let heavy = blocks.extend(&genesis, 10, 2, Recipe { bits: HARD_BITS, ..Recipe::default() });
        assert!(blocks.tip(&heavy).work > blocks.tip(&long).work);
    }
}
