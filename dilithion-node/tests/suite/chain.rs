//! Chains of headers whose id is a fast hash, for tests in which proof of work must cost nothing.

use std::rc::Rc;

use dilithion_wire::{
    BlockHash, BlockHeader, ChainParams, Height, MAX_HEADERS_PER_MESSAGE, MerkleRoot, sha3_256,
};

/// Easiest compact target: one hash in four meets it.
const BITS: u32 = 0x203f_ffff;
/// Seconds between two blocks.
const SPACING: u32 = 240;

/// The id of a header in these tests.
pub fn mock_hash(header: &[u8; BlockHeader::SIZE]) -> [u8; 32] {
    sha3_256(header)
}

/// A chain, genesis included.
#[derive(Clone, Debug)]
pub struct MockChain {
    pub params: Rc<ChainParams>,
    pub headers: Vec<BlockHeader>,
    pub ids: Vec<BlockHash>,
}

impl MockChain {
    /// A chain of `length` blocks on top of the genesis block; chains of different salts share only that.
    pub fn new(length: usize, salt: u8) -> Self {
        let mut params = ChainParams::regtest();
        let genesis = params.genesis_header();
        params.genesis.hash = BlockHash::from_bytes(mock_hash(&genesis.to_bytes()));
        let ids = vec![params.genesis.hash];
        Self { params: Rc::new(params), headers: vec![genesis], ids }.extend(length, salt)
    }

    /// This chain with more blocks on top.
    pub fn extend(&self, length: usize, salt: u8) -> Self {
        let mut longer = self.clone();
        for _ in 0..length {
            longer.mine(salt);
        }
        longer
    }

    fn mine(&mut self, salt: u8) {
        let parent = self.headers.last().expect("there is a genesis block");
        let mut header = BlockHeader {
            version: 1,
            prev_hash: *self.ids.last().expect("there is a genesis block"),
            merkle_root: MerkleRoot::from_bytes([salt; 32]),
            time: parent.time + SPACING,
            bits: BITS,
            nonce: 0,
        };
        let id = loop {
            let id = mock_hash(&header.to_bytes());
            if id[31] < 0x3f {
                break id;
            }
            header.nonce += 1;
        };
        self.headers.push(header);
        self.ids.push(BlockHash::from_bytes(id));
    }

    pub fn height(&self) -> Height {
        Height(u32::try_from(self.ids.len() - 1).unwrap())
    }

    pub fn tip(&self) -> BlockHash {
        *self.ids.last().unwrap()
    }

    /// What a node with this chain answers to `getheaders`.
    pub fn headers_after(&self, locator: &[BlockHash]) -> Vec<BlockHeader> {
        let known = locator.iter().find_map(|id| self.ids.iter().position(|mine| mine == id)).unwrap_or(0);
        self.headers[known + 1..].iter().take(MAX_HEADERS_PER_MESSAGE).copied().collect()
    }

    pub fn header_of(&self, id: &BlockHash) -> Option<BlockHeader> {
        self.ids.iter().position(|mine| mine == id).map(|height| self.headers[height])
    }
}
