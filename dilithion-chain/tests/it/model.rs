//! The UTXO set as simply as possible, to compare the store with.

use std::collections::BTreeMap;

use dilithion_wire::{Amount, Block, OutPoint, Txid, sha3_256};

/// Txid and index.
type Output = ([u8; 32], u32);
/// Value, height, coinbase, script.
type Coin = (u64, u32, bool, Vec<u8>);

/// The unspent outputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Model {
    coins: BTreeMap<Output, Coin>,
}

impl Model {
    /// The set after a chain of blocks, genesis first.
    pub(crate) fn of<'a>(blocks: impl IntoIterator<Item = &'a Block>) -> Self {
        let mut model = Self::default();
        for (height, block) in (0..).zip(blocks) {
            model.connect(height, block);
        }
        model
    }

    /// Applies the next block.
    pub(crate) fn connect(&mut self, height: u32, block: &Block) {
        for (position, tx) in block.transactions.iter().enumerate() {
            if position > 0 {
                for input in &tx.inputs {
                    let spent = (input.previous_output.txid.to_bytes(), input.previous_output.index);
                    self.coins.remove(&spent).unwrap();
                }
            }
            for (index, output) in (0..).zip(&tx.outputs) {
                let coin = (output.value.0, height, position == 0, output.script_pubkey.to_vec());
                self.coins.insert((tx.txid().to_bytes(), index), coin);
            }
        }
    }

    /// The outputs and their values.
    pub(crate) fn unspent(&self) -> Vec<(OutPoint, Amount)> {
        let output = |(txid, index)| OutPoint { txid: Txid::from_bytes(txid), index };
        self.coins.iter().map(|(key, coin)| (output(*key), Amount(coin.0))).collect()
    }

    /// Height of an unspent output, whether a coinbase made it, and its value.
    pub(crate) fn coin(&self, outpoint: &OutPoint) -> Option<(u32, bool, Amount)> {
        let coin = self.coins.get(&(outpoint.txid.to_bytes(), outpoint.index))?;
        Some((coin.1, coin.2, Amount(coin.0)))
    }

    /// `COUNT TOTAL DIGEST`, as defined for the recorded chain.
    pub(crate) fn digest(&self) -> String {
        let mut bytes = Vec::new();
        for ((txid, index), (value, height, coinbase, script)) in &self.coins {
            bytes.extend_from_slice(txid);
            bytes.extend_from_slice(&index.to_le_bytes());
            bytes.extend_from_slice(&value.to_le_bytes());
            bytes.extend_from_slice(&height.to_le_bytes());
            bytes.push(u8::from(*coinbase));
            bytes.extend_from_slice(&u32::try_from(script.len()).unwrap().to_le_bytes());
            bytes.extend_from_slice(script);
        }
        let total: u64 = self.coins.values().map(|coin| coin.0).sum();
        let digest: String = sha3_256(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} {total} {digest}", self.coins.len())
    }
}
