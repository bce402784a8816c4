//! What a block is to be, before somebody mines it.

use bytes::Bytes;
use dilithion_pow::{CompactTarget, Target};
use dilithion_wire::{
    Amount, Block, BlockHash, BlockHeader, ChainParams, Height, MerkleRoot, OutPoint, Transaction, TxIn,
    TxOut,
};

use super::key::{KeyError, MinerKey};
use super::script::{Claim, greeting};
use crate::dfmp::{Multiplier, Standing, multiplier};
use crate::mik::SignedBlock;
use crate::validate::dev_fund_outputs;
use crate::validate::script::pay_to_key_hash;

/// A block to be made. Its fields can be changed before it is.
#[derive(Debug, Clone)]
pub struct BlockPlan<'a> {
    /// The network.
    pub params: &'a ChainParams,
    /// The block below.
    pub parent: BlockHash,
    /// Height of the block.
    pub height: Height,
    /// Time of the block, in seconds since 1970.
    pub time: u32,
    /// Compact target. It is that of the genesis block unless set: what it has to be, the headers say.
    pub bits: u32,
    /// Fees of the transactions; none unless set.
    pub fees: Amount,
    /// What follows the coinbase; nothing unless set.
    pub transactions: Vec<Transaction>,
    /// Whom the coinbase pays first; the miner's key unless set.
    pub payout: Option<Bytes>,
    /// Outputs of the coinbase behind those that pay somebody; none unless set. What they are worth is not taken from the
    /// miner's.
    pub outputs: Vec<TxOut>,
}

impl<'a> BlockPlan<'a> {
    /// A block on top of another.
    #[must_use]
    pub const fn on(params: &'a ChainParams, parent: BlockHash, height: Height, time: u32) -> Self {
        let (bits, fees) = (params.genesis.bits, Amount::ZERO);
        let transactions = Vec::new();
        Self { params, parent, height, time, bits, fees, transactions, payout: None, outputs: Vec::new() }
    }

    /// By what factor the target is harder if a miner of this standing makes the block. Up to the assume-valid height
    /// nobody has a handicap, as nothing is checked there but the header's own target (spec: consensus §13.4).
    #[must_use]
    pub fn multiplier(&self, standing: &Standing) -> Multiplier {
        match &self.params.mik {
            Some(rules) if self.height > rules.assume_valid_height => {
                multiplier(standing, self.height, rules)
            }
            _ => Multiplier::ONE,
        }
    }

    /// What the id of the block has to be below then.
    #[must_use]
    pub fn target(&self, standing: &Standing) -> Target {
        self.multiplier(standing).apply(CompactTarget(self.bits).target())
    }

    /// The block that a miner makes of it, signed for its time. It lacks the proof of work.
    ///
    /// # Errors
    /// [`KeyError::Signing`].
    pub fn mined_by(&self, key: &MinerKey, claim: &Claim) -> Result<Block, KeyError> {
        self.signed_at(key, claim, self.time)
    }

    /// The same, signed for another time: the network accepts what was signed a little before.
    ///
    /// # Errors
    /// [`KeyError::Signing`].
    pub fn signed_at(&self, key: &MinerKey, claim: &Claim, time: u32) -> Result<Block, KeyError> {
        let signed = SignedBlock { parent: self.parent, height: self.height, identity: key.identity() };
        let signature = key.sign(&signed.message(time))?;
        let payout = self.payout.clone().unwrap_or_else(|| key.script_pubkey());
        Ok(self.with_coinbase(claim.script(self.height, key, &signature), payout))
    }

    /// The block without a miner's identity, which pays the first output to a script.
    #[must_use]
    pub fn anonymous(&self, payout: Bytes) -> Block {
        self.with_coinbase(greeting(self.height), self.payout.clone().unwrap_or(payout))
    }

    /// Puts the block together: the miner takes what the development leaves of subsidy and fees.
    fn with_coinbase(&self, script: Vec<u8>, payout: Bytes) -> Block {
        let input = TxIn { previous_output: OutPoint::NULL, script_sig: script.into(), sequence: u32::MAX };
        let total = self.params.subsidy(self.height).checked_add(self.fees).unwrap_or(Amount::MAX_MONEY);
        let mut own = TxOut { value: total, script_pubkey: payout };
        let mut funds = Vec::new();
        for (payee, value) in dev_fund_outputs(self.params, self.height).into_iter().flatten() {
            own.value = own.value.checked_sub(value).unwrap_or(Amount::ZERO);
            funds.push(TxOut { value, script_pubkey: pay_to_key_hash(&payee) });
        }
        let outputs = std::iter::once(own).chain(funds).chain(self.outputs.iter().cloned()).collect();
        let mut transactions = vec![Transaction { version: 1, inputs: vec![input], outputs, lock_time: 0 }];
        transactions.extend(self.transactions.iter().cloned());
        let mut block = Block {
            header: BlockHeader {
                version: 1,
                prev_hash: self.parent,
                merkle_root: MerkleRoot::ZERO,
                time: self.time,
                bits: self.bits,
                nonce: 0,
            },
            vdf: None,
            transactions,
        };
        block.header.merkle_root = block.merkle_root();
        block
    }
}
