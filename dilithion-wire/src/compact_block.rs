//! Compact blocks: short ids, making a compact block, and putting a block together again (spec: wire §5.6).
//!
//! Like BIP 152, but SHA3-256 makes the key, a transaction goes by its txid, and positions are absolute.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::block::Block;
use crate::digest::sha3_256;
use crate::hash::Txid;
use crate::header::BlockHeader;
use crate::message::{CompactBlock, PrefilledTransaction, ShortId};
use crate::vdf::ExtendedHeader;

/// The version of compact blocks that this is, in `sendcmpct` (spec: wire §5.6).
pub const COMPACT_BLOCK_VERSION: u64 = 1;

/// What makes short ids out of txids. It is another for every compact block, so that nobody can prepare transactions
/// that cannot be told apart.
#[derive(Clone, Copy, Debug)]
pub struct ShortIdKey(SipHasher24);

impl ShortIdKey {
    /// For the compact block with this header and nonce. Only the first 80 bytes of a header count.
    #[must_use]
    pub fn new(header: &BlockHeader, nonce: u64) -> Self {
        let mut seed = [0; BlockHeader::SIZE + size_of::<u64>()];
        let (head, tail) = seed.split_at_mut(BlockHeader::SIZE);
        head.copy_from_slice(&header.to_bytes());
        tail.copy_from_slice(&nonce.to_le_bytes());
        let digest = sha3_256(&seed);
        // The hasher reads its 16 bytes as two little-endian numbers, which is what the protocol wants.
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Self(SipHasher24::new_with_key(&key))
    }

    /// The short id of a transaction: the low 48 bits of SipHash-2-4 of its id.
    #[must_use]
    pub fn short_id(&self, txid: &Txid) -> ShortId {
        let mut hasher = self.0;
        hasher.write(txid.as_bytes());
        let [a, b, c, d, e, f, ..] = hasher.finish().to_le_bytes();
        ShortId([a, b, c, d, e, f])
    }
}

impl CompactBlock {
    /// A block for peers that know most of its transactions: the coinbase is sent along, as all nodes do. Give each a
    /// `nonce` of its own, which nobody can guess.
    ///
    /// ```
    /// use dilithion_wire::{ChainParams, CompactBlock, Limits, PartialBlock};
    ///
    /// let block = ChainParams::testnet().genesis_block();
    /// let compact = CompactBlock::new(&block, 7);
    /// assert_eq!((compact.prefilled.len(), compact.short_ids.len()), (1, 0));
    /// let partial = PartialBlock::new(compact, [])?;
    /// assert_eq!(partial.finish([], &Limits::TESTNET)?, block);
    /// # Ok::<(), dilithion_wire::CompactBlockError>(())
    /// ```
    #[must_use]
    pub fn new(block: &Block, nonce: u64) -> Self {
        let key = ShortIdKey::new(&block.header, nonce);
        let mut transactions = block.transactions.iter();
        let coinbase = transactions.next();
        Self {
            header: block.header,
            vdf: block.vdf,
            nonce,
            prefilled: coinbase
                .map(|coinbase| PrefilledTransaction { position: 0, transaction: coinbase.clone() })
                .into_iter()
                .collect(),
            short_ids: transactions.map(|transaction| key.short_id(&transaction.txid())).collect(),
        }
    }

    /// All of the header, whichever form it has.
    #[must_use]
    pub const fn extended_header(&self) -> ExtendedHeader {
        ExtendedHeader { header: self.header, vdf: self.vdf }
    }

    /// Makes the short ids of this block.
    #[must_use]
    pub fn short_id_key(&self) -> ShortIdKey {
        ShortIdKey::new(&self.header, self.nonce)
    }

    /// How many transactions the block has.
    #[must_use]
    pub fn transaction_count(&self) -> usize {
        self.prefilled.len() + self.short_ids.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siphash_is_the_one_of_its_paper() {
        // Key 00..0f, message 00..0e (Aumasson, Bernstein: SipHash, appendix A).
        let mut hasher = SipHasher24::new_with_key(&std::array::from_fn(|i| u8::try_from(i).unwrap()));
        hasher.write(&(0..15).collect::<Vec<u8>>());
        assert_eq!(hasher.finish(), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn short_ids_depend_on_header_nonce_and_transaction() {
        let header = BlockHeader::from_bytes(&[1; 80]);
        let other = BlockHeader::from_bytes(&[2; 80]);
        let id = |header, nonce, txid| ShortIdKey::new(header, nonce).short_id(&Txid::from_bytes([txid; 32]));
        let one = id(&header, 1, 1);
        assert_eq!(one, id(&header, 1, 1));
        for different in [id(&other, 1, 1), id(&header, 2, 1), id(&header, 1, 2)] {
            assert_ne!(one, different);
        }
    }
}
