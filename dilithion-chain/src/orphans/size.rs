//! What a block takes in memory.

use std::time::Duration;

use dilithion_wire::{Block, BlockHash, Transaction, TxIn, TxOut};

use super::Entry;

/// About how many bytes of memory a block takes in a pool with peers `P`. A transaction of a few bytes takes many times
/// that once it is decoded, and a block without any still has its place in each index: bytes as they are sent would
/// let a peer fill the memory with what looks small.
pub(super) fn of<P>(block: &Block) -> usize {
    let scripts = block.encoded_len();
    let inputs: usize = block.transactions.iter().map(|tx| tx.inputs.len()).sum();
    let outputs: usize = block.transactions.iter().map(|tx| tx.outputs.len()).sum();
    let parts = [
        block.transactions.len().saturating_mul(size_of::<Transaction>()),
        inputs.saturating_mul(size_of::<TxIn>()),
        outputs.saturating_mul(size_of::<TxOut>()),
        // Its own record, and its records in the indices by parent, id, peer and expiry, and of what was sent.
        size_of::<(u64, Entry<P>)>(),
        size_of::<[(BlockHash, u64); 2]>(),
        size_of::<[(P, u64); 1]>(),
        size_of::<(Duration, u64)>(),
        size_of::<(P, BlockHash)>(),
    ];
    parts.into_iter().fold(scripts, usize::saturating_add)
}
