//! A summary of the UTXO set that two nodes can compare.

use std::fmt;

use dilithion_wire::Amount;
use heed::RoTxn;
use sha3::{Digest, Sha3_256};

use crate::error::StoreError;
use crate::store::tables::Table;
use crate::store::utxo;

/// Size and digest of the UTXO set. Displayed as `COUNT TOTAL DIGEST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UtxoStats {
    /// Number of unspent outputs.
    pub count: u64,
    /// Their value.
    pub total: Amount,
    /// SHA3-256 over all of them in the order of txid bytes and index, each as: txid, index `u32`, value `u64`, height
    /// `u32`, coinbase `u8`, script length `u32`, script (integers little-endian).
    pub digest: [u8; 32],
}

impl fmt::Display for UtxoStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.count, self.total.0)?;
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads the whole set; the order of its keys is the order of the digest.
pub(crate) fn utxo_stats(table: Table, txn: &RoTxn) -> Result<UtxoStats, StoreError> {
    let mut hasher = Sha3_256::new();
    let (mut count, mut total) = (0_u64, 0_u64);
    let mut form = Vec::new();
    utxo::for_each(table, txn, |key, coin| {
        form.clear();
        coin.write_digest_form(key, &mut form);
        hasher.update(&form);
        count = count.saturating_add(1);
        total = total.saturating_add(coin.output.value.0);
    })?;
    Ok(UtxoStats { count, total: Amount(total), digest: hasher.finalize().into() })
}
