//! Blocks.

use bytes::{BufMut, Bytes};

use crate::compact_size::{CompactSize, EIGHT_BYTES, list_len, put_list};
use crate::encode::{Decode, DecodeError, Encode};
use crate::hash::{MerkleRoot, Txid};
use crate::header::BlockHeader;
use crate::limits::{Counted, Limits};
use crate::merkle::merkle_root;
use crate::reader::Reader;
use crate::transaction::Transaction;
use crate::vdf::{ExtendedHeader, VdfProof};

/// A block, in the layout of the `block` message, which is also how it is stored (spec: wire §2): header, byte length
/// of the transactions, their number, the transactions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Block {
    /// The header.
    pub header: BlockHeader,
    /// What follows the header where headers have 144 bytes; `None` on the networks of this workspace.
    pub vdf: Option<VdfProof>,
    /// The transactions, the coinbase first.
    pub transactions: Vec<Transaction>,
}

impl Block {
    /// The ids of the transactions, in their order.
    #[must_use]
    pub fn txids(&self) -> Vec<Txid> {
        self.transactions.iter().map(Transaction::txid).collect()
    }

    /// The merkle root that the header should have. Repeating the last transactions can leave it unchanged
    /// (CVE-2012-2459): whoever relies on it has to refuse blocks with a transaction twice.
    #[must_use]
    pub fn merkle_root(&self) -> MerkleRoot {
        merkle_root(&self.txids())
    }

    /// All of the header, whichever form it has.
    #[must_use]
    pub const fn extended_header(&self) -> ExtendedHeader {
        ExtendedHeader { header: self.header, vdf: self.vdf }
    }

    /// How many bytes the block takes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let blob = self.blob_len();
        self.extended_header().encoded_len() + CompactSize::of(blob).encoded_len() + blob
    }

    /// How many bytes the transactions and their number take: what the size rules are about (spec: consensus §7).
    #[must_use]
    pub fn blob_len(&self) -> usize {
        list_len(&self.transactions)
    }

    /// Reads the payload of a `block` message. As in all messages, what follows the block is ignored; use
    /// [`decode_exact`](Decode::decode_exact) where nothing may follow.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it is no block of the network with these limits.
    pub fn decode_payload(payload: Bytes, limits: &Limits) -> Result<Self, DecodeError> {
        Self::decode(&mut Reader::with_limits(payload, limits))
    }
}

impl Encode for Block {
    fn encode(&self, out: &mut impl BufMut) {
        self.extended_header().encode(out);
        CompactSize::of(self.blob_len()).encode(out);
        put_list(out, &self.transactions);
    }

    fn encoded_len(&self) -> usize {
        self.encoded_len()
    }
}

impl Decode for Block {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let ExtendedHeader { header, vdf } = ExtendedHeader::decode(reader)?;
        let CompactSize(bytes) = CompactSize::decode(reader)?;
        let max = reader.limits().max_blob_bytes;
        if bytes > max as u64 {
            return Err(DecodeError::OversizedBlock { bytes, max });
        }
        let mut blob = Reader::with_limits(reader.bytes("transactions", bytes)?, reader.limits());
        // The network refuses the longest form of the count, whatever it says (spec: consensus §6).
        if blob.peek() == Some(EIGHT_BYTES) {
            return Err(DecodeError::TransactionCount);
        }
        let transactions: Vec<Transaction> = blob.list(Counted::Transactions)?;
        if transactions.is_empty() {
            return Err(DecodeError::TransactionCount);
        }
        blob.finish()?;
        Ok(Self { header, vdf, transactions })
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    /// A header, the length of what follows it, and that.
    fn payload(blob: &[u8]) -> Bytes {
        let mut bytes = vec![0; BlockHeader::SIZE];
        CompactSize::of(blob.len()).encode(&mut bytes);
        bytes.extend_from_slice(blob);
        bytes.into()
    }

    fn decode(blob: &[u8]) -> Result<Block, DecodeError> {
        Block::decode_payload(payload(blob), &Limits::TESTNET)
    }

    /// The smallest transaction: nothing in, nothing out.
    const EMPTY_TX: [u8; 10] = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    fn blob(count: &[u8], transactions: usize) -> Vec<u8> {
        [count, &EMPTY_TX.repeat(transactions)].concat()
    }

    quickcheck! {
        fn round_trip(block: Block) -> bool {
            let bytes = block.encode_to_vec();
            bytes.len() == Encode::encoded_len(&block) && Block::decode_exact(bytes.into(), &Limits::MAINNET) == Ok(block)
        }
    }

    #[test]
    fn the_blob_ends_with_its_last_transaction() {
        assert_eq!(decode(&blob(&[2], 2)).unwrap().transactions.len(), 2);
        assert_eq!(decode(&blob(&[1], 2)), Err(DecodeError::TrailingBytes { left: 10 }));
        assert!(matches!(decode(&blob(&[3], 2)), Err(DecodeError::Unfounded { count: 3, .. })));
    }

    #[test]
    fn odd_numbers_of_transactions_are_refused() {
        assert_eq!(decode(&[0]), Err(DecodeError::TransactionCount));
        assert_eq!(decode(&blob(&[0xff, 1, 0, 0, 0, 0, 0, 0, 0], 1)), Err(DecodeError::TransactionCount));
        assert!(decode(&blob(&[0xfe, 1, 0, 0, 0], 1)).is_ok());
        assert!(matches!(
            decode(&[0xfe, 0xa1, 0x86, 1, 0]),
            Err(DecodeError::TooMany { what: Counted::Transactions, count: 100_001, .. })
        ));
    }

    #[test]
    fn an_oversized_blob_is_refused_by_its_length() {
        for (limits, max) in [(Limits::TESTNET, 1_000_000_u32), (Limits::MAINNET, 4_194_304)] {
            let claim = |bytes: u32| {
                let mut payload = vec![0; BlockHeader::SIZE];
                CompactSize(bytes.into()).encode(&mut payload);
                Block::decode_payload(payload.into(), &limits).unwrap_err()
            };
            assert!(matches!(claim(max), DecodeError::Truncated { field: "transactions", .. }));
            assert!(matches!(claim(max + 1), DecodeError::OversizedBlock { .. }));
        }
    }

    #[test]
    fn only_the_message_may_have_more_behind() {
        let mut bytes = payload(&blob(&[1], 1)).to_vec();
        bytes.push(0);
        assert!(Block::decode_payload(bytes.clone().into(), &Limits::TESTNET).is_ok());
        assert_eq!(
            Block::decode_exact(bytes.into(), &Limits::TESTNET),
            Err(DecodeError::TrailingBytes { left: 1 })
        );
    }
}
