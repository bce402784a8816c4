//! The UTXO set: one record per unspent output.

use std::collections::BTreeMap;

use bytes::Bytes;
use dilithion_wire::{Amount, Height, OutPoint, TxOut, Txid};
use heed::RoTxn;

use super::record::Fields;
use super::tables::{CoinKey, Table, coin_key};
use crate::error::StoreError;

/// Bytes of a record before the script.
const FIXED_BYTES: usize = 8 + 4 + 1;

/// Bytes of a transaction's id, with which a key begins.
const TXID_BYTES: usize = 32;

/// An unspent output and where it came from (`Coin` of Bitcoin Core).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coin {
    /// Value and script.
    pub output: TxOut,
    /// Height of the block that created it.
    pub height: Height,
    /// Whether a coinbase transaction created it, so that it has to mature.
    pub coinbase: bool,
}

/// Coins by output, in the order of the UTXO digest.
pub(crate) type Coins = BTreeMap<CoinKey, Coin>;

/// Where validation looks up the outputs that a block spends: the state just before that block.
pub trait UtxoView {
    /// The unspent output, or `None` if it does not exist or is spent.
    fn coin(&self, outpoint: &OutPoint) -> Option<&Coin>;
}

impl UtxoView for Coins {
    fn coin(&self, outpoint: &OutPoint) -> Option<&Coin> {
        self.get(&coin_key(outpoint))
    }
}

impl Coin {
    /// The stored form: value, height, coinbase flag, script.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        let script = &self.output.script_pubkey;
        let mut record = Vec::with_capacity(FIXED_BYTES.saturating_add(script.len()));
        record.extend_from_slice(&self.output.value.0.to_be_bytes());
        record.extend_from_slice(&self.height.0.to_be_bytes());
        record.push(u8::from(self.coinbase));
        record.extend_from_slice(script);
        record
    }

    /// Reads the stored form.
    pub(crate) fn from_record(record: &[u8]) -> Result<Self, StoreError> {
        let mut fields = Fields::new("utxo", record);
        let value = Amount(fields.u64()?);
        let height = Height(fields.u32()?);
        let coinbase = fields.flag()?;
        let script_pubkey = Bytes::copy_from_slice(fields.rest());
        Ok(Self { output: TxOut { value, script_pubkey }, height, coinbase })
    }

    /// Appends the form that the UTXO digest is made of: txid, then little-endian index, value, height, coinbase
    /// flag, script length, and the script.
    pub(crate) fn write_digest_form(&self, key: &CoinKey, out: &mut Vec<u8>) {
        let (txid, index) = key.split_at(TXID_BYTES);
        let script = &self.output.script_pubkey;
        out.extend_from_slice(txid);
        out.extend(index.iter().rev());
        out.extend_from_slice(&self.output.value.0.to_le_bytes());
        out.extend_from_slice(&self.height.0.to_le_bytes());
        out.push(u8::from(self.coinbase));
        // A script longer than this cannot be in a message, let alone in the store.
        out.extend_from_slice(&u32::try_from(script.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(script);
    }
}

/// The output that a key stands for.
pub(crate) fn outpoint(key: &CoinKey) -> OutPoint {
    let (txid, index) = key.split_at(TXID_BYTES);
    let txid = txid.first_chunk().map_or(Txid::ZERO, |bytes| Txid::from_bytes(*bytes));
    OutPoint { txid, index: index.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes)) }
}

/// Looks up an unspent output.
pub(crate) fn get(table: Table, txn: &RoTxn, key: &CoinKey) -> Result<Option<Coin>, StoreError> {
    table.get(txn, key)?.map(Coin::from_record).transpose()
}

/// Walks the whole set in key order.
pub(crate) fn for_each(
    table: Table,
    txn: &RoTxn,
    mut visit: impl FnMut(&CoinKey, &Coin),
) -> Result<(), StoreError> {
    for entry in table.all(txn)? {
        let (key, record) = entry?;
        let key = key.try_into().map_err(|_| StoreError::BadRecord { table: "utxo" })?;
        visit(key, &Coin::from_record(record)?);
    }
    Ok(())
}
