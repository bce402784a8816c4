//! Undo records: what a block took out of the UTXO set, by spending or by overwriting.
//!
//! Layout: count, then per output txid, index, value, height, coinbase flag, script length, script (integers
//! big-endian), then the SHA3-256 of all that (spec: consensus §10 describes the same idea in the reference node).
//! Outputs that the block created and spent itself are not in it: they existed neither before nor after.

use bytes::Bytes;
use dilithion_wire::{Amount, Height, TxOut, sha3_256};

use super::record::Fields;
use super::tables::CoinKey;
use super::utxo::{Coin, Coins};
use crate::error::StoreError;

/// Bytes of the checksum at the end.
const CHECKSUM_BYTES: usize = 32;
/// Name of the table, for errors.
const TABLE: &str = "undo";

/// Why an undo record cannot be used.
#[derive(Debug)]
pub(crate) enum UndoFault {
    /// The checksum at its end is not that of its contents.
    Checksum,
    /// The contents do not follow the layout.
    Layout,
}

/// The record for these outputs, all taken from the state before the block.
pub(crate) fn encode(removed: &Coins) -> Vec<u8> {
    let mut record = Vec::new();
    record.extend_from_slice(&length(removed.len()));
    for (key, coin) in removed {
        record.extend_from_slice(key);
        record.extend_from_slice(&coin.output.value.0.to_be_bytes());
        record.extend_from_slice(&coin.height.0.to_be_bytes());
        record.push(u8::from(coin.coinbase));
        record.extend_from_slice(&length(coin.output.script_pubkey.len()));
        record.extend_from_slice(&coin.output.script_pubkey);
    }
    let checksum = sha3_256(&record);
    record.extend_from_slice(&checksum);
    record
}

/// The outputs in a record, once its checksum is found right.
pub(crate) fn decode(record: &[u8]) -> Result<Coins, UndoFault> {
    let (contents, checksum) = record.split_last_chunk::<CHECKSUM_BYTES>().ok_or(UndoFault::Layout)?;
    if sha3_256(contents) != *checksum {
        return Err(UndoFault::Checksum);
    }
    decode_contents(contents).map_err(|_| UndoFault::Layout)
}

fn decode_contents(contents: &[u8]) -> Result<Coins, StoreError> {
    let mut fields = Fields::new(TABLE, contents);
    let mut removed = Coins::new();
    for _ in 0..fields.u32()? {
        let key: CoinKey = fields.array()?;
        let value = Amount(fields.u64()?);
        let height = Height(fields.u32()?);
        let coinbase = fields.flag()?;
        let script_len = usize::try_from(fields.u32()?).unwrap_or(usize::MAX);
        let script_pubkey = Bytes::copy_from_slice(fields.bytes(script_len)?);
        removed.insert(key, Coin { output: TxOut { value, script_pubkey }, height, coinbase });
    }
    fields.finish()?;
    Ok(removed)
}

/// A count or length; blocks are bounded far below what a `u32` holds.
fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes()
}
