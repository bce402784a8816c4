//! Mines real blocks on regtest, where one RandomX hash in four is good enough.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use dilithion_node::node::randomx;
use dilithion_node::records::write_record;
use dilithion_pow::{CompactTarget, Hasher, MockHasher, PowMode};
use dilithion_wire::{
    Amount, Block, BlockHash, BlockHeader, ChainParams, Encode, Height, OutPoint, Transaction, TxIn, TxOut,
    sha3_256,
};

/// Seconds between two blocks.
const SPACING: u32 = 240;

/// A miner of regtest blocks.
pub struct Miner {
    pub params: Arc<ChainParams>,
    pub hasher: Arc<dyn Hasher>,
}

/// Real blocks, genesis included.
#[derive(Clone)]
pub struct Mined {
    pub blocks: Vec<Block>,
    pub tip: BlockHash,
}

/// RandomX takes a second to set up: once for all tests that do not mind sharing it.
static SHARED: LazyLock<Miner> = LazyLock::new(Miner::new);

impl Miner {
    pub fn shared() -> &'static Self {
        &SHARED
    }

    pub fn new() -> Self {
        let params = Arc::new(ChainParams::regtest());
        let hasher = randomx(&params, PowMode::Light, None).unwrap();
        Self { params, hasher }
    }

    /// A network like regtest whose ids are a fast hash, and whose coinbases can be spent in the next block.
    pub fn fast() -> Self {
        let hasher = MockHasher::new(sha3_256);
        let mut params = ChainParams::regtest();
        let id = hasher.worker().unwrap().hash(&params.genesis_header().to_bytes());
        params.genesis.hash = BlockHash::from_bytes(id);
        params.consensus.coinbase_maturity = 1;
        Self { params: Arc::new(params), hasher: Arc::new(hasher) }
    }

    pub fn genesis(&self) -> Mined {
        Mined { blocks: vec![self.params.genesis_block()], tip: self.params.genesis.hash }
    }

    /// A chain with `count` more blocks; `salt` tells branches apart.
    pub fn extend(&self, chain: &Mined, count: usize, salt: u8) -> Mined {
        (0..count).fold(chain.clone(), |chain, _| {
            let coinbase = self.coinbase(chain.next_height(), salt);
            self.extend_by(&chain, vec![coinbase])
        })
    }

    /// A chain with one more block, of about so many kilobytes.
    pub fn extend_by_large(&self, chain: &Mined, kilobytes: usize) -> Mined {
        let mut coinbase = self.coinbase(chain.next_height(), 0);
        let large = TxOut { value: Amount(1), script_pubkey: vec![0x51; 1000].into() };
        coinbase.outputs[0].value = Amount(1);
        coinbase.outputs.resize(kilobytes, large);
        self.extend_by(chain, vec![coinbase])
    }

    /// A chain with one more block, whose coinbase pays to a script, with some transactions.
    pub fn extend_with(&self, chain: &Mined, script: &Bytes, transactions: &[Transaction]) -> Mined {
        let mut coinbase = self.coinbase(chain.next_height(), 0);
        coinbase.outputs[0].script_pubkey = script.clone();
        self.extend_by(chain, [&[coinbase], transactions].concat())
    }

    fn extend_by(&self, chain: &Mined, transactions: Vec<Transaction>) -> Mined {
        let mut chain = chain.clone();
        let mut worker = self.hasher.worker().unwrap();
        let parent = chain.blocks.last().unwrap().header;
        let template = BlockHeader { prev_hash: chain.tip, time: parent.time + SPACING, nonce: 0, ..parent };
        let mut block = Block { header: template, vdf: None, transactions };
        block.header.merkle_root = block.merkle_root();
        let target = CompactTarget(block.header.bits).target();
        chain.tip = loop {
            let hash = worker.hash(&block.header.to_bytes());
            if target.is_met_by(&hash) {
                break BlockHash::from_bytes(hash);
            }
            block.header.nonce += 1;
        };
        chain.blocks.push(block);
        chain
    }

    fn coinbase(&self, height: Height, salt: u8) -> Transaction {
        let script = [&height.0.to_le_bytes()[..], &[salt]].concat();
        let input = TxIn { previous_output: OutPoint::NULL, script_sig: script.into(), sequence: u32::MAX };
        let output = TxOut { value: self.params.subsidy(height), script_pubkey: Bytes::from_static(&[0x51]) };
        Transaction { version: 1, inputs: vec![input], outputs: vec![output], lock_time: 0 }
    }
}

impl Mined {
    fn next_height(&self) -> Height {
        Height(self.height().0 + 1)
    }

    pub fn height(&self) -> Height {
        Height(u32::try_from(self.blocks.len() - 1).unwrap())
    }

    /// The chain as a file of records.
    pub fn records(&self) -> Vec<u8> {
        let mut file = Vec::new();
        for block in &self.blocks {
            write_record(&mut file, &block.encode_to_vec()).unwrap();
        }
        file
    }
}
